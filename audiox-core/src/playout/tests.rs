use super::*;
use crate::codec::{PcmCoding, PcmDecoder};
use crate::format::{Channels, SampleRate};
use crate::time::{ExtSeq, MediaTime};

const RATE: SampleRate = SampleRate::HZ_8000;
const LATENCY: Duration = Duration::from_millis(30);

/// Frame `n` of the stream is `(n + 1) / 32 768`, so that silence is nobody's frame.
fn playout(width: usize) -> Playout {
    of(width, PlayoutConfig::exact(LATENCY))
}

fn of(width: usize, config: PlayoutConfig) -> Playout {
    let format = StreamFormat::new(RATE, Channels::MONO);
    let decoder = PcmDecoder::new(PcmCoding::L16, format, 800).unwrap();
    let config = PlayoutConfig {
        width,
        resync_after: Duration::from_millis(100),
        ..config
    };
    Playout::new(&config, vec![(96, Box::new(decoder))]).unwrap()
}

fn ms(n: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + n * 1_000_000)
}

fn packet(arrival: Instant, seq: u64, at: i64, frames: usize) -> PacketBuf {
    let mut p = PacketBuf::with_capacity(frames * 2);
    let bytes: Vec<u8> = (0..frames as i64)
        .flat_map(|i| ((at + i + 1) as i16).to_be_bytes())
        .collect();
    p.fill(&bytes);
    p.meta.payload = 0..bytes.len();
    p.meta.payload_type = 96;
    p.meta.arrival = arrival;
    p.meta.seq = ExtSeq(seq);
    p.meta.at = MediaTime(at);
    p
}

/// Pulls `frames` at `now`; returns the frames' numbers, -1 for silence.
fn pull(p: &mut Playout, now: Instant, frames: usize) -> Vec<i64> {
    let mut out = vec![f32::NAN; frames];
    let pulled = p.pull(now, AudioMut::new(&mut out, Channels::MONO));
    assert_eq!(pulled.decoded + pulled.concealed + pulled.idle, frames);
    while p.poll_recycled().is_some() {}
    out.iter().map(|s| (s * 32_768.0) as i64 - 1).collect()
}

#[test]
fn latency_is_fixed_to_the_frame_within_a_quantum() {
    let mut p = playout(16);
    for n in 0..4 {
        assert_eq!(
            p.insert(packet(ms(n * 10), n, n as i64 * 80, 80)),
            Inserted::Queued
        );
    }
    // Due 30 ms after arrival: 5 ms into this quantum of 7 ms.
    let got = pull(&mut p, ms(25), 56);
    assert!(got[..40].iter().all(|n| *n == -1));
    assert_eq!(got[40..], (0..16).collect::<Vec<i64>>());
    assert_eq!(pull(&mut p, ms(32), 100), (16..116).collect::<Vec<i64>>());
}

#[test]
fn the_luckiest_packet_of_the_start_sets_the_time() {
    let mut p = playout(16);
    // The first packet was delayed by 8 ms, the second came straight.
    p.insert(packet(ms(8), 0, 0, 80));
    p.insert(packet(ms(10), 1, 80, 80));
    let got = pull(&mut p, ms(28), 80);
    assert_eq!((got[15], got[16]), (-1, 0));
}

/// A stream that begins while every packet is 300 ms late, which half a second later none is any
/// more; until `end`.
fn begun_in_trouble(p: &mut Playout, end: u64) -> Vec<i64> {
    let mut heard = Vec::new();
    let mut next = 0;
    for now in (0..end).step_by(10) {
        let late = if now < 800 { 300 } else { 0 };
        while next * 10 + late <= now {
            p.insert(packet(ms(now), next, next as i64 * 80, 80));
            next += 1;
        }
        heard.extend(pull(p, ms(now), 80));
    }
    heard
}

