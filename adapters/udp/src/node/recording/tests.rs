//! The time line without sockets: packets are placed by hand, the output is a vector a track.

use super::*;
use audiox_core::format::Channels;
use audiox_core::ingress::SourceId;
use audiox_core::time::{ExtSeq, MediaTime};

use crate::node::gaps::GapCause;
use crate::node::lane::Alignment;

const RATE: SampleRate = SampleRate::HZ_8000;
const HOLD: Duration = Duration::from_millis(300);
const WALL: (Instant, NtpTime) = (
    Instant::from_nanos(500_000_000),
    NtpTime(0xe000_0000_0000_0000),
);

#[derive(Default)]
struct Tape {
    formats: Vec<StreamFormat>,
    tracks: Vec<Vec<f32>>,
}

impl Output for Tape {
    type Error = std::convert::Infallible;

    fn open(
        &mut self,
        track: usize,
        format: StreamFormat,
        _: SampleFormat,
    ) -> Result<(), Self::Error> {
        assert_eq!(track, self.tracks.len());
        self.formats.push(format);
        self.tracks.push(Vec::new());
        Ok(())
    }

    fn write(&mut self, track: usize, samples: &[f32]) -> Result<(), Self::Error> {
        self.tracks[track].extend_from_slice(samples);
        Ok(())
    }
}

fn ms(n: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + n * 1_000_000)
}

fn mono() -> StreamFormat {
    StreamFormat::new(RATE, Channels::MONO)
}

/// A packet of 80 frames (10 ms) whose samples are their own index plus `mark`.
fn put(r: &mut Recording, source: u32, arrival: Instant, n: u64, mark: f32, raw: bool) {
    let meta = PacketMeta {
        arrival,
        seq: ExtSeq(n),
        at: MediaTime(n as i64 * 80),
        ssrc: source,
        ..PacketMeta::default()
    };
    let id = LaneId {
        port: 0,
        source: SourceId(source),
    };
    let samples: Vec<f32> = (0..80).map(|i| mark + (n * 80 + i) as f32).collect();
    r.lane(id, &meta, mono(), SampleFormat::S16, raw)
        .packet(&meta, &samples);
}

/// Says that the source's media time 0 was captured `offset` nanoseconds after `ms(0)`.
fn map(r: &mut Recording, source: u32, offset: i64) {
    let mut map = ClockMap::new(RATE);
    let since_wall = ms(0).signed_since(WALL.0) + offset;
    map.set_anchor(MediaTime(0), WALL.1.offset_nanos(since_wall));
    r.mapped(
        LaneId {
            port: 0,
            source: SourceId(source),
        },
        &map,
    );
}

fn finish(mut r: Recording) -> (Tape, Recording) {
    let mut tape = Tape::default();
    r.finish(ms(60_000), &mut tape).unwrap();
    (tape, r)
}

#[test]
fn streams_that_start_at_different_moments_line_up_to_the_frame() {
    let mut r = Recording::new(Layout::Joined { reserve: 0 }, HOLD, WALL);
    // The second began 37 frames later; its packets come early, the first one's late and mixed.
    let offset = RATE.nanos_of(37);
    for n in [1, 0, 2, 4, 3] {
        put(&mut r, 1, ms(n * 10 + 30), n, 0.0, false);
        put(&mut r, 2, ms(n * 10 + 5), n, 10_000.0, false);
    }
    map(&mut r, 1, 0);
    map(&mut r, 2, offset);
    let (tape, r) = finish(r);
    assert_eq!(tape.formats, [StreamFormat::new(RATE, Channels::STEREO)]);
    for (i, frame) in tape.tracks[0].chunks(2).enumerate() {
        let second = if i < 37 {
            0.0
        } else {
            10_000.0 + (i - 37) as f32
        };
        let first = if i < 400 { i as f32 } else { 0.0 };
        assert_eq!(frame, [first, second], "{i}");
    }
    assert_eq!(tape.tracks[0].len(), 2 * 437);
    for (lane, _) in r.lanes() {
        assert_eq!(lane.alignment, Some(Alignment::Timestamps));
        assert_eq!((lane.gaps.count(), lane.stats.frames), (0, 400));
    }
}

#[test]
fn loss_is_silence_of_the_right_length_and_listed() {
    let mut r = Recording::new(Layout::Separate, HOLD, WALL);
    for n in (0..30).filter(|n| !(10..13).contains(n)) {
        put(&mut r, 1, ms(n * 10), n, 1.0, false);
    }
    let (tape, r) = finish(r);
    assert_eq!(tape.tracks[0].len(), 2_400);
    assert!(tape.tracks[0][800..1_040].iter().all(|s| *s == 0.0));
    assert_eq!(tape.tracks[0][1_040], 1_041.0);
    let (lane, _) = r.lanes().next().unwrap();
    let gaps = lane.gaps.list(lane.start.unwrap());
    assert_eq!(
        (gaps[0].start, gaps[0].frames, gaps[0].cause),
        (800, 240, GapCause::Lost)
    );
}

