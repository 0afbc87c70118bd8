//! A real-time run over loopback: two streams of noise arrive to the bit. Two seconds as a rule;
//! ten minutes where `AUDIOX_LONG` is set, and then the schedule must not slip nor memory grow.
#![cfg(test)]

use std::ops::ControlFlow;
use std::time::Duration;

use audiox::compare::Comparison;
use audiox::core::format::SampleFormat;
use audiox::io::WavSource;
use audiox::{SourceOptions, Transfer, sources_from_str};

#[test]
fn streams_go_on_as_they_began() {
    let long = std::env::var_os("AUDIOX_LONG").is_some();
    let seconds: u32 = if long { 600 } else { 2 };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, colour) in [("a.wav", "white"), ("b.wav", "pink")] {
        let noise = format!("noise:{colour},rate=48000,length={seconds}s");
        Transfer::new(
            sources_from_str(&noise, &SourceOptions::default()).unwrap(),
            &at(name).parse().unwrap(),
            Some(SampleFormat::S16),
        )
        .unwrap()
        .run(|_| ControlFlow::Continue(()))
        .unwrap();
    }

    let from = "rtp://127.0.0.1:0?codec=L16&rate=48000&channels=1";
    let receiving = audiox::recv(from, at("heard/")).until_ended();
    let receiving = receiving.start().unwrap();
    let to = format!("rtp://{}?ptime=5", receiving.local_addrs()[0]);
    let sending = audiox::send(at("a.wav"), to).and(at("b.wav"));
    let sending = sending.start().unwrap();
    if long {
        std::thread::sleep(Duration::from_secs(60));
        let settled = resident_bytes();
        std::thread::sleep(Duration::from_secs(510));
        let grown = resident_bytes().saturating_sub(settled);
        assert!(grown < 4 << 20, "{settled} bytes and {grown} more");
    }

    for stream in sending.wait().unwrap().streams {
        assert_eq!(stream.packets, u64::from(seconds) * 200);
        // Measured, so a busy machine shows in it; a schedule that slips by a microsecond a packet
        // would show 5760 frames after ten minutes.
        let drift = stream.schedule.drift_frames.unwrap_or_default();
        assert!(!long || drift.abs() < 48, "{}: {drift}", stream.name);
    }
    let heard = receiving.wait().unwrap();
    assert_eq!(heard.streams.len(), 2);
    let mut sent = vec![at("a.wav"), at("b.wav")];
    for stream in heard.streams {
        let file = stream.file.unwrap();
        let mut recording = WavSource::open(&file).unwrap();
        // Which of the two it is, its sound tells.
        let which = sent.iter().position(|original| {
            let mut original = WavSource::open(original).unwrap();
            let found = Comparison::of(&mut original, &mut recording, &[]).unwrap();
            found.identical == u64::from(seconds) * 48_000 && found.is_exact()
        });
        sent.remove(which.unwrap_or_else(|| panic!("{file:?} is none of {sent:?}")));
    }
}

/// Memory in use; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4_096
}
