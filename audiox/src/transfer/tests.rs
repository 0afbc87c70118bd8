use audiox_io::WavSource;

use super::*;
use crate::source::{SourceOptions, sources_from_str};

fn open(texts: &[&str]) -> Vec<OpenSource> {
    let options = SourceOptions::default();
    let opened = texts.iter().map(|t| sources_from_str(t, &options).unwrap());
    opened.flatten().collect()
}

fn copy(texts: &[&str], to: &str, sample: Option<SampleFormat>) -> Result<Vec<Transferred>, Error> {
    Transfer::new(open(texts), &to.parse()?, sample)?.run(|_| ControlFlow::Continue(()))
}

#[test]
fn tracks_stand_side_by_side_and_short_ones_are_padded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/multi.wav");
    let to = path.to_str().unwrap();
    let sources = [
        "impulse:1s,length=20000,level=-6dB,rate=8000",
        "impulse:0.5s,length=0.5s,rate=8000,channels=2",
    ];
    let texts = [
        sources[0].replace("length=20000", "length=2.5s"),
        sources[1].to_owned(),
    ];
    let written = copy(&[&texts[0], &texts[1]], to, None).unwrap();
    assert_eq!(written[0].frames, 20_000);
    assert_eq!(written[0].pcm.unwrap().to_string(), "s24le");
    let mut wav = WavSource::open(&path).unwrap();
    assert_eq!(wav.format().channels.get(), 3);
    let mut all = vec![0.0; 3 * 20_000];
    let mut filled = 0;
    while filled < all.len() {
        filled += 3 * wav.read(&mut all[filled..]).unwrap();
    }
    assert!((all[0] - 0.501).abs() < 1e-3 && all[1] > 0.999 && all[2] > 0.999);
    assert!(all[3 * 8_000] > 0.5 && all[3 * 8_000 + 1] == 0.0);
}

#[test]
fn stored_samples_pass_bit_for_bit_and_a_folder_gets_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    copy(
        &["noise:,length=1.5s,rate=8000"],
        &at("a.wav"),
        Some(SampleFormat::S16),
    )
    .unwrap();
    std::fs::create_dir(at("in")).unwrap();
    std::fs::rename(at("a.wav"), at("in/a.wav")).unwrap();
    let written = copy(&[&at("in"), &at("in/a.wav")], &at("out/"), None).unwrap();
    assert_eq!(written.len(), 2);
    let original = std::fs::read(at("in/a.wav")).unwrap();
    assert_eq!(std::fs::read(at("out/a.wav")).unwrap(), original);
    assert_eq!(std::fs::read(at("out/a-2.wav")).unwrap(), original);
    copy(&[&at("in/a.wav")], "null:", None).unwrap();
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    copy(&["tone:5,length=1s,rate=8000"], &at("a.wav"), None).unwrap();
    let before = std::fs::read(at("a.wav")).unwrap();
    for (texts, to, part) in [
        (vec![at("a.wav")], at("a.wav"), "would be lost"),
        (vec!["tone:440".to_owned()], at("b.wav"), "no end"),
        (
            vec![at("a.wav"), "tone:5,length=1s".to_owned()],
            at("b.wav"),
            "8000 Hz",
        ),
        (vec![at("a.wav")], "udp://127.0.0.1:9".to_owned(), "clock"),
    ] {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let error = copy(&texts, &to, None).unwrap_err();
        assert!(
            error.is_usage() && error.to_string().contains(part),
            "{error}"
        );
    }
    assert_eq!(std::fs::read(at("a.wav")).unwrap(), before);
    assert!(!folder.path().join("b.wav").exists());
}

#[test]
fn breaking_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let to = path.to_str().unwrap().parse().unwrap();
    let work = Transfer::new(open(&["noise:,length=100s"]), &to, None).unwrap();
    assert_eq!(work.frames(), Some(4_800_000));
    let stop = |frames| match frames {
        0..100_000 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let written = work.run(stop).unwrap();
    let wav = WavSource::open(&path).unwrap();
    assert_eq!(wav.frames(), written[0].frames);
    assert!((100_000..200_000).contains(&wav.frames()) && wav.notices().is_empty());
}