#[test]
fn a_late_joiner_is_padded_on_a_track_of_its_own() {
    let mut r = Recording::new(Layout::Joined { reserve: 0 }, HOLD, WALL);
    let mut tape = Tape::default();
    for n in 0..400 {
        put(&mut r, 1, ms(n * 10), n, 1.0, false);
        if n >= 300 {
            put(&mut r, 2, ms(n * 10), n - 300, 1.0, false);
        }
        r.flush(ms(n * 10), &mut tape).unwrap();
    }
    r.finish(ms(5_000), &mut tape).unwrap();
    assert_eq!(tape.formats.len(), 2);
    assert_eq!(tape.tracks[1].len(), 32_000);
    assert!(tape.tracks[1][..24_000].iter().all(|s| *s == 0.0));
    assert_eq!(tape.tracks[1][24_000], 1.0);
    let (lane, _) = r.lanes().nth(1).unwrap();
    assert_eq!(
        (lane.alignment, lane.gaps.count()),
        (Some(Alignment::Arrival), 0)
    );
}

#[test]
fn reserved_channels_take_a_late_joiner_in() {
    let mut r = Recording::new(Layout::Joined { reserve: 2 }, HOLD, WALL);
    let mut tape = Tape::default();
    for n in 0..400 {
        put(&mut r, 1, ms(n * 10), n, 1.0, false);
        if n >= 300 {
            put(&mut r, 2, ms(n * 10), n - 300, 1.0, false);
        }
        r.flush(ms(n * 10), &mut tape).unwrap();
    }
    r.finish(ms(5_000), &mut tape).unwrap();
    assert_eq!(tape.formats, [StreamFormat::new(RATE, Channels::STEREO)]);
    assert_eq!(tape.tracks[0][2 * 24_000..2 * 24_000 + 2], [24_001.0, 1.0]);
}

#[test]
fn raw_loss_is_found_by_arrival_and_keeps_the_stream_aligned() {
    let mut r = Recording::new(Layout::Separate, HOLD, WALL);
    let mut tape = Tape::default();
    for n in 0..500u64 {
        // Five datagrams were lost on the way: what follows comes 50 ms later than counted.
        let arrival = if n < 200 { n * 10 } else { n * 10 + 50 };
        put(&mut r, 1, ms(arrival), n, 1.0, true);
        r.flush(ms(arrival), &mut tape).unwrap();
    }
    r.finish(ms(9_000), &mut tape).unwrap();
    let (lane, _) = r.lanes().next().unwrap();
    let gaps = lane.gaps.list(0);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(
        (gaps[0].start, gaps[0].frames, gaps[0].cause),
        (16_000, 400, GapCause::Starved)
    );
    assert_eq!(tape.tracks[0].len(), 40_400);
    assert_eq!(tape.tracks[0][16_400], 16_001.0);
}

#[test]
fn a_clock_from_another_world_is_not_believed() {
    let mut r = Recording::new(Layout::Separate, HOLD, WALL);
    put(&mut r, 1, ms(0), 0, 1.0, false);
    map(&mut r, 1, -3_600_000_000_000);
    let (tape, r) = finish(r);
    let (lane, _) = r.lanes().next().unwrap();
    assert_eq!(lane.alignment, Some(Alignment::Arrival));
    assert_eq!(lane.clock_rejected, Some(3_600_000_000_000));
    assert_eq!(tape.tracks[0].len(), 80);
}

#[test]
fn nothing_received_writes_nothing() {
    let (tape, r) = finish(Recording::new(Layout::Joined { reserve: 4 }, HOLD, WALL));
    assert!(tape.tracks.is_empty() && r.epoch().is_none());
}

/// A packet of stream `source` whose timestamps stand at packet `at` when its number is `n`.
fn put_at(r: &mut Recording, source: u32, arrival: Instant, n: u64, at: u64) {
    let meta = PacketMeta {
        arrival,
        seq: ExtSeq(n),
        at: MediaTime(at as i64 * 80),
        ssrc: source,
        ..PacketMeta::default()
    };
    let id = LaneId {
        port: 0,
        source: SourceId(source),
    };
    r.lane(id, &meta, mono(), SampleFormat::S16, false)
        .packet(&meta, &[1.0 + n as f32; 80]);
}

