//! The delays of a wireless link, as a fixed trace.

use std::time::Duration;

use super::super::rng::Pcg32;

/// Length of [`wifi_trace`].
pub const WIFI_TRACE: Duration = Duration::from_secs(600);
/// From when to when other traffic loads the link of [`wifi_trace`], after its start.
pub const WIFI_LOADED: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(480)];

/// Ten minutes of a wireless link, a delay a packet of `ptime`, for [`Jitter::Trace`]: up to 3 ms
/// each, and while it is loaded 140 ms every 1 to 2 s, sinking back over 10 to 140 ms.
///
/// The same for the same `ptime`, and the same spikes for any.
///
/// [`Jitter::Trace`]: super::Jitter::Trace
pub fn wifi_trace(ptime: Duration) -> Vec<Duration> {
    let ms = |n: u32| Duration::from_millis(u64::from(n));
    let mut small = Pcg32::derive(SEED, 1);
    let mut large = Pcg32::derive(SEED, 2);
    let mut between = |from: u32, to: u32| ms(from + large.next_u32() % (to - from + 1));
    let mut spike = (WIFI_LOADED[0] + between(0, 1_000), ms(140));
    let packets = WIFI_TRACE.as_nanos() / ptime.as_nanos().max(1);
    let packets = u32::try_from(packets).unwrap_or(u32::MAX);
    let mut delays = Vec::with_capacity(packets as usize);
    for n in 0..packets {
        let now = ptime * n;
        let mut delay = Duration::from_nanos(u64::from(small.next_u32() % 3_000_000));
        if now >= spike.0 + spike.1 {
            spike = (spike.0 + between(1_000, 2_000), between(10, 140));
        }
        if now >= spike.0 && spike.0 < WIFI_LOADED[1] {
            let left = (spike.0 + spike.1).saturating_sub(now);
            let spike = HEIGHT.mul_f64(left.as_secs_f64() / spike.1.as_secs_f64());
            delay = delay.max(spike);
        }
        delays.push(delay);
    }
    delays
}

const SEED: u64 = 0x51F1;
const HEIGHT: Duration = Duration::from_millis(140);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_is_loaded_when_it_says_so() {
        let ptime = Duration::from_millis(5);
        let delays = wifi_trace(ptime);
        assert_eq!(delays.len(), 120_000);
        let at = |t: Duration| (t.as_millis() / ptime.as_millis()) as usize;
        let (from, to) = (at(WIFI_LOADED[0]), at(WIFI_LOADED[1]));
        let idle = delays[..from].iter().chain(&delays[to + 28..]);
        assert!(idle.max().is_some_and(|d| *d < Duration::from_millis(3)));
        for two_seconds in delays[from..to].chunks_exact(at(Duration::from_secs(2))) {
            let most = two_seconds.iter().max();
            assert!(
                most.is_some_and(|d| (90..=140).contains(&d.as_millis())),
                "{most:?}"
            );
        }
        assert_eq!(delays, wifi_trace(ptime));
    }
}
