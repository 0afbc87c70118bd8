//! Our reader of Matroska and WebM as a demuxer for symphonia's decoders.

use audiox_core::format::{Endian, PcmFormat, SampleFormat};
use audiox_core::source::SourceError;
use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE,
    CODEC_ID_PCM_F64LE, CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24BE,
    CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::well_known::FORMAT_ID_MKV;
use symphonia::core::formats::{
    FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track,
};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use crate::matroska::{self, MatroskaEvent, MatroskaReader, TrackCodec};

/// Packets placed by frames.
pub(super) struct MatroskaFormat {
    reader: MatroskaReader<MediaSourceStream<'static>>,
    tracks: [Track; 1],
    media: MediaInfo,
    metadata: MetadataLog,
}

impl MatroskaFormat {
    pub(super) fn new(
        reader: MatroskaReader<MediaSourceStream<'static>>,
    ) -> std::result::Result<Self, SourceError> {
        let is = reader.track();
        let malformed = || {
            SourceError::Malformed(format!(
                "{}: what its {} decoder is told is damaged",
                reader.name(),
                is.codec_id
            ))
        };
        let mut params = AudioCodecParameters::new();
        let (codec, extra) = match &is.codec {
            TrackCodec::Opus(_) => {
                return Err(SourceError::Unsupported(format!(
                    "{}: the audio of this WebM or Matroska file is Opus, which this decoder does not have",
                    reader.name()
                )));
            }
            TrackCodec::Vorbis => {
                let headers = matroska::xiph_headers(&is.private).ok_or_else(malformed)?;
                (CODEC_ID_VORBIS, Some([headers[0], headers[2]].concat()))
            }
            TrackCodec::Flac => {
                let info = matroska::stream_info(&is.private).ok_or_else(malformed)?;
                // Bits a sample, less one: 5 bits behind rate and channels.
                let bits = u32::from(info[12] & 1) << 4 | u32::from(info[13] >> 4);
                params.with_bits_per_sample(bits + 1);
                (CODEC_ID_FLAC, Some(info.to_vec()))
            }
            TrackCodec::Aac => (CODEC_ID_AAC, Some(is.private.clone())),
            TrackCodec::Mp3 => (CODEC_ID_MP3, None),
            TrackCodec::F64 => (CODEC_ID_PCM_F64LE, None),
            TrackCodec::Pcm(pcm) => {
                if pcm.sample != SampleFormat::F32 {
                    params.with_bits_per_sample(pcm.sample.bits().into());
                }
                (pcm_codec(*pcm), None)
            }
        };
        params
            .for_codec(codec)
            .with_sample_rate(is.rate.get())
            .with_channels(Channels::Discrete(is.channels.get() as u16))
            .with_max_frames_per_packet(reader.longest_packet());
        if let Some(extra) = extra.filter(|e| !e.is_empty()) {
            params.with_extra_data(extra.into());
        }
        let mut track = Track::new(TRACK);
        track
            .with_codec_params(CodecParameters::Audio(params))
            .with_num_frames(reader.frames());
        if let Some(base) = TimeBase::try_from_recip(is.rate.get()) {
            track.with_time_base(base);
        }
        Ok(Self {
            tracks: [track],
            media: MediaInfo::new(),
            metadata: MetadataLog::default(),
            reader,
        })
    }
}

fn pcm_codec(pcm: PcmFormat) -> AudioCodecId {
    match (pcm.sample, pcm.endian) {
        (SampleFormat::U8, _) => CODEC_ID_PCM_U8,
        (SampleFormat::S16, Endian::Little) => CODEC_ID_PCM_S16LE,
        (SampleFormat::S16, Endian::Big) => CODEC_ID_PCM_S16BE,
        (SampleFormat::S24, Endian::Little) => CODEC_ID_PCM_S24LE,
        (SampleFormat::S24, Endian::Big) => CODEC_ID_PCM_S24BE,
        (SampleFormat::S32, Endian::Little) => CODEC_ID_PCM_S32LE,
        (SampleFormat::S32, Endian::Big) => CODEC_ID_PCM_S32BE,
        (SampleFormat::F32, Endian::Little) => CODEC_ID_PCM_F32LE,
        (SampleFormat::F32, Endian::Big) => CODEC_ID_PCM_F32BE,
    }
}

impl FormatReader for MatroskaFormat {
    fn format_info(&self) -> &FormatInfo {
        &INFO
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn seek(&mut self, _: SeekMode, to: SeekTo) -> Result<SeekedTo> {
        let SeekTo::Timestamp { ts, track_id } = to else {
            return Err(Error::Unsupported("places are given in frames"));
        };
        let frame = u64::try_from(ts.get()).unwrap_or(0);
        self.reader.seek(frame).map_err(io)?;
        Ok(SeekedTo {
            track_id,
            required_ts: ts,
            actual_ts: timestamp(self.reader.place()),
        })
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        loop {
            match self.reader.next_event().map_err(io)? {
                None => return Ok(None),
                // Decoders go on; only what they were told is the same.
                Some(MatroskaEvent::Link(_)) => {}
                Some(MatroskaEvent::Packet(packet)) => {
                    let (at, frames) = (timestamp(packet.at), Duration::new(packet.frames));
                    return Ok(Some(Packet::new(TRACK, at, frames, packet.data)));
                }
            }
        }
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.reader.into_inner()
    }
}

fn timestamp(frame: u64) -> Timestamp {
    Timestamp::new(i64::try_from(frame).unwrap_or(i64::MAX))
}

fn io(e: SourceError) -> Error {
    match e {
        SourceError::Io { source, .. } => Error::IoError(source),
        _ => Error::DecodeError("its packets cannot be read again"),
    }
}

const INFO: FormatInfo = FormatInfo {
    format: FORMAT_ID_MKV,
    short_name: "matroska",
    long_name: "Matroska and WebM",
};
const TRACK: u32 = 1;
