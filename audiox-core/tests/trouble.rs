//! What goes wrong beyond loss and jitter: sound returns by itself, memory stays bounded, every
//! pull is filled, and nothing is ever louder than what was sent.
#![cfg(test)]

use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::{Decoder, PcmCoding, PcmDecoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::packet::PacketBuf;
use audiox_core::playout::{Playout, PlayoutConfig, Profile};
use audiox_core::time::{ExtSeq, Instant, MediaTime};

const FRAMES: usize = 160;
const LEVEL: f32 = 0.5;

/// A playout fed with packets of a tone of 10 ms, and asked for 10 ms at a time.
struct Ear {
    playout: Playout,
    now: u64,
    /// What the sender would send next.
    seq: u64,
    media: i64,
    spare: Vec<PacketBuf>,
    made: usize,
}

impl Ear {
    fn new(config: &PlayoutConfig) -> Self {
        let format = StreamFormat::new(SampleRate::new(16_000).unwrap(), Channels::MONO);
        let decoder: Box<dyn Decoder> =
            Box::new(PcmDecoder::new(PcmCoding::L16, format, 1_600).unwrap());
        Self {
            playout: Playout::new(config, vec![(0, decoder)]).unwrap(),
            now: 5_000_000_000,
            seq: 70_000,
            media: 1_000_000,
            spare: Vec::new(),
            made: 0,
        }
    }

    fn all(test: impl Fn(Self)) {
        for profile in Profile::ALL {
            test(Self::new(&profile.config()));
        }
        test(Self::new(&PlayoutConfig::fixed(Duration::from_millis(60))));
    }

    fn packet(&mut self, generation: u32, synthesised: bool) -> PacketBuf {
        let mut p = self.spare.pop().unwrap_or_else(|| {
            self.made += 1;
            PacketBuf::with_capacity(2 * FRAMES)
        });
        let mut bytes = [0u8; 2 * FRAMES];
        for (n, b) in bytes.chunks_exact_mut(2).enumerate() {
            let turn = (self.media + n as i64) as f32 * 440.0 / 16_000.0;
            let sample = (turn.fract() * std::f32::consts::TAU).sin() * LEVEL;
            b.copy_from_slice(&((sample * 32_767.0) as i16).to_be_bytes());
        }
        p.fill(&bytes);
        p.meta.payload = 0..bytes.len();
        p.meta.arrival = Instant::from_nanos(self.now);
        p.meta.seq = ExtSeq(self.seq);
        p.meta.at = MediaTime(self.media);
        p.meta.generation = generation;
        p.meta.synthesised = synthesised;
        self.seq += 1;
        self.media += FRAMES as i64;
        p
    }

    fn send(&mut self) {
        let p = self.packet(0, false);
        self.playout.insert(p);
        self.collect();
    }

    fn lose(&mut self) {
        self.seq += 1;
        self.media += FRAMES as i64;
    }

    /// Ten milliseconds of sound; returns its power.
    fn hear(&mut self) -> f32 {
        let mut out = [f32::NAN; FRAMES];
        let now = Instant::from_nanos(self.now);
        let pulled = self
            .playout
            .pull(now, AudioMut::new(&mut out, Channels::MONO));
        assert_eq!(pulled.decoded + pulled.concealed + pulled.idle, FRAMES);
        for s in out {
            assert!(s.is_finite() && s.abs() < LEVEL * 1.3, "{s}");
        }
        self.collect();
        self.now += 10_000_000;
        out.iter().map(|s| s * s).sum::<f32>() / FRAMES as f32
    }

    fn collect(&mut self) {
        while let Some(p) = self.playout.poll_recycled() {
            self.spare.push(p);
        }
    }

    fn seconds(&mut self, seconds: usize) {
        for _ in 0..100 * seconds {
            self.send();
            self.hear();
        }
    }

    /// Within two seconds the stream is heard whole again, and for ten seconds nothing is made up.
    fn recovers(&mut self) {
        self.seconds(2);
        let before = *self.playout.stats();
        for _ in 0..1_000 {
            self.send();
            assert!(self.hear() > LEVEL * LEVEL / 4.0);
        }
        let after = *self.playout.stats();
        assert_eq!(after.concealed_samples, before.concealed_samples);
        assert_eq!(after.packets_late, before.packets_late);
        assert!(self.made <= 1_200, "{} buffers", self.made);
    }
}

#[test]
fn a_minute_without_a_packet() {
    Ear::all(|mut ear| {
        ear.seconds(5);
        for _ in 0..6_000 {
            ear.lose();
            ear.hear();
        }
        assert_eq!(ear.hear(), 0.0);
        ear.recovers();
    });
}

#[test]
fn a_sender_that_pauses_for_a_minute_and_goes_on_where_it_was() {
    Ear::all(|mut ear| {
        ear.seconds(5);
        (0..6_000).for_each(|_| {
            ear.hear();
        });
        ear.recovers();
    });
}

#[test]
fn a_thousand_packets_at_once() {
    Ear::all(|mut ear| {
        ear.seconds(5);
        // Ten seconds in which the network holds everything back.
        for _ in 0..1_000 {
            ear.hear();
        }
        (0..1_000).for_each(|_| ear.send());
        for _ in 0..200 {
            ear.send();
            ear.hear();
        }
        let delay = ear.playout.ledger().jitter_buffer;
        assert!(delay < Duration::from_millis(2_600), "{delay:?}");
        ear.recovers();
        assert!(ear.playout.packets_buffered() < 300);
    });
}

#[test]
fn a_machine_that_sleeps() {
    Ear::all(|mut ear| {
        ear.seconds(5);
        // Neither arrivals nor pulls for an hour, while the sender went on.
        ear.now += 3_600_000_000_000;
        ear.seq += 360_000;
        ear.media += 360_000 * FRAMES as i64;
        ear.recovers();
    });
}

#[test]
fn bounds_of_the_delay_are_moved_while_it_plays() {
    for profile in Profile::ALL {
        let mut ear = Ear::new(&profile.config());
        let ms = Duration::from_millis;
        let delay = |ear: &Ear| ear.playout.ledger().jitter_buffer;
        ear.seconds(5);
        assert!(delay(&ear) < ms(60));
        ear.playout.set_max_delay(ms(800));
        ear.playout.set_min_delay(ms(700));
        ear.seconds(40);
        assert!(
            (ms(650)..ms(850)).contains(&delay(&ear)),
            "{:?}",
            delay(&ear)
        );
        ear.playout.set_min_delay(ms(0));
        ear.playout.set_max_delay(ms(100));
        ear.recovers();
        assert!(delay(&ear) < ms(110), "{:?}", delay(&ear));
        assert_eq!(ear.playout.stats().resyncs, 0);
        // What a fixed latency is made with is what it keeps.
        let mut fixed = Ear::new(&PlayoutConfig::fixed(ms(60)));
        fixed.seconds(5);
        fixed.playout.set_min_delay(ms(700));
        fixed.recovers();
        assert!(delay(&fixed) < ms(70));
    }
}

#[test]
fn a_clock_that_jumps() {
    Ear::all(|mut ear| {
        ear.seconds(5);
        ear.now += 7_000_000_000;
        ear.recovers();
        ear.now -= 3_000_000_000;
        ear.recovers();
    });
}

#[test]
fn a_sender_that_starts_over() {
    Ear::all(|mut ear| {
        ear.seconds(5);
        (ear.seq, ear.media) = (12, -400_000);
        for n in 0..300 {
            let p = ear.packet(1, false);
            ear.playout.insert(p);
            ear.collect();
            let power = ear.hear();
            assert!(n < 100 || power > 0.05, "{n}");
        }
    });
}

#[test]
fn timestamps_that_lie() {
    for jump in [-30_000i64, -12_000, 1_000, 24_000, 1_000_000] {
        Ear::all(|mut ear| {
            ear.seconds(5);
            ear.media += jump;
            ear.seconds(3);
            ear.recovers();
        });
    }
    // Each its own.
    Ear::all(|mut ear| {
        ear.seconds(2);
        let (seq, media) = (ear.seq, ear.media);
        let mut noise = 1u64;
        for _ in 0..2_000 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ear.media = media + (noise >> 40) as i64 - (1 << 23);
            ear.seq = seq + (noise >> 20) % 5_000;
            ear.send();
            ear.hear();
        }
        (ear.seq, ear.media) = (seq + 20_000, media + 40_000_000);
        ear.seconds(3);
        ear.recovers();
    });
}

#[test]
fn a_stream_without_timestamps_that_loses_and_stalls() {
    for profile in Profile::ALL {
        let mut ear = Ear::new(&profile.config());
        for n in 0..6_000u64 {
            // Arrivals are counted: what is lost leaves no gap.
            if n % 97 != 13 && n % 1_500 > 20 {
                let p = ear.packet(0, true);
                ear.playout.insert(p);
                ear.collect();
            }
            ear.hear();
        }
        let stats = *ear.playout.stats();
        // A hundred and some packets never came; more need not be made up.
        let missing = 6_000 * FRAMES as u64 - stats.frames_decoded;
        assert!(stats.concealed_samples < 2 * missing, "{profile} {stats:?}");
        let p = ear.packet(0, true);
        ear.playout.insert(p);
    }
}