#[test]
fn where_no_frame_may_be_left_out_a_delay_that_stays_too_long_is_told() {
    let mut p = playout(64);
    let heard = begun_in_trouble(&mut p, 700);
    assert_eq!(
        heard[329 * 8..331 * 8],
        [vec![-1; 8], (0..8).collect()].concat()
    );
    let told = |p: &Playout| p.ledger().jitter_buffer.as_millis();
    assert_eq!((told(&p), p.target_delay()), (30, LATENCY));
    let mut p = playout(64);
    let heard = begun_in_trouble(&mut p, 3_000);
    let all: Vec<i64> = (0..(3_000 - 330) * 8).collect();
    assert_eq!(heard[330 * 8..], all);
    assert_eq!((told(&p), p.target_delay()), (330, LATENCY));
    // The sender pauses, and the promise is kept again.
    pull(&mut p, ms(3_000), 8_000);
    p.insert(packet(ms(5_000), 300, 24_000, 80));
    assert_eq!(pull(&mut p, ms(5_030), 80)[0], 24_000);
    assert_eq!(told(&p), 30);
}

#[test]
fn a_fixed_latency_that_began_in_trouble_returns_to_what_was_promised() {
    let mut p = of(64, PlayoutConfig::fixed(LATENCY));
    begun_in_trouble(&mut p, 6_000);
    let delay = p.ledger().jitter_buffer;
    assert!(delay <= LATENCY + Duration::from_millis(30), "{delay:?}");
    let stats = p.stats();
    assert_eq!(stats.removed_samples_for_acceleration, 300 * 8);
    assert_eq!((stats.concealed_samples, stats.resyncs), (0, 0));
}

#[test]
fn a_device_that_tells_its_delay_before_the_sound_begins_has_it_counted() {
    let mut p = playout(16);
    for n in 0..2 {
        p.insert(packet(ms(n * 10), n, n as i64 * 80, 80));
    }
    assert_eq!(pull(&mut p, ms(0), 80), vec![-1; 80]);
    p.set_output_delay(Duration::from_millis(12));
    assert_eq!(p.target_delay(), Duration::from_millis(18));
    let got = pull(&mut p, ms(10), 80);
    assert_eq!((got[63], got[64]), (-1, 0));
    // It changes its mind: what sounds goes on as it was, to the frame.
    p.set_output_delay(Duration::from_millis(2));
    assert_eq!(pull(&mut p, ms(20), 80), (16..96).collect::<Vec<i64>>());
    assert_eq!(p.ledger().device, Duration::from_millis(12));
    // The next stream begins by what is known then.
    pull(&mut p, ms(30), 880);
    p.set_output_delay(Duration::from_millis(2));
    p.insert(packet(ms(5_000), 2, 160, 80));
    let got = pull(&mut p, ms(5_020), 80);
    assert_eq!((got[63], got[64]), (-1, 160));
    // A device slower than all that was asked for: at once.
    pull(&mut p, ms(5_030), 880);
    p.set_output_delay(Duration::from_millis(45));
    p.insert(packet(ms(9_000), 3, 240, 80));
    assert_eq!(pull(&mut p, ms(9_000), 80)[0], 240);
}

#[test]
fn a_packet_late_in_part_is_heard_from_where_its_time_has_come() {
    let mut p = playout(16);
    p.insert(packet(ms(0), 0, 0, 80));
    p.insert(packet(ms(20), 2, 160, 80));
    assert_eq!(pull(&mut p, ms(30), 80).last(), Some(&79));
    assert_eq!(pull(&mut p, ms(40), 40), vec![-1; 40]);
    assert_eq!(p.insert(packet(ms(45), 1, 80, 80)), Inserted::Queued);
    assert_eq!(pull(&mut p, ms(45), 120), (120..240).collect::<Vec<i64>>());
    assert_eq!(p.insert(packet(ms(60), 1, 80, 80)), Inserted::Duplicate);
    assert_eq!(p.insert(packet(ms(60), 4, 200, 40)), Inserted::Late);
    assert_eq!(p.stats().concealed_samples, 40);
    assert_eq!(
        (p.stats().concealment_events, p.stats().packets_late),
        (1, 1)
    );
}

#[test]
fn starvation_ends_the_timeline_and_the_next_packet_begins_another() {
    let mut p = playout(16);
    p.insert(packet(ms(0), 0, 0, 80));
    pull(&mut p, ms(30), 80);
    pull(&mut p, ms(40), 800);
    assert!(!p.is_playing());
    assert_eq!(p.stats().resyncs, 1);
    // A sender that slept goes on where it was: old timestamps are no reason for silence.
    p.insert(packet(ms(5_000), 1, 80, 80));
    let got = pull(&mut p, ms(5_025), 80);
    assert_eq!((got[39], got[40]), (-1, 80));
}

