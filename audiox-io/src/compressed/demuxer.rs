//! The demuxer and decoder of one audio track.

use std::io::{Seek, SeekFrom};

use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::SourceError;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_ISOMP4, FORMAT_ID_MKV};
use symphonia::core::formats::{
    FormatId, FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType,
};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use crate::kind::FileKind;

pub(super) struct Demuxer {
    /// There, but for a moment of [`rewind`](Self::rewind).
    reader: Option<Box<dyn FormatReader>>,
    pub(super) decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// The decoder cuts off what packets say.
    trims: bool,
    /// Frames a tick of the container's clock, as a fraction.
    scale: (u64, u64),
    /// Frames before timestamp zero.
    before: u64,
    /// Timestamp of the first frame, where that is above zero.
    origin: u64,
    /// Frames in the last packet.
    pub(super) usual: u64,
    /// All packets have been read.
    at_end: bool,
}

/// What the container tells.
pub(super) struct Told {
    pub(super) frames: Option<u64>,
    pub(super) delay: u32,
    /// The number of frames is not a guess.
    pub(super) has_tag: bool,
}

impl Demuxer {
    /// A demuxer of what `stream` holds.
    pub(super) fn new(stream: MediaSourceStream<'static>) -> Result<Self, Error> {
        Self::of(probe(stream)?)
    }

    pub(super) fn of(reader: Box<dyn FormatReader>) -> Result<Self, Error> {
        let track = reader.default_track(TrackType::Audio);
        let track = track.ok_or(Error::Unsupported("there is no audio track"))?;
        let params = track.codec_params.as_ref().and_then(|p| p.audio());
        let params = params.ok_or(Error::Unsupported("the coding is not known"))?;
        // Vorbis trims by its own overlaps; everything else is counted and cut here.
        let trims = params.codec == CODEC_ID_VORBIS;
        let options = AudioDecoderOptions::default().gapless(trims);
        let decoder = symphonia::default::get_codecs().make_audio_decoder(params, &options)?;
        let rate = params.sample_rate.unwrap_or(0);
        let scale = track
            .time_base
            .map_or((1, 1), |base| frames_a_tick(base, rate));
        // A recording of a part of a stream counts from the stream's beginning.
        let origin = match params.codec {
            CODEC_ID_VORBIS | CODEC_ID_FLAC => u64::try_from(track.start_ts.get()).unwrap_or(0),
            _ => 0,
        };
        let before = match params.codec {
            CODEC_ID_MP3 => u64::from(track.delay.unwrap_or(0)),
            _ => 0,
        };
        Ok(Self {
            track: track.id,
            usual: params.max_frames_per_packet.unwrap_or(0).clamp(1, USUAL),
            trims,
            decoder,
            reader: Some(reader),
            scale,
            before,
            origin,
            at_end: false,
        })
    }

    fn track(&self) -> Option<&Track> {
        let tracks = self.reader.as_ref()?.tracks();
        tracks.iter().find(|t| t.id == self.track)
    }

    pub(super) fn kind(&self) -> FileKind {
        match self.decoder.codec_params().codec {
            CODEC_ID_MP3 => FileKind::Mp3,
            CODEC_ID_AAC => FileKind::Aac,
            CODEC_ID_FLAC => FileKind::Flac,
            CODEC_ID_VORBIS => FileKind::OggVorbis,
            _ => FileKind::Unknown,
        }
    }

    fn is(&self, container: FormatId) -> bool {
        let reader = self.reader.as_ref();
        reader.is_some_and(|r| r.format_info().format == container)
    }

