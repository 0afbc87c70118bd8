//! Mixed trouble in virtual time: from a seed a stream is drawn (codec, packet length, playout,
//! clocks, redundancy) and a day of what can befall it, one trouble after the other with calm
//! between them. Each calm ends with a look at whether all is as it should be; each hour the
//! books are balanced.
//!
//! Twenty minutes for each of twenty seeds as a rule, a day each where `AUDIOX_LONG` is set. A
//! failure names its seed, when, and after which trouble; `AUDIOX_SEED` chooses the seed of
//! `a_seed_of_ones_own`, which runs alone.
#![cfg(test)]

#[path = "support/counting.rs"]
#[allow(dead_code, reason = "only the bytes held are of interest here")]
mod counting;
#[path = "soak_mixed/stream.rs"]
mod stream;
#[path = "soak_mixed/trouble.rs"]
mod trouble;

use std::time::Duration;

use audiox_core::sim::{Pair, PairReport, Pcg32};
use audiox_core::stats::PlayoutStats;

use counting::live_bytes;
use stream::{Stream, Voice};
use trouble::Troubles;

macro_rules! seeds {
    ($($name:ident = $seed:literal)*) => {
        $(#[test]
        fn $name() {
            soak($seed);
        })*
    };
}

seeds! {
    seed_01 = 1 seed_02 = 2 seed_03 = 3 seed_04 = 4 seed_05 = 5
    seed_06 = 6 seed_07 = 7 seed_08 = 8 seed_09 = 9 seed_10 = 10
    seed_11 = 11 seed_12 = 12 seed_13 = 13 seed_14 = 14 seed_15 = 15
    seed_16 = 16 seed_17 = 17 seed_18 = 18 seed_19 = 19 seed_20 = 20
}

#[test]
fn a_seed_of_ones_own() {
    let seed = std::env::var("AUDIOX_SEED").map_or(21, |seed| seed.parse().unwrap());
    soak(seed);
}

fn soak(seed: u64) {
    let long = std::env::var_os("AUDIOX_LONG").is_some();
    let length = Duration::from_secs(if long { 86_400 } else { 1_200 });
    let mut run = Run::new(seed);
    while run.pair.now().as_nanos() < length.as_nanos() as u64 {
        run.trouble_and_calm();
    }
    run.calm();
    run.balance();
    run.is_flat();
    let played = run.pair.report().elapsed.as_secs_f64();
    println!(
        "{}\n{} troubles in {played:.0} s; delay {:?} to {:?}\n{}",
        run.stream,
        run.troubles_seen,
        run.delays.0,
        run.delays.1,
        run.pair.report(),
    );
}

