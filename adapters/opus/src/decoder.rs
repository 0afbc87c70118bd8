use std::fmt;
use std::ops::Range;

use audiox_core::codec::{DecodeError, Decoder, RecoveredFrames};
use audiox_core::error::ConfigError;
use audiox_core::format::{SampleRate, StreamFormat};

use crate::config::{Concealment, DRED, OpusConfig};
#[cfg(feature = "dred")]
use crate::dred::Dred;
use crate::encoder::refused;
use crate::layout::Layout;
#[cfg(feature = "dred")]
use crate::packet::Bandwidth;
use crate::packet::{self, MAX_TICKS, Mode, OpusPacket, Streams, Toc};
use crate::raw::{From, RawDecoder};

/// Decodes Opus to any of its rates; one or two channels from mono and stereo streams alike,
/// more as the layout has them.
///
/// Lost packets are concealed by libopus, which knows pitch and spectrum of what it decoded and
/// joins what comes next without a click.
pub struct OpusDecoder {
    raw: RawDecoder,
    format: StreamFormat,
    layout: Layout,
    max_frames: usize,
    /// The first byte of the last payload decoded.
    last: Option<Toc>,
    /// Concealment and error correction are made here, a coded frame at a time, where they do
    /// not fit what was asked for.
    made: Box<[f32]>,
    /// What of it has not gone out yet, in samples.
    left: Range<usize>,
    recovered: RecoveredFrames,
    #[cfg(feature = "dred")]
    dred: Option<Dred>,
}

impl OpusDecoder {
    /// A decoder of payloads of at most `max_frames` frames.
    ///
    /// # Errors
    /// A rate or channel count that Opus does not have, or a `max_frames` of zero.
    pub fn new(
        config: &OpusConfig,
        format: StreamFormat,
        max_frames: usize,
    ) -> Result<Self, ConfigError> {
        let layout = config.layout_for(format)?;
        let longest = frames_of(MAX_TICKS, format);
        if max_frames == 0 {
            return Err(ConfigError::new(
                "max_frames",
                max_frames,
                format!(
                    "Opus packets hold up to {longest} frames at {}",
                    format.rate
                ),
            ));
        }
        if config.concealment == Concealment::Deep && !DRED {
            let allowed = "deep concealment takes feature dred";
            return Err(ConfigError::new("concealment", "Deep", allowed));
        }
        let made = RawDecoder::new(format.rate.get(), &layout);
        let raw = made.map_err(|code| refused("decoder", &format, code))?;
        #[cfg(feature = "dred")]
        let (raw, dred) = crate::dred::prepare(raw, config, format, &layout)?;
        let scratch = frames_of(MAX_FRAME_TICKS, format) * format.channels.get();
        Ok(Self {
            raw,
            format,
            layout,
            max_frames: max_frames.min(longest),
            last: None,
            made: vec![0.0; scratch].into(),
            left: 0..0,
            recovered: RecoveredFrames::default(),
            #[cfg(feature = "dred")]
            dred,
        })
    }

    /// Which channels come from which of a payload's streams.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn parse<'a>(&self, payload: &'a [u8]) -> Result<(OpusPacket<'a>, usize), DecodeError> {
        let ticks = packet::ticks(payload, &self.layout).map_err(|_| DecodeError::Malformed)?;
        let first = Streams::new(payload, &self.layout).next();
        let Some(Ok(first)) = first else {
            return Err(DecodeError::Malformed);
        };
        Ok((first, frames_of(ticks, self.format)))
    }

    /// Whether `next` holds in-band error correction of use here.
    fn corrects(&self, next: &[u8]) -> bool {
        // Between transform coding and speech libopus conceals instead.
        let joins = self.last.is_none_or(|toc| toc.mode() != Mode::Celt);
        let mut parts = Streams::new(next, &self.layout).flatten();
        joins && parts.any(|packet| packet.has_fec())
    }

    /// Decodes the end of the coded frame before `next` into all of `out`.
    fn correct(&mut self, next: &[u8], toc: Toc, out: &mut [f32]) -> Result<(), DecodeError> {
        if out.is_empty() {
            return Ok(());
        }
        let frames = frames_of(toc.frame_ticks(), self.format);
        let made = &mut self.made[..frames * self.format.channels.get()];
        if self.raw.decode(From::Redundancy(next), made, frames) != Ok(frames) {
            return Err(DecodeError::Malformed);
        }
        out.copy_from_slice(&made[made.len() - out.len()..]);
        Ok(())
    }

    /// How many frames at the end of `wanted` ones, which begin `ahead` frames before `next`, its
    /// deep redundancy holds.
    #[cfg(feature = "dred")]
    fn deep_reach(
        &mut self,
        packet: &OpusPacket<'_>,
        next: &[u8],
        ahead: usize,
        wanted: usize,
    ) -> usize {
        // libopus continues by it what it decoded last, where that went up to 8 kHz.
        let continues = self
            .last
            .is_some_and(|toc| toc.mode() != Mode::Silk || toc.bandwidth() >= Bandwidth::Wideband);
        match &mut self.dred {
            Some(dred) if continues => dred.reach(packet, next, ahead, wanted),
            _ => 0,
        }
    }

    #[cfg(not(feature = "dred"))]
    fn deep_reach(&mut self, _: &OpusPacket<'_>, _: &[u8], _: usize, _: usize) -> usize {
        0
    }

    /// Decodes the deep redundancy found last into `out`, which begins `ahead` frames before the
    /// payload that it is from.
    #[cfg(feature = "dred")]
    fn decode_deep(&mut self, ahead: usize, out: &mut [f32]) -> Result<(), DecodeError> {
        let (channels, step) = (self.format.channels.get(), self.step());
        let Some(dred) = &self.dred else {
            return Ok(());
        };
        let mut at = ahead;
        for part in out.chunks_mut(step * channels) {
            let made = &mut self.made[..step * channels];
            if self.raw.recover(dred.raw(), at, made, step) != Ok(step) {
                return Err(DecodeError::Malformed);
            }
            part.copy_from_slice(&made[..part.len()]);
            at -= part.len() / channels;
        }
        Ok(())
    }

    #[cfg(not(feature = "dred"))]
    fn decode_deep(&mut self, _: usize, _: &mut [f32]) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Frames that concealment is made in: a coded frame, since speech decays within it, but of
    /// 20 ms at most, and of 10 where nothing was decoded yet.
    fn step(&self) -> usize {
        let ticks = self.last.map_or(480, |toc| toc.frame_ticks().min(960));
        frames_of(ticks, self.format)
    }
}

