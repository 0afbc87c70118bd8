//! Where the time goes between a sound and its being heard.

use std::fmt;
use std::time::Duration;

/// The stages a frame passes, and how long it stays in each. `None`: not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LatencyLedger {
    /// From the microphone to the sender's program: the capture device's buffers.
    pub capture: Option<Duration>,
    /// Waiting until a packet is full.
    pub packetization: Duration,
    /// From the sender's socket to ours; only where both wall clocks are set alike.
    pub network: Option<Duration>,
    /// From arrival (of the luckiest packets) to being asked for: jitter buffer and stretch.
    pub jitter_buffer: Duration,
    /// Look-ahead of the resampler.
    pub resampler: Duration,
    /// From being asked for to being heard: the playback device's buffers.
    pub device: Duration,
}

impl LatencyLedger {
    /// The sum of what is known.
    pub fn total(&self) -> Duration {
        let known = [
            self.packetization,
            self.jitter_buffer,
            self.resampler,
            self.device,
        ];
        let maybe = [self.capture, self.network];
        known
            .into_iter()
            .chain(maybe.into_iter().flatten())
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}

impl fmt::Display for LatencyLedger {
    /// One line for people, in milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let stages = [
            ("capture", self.capture),
            ("packet", Some(self.packetization)),
            ("network", self.network),
            ("buffer", Some(self.jitter_buffer)),
            ("resampler", Some(self.resampler)),
            ("device", Some(self.device)),
        ];
        for (i, (name, delay)) in stages.into_iter().enumerate() {
            let plus = if i == 0 { "" } else { " + " };
            match delay {
                Some(d) => write!(f, "{plus}{name} {:.1}", ms(d))?,
                None => write!(f, "{plus}{name} ?")?,
            }
        }
        write!(f, " = {:.1} ms", ms(self.total()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_of_what_is_known() {
        let ms = Duration::from_millis;
        let mut ledger = LatencyLedger {
            packetization: ms(10),
            jitter_buffer: ms(20),
            resampler: Duration::from_micros(667),
            device: ms(5),
            ..LatencyLedger::default()
        };
        assert_eq!(ledger.total(), Duration::from_micros(35_667));
        ledger.network = Some(ms(3));
        ledger.capture = Some(ms(2));
        let line = ledger.to_string();
        assert_eq!(
            line,
            "capture 2.0 + packet 10.0 + network 3.0 + buffer 20.0 + resampler 0.7 + device 5.0 = 40.7 ms"
        );
    }
}