#[test]
fn after_a_goodbye_nothing_is_made_up_though_it_overtook_the_last_packet() {
    let mut p = playout(16);
    for n in 0..3 {
        p.insert(packet(ms(n * 10), n, n as i64 * 80, 80));
    }
    pull(&mut p, ms(30), 80);
    p.finish();
    p.insert(packet(ms(32), 3, 240, 80));
    let got = pull(&mut p, ms(40), 800);
    assert_eq!((got[239], got[240]), (319, -1));
    assert_eq!(p.stats().concealed_samples, 0);
    assert!(!p.is_playing());
    // One that comes long after says that it was none.
    p.insert(packet(ms(900), 4, 320, 80));
    pull(&mut p, ms(930), 400);
    assert_eq!(p.stats().concealed_samples, 320);
}

#[test]
fn a_timestamp_far_ahead_is_not_waited_for_for_ever() {
    let mut p = playout(16);
    p.insert(packet(ms(0), 0, 0, 80));
    pull(&mut p, ms(30), 80);
    // From the second packet on the sender counts from elsewhere.
    for n in 0..14 {
        p.insert(packet(
            ms(10 + n * 10),
            1 + n,
            10_000_000 + n as i64 * 80,
            80,
        ));
    }
    pull(&mut p, ms(40), 800);
    pull(&mut p, ms(140), 80);
    assert_eq!((p.stats().resyncs, p.stats().frames_decoded), (1, 160));
    assert_eq!(p.packets_buffered(), 3);
}

#[test]
fn overflow_gives_way_to_the_newest() {
    let mut p = playout(4);
    for n in 0..4 {
        p.insert(packet(ms(0), n, n as i64 * 80, 80));
    }
    assert_eq!(p.insert(packet(ms(1), 4, 320, 80)), Inserted::Flushed);
    assert_eq!((p.packets_buffered(), p.stats().packets_discarded), (1, 4));
    let got = pull(&mut p, ms(31), 80);
    assert_eq!(got, (320..400).collect::<Vec<i64>>());
}

#[test]
fn what_cannot_be_read_is_counted_and_silent() {
    let mut p = playout(16);
    let mut odd = packet(ms(0), 0, 0, 80);
    odd.meta.payload_type = 97;
    assert_eq!(p.insert(odd), Inserted::Undecodable);
    let mut half = packet(ms(0), 0, 0, 80);
    half.meta.payload = 0..3;
    assert_eq!(p.insert(half), Inserted::Undecodable);
    assert_eq!(p.insert(packet(ms(0), 0, 0, 80)), Inserted::Queued);
    assert_eq!(p.insert(packet(ms(0), 0, 0, 80)), Inserted::Duplicate);
    assert_eq!(pull(&mut p, ms(30), 0), []);
    assert_eq!(p.stats().packets_undecodable, 2);
}

#[test]
fn a_slice_of_other_width_gets_the_channels_both_have() {
    let mut p = playout(16);
    p.insert(packet(ms(0), 0, 0, 80));
    let mut out = [f32::NAN; 160];
    let stereo = Channels::STEREO;
    assert_eq!(p.pull(ms(30), AudioMut::new(&mut out, stereo)).decoded, 80);
    let left = (0..80).map(|n| (n + 1) as f32 / 32_768.0);
    assert!(out.chunks(2).zip(left).all(|(f, l)| f == [l, 0.0]));
}

#[test]
fn decoders_that_cannot_share_a_stream_are_refused() {
    assert!(Playout::new(&PlayoutConfig::default(), vec![]).is_err());
    let make = |channels| -> Box<dyn Decoder> {
        Box::new(PcmDecoder::new(PcmCoding::L16, StreamFormat::new(RATE, channels), 80).unwrap())
    };
    let two = vec![(96, make(Channels::MONO)), (97, make(Channels::STEREO))];
    let error = Playout::new(&PlayoutConfig::default(), two).unwrap_err();
    assert!(error.to_string().contains("payload type 97"), "{error}");
}