impl Decoder for OpusDecoder {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock_rate(&self) -> SampleRate {
        SampleRate::HZ_48000
    }

    fn max_frames(&self) -> usize {
        self.max_frames
    }

    fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        let (_, frames) = self.parse(payload)?;
        fitting(frames, self.max_frames)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let channels = self.format.channels.get();
        let (first, frames) = self.parse(payload)?;
        fitting(frames, self.max_frames.min(out.len() / channels))?;
        let out = &mut out[..frames * channels];
        self.left = 0..0;
        let decoded = self.raw.decode(From::Payload(payload), out, frames);
        self.last = Some(first.toc());
        match decoded {
            Ok(n) if n == frames => Ok(frames),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        self.recover(next, out.len() / self.format.channels.get(), out)
    }

    fn max_recovery(&self) -> usize {
        frames_of(MAX_FRAME_TICKS, self.format)
    }

    fn recover(
        &mut self,
        next: &[u8],
        ahead: usize,
        out: &mut [f32],
    ) -> Result<usize, DecodeError> {
        let channels = self.format.channels.get();
        let wanted = out.len() / channels;
        let (first, _) = self.parse(next)?;
        // What reaches into the payload itself is not missing.
        if wanted == 0 || ahead < wanted {
            return Ok(0);
        }
        // In-band error correction is coded better than deep redundancy, where it reaches.
        let corrected = match ahead == wanted && self.corrects(next) {
            true => frames_of(first.toc().frame_ticks(), self.format).min(wanted),
            false => 0,
        };
        let recovered = corrected.max(self.deep_reach(&first, next, ahead, wanted));
        if recovered == 0 {
            return Ok(0);
        }
        let concealed = wanted - recovered;
        let (head, tail) = out[..wanted * channels].split_at_mut(concealed * channels);
        let (deep, tail) = tail.split_at_mut((recovered - corrected) * channels);
        self.conceal(head);
        self.left = 0..0;
        self.decode_deep(ahead - concealed, deep)?;
        self.correct(next, first.toc(), tail)?;
        self.recovered.in_band += corrected as u64;
        self.recovered.history += (recovered - corrected) as u64;
        Ok(recovered)
    }

    fn recovered(&self) -> RecoveredFrames {
        self.recovered
    }

    fn conceals(&self) -> bool {
        true
    }

    fn conceal(&mut self, out: &mut [f32]) -> usize {
        let channels = self.format.channels.get();
        let frames = out.len() / channels;
        let step = self.step();
        let mut rest = &mut out[..frames * channels];
        while !rest.is_empty() {
            if self.left.is_empty() {
                let made = &mut self.made[..step * channels];
                if self.raw.decode(From::Concealment, made, step) != Ok(step) {
                    made.fill(0.0);
                }
                self.left = 0..step * channels;
            }
            let n = self.left.len().min(rest.len());
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(&self.made[self.left.start..self.left.start + n]);
            self.left.start += n;
            rest = later;
        }
        frames
    }

    /// Speech it knows how to model. Music, coded by its spectrum, goes on better by its waveform:
    /// packets of 20 ms, one in ten lost, came 2.4 dB nearer to the original.
    fn conceals_better(&self) -> bool {
        self.last.is_some_and(|toc| toc.mode() != Mode::Celt)
    }

    fn reset(&mut self) {
        self.raw.reset();
        #[cfg(feature = "dred")]
        if let Some(dred) = &mut self.dred {
            dred.forget();
        }
        self.last = None;
        self.left = 0..0;
    }
}

impl fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusDecoder")
            .field("format", &self.format)
            .field("layout", &self.layout)
            .field("max_frames", &self.max_frames)
            .finish_non_exhaustive()
    }
}

/// Frames in `ticks` 48 000ths of a second; whole, since 2.5 ms are at every rate.
fn frames_of(ticks: usize, format: StreamFormat) -> usize {
    ticks * format.rate.get() as usize / 48_000
}

fn fitting(frames: usize, max: usize) -> Result<usize, DecodeError> {
    if frames <= max {
        Ok(frames)
    } else {
        Err(DecodeError::TooLong { frames, max })
    }
}

/// The longest coded frame, 60 ms.
const MAX_FRAME_TICKS: usize = 2_880;