struct Run {
    stream: Stream,
    pair: Pair,
    rng: Pcg32,
    troubles: Troubles,
    troubles_seen: u32,
    /// What befell it last, for a failure's message.
    story: String,
    next_balance: Duration,
    buffers: usize,
    /// Bytes held, each hour.
    held: Vec<i64>,
    paused_frames: u64,
    restarts: u64,
    /// The least and the greatest delay that playout had at the end of a calm.
    delays: (Duration, Duration),
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Pcg32::derive(seed, 77);
        let stream = Stream::draw(seed, &mut rng);
        let troubles = Troubles::new(&stream, &mut rng);
        let mut pair = stream.pair(seed);
        let (there, back) = troubles.calm();
        pair.set_links(there, back).unwrap();
        let buffers = pair.receiver().buffers();
        Self {
            stream,
            pair,
            rng,
            troubles,
            troubles_seen: 0,
            story: "nothing yet".to_owned(),
            next_balance: HOUR,
            buffers,
            held: Vec::new(),
            paused_frames: 0,
            restarts: 0,
            delays: (Duration::MAX, Duration::ZERO),
        }
    }

    fn trouble_and_calm(&mut self) {
        self.calm();
        self.troubles_seen += 1;
        let next = self.troubles.draw(&mut self.rng);
        self.story = next.to_string();
        let length = next.length;
        self.pair.set_links(next.there, next.back).unwrap();
        // Restarts and pauses fall somewhere into it.
        let parts = 2 + self.rng.below(3) as u32;
        for _ in 0..parts {
            if let Some(restart) = next.restart {
                self.pair.restart_sender(restart);
                self.restarts += 1;
            }
            self.hear(length / parts);
            if let Some(pause) = next.pause {
                let before = self.pair.report().frames_captured;
                self.pair.pause_sender();
                self.hear(pause);
                self.pair.resume_sender();
                self.paused_frames += self.pair.report().frames_captured - before;
            }
        }
    }

    /// The network is itself again: within a bounded time all is well, and stays so.
    fn calm(&mut self) {
        let (there, back) = self.troubles.calm();
        self.pair.set_links(there, back).unwrap();
        self.hear(self.stream.recovery());
        let before = self.pair.report();
        self.hear(Duration::from_secs(20));
        let after = self.pair.report();
        self.is_well(&before, &after);
        if after.elapsed >= self.next_balance {
            self.next_balance = after.elapsed + HOUR;
            self.balance();
        }
        let more = self.rng.below(240);
        self.hear(Duration::from_secs(more));
    }

    /// Runs, and looks now and then at what is heard.
    fn hear(&mut self, length: Duration) {
        let end = self.pair.now() + length;
        while self.pair.now() < end {
            let left = end.saturating_since(self.pair.now());
            self.pair.run_for(left.min(Duration::from_secs(5)));
            let loudest = self.pair.heard().iter().fold(0.0f32, |m, s| m.max(s.abs()));
            assert!(loudest <= self.stream.loudest(), "{loudest}");
        }
    }

    fn is_well(&mut self, before: &PairReport, after: &PairReport) {
        let playout = self.pair.receiver().playout();
        let (was, is): (&PlayoutStats, &PlayoutStats) = (&before.playout, &after.playout);
        assert!(playout.is_playing(), "it is silent");
        // Where clocks differ, packets come a little later or earlier against the device's slices,
        // and a delay that is kept short may now and then miss some frames by it.
        let made_up = is.concealed_samples - was.concealed_samples;
        let allowed = match self.stream.voice {
            Voice::Exact | Voice::Fixed => 0,
            Voice::Adaptive(_) => self.stream.packet(),
        };
        assert!(made_up <= allowed, "{made_up} frames made up in the calm");
        let troubled = |s: &PlayoutStats| {
            (
                s.frames_idle,
                s.packets_late,
                s.packets_discarded,
                s.packets_undecodable,
                s.resyncs + s.flushes,
            )
        };
        assert_eq!(troubled(was), troubled(is), "it is not well again");
        assert!(is.frames_decoded - was.frames_decoded > 19 * 8_000);

        // The delay is what the profile wants, as it says itself and as the buffer shows.
        let delay = playout.ledger().jitter_buffer;
        self.delays = (self.delays.0.min(delay), self.delays.1.max(delay));
        let most = self.stream.most_delay();
        assert!(delay <= most, "{delay:?}, at most {most:?}");
        let held = self.stream.ptime * playout.packets_buffered() as u32;
        let slack = self.stream.ptime * 2 + Duration::from_millis(60);
        assert!(held <= delay + slack, "{held:?} held, {delay:?} said");
        assert!(delay <= held + slack, "{held:?} held, {delay:?} said");
        if let Some(ppm) = self.stream.skew() {
            // As far as the controller acts on it, and as both clocks wander.
            let sure = playout.drift().filter(|d| d.sigma_ppm < 20.0);
            assert!(
                sure.is_none_or(|d| (d.ppm - ppm).abs() < 40.0 + 4.0 * d.sigma_ppm),
                "{sure:?}, in truth {ppm} ppm"
            );
        }
        if self.stream.voice == Voice::Exact {
            assert_eq!(before.probe.delay_last, after.probe.delay_last);
            let told = (after.probe.gaps, after.probe.silence);
            assert_eq!((before.probe.gaps, before.probe.silence), told);
        }
    }

    /// Every frame is accounted for, nothing has grown.
    fn balance(&mut self) {
        let r = self.pair.report();
        let p = &r.playout;
        // Where it is resampled, by what the clocks differ by, and at a fixed latency by what each
        // trouble puts it off, which the resampler brings back.
        let apart = p.frames_pulled.abs_diff(r.frames_played) as f64;
        let most = match (self.stream.voice, self.stream.skew()) {
            (Voice::Exact, _) | (_, None) => 0.0,
            (voice, Some(ppm)) => {
                let drifted = r.frames_played as f64 * (ppm.abs() + 60.0) / 1e6;
                let put_off = f64::from(self.troubles_seen) * 2_400.0;
                200.0 + drifted + if voice == Voice::Fixed { put_off } else { 0.0 }
            }
        };
        assert!(apart <= most, "{apart} frames apart, at most {most}");
        assert_eq!(
            p.frames_pulled,
            p.frames_decoded + p.concealed_samples + p.frames_idle
        );
        assert!(p.silent_concealed_samples <= p.concealed_samples);
        let l = &r.forward;
        assert_eq!(
            l.handled + l.duplicated,
            l.lost + l.queue_dropped + l.overflowed + l.delivered + l.in_flight
        );
        assert_eq!((r.ingress.malformed, r.ingress.too_many_sources), (0, 0));
        assert_eq!((l.overflowed, l.corrupted), (0, 0));
        assert_eq!(
            (r.receiver.no_buffer, r.receiver.too_long, p.buffers_dropped),
            (0, 0, 0)
        );
        if self.stream.voice == Voice::Exact {
            self.balance_of_frames(&r);
        }
        assert_eq!(self.pair.receiver().buffers(), self.buffers);
        assert!(l.in_flight < 2_000, "{} under way", l.in_flight);
        self.held.push(live_bytes());
    }

    /// What is held goes up and down with the senders remembered and the repair in use; the least
    /// of the last hours is that of the first ones, but for what the simulator notes down.
    fn is_flat(&self) {
        let third = self.held.len() / 3;
        if third >= 2 {
            let least = |held: &[i64]| held.iter().copied().min().unwrap_or(0);
            let first = least(&self.held[1..third + 1]);
            let last = least(&self.held[self.held.len() - third..]);
            assert!(last < first + (256 << 10), "{first} bytes, then {last}");
        }
    }

    /// What was captured came out once and as it was, or is missing for a reason that was counted.
    fn balance_of_frames(&self, r: &PairReport) {
        let (probe, p) = (&r.probe, &r.playout);
        assert_eq!(probe.repeats, 0, "{probe:?}");
        // A single frame between two gaps tells nothing of itself; there are few.
        assert!(probe.garbage <= 2 + probe.gaps / 100, "{probe:?}");
        assert_eq!(probe.played + probe.garbage, p.frames_decoded);
        assert_eq!(probe.silence, p.concealed_samples + p.frames_idle);
        assert_eq!(
            probe.played + probe.garbage + probe.silence,
            r.frames_played
        );
        let packet = self.stream.packet();
        let link = &r.forward;
        let gone = link.lost
            + link.queue_dropped
            + p.packets_late
            + p.packets_discarded
            + r.receiver.foreign
            + r.ingress.suspect;
        // A stop may leave what was begun of a packet.
        let explained = gone * packet + self.paused_frames + self.restarts * packet;
        assert!(
            probe.missing <= explained,
            "{} missing, {explained} explained: {r}",
            probe.missing
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "{}, at {:?}, trouble {} ({}).\n{:?}\n{}\nAlone: {}AUDIOX_SEED={} cargo test -p audiox-core --test soak_mixed of_ones_own",
                self.stream,
                self.pair.report().elapsed,
                self.troubles_seen,
                self.story,
                self.pair.report(),
                self.pair.report(),
                std::env::var_os("AUDIOX_LONG").map_or("", |_| "AUDIOX_LONG=1 "),
                self.stream.seed,
            );
        }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
