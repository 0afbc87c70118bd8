//! What a device does with sound: decodes and plays or records it, on a thread of its own.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use audiox::core::block::AudioRef;
use audiox::core::codec::{CodecSpec, Decoder, EncodingName};
use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::source::Sink;
use audiox::grpc::client::Update;

use super::Failure;

pub(super) struct Ear {
    give: Sender<Update>,
    thread: JoinHandle<Result<u64, audiox::Error>>,
}

impl Ear {
    pub(super) fn open(to: &str) -> Result<Self, Failure> {
        let spec = CodecSpec {
            encoding: EncodingName::OPUS,
            rate: FORMAT.rate,
            channels: FORMAT.channels,
        };
        let decoder = audiox::codecs()
            .decoder(&spec, MOST_FRAMES)
            .map_err(audiox::Error::from)?;
        let sink = audiox::sink_from_str(to, FORMAT, SampleFormat::S16)?;
        let (give, given) = channel();
        let thread = thread::Builder::new()
            .name("audiox-ear".to_owned())
            .spawn(move || listen(decoder, sink, given.into_iter()))
            .map_err(|e| Failure::io("cannot start the thread that decodes", &e))?;
        Ok(Self { give, thread })
    }

    pub(super) fn take(&mut self, update: Update) -> Result<(), Failure> {
        // Where the thread has ended, `finish` knows why.
        let gone = self.give.send(update).is_err();
        match gone && self.thread.is_finished() {
            true => Err(Failure::Failed(
                "the sound can go nowhere any more".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// Seconds that were heard.
    pub(super) fn finish(self) -> Result<f64, Failure> {
        drop(self.give);
        match self.thread.join() {
            Ok(frames) => Ok(frames? as f64 / f64::from(FORMAT.rate.get())),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn listen(
    mut decoder: Box<dyn Decoder>,
    mut sink: Box<dyn Sink>,
    updates: impl Iterator<Item = Update>,
) -> Result<u64, audiox::Error> {
    let mut samples = vec![0.0; MOST_FRAMES];
    let mut heard = 0;
    for update in updates {
        match update {
            Update::SoundStarted => decoder.reset(),
            Update::Packet(data) => {
                // What cannot be decoded is not heard; the next packet can be.
                let frames = decoder.decode(&data, &mut samples).unwrap_or(0);
                sink.write(AudioRef::new(&samples[..frames], FORMAT.channels))?;
                heard += frames as u64;
            }
            Update::SoundEnded => sink.flush()?,
            _ => {}
        }
    }
    sink.flush()?;
    Ok(heard)
}

const FORMAT: StreamFormat = StreamFormat {
    rate: SampleRate::HZ_48000,
    channels: Channels::MONO,
};
/// Of the longest packet, 120 ms.
const MOST_FRAMES: usize = 5_760;
