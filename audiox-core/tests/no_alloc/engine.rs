//! Playout at its busiest: a loaded wireless link with losses, clocks that differ, another rate
//! and fewer channels at the device, and a trace of all of it.

use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::{PcmCoding, PcmDecoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::packet::PacketBuf;
use audiox_core::playout::{Playout, PlayoutConfig};
use audiox_core::sim::Pcg32;
use audiox_core::sim::link::{WIFI_LOADED, wifi_trace};
use audiox_core::time::{ExtSeq, Instant, MediaTime};
use audiox_core::trace::trace_ring;

use crate::counting::assert_no_alloc;

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
const FRAMES: usize = 480;
const PACKETS: usize = 20_000;

#[test]
fn playout_at_its_busiest_asks_nothing_of_the_allocator() {
    let config = PlayoutConfig {
        output: Some(StreamFormat::new(SampleRate::HZ_44100, Channels::MONO)),
        ..PlayoutConfig::default()
    };
    let decoder = PcmDecoder::new(PcmCoding::L16, FORMAT, FRAMES).unwrap();
    let mut playout = Playout::new(&config, vec![(96, Box::new(decoder))]).unwrap();
    let (input, mut output) = trace_ring(4_096);
    playout.set_trace(Some(input));

    // When each packet arrives, in nanoseconds: 300 ppm fast, 3 % lost.
    let mut rng = Pcg32::new(4, 4);
    let loaded = WIFI_LOADED[0].as_secs() as usize * 100 - 500;
    let mut arrivals: Vec<(u64, usize)> = wifi_trace(Duration::from_millis(10))[loaded..]
        .iter()
        .take(PACKETS)
        .enumerate()
        .filter(|_| rng.next_u32() % 100 >= 3)
        .map(|(n, delay)| ((n as u64 + 1) * 9_997_000 + delay.as_nanos() as u64, n))
        .collect();
    arrivals.sort_unstable();
    let mut spare: Vec<PacketBuf> = (0..256)
        .map(|_| PacketBuf::with_capacity(4 * FRAMES))
        .collect();
    let mut payload = vec![0u8; 4 * FRAMES];
    for (n, b) in payload.chunks_exact_mut(2).enumerate() {
        let sample = (n as f32 * 0.03).sin() * 9_000.0;
        b.copy_from_slice(&(sample as i16).to_be_bytes());
    }
    let mut out = [0.0f32; 441];
    let mut next = 0;
    let mut events = 0u64;
    let mut run = |pulls: std::ops::Range<u64>| {
        for pull in pulls {
            let now = Instant::from_nanos(pull * 10_000_000);
            while next < arrivals.len() && arrivals[next].0 <= now.as_nanos() {
                let (at, n) = arrivals[next];
                next += 1;
                let mut packet = spare.pop().expect("256 buffers are enough");
                packet.fill(&payload);
                packet.meta.payload = 0..payload.len();
                packet.meta.payload_type = 96;
                packet.meta.arrival = Instant::from_nanos(at);
                packet.meta.seq = ExtSeq(70_000 + n as u64);
                packet.meta.at = MediaTime((n * FRAMES) as i64);
                playout.insert(packet);
            }
            playout.pull(now, AudioMut::new(&mut out, Channels::MONO));
            while let Some(packet) = playout.poll_recycled() {
                spare.push(packet);
            }
            while output.poll().is_some() {
                events += 1;
            }
        }
    };
    run(0..300);
    assert_no_alloc(|| run(300..PACKETS as u64 - 100));
    // All of it has been at work.
    let stats = playout.stats();
    assert!(stats.concealment_events > 300, "{stats:?}");
    assert!(stats.inserted_samples_for_deceleration > 2_000, "{stats:?}");
    assert!(stats.removed_samples_for_acceleration > 2_000, "{stats:?}");
    assert_eq!(stats.buffers_dropped, 0);
    let drift = playout.drift().map(|d| d.ppm);
    assert!(
        drift.is_some_and(|ppm| (ppm - 300.0).abs() < 3.0),
        "{drift:?}"
    );
    assert!(events > 30_000, "{events}");
}