#[test]
fn after_a_silence_longer_than_the_window_the_recording_goes_on() {
    for raw in [false, true] {
        for pause in [3_000, 4_290, 4_310, 4_700, 60_000] {
            let mut r = Recording::new(Layout::Separate, HOLD, WALL);
            let mut tape = Tape::default();
            let numbers = (0..100).chain(100 + pause / 10..500 + pause / 10);
            for (i, n) in numbers.enumerate() {
                // Raw streams have no timestamps: they count on, and fall behind.
                let at = if raw { i as u64 } else { n };
                put(&mut r, 1, ms(n * 10), at, 1.0, raw);
                r.flush(ms(n * 10), &mut tape).unwrap();
            }
            r.finish(ms(70_000), &mut tape).unwrap();
            let heard = tape.tracks[0].iter().filter(|s| **s != 0.0).count();
            assert_eq!(heard, 500 * 80, "raw {raw}, {pause} ms");
            let (lane, _) = r.lanes().next().unwrap();
            assert_eq!((lane.stats.frames, lane.stats.early_frames), (40_000, 0));
            assert_eq!(lane.gaps.count(), 1, "raw {raw}, {pause} ms");
            let gap = lane.gaps.list(0)[0];
            assert!(gap.frames.abs_diff(pause * 8) <= 80, "{gap:?}");
            // Past what the window holds, a raw stream's loss is told where it is found.
            assert!(gap.start == 8_000 || raw && pause > 3_000, "{gap:?}");
            assert_eq!(tape.tracks[0].len() as u64, 500 * 80 + gap.frames);
        }
    }
}

#[test]
fn timestamps_that_run_ahead_of_time_do_not_fill_the_disk_with_silence() {
    let mut r = Recording::new(Layout::Separate, HOLD, WALL);
    let mut tape = Tape::default();
    for n in 0..1_000 {
        put_at(&mut r, 1, ms(n), n, n * 90);
        r.flush(ms(n), &mut tape).unwrap();
    }
    r.finish(ms(70_000), &mut tape).unwrap();
    let seconds = tape.tracks[0].len() / 8_000;
    assert!(seconds < 30, "{seconds} s");
}

#[test]
fn a_stream_that_goes_on_after_its_goodbye_is_recorded() {
    let mut r = Recording::new(Layout::Separate, HOLD, WALL);
    let mut tape = Tape::default();
    let id = LaneId {
        port: 0,
        source: SourceId(1),
    };
    for n in (0..100).chain(300..400) {
        if n == 300 {
            r.ended(id, ms(1_000));
            r.flush(ms(2_990), &mut tape).unwrap();
        }
        put(&mut r, 1, ms(n * 10), n, 1.0, false);
        r.flush(ms(n * 10), &mut tape).unwrap();
    }
    r.finish(ms(70_000), &mut tape).unwrap();
    assert_eq!(tape.tracks[0].len(), 400 * 80);
    let heard = tape.tracks[0].iter().filter(|s| **s != 0.0).count();
    assert_eq!(heard, 200 * 80);
}

#[test]
fn a_sender_that_stood_still_is_placed_anew_beside_one_that_did_not() {
    for freeze in [100, 2_000] {
        let mut r = Recording::new(Layout::Joined { reserve: 0 }, HOLD, WALL);
        let mut tape = Tape::default();
        for n in 0..3_000 {
            put_at(&mut r, 1, ms(n * 10), n, n);
            if !(300..300 + freeze).contains(&n) {
                let own = if n < 300 { n } else { n - freeze };
                put_at(&mut r, 2, ms(n * 10), own, own);
            }
            r.flush(ms(n * 10), &mut tape).unwrap();
        }
        r.finish(ms(70_000), &mut tape).unwrap();
        let heard = |channel| {
            let samples = tape.tracks[0].iter().skip(channel).step_by(2);
            samples.filter(|s| **s != 0.0).count() as u64
        };
        assert_eq!(heard(0), 3_000 * 80);
        // All but the second after which it is believed.
        let sent = (3_000 - freeze) * 80;
        assert!(heard(1) >= sent - 8_160, "{} of {sent}", heard(1));
    }
}

#[test]
fn packets_that_were_brought_back_late_say_nothing_of_the_clock() {
    let mut r = Recording::new(Layout::Separate, HOLD, WALL);
    for n in 0..1_000u64 {
        let recovered = n > 100 && n % 3 == 0;
        let late = if recovered { 1 + n / 10 } else { 0 };
        let meta = PacketMeta {
            arrival: ms(n * 10 + late),
            seq: ExtSeq(n),
            at: MediaTime(n as i64 * 80),
            recovered,
            ..PacketMeta::default()
        };
        let id = LaneId {
            port: 0,
            source: SourceId(1),
        };
        r.lane(id, &meta, mono(), SampleFormat::S16, false)
            .packet(&meta, &[0.0; 80]);
    }
    let (lane, _) = r.lanes().next().unwrap();
    assert!(
        lane.stats.drift_ppm.unwrap().abs() < 1.0,
        "{:?}",
        lane.stats
    );
}
