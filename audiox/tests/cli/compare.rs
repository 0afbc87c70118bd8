//! `audiox compare` and `audiox plot`, on a recording with two known holes.

use audiox::core::block::AudioRef;
use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::source::Sink;
use audiox::io::WavSink;

use super::support::{Folder, audiox};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
const GAPS: &str = r#"{"version":1,"streams":[{"file":"got.wav","rate":8000,"gaps":[
    {"start_frame":800,"frames":160,"cause":"lost"},
    {"start_frame":4000,"frames":320,"cause":"late"}]}]}"#;

/// `sent.wav`, and `got.wav` without the frames that `got.json` lists.
fn recording() -> (Folder, String, String) {
    let folder = Folder::new();
    let sent: Vec<f32> = (1..=8_000).map(|n| n as f32 / 16_384.0).collect();
    let mut got = sent.clone();
    got[800..960].fill(0.0);
    got[4_000..4_320].fill(0.0);
    for (name, samples) in [("sent.wav", sent), ("got.wav", got)] {
        let mut wav = WavSink::create(folder.path(name), FORMAT, SampleFormat::S16).unwrap();
        wav.write(AudioRef::new(&samples, FORMAT.channels)).unwrap();
        wav.finish().unwrap();
    }
    std::fs::write(folder.path("got.json"), GAPS).unwrap();
    let (sent, got) = (folder.at("sent.wav"), folder.at("got.wav"));
    (folder, sent, got)
}

#[test]
fn a_recording_with_gaps_equals_its_original_elsewhere() {
    let (_folder, sent, got) = recording();
    let told = audiox(&["compare", &sent, &got]).clean();
    let expected = format!(
        "{got}: 2 gaps, 60.00 ms of 1.00 s, filled with silence; \
         the other 7520 frames equal {sent} bit for bit"
    );
    assert_eq!(told.text().trim_end(), expected);
}

#[test]
fn what_differs_without_being_listed_fails() {
    let (folder, sent, got) = recording();
    std::fs::remove_file(folder.path("got.json")).unwrap();
    audiox(&["compare", &sent, &got]).fails(1, "is not what was sent: 480 of 8000 frames differ");
}

#[test]
fn pictures_show_all_gaps_or_one_from_close_by() {
    let (folder, sent, got) = recording();
    let svg = folder.at("p.svg");
    let draw = |more: &[&str]| {
        audiox(&[&["plot", &sent, &got, "-o", &svg], more].concat()).clean();
        std::fs::read_to_string(&svg).unwrap()
    };
    let whole = draw(&[]);
    assert!(whole.contains("lost: 1 gap, 20 ms") && whole.contains("late: 1 gap, 40 ms"));
    let close = draw(&["--gap", "2"]);
    assert!(!close.contains("lost: 1 gap") && close.contains("late: 1 gap, 40 ms"));
    assert!(close.contains(">420 ms<") && !close.contains(">100 ms<"));
    audiox(&["plot", &got, "-o", &svg, "--gap", "3"]).fails(2, "--gap 3: there are 2 gaps");
}
