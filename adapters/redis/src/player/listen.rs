//! Samples for browsers: from any moment on, and on as a session records.

use std::time::Duration;

use audiox_core::convert::{self, ChannelMap};
use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::registry::SessionRecord;
use audiox_core::source::Source;
use audiox_core::store::StoreErrorKind;
use audiox_io::pcm::PcmCoding;
use audiox_io::sound::{Headers, PcmWish};
use audiox_net::http::Ending;
use audiox_net::http::axum::body::Body;
use audiox_net::http::axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Player;
use super::error::PlayerError;
use super::watch::Seen;

/// 16-bit samples of a session, of two channels at most. A live one goes on until its session
/// records no more.
pub(super) async fn samples(
    player: &Player,
    record: SessionRecord,
    wish: PcmWish,
    from: Duration,
    is_live: bool,
    ending: Ending,
) -> Result<Response, PlayerError> {
    let place = player.stream()?;
    let seen = match is_live && record.is_recording() {
        true => player.inner.watched.follow(&record),
        false => None,
    };
    let buffer = player.buffer(&record).await?;
    let sound = player.open(&buffer, wish).await?;
    let format = sound.source.format();
    let channels = match format.channels.get() {
        1 => Channels::MONO,
        _ => Channels::new(2)?,
    };
    // What is guessed of the beginning stays so when there is more to guess from.
    let wish = match &sound.guess {
        Some(_) => PcmWish {
            headers: Headers::Ignore,
            coding: Some(sound.source.native().map_or(PcmCoding::S8, PcmCoding::Pcm)),
            rate: Some(format.rate),
            channels: Some(format.channels),
            ..wish
        },
        None => wish,
    };
    let listening = Listening {
        player: player.clone(),
        record,
        wish,
        source: Some(sound.source),
        is_placed: false,
        format,
        map: ChannelMap::between(format.channels, channels),
        at: format.rate.frames_in(from),
        chars: buffer.chars,
        seen,
        ending,
        _place: place,
    };
    let head = [
        ("content-type", "application/octet-stream".to_owned()),
        ("audiox-rate", format.rate.get().to_string()),
        ("audiox-channels", channels.get().to_string()),
    ];
    let parts = unfold(Some(listening), |listening| async {
        match listening?.next().await {
            Ok(Some((part, listening))) => Some((Ok(part), Some(listening))),
            Ok(None) => None,
            // It is cut off, so that nobody takes it for whole.
            Err(e) => Some((Err(e), None)),
        }
    });
    Ok((head, Body::from_stream(parts)).into_response())
}

struct Listening {
    player: Player,
    record: SessionRecord,
    wish: PcmWish,
    source: Option<Box<dyn Source>>,
    is_placed: bool,
    format: StreamFormat,
    map: ChannelMap,
    /// The next frame.
    at: u64,
    /// Characters of the buffer that is read.
    chars: u64,
    seen: Option<watch::Receiver<Seen>>,
    ending: Ending,
    _place: OwnedSemaphorePermit,
}

impl Listening {
    /// The next samples; none at the end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, PlayerError> {
        loop {
            if self.source.is_some() {
                let (part, mut this) = self.read().await?;
                if !part.is_empty() {
                    return Ok(Some((part, this)));
                }
                this.source = None;
                self = this;
            }
            if !self.grown().await? {
                return Ok(None);
            }
        }
    }

    /// Reads on, on a thread that may wait.
    async fn read(mut self) -> Result<(Bytes, Self), PlayerError> {
        let player = self.player.clone();
        let read = move || {
            let part = self.read_now()?;
            Ok((part, self))
        };
        player.work(read).await
    }

    fn read_now(&mut self) -> Result<Bytes, PlayerError> {
        let Some(source) = &mut self.source else {
            return Ok(Bytes::new());
        };
        if !std::mem::replace(&mut self.is_placed, true) && self.at > 0 {
            source.seek(self.at)?;
        }
        let most = MOST_SAMPLES / self.format.channels.get();
        let frames = (self.format.rate.get() as usize / PARTS_A_SECOND).clamp(1, most.max(1));
        let mut samples = vec![0.0; frames * self.format.channels.get()];
        let frames = match source.read(&mut samples) {
            Ok(frames) => frames,
            // The end of what is still being written may look torn.
            Err(_) if self.seen.is_some() => 0,
            Err(e) => return Err(e.into()),
        };
        self.at += frames as u64;
        samples.truncate(frames * self.format.channels.get());
        if !self.map.is_identity() {
            let mut mapped = vec![0.0; frames * self.map.outputs().get()];
            self.map.apply(&samples, &mut mapped);
            samples = mapped;
        }
        let pcm = PcmFormat::new(SampleFormat::S16, Endian::Little);
        let mut out = vec![0; 2 * samples.len()];
        convert::encode(pcm, &samples, &mut out);
        Ok(out.into())
    }

    /// Waits for more, and opens it. False where there is to be no more.
    async fn grown(&mut self) -> Result<bool, PlayerError> {
        let Some(seen) = &mut self.seen else {
            return Ok(false);
        };
        loop {
            let now = *seen.borrow_and_update();
            if now.is_gone {
                return Ok(false);
            }
            if now.chars > self.chars {
                self.record.buffer_len = now.chars;
                break;
            }
            if !now.is_recording {
                return Ok(false);
            }
            let changed = tokio::select! {
                changed = seen.changed() => changed,
                () = self.ending.ended() => return Ok(false),
            };
            if changed.is_err() {
                return Ok(false);
            }
        }
        let buffer = match self.player.buffer(&self.record).await {
            Ok(buffer) => buffer,
            Err(PlayerError::Registry(e)) if e.kind == StoreErrorKind::Transient => {
                // It may come back; there is nothing to read until then.
                tokio::time::sleep(AGAIN).await;
                return Ok(true);
            }
            Err(e) => return Err(e),
        };
        self.chars = buffer.chars.max(self.chars);
        let sound = self.player.open(&buffer, self.wish).await?;
        if sound.source.format() != self.format {
            let what = "what is recorded has changed its format; open it anew";
            return Err(PlayerError::Decode(what.to_owned()));
        }
        self.source = Some(sound.source);
        self.is_placed = false;
        Ok(true)
    }
}

const PARTS_A_SECOND: usize = 5;
/// Samples read at once, whatever rate and channels somebody asks for.
const MOST_SAMPLES: usize = 1 << 18;
const AGAIN: Duration = Duration::from_secs(1);
