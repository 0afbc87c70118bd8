//! A server with sounds of known pitch.

use std::path::PathBuf;

use audiox_core::block::AudioRef;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::Sink;
use audiox_grpc::device::{Behaviour, Mode};
use audiox_grpc::server::ServerConfig;
use audiox_grpc::sound::LibraryConfig;
use audiox_io::WavSink;
use tempfile::TempDir;

/// Files `a.wav` to `e.wav`: a second of one pitch and a second of another each, up to the last
/// frame, in several rates and channel counts.
pub(crate) struct Sounding(TempDir);

impl Sounding {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, rate, channels, pitches) in [
            ("a", 48_000, 1, [440.0, 880.0]),
            ("b", 48_000, 1, [660.0, 990.0]),
            ("c", 44_100, 2, [330.0, 550.0]),
            ("d", 16_000, 1, [250.0, 500.0]),
            ("e", 96_000, 3, [700.0, 350.0]),
        ] {
            let channels = Channels::new(channels).unwrap();
            let format = StreamFormat::new(SampleRate::new(rate).unwrap(), channels);
            let path = folder.path().join(format!("{name}.wav"));
            let mut file = WavSink::create(path, format, SampleFormat::S16).unwrap();
            for pitch in pitches {
                let samples: Vec<f32> = (0..rate)
                    .flat_map(|n| {
                        let turn = pitch * f64::from(n) / f64::from(rate) * std::f64::consts::TAU;
                        vec![0.5 * turn.cos() as f32; channels.get()]
                    })
                    .collect();
                file.write(AudioRef::new(&samples, channels)).unwrap();
            }
            file.finish().unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// Modes 1 to 5 have these files, mode 0 a built-in sound.
    pub(crate) fn config(&self, bind: &str) -> ServerConfig {
        let mut library = LibraryConfig::new(codecs());
        let mut behaviour = Behaviour::default();
        for (mode, name) in (1..).zip(["a", "b", "c", "d", "e"]) {
            let path = self.path(&format!("{name}.wav"));
            library
                .sounds
                .insert(name.to_owned(), path.to_str().unwrap().to_owned());
            let usual = behaviour.modes[mode].clone();
            behaviour.modes[mode] = Mode {
                sound: Some(name.into()),
                ..usual
            };
        }
        ServerConfig {
            behaviour,
            ..ServerConfig::new(bind.parse().unwrap(), library)
        }
    }
}

pub(crate) fn codecs() -> CodecRegistry {
    let mut codecs = CodecRegistry::empty();
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    codecs
}
