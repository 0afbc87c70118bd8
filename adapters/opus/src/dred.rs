//! Deep redundancy out of the packet after a gap.

use audiox_core::error::ConfigError;
use audiox_core::format::StreamFormat;

use crate::config::{Concealment, OpusConfig};
use crate::encoder::refused;
use crate::layout::Layout;
use crate::packet::OpusPacket;
use crate::raw::{RawDecoder, RawDred, Setting};

/// The redundancy of the payload that was asked last: a gap asks the same one for each of its
/// blocks, and reading it takes longer than decoding a block.
#[derive(Debug)]
pub(crate) struct Dred {
    raw: RawDred,
    rate: u32,
    /// The payload that it was read from.
    payload: Box<[u8]>,
    len: usize,
    /// How far back it was asked to reach, and where it begins and ends before the payload.
    asked: usize,
    reach: Option<(usize, usize)>,
}

/// Sets a decoder's concealment, and makes room for redundancy where it may have some.
pub(crate) fn prepare(
    mut raw: RawDecoder,
    config: &OpusConfig,
    format: StreamFormat,
    layout: &Layout,
) -> Result<(RawDecoder, Option<Dred>), ConfigError> {
    let complexity = match config.concealment {
        Concealment::Classic => 0,
        // From here on libopus conceals by its network.
        Concealment::Deep => 5,
    };
    raw.set(Setting::Complexity, complexity)
        .map_err(|code| refused("concealment", &format, code))?;
    let dred = match layout.is_single() {
        true => Some(Dred::new(format)?),
        false => None,
    };
    Ok((raw, dred))
}

impl Dred {
    fn new(format: StreamFormat) -> Result<Self, ConfigError> {
        Ok(Self {
            raw: RawDred::new().map_err(|code| refused("decoder", &format, code))?,
            rate: format.rate.get(),
            payload: vec![0; MAX_KEPT].into(),
            len: 0,
            asked: 0,
            reach: None,
        })
    }

    /// Reads the redundancy of `payload` and says how many of `frames` frames that begin `ahead`
    /// frames before it, at their end, it holds.
    pub(crate) fn reach(
        &mut self,
        packet: &OpusPacket<'_>,
        payload: &[u8],
        ahead: usize,
        frames: usize,
    ) -> usize {
        // It travels in the padding.
        if packet.padding().is_empty() {
            return 0;
        }
        let kept = self.len > 0 && self.payload[..self.len] == *payload;
        if !kept || self.asked < ahead {
            self.len = 0;
            self.reach = self.raw.read(payload, ahead, self.rate).unwrap_or(None);
            self.asked = ahead;
            if let Some(room) = self.payload.get_mut(..payload.len()) {
                room.copy_from_slice(payload);
                self.len = payload.len();
            }
        }
        match self.reach {
            // After its end there was silence.
            Some((begin, end)) if ahead > end => begin.saturating_sub(ahead - frames).min(frames),
            _ => 0,
        }
    }

    /// What was read last.
    pub(crate) fn raw(&self) -> &RawDred {
        &self.raw
    }

    /// Forgets what was read.
    pub(crate) fn forget(&mut self) {
        self.len = 0;
    }
}

/// Payloads up to this long are kept to be known again; more does not fit a datagram.
const MAX_KEPT: usize = 1_500;
