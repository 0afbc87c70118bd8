use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::Sink;
use audiox_io::WavSink;
use tempfile::TempDir;

use super::super::At;
use super::*;

fn codecs() -> CodecRegistry {
    let mut codecs = CodecRegistry::empty();
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    codecs
}

/// Writes so many seconds of silence, 8 kHz mono.
fn write(path: &Path, seconds: f64) {
    let format = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let mut file = WavSink::create(path, format, SampleFormat::S16).unwrap();
    let samples = vec![0.0; (seconds * 8_000.0) as usize];
    file.write(AudioRef::new(&samples, Channels::MONO)).unwrap();
    file.finish().unwrap();
}

/// A library of one file, `a`, whose thread is the test.
fn shared(seconds: f64) -> (Shared, Vec<Job>, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write(&path, seconds);
    let mut shared = Shared {
        entries: BTreeMap::new(),
        opener: Arc::new(WavFiles),
        codecs: codecs(),
        longest: 50 * 60,
        stall: Duration::from_secs(10),
        stop: Arc::default(),
    };
    let name: Arc<str> = "a".into();
    let text = Some(path.display().to_string());
    let (entry, job) = shared.entry(&name, text).unwrap();
    shared.entries.insert(name, entry);
    (shared, job.into_iter().collect(), folder, path)
}

fn kept(shared: &Shared) -> (Arc<Track>, Option<String>) {
    let What::Kept(kept) = &shared.entries["a"].what else {
        panic!("it is no live sound");
    };
    let kept = lock(kept);
    (kept.track.clone(), kept.trouble.clone())
}

/// Looks at the files, as the thread does each second.
fn look(shared: &Shared, jobs: &mut Vec<Job>) {
    jobs.extend(
        shared
            .changed()
            .iter()
            .filter_map(|name| shared.again(name)),
    );
}

fn packets(track: &Track) -> u64 {
    let (packets, _, whole) = track.size();
    assert!(whole);
    packets
}

#[test]
fn a_sound_that_changes_while_it_is_encoded_is_played_to_its_end() {
    let (shared, mut jobs, folder, path) = shared(5.0);
    shared.encode(&mut jobs);
    let (played, _) = kept(&shared);
    assert_eq!(played.at(60), At::Coming);
    let newer = folder.path().join("newer.wav");
    write(&newer, 2.0);
    std::fs::rename(newer, path).unwrap();
    look(&shared, &mut jobs);
    assert_eq!(jobs.len(), 2);
    while !jobs.is_empty() {
        shared.encode(&mut jobs);
    }
    // Each with the packet that pushes out what the encoder holds back.
    assert_eq!((packets(&played), packets(&kept(&shared).0)), (251, 101));
}

#[test]
fn a_sound_that_nobody_will_play_is_not_encoded() {
    let (shared, mut jobs, folder, path) = shared(5.0);
    for n in 1..4 {
        shared.encode(&mut jobs);
        let newer = folder.path().join("newer.wav");
        write(&newer, 5.0 + f64::from(n));
        std::fs::rename(newer, &path).unwrap();
        look(&shared, &mut jobs);
    }
    shared.encode(&mut jobs);
    assert_eq!(jobs.len(), 1);
    assert!(Arc::ptr_eq(&jobs[0].track, &kept(&shared).0));
}

#[test]
fn what_is_no_file_any_more_is_told_until_it_is_one() {
    let (shared, mut jobs, _folder, path) = shared(1.0);
    while !jobs.is_empty() {
        shared.encode(&mut jobs);
    }
    std::fs::remove_file(&path).unwrap();
    look(&shared, &mut jobs);
    assert!(kept(&shared).1.unwrap().contains("a.wav"));
    std::fs::create_dir(&path).unwrap();
    look(&shared, &mut jobs);
    let (_, trouble) = kept(&shared);
    assert!(trouble.as_ref().unwrap().contains("no file"), "{trouble:?}");
    assert!(jobs.is_empty());
    std::fs::remove_dir(&path).unwrap();
    write(&path, 3.0);
    look(&shared, &mut jobs);
    assert_eq!((jobs.len(), kept(&shared).1), (1, None));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let refused = WavFiles.look(path.to_str().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("a.wav"), "{refused}");
    assert!(refused.to_string().contains("no file"), "{refused}");
    // In a file's place.
    let (shared, mut jobs, _folder, kept_path) = shared(1.0);
    std::fs::rename(&path, &kept_path).unwrap();
    look(&shared, &mut jobs);
    assert!(kept(&shared).1.unwrap().contains("no file"));
}

#[test]
fn a_sound_of_no_frames_is_a_packet_of_silence() {
    let mut source = BuiltIn::open("wake").unwrap();
    source.seek(u64::MAX).unwrap();
    let mut encoding = Encoding::new(Box::new(source), &codecs()).unwrap();
    let (_, level) = encoding.next().unwrap().unwrap();
    assert_eq!(level.peak, 0.0);
    for _ in 0..2 {
        assert!(encoding.next().unwrap().is_none());
    }
    // A file of none is refused by its name.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write(&path, 0.0);
    let refused = WavFiles.look(path.to_str().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("a.wav"), "{refused}");
}

#[test]
fn a_sound_that_breaks_off_is_in_trouble_and_one_that_was_replaced_is_not() {
    let (shared, mut jobs, _folder, _) = shared(5.0);
    let error = SourceError::Unsupported("it broke off".to_owned());
    let old = jobs.pop().unwrap();
    let newer = shared.again(&"a".into()).unwrap();
    shared.fail(&old, &error);
    assert_eq!(kept(&shared).1, None);
    assert_eq!(old.track.at(0), At::Failed(error.to_string()));
    shared.fail(&newer, &error);
    assert_eq!(kept(&shared).1, Some(error.to_string()));
}

#[test]
fn a_live_sound_is_given_a_second_at_least() {
    let config = LibraryConfig {
        stall: Duration::ZERO,
        ..LibraryConfig::new(codecs())
    };
    let error = Library::open(config).unwrap_err().to_string();
    assert_eq!(error, "stall: 0 is not possible; 1 s and more");
}
