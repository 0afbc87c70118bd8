//! Streams to try, and what peers call their parts.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    L16,
    L24,
    Pcmu,
    Pcma,
    Opus,
}

impl Codec {
    pub(crate) const LOSSLESS: [Self; 4] = [Self::L16, Self::L24, Self::Pcmu, Self::Pcma];

    /// In session descriptions, URLs and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::L16 => "L16",
            Self::L24 => "L24",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Opus => "opus",
        }
    }

    /// ffmpeg's encoder.
    pub(crate) fn ffmpeg(self) -> &'static str {
        match self {
            Self::L16 => "pcm_s16be",
            Self::L24 => "pcm_s24be",
            Self::Pcmu => "pcm_mulaw",
            Self::Pcma => "pcm_alaw",
            Self::Opus => "libopus",
        }
    }

    /// GStreamer's way from raw audio to packets of a type.
    pub(crate) fn gst_sends(self) -> &'static str {
        match self {
            Self::L16 => "rtpL16pay",
            Self::L24 => "rtpL24pay",
            Self::Pcmu => "mulawenc ! rtppcmupay",
            Self::Pcma => "alawenc ! rtppcmapay",
            Self::Opus => "opusenc ! rtpopuspay",
        }
    }

    /// And back.
    pub(crate) fn gst_hears(self) -> &'static str {
        match self {
            Self::L16 => "rtpL16depay",
            Self::L24 => "rtpL24depay",
            Self::Pcmu => "rtppcmudepay ! mulawdec",
            Self::Pcma => "rtppcmadepay ! alawdec",
            // Of itself it leaves out an inverted phase, and the waveform is not what was sent.
            Self::Opus => {
                "rtpopusdepay ! opusdec plc=true use-inband-fec=true phase-inversion=true"
            }
        }
    }

    /// Bytes of a sample in a WAV file of it, and in a packet.
    pub(crate) fn bytes(self) -> (usize, usize) {
        match self {
            Self::L16 | Self::Opus => (2, 2),
            Self::L24 => (3, 3),
            Self::Pcmu | Self::Pcma => (2, 1),
        }
    }
}

/// A stream of one codec and format in packets of one length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) codec: Codec,
    pub(crate) rate: u32,
    pub(crate) channels: usize,
    pub(crate) packet_us: u32,
}

impl Stream {
    pub(crate) fn new(codec: Codec, rate: u32, channels: usize, packet_us: u32) -> Self {
        Self {
            codec,
            rate,
            channels,
            packet_us,
        }
    }

    /// 8 000 Hz for those of telephones.
    pub(crate) fn usual(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu | Codec::Pcma => Self::new(codec, 8_000, 1, 20_000),
            Codec::Opus => Self::new(codec, 48_000, 2, 20_000),
            Codec::L16 | Codec::L24 => Self::new(codec, 48_000, 2, 4_000),
        }
    }

    /// Frames of a packet.
    pub(crate) fn packet(self) -> usize {
        self.rate as usize * self.packet_us as usize / 1_000_000
    }

    /// A packet's milliseconds, as options have them.
    pub(crate) fn ptime(self) -> String {
        (f64::from(self.packet_us) / 1e3).to_string()
    }

    /// Bytes of a frame in a WAV file.
    pub(crate) fn frame(self) -> usize {
        self.channels * self.codec.bytes().0
    }

    /// Bytes of a packet's samples on the wire.
    pub(crate) fn payload_len(self) -> usize {
        self.packet() * self.channels * self.codec.bytes().1
    }

    /// The payload type: one of RFC 3551 where it has one.
    pub(crate) fn payload_type(self) -> u8 {
        match (self.codec, self.rate, self.channels) {
            (Codec::Pcmu, 8_000, 1) => 0,
            (Codec::Pcma, 8_000, 1) => 8,
            _ => 96,
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, hz, n) = (self.ptime(), self.rate, self.channels);
        write!(f, "{hz} Hz, {n} ch, {ms} ms")
    }
}