    /// The coding, for people.
    pub(super) fn codec(&self) -> &'static str {
        match self.decoder.codec_params().codec {
            CODEC_ID_MP3 => "MP3",
            CODEC_ID_AAC => "AAC",
            CODEC_ID_FLAC => "FLAC",
            CODEC_ID_VORBIS => "Vorbis",
            _ => self.decoder.codec_info().long_name,
        }
    }

    /// Whether samples are stored as they stand.
    pub(super) fn is_pcm(&self) -> bool {
        self.decoder.codec_info().short_name.starts_with("pcm_")
    }

    pub(super) fn told(&self) -> Told {
        let track = self.track();
        let frames = track.and_then(|t| {
            let in_frames = |ticks: u64| self.in_frames(ticks);
            t.num_frames
                .or_else(|| t.duration.map(|d| in_frames(d.get())))
                .map(|frames| frames.saturating_sub(self.origin))
        });
        // Others cut it themselves, or do not tell.
        let delay = u32::try_from(self.before).unwrap_or(0);
        let has_tag = track.is_some_and(|t| t.delay.is_some());
        Told {
            frames,
            delay,
            has_tag,
        }
    }

    pub(super) fn format(
        &self,
        name: &str,
        kind: FileKind,
    ) -> Result<(StreamFormat, Option<u32>), SourceError> {
        let track = self.track();
        let params = track.and_then(|t| t.codec_params.as_ref()?.audio());
        let rate = params.and_then(|p| p.sample_rate).unwrap_or(0);
        let channels = params
            .and_then(|p| Some(p.channels.as_ref()?.count()))
            .unwrap_or(0);
        let odd = |e: audiox_core::ConfigError| {
            SourceError::Unsupported(format!("{name}: this {kind} file cannot be read: {e}"))
        };
        let rate = SampleRate::new(rate).map_err(odd)?;
        let channels = Channels::new(u16::try_from(channels).unwrap_or(0)).map_err(odd)?;
        let lossless = self.is_pcm() || self.kind() == FileKind::Flac;
        let bits = params.and_then(|p| p.bits_per_sample).filter(|_| lossless);
        Ok((StreamFormat::new(rate, channels), bits))
    }

    /// The next packet of the track.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Error> {
        let packet = self.read()?;
        self.at_end |= packet.is_none();
        Ok(packet)
    }

    fn read(&mut self) -> Result<Option<Packet>, Error> {
        loop {
            let reader = self.reader.as_mut().ok_or(GONE)?;
            match reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                // The end of a file that was cut; how much is missing is seen by counting.
                Err(Error::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(None);
                }
                Err(Error::ResetRequired) => {
                    return Err(Error::Unsupported(
                        "several streams are chained in it; split it",
                    ));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Frames in all packets, of which none has been read yet.
    pub(super) fn count(&mut self) -> Result<u64, Error> {
        let (mut last, mut usual) = (None::<Packet>, None);
        while let Some(packet) = self.next()? {
            if let Some(last) = &last {
                usual = packet.pts.duration_from(last.pts);
            }
            last = Some(packet);
        }
        let Some(last) = last else {
            return Ok(0);
        };
        // What the last packet says of its length, it says of what is left of it; FLAC's last block
        // may be shorter than the others.
        let is_exact = self.trims || self.kind() == FileKind::Flac;
        let length = usual.filter(|_| !is_exact).unwrap_or(last.dur);
        Ok(self.position(last.pts.saturating_add(length)))
    }

    /// Frame of a packet's beginning, silence of the encoder included; `None` where the container
    /// counts something else.
    pub(super) fn place(&self, packet: &Packet) -> Option<u64> {
        let trimmed = match self.trims {
            true => packet.trim_start,
            false => Duration::ZERO,
        };
        let start = packet.pts.saturating_add(trimmed);
        (self.scale.0 == self.scale.1).then(|| self.position(start))
    }

    /// Frame at a time of the container.
    fn position(&self, time: Timestamp) -> u64 {
        let frames = i128::from(time.get()) * i128::from(self.scale.0) / i128::from(self.scale.1);
        let before = i128::from(self.before) - i128::from(self.origin);
        u64::try_from((frames + before).max(0)).unwrap_or(u64::MAX)
    }

    fn in_frames(&self, ticks: u64) -> u64 {
        let frames = u128::from(ticks) * u128::from(self.scale.0) / u128::from(self.scale.1);
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// Back to the start, as if nothing had been read.
    pub(super) fn rewind(&mut self) -> Result<(), Error> {
        let is_matroska = self.is(FORMAT_ID_MKV);
        let mut reader = self.reader.take().ok_or(GONE)?;
        if is_matroska {
            // It need not be read through again; decoders do not forget all when they are reset.
            let (ts, track_id) = (Timestamp::new(0), self.track);
            reader.seek(SeekMode::Accurate, SeekTo::Timestamp { ts, track_id })?;
            *self = Self::of(reader)?;
            return Ok(());
        }
        let mut stream = reader.into_inner();
        stream.seek(SeekFrom::Start(0))?;
        *self = Self::new(stream)?;
        Ok(())
    }

    /// Goes to a packet that begins at `frame` or before; returns where.
    pub(super) fn seek(&mut self, frame: u64) -> Result<u64, Error> {
        let frame = (frame + self.origin).saturating_sub(self.before);
        // MP4 in fragments is not read again once its end was seen, but from its start.
        if self.at_end && self.is(FORMAT_ID_ISOMP4) {
            self.rewind()?;
        }
        let ticks = u128::from(frame) * u128::from(self.scale.1) / u128::from(self.scale.0);
        let to = SeekTo::Timestamp {
            ts: Timestamp::new(i64::try_from(ticks).unwrap_or(i64::MAX)),
            track_id: self.track,
        };
        let reader = self.reader.as_mut().ok_or(GONE)?;
        let sought = reader.seek(SeekMode::Accurate, to)?;
        self.decoder.reset();
        Ok(self.position(sought.actual_ts))
    }
}

/// What takes `stream` apart, by its content.
pub(super) fn probe(stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, Error> {
    let metadata = MetadataOptions::default()
        .limit_tag_bytes(Limit::Maximum(MAX_TAG_BYTES))
        .limit_visual_bytes(Limit::Maximum(0));
    symphonia::default::get_probe().probe(&Hint::new(), stream, FormatOptions::default(), metadata)
}

/// Frames a tick of `base`, in lowest terms.
fn frames_a_tick(base: TimeBase, rate: u32) -> (u64, u64) {
    let (a, b) = (
        u64::from(rate.max(1)) * u64::from(base.numer.get()),
        u64::from(base.denom.get()),
    );
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x, b / x)
}

/// The demuxer is only away while it is made anew; if that failed, it stays away.
const GONE: Error = Error::DecodeError("its start could not be read again");
/// Frames of a packet of unknown length, at most.
const USUAL: u64 = 65_535;
const MAX_TAG_BYTES: usize = 64 * 1024;
