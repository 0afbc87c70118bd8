//! The one place that calls C: libopus' states as owned Rust values whose methods cannot be
//! called wrongly. Everything else in this crate is safe code on top.
//!
//! # Invariants
//! - A pointer held here is non-null, made by the matching `create`, destroyed once, by `drop`.
//! - Slices are checked against the frames that libopus is told before it is called: it reads
//!   and writes `frames × channels` samples and `len` bytes, never more.
//! - Settings go through [`Setting`] and [`Reading`], whose requests all take one `opus_int32`
//!   (or a pointer to one), so the variadic call is given what the request reads.
//! - Payloads reach `decode` only after [`packet`](crate::packet) has found them well-formed.
//!   libopus checks them again.
//!
//! States are plain memory without threads, locks or globals, so they may move between threads.

use std::ffi::c_int;
use std::ptr::NonNull;

use opusic_sys as sys;

use crate::layout::Layout;

/// What libopus answered instead of doing it: `OPUS_BAD_ARG` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    const BAD_ARG: Self = Self(sys::OPUS_BAD_ARG);
    const ALLOC_FAIL: Self = Self(sys::OPUS_ALLOC_FAIL);

    /// What the code means.
    pub(crate) const fn text(self) -> &'static str {
        match self.0 {
            sys::OPUS_BAD_ARG => "an argument is out of range",
            sys::OPUS_BUFFER_TOO_SMALL => "the buffer is too small",
            sys::OPUS_INTERNAL_ERROR => "an internal error",
            sys::OPUS_INVALID_PACKET => "the payload is malformed",
            sys::OPUS_UNIMPLEMENTED => "it is not built in",
            sys::OPUS_INVALID_STATE => "the state is invalid",
            sys::OPUS_ALLOC_FAIL => "there is no memory left",
            _ => "an unknown error",
        }
    }
}

/// What an encoder is for, as libopus numbers it.
pub(crate) const VOIP: i32 = sys::OPUS_APPLICATION_VOIP;
pub(crate) const AUDIO: i32 = sys::OPUS_APPLICATION_AUDIO;
pub(crate) const LOW_DELAY: i32 = sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY;
/// Bitrate that libopus chooses itself.
pub(crate) const AUTO: i32 = sys::OPUS_AUTO;
/// Bandwidths, as libopus numbers them.
pub(crate) const NARROWBAND: i32 = sys::OPUS_BANDWIDTH_NARROWBAND;
pub(crate) const MEDIUMBAND: i32 = sys::OPUS_BANDWIDTH_MEDIUMBAND;
pub(crate) const WIDEBAND: i32 = sys::OPUS_BANDWIDTH_WIDEBAND;
pub(crate) const SUPERWIDEBAND: i32 = sys::OPUS_BANDWIDTH_SUPERWIDEBAND;
pub(crate) const FULLBAND: i32 = sys::OPUS_BANDWIDTH_FULLBAND;

/// Settings of encoders and decoders that are one number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setting {
    Bitrate,
    Vbr,
    VbrConstraint,
    Complexity,
    MaxBandwidth,
    InbandFec,
    PacketLossPercent,
    Dtx,
    #[cfg(feature = "dred")]
    DredDuration,
}

impl Setting {
    const fn request(self) -> c_int {
        match self {
            Self::Bitrate => sys::OPUS_SET_BITRATE_REQUEST,
            Self::Vbr => sys::OPUS_SET_VBR_REQUEST,
            Self::VbrConstraint => sys::OPUS_SET_VBR_CONSTRAINT_REQUEST,
            Self::Complexity => sys::OPUS_SET_COMPLEXITY_REQUEST,
            Self::MaxBandwidth => sys::OPUS_SET_MAX_BANDWIDTH_REQUEST,
            Self::InbandFec => sys::OPUS_SET_INBAND_FEC_REQUEST,
            Self::PacketLossPercent => sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST,
            Self::Dtx => sys::OPUS_SET_DTX_REQUEST,
            #[cfg(feature = "dred")]
            Self::DredDuration => sys::OPUS_SET_DRED_DURATION_REQUEST,
        }
    }
}

/// What can be asked of an encoder, answered by one number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Lookahead,
    Bitrate,
}

impl Reading {
    const fn request(self) -> c_int {
        match self {
            Self::Lookahead => sys::OPUS_GET_LOOKAHEAD_REQUEST,
            Self::Bitrate => sys::OPUS_GET_BITRATE_REQUEST,
        }
    }
}

/// An encoder of one stream or of several.
#[derive(Debug)]
pub(crate) struct RawEncoder {
    state: EncoderState,
    channels: usize,
}

#[derive(Debug, Clone, Copy)]
enum EncoderState {
    Single(NonNull<sys::OpusEncoder>),
    Multi(NonNull<sys::OpusMSEncoder>),
}

// SAFETY: the state is memory that only this value points to; libopus ties it to no thread.
#[allow(clippy::non_send_fields_in_send_ty, reason = "that is what it says")]
unsafe impl Send for RawEncoder {}

impl RawEncoder {
    /// An encoder of the streams of `layout` at `rate` Hz.
    pub(crate) fn new(rate: u32, layout: &Layout, application: i32) -> Result<Self, Code> {
        let channels = layout.channels();
        let rate = i32::try_from(rate).map_err(|_| Code::BAD_ARG)?;
        let count = c_int::try_from(channels).map_err(|_| Code::BAD_ARG)?;
        let mut error = sys::OPUS_OK;
        let state = if layout.is_single() {
            // SAFETY: takes numbers, which it checks, and writes one `int` through a pointer to
            // a live one.
            let p = unsafe { sys::opus_encoder_create(rate, count, application, &mut error) };
            made(p, error).map(EncoderState::Single)?
        } else if layout.is_surround() {
            let (mut streams, mut coupled) = (0, 0);
            let mut mapping = [0u8; MAX_CHANNELS];
            if channels > MAX_CHANNELS {
                return Err(Code::BAD_ARG);
            }
            // SAFETY: as above; the mapping has room for `count` bytes, the most it writes.
            let p = unsafe {
                sys::opus_multistream_surround_encoder_create(
                    rate,
                    count,
                    SURROUND,
                    &mut streams,
                    &mut coupled,
                    mapping.as_mut_ptr(),
                    application,
                    &mut error,
                )
            };
            made(p, error).map(EncoderState::Multi)?
        } else {
            // SAFETY: as above; it reads `count` bytes of the mapping, which has as many.
            let p = unsafe {
                sys::opus_multistream_encoder_create(
                    rate,
                    count,
                    c_int::from(layout.streams()),
                    c_int::from(layout.coupled()),
                    layout.mapping().as_ptr(),
                    application,
                    &mut error,
                )
            };
            made(p, error).map(EncoderState::Multi)?
        };
        Ok(Self { state, channels })
    }

    /// Encodes `pcm`, `frames` × channels, into `payload` and returns the bytes written.
    pub(crate) fn encode(
        &mut self,
        pcm: &[f32],
        frames: usize,
        payload: &mut [u8],
    ) -> Result<usize, Code> {
        let samples = frames.checked_mul(self.channels).ok_or(Code::BAD_ARG)?;
        let count = c_int::try_from(frames).map_err(|_| Code::BAD_ARG)?;
        if pcm.len() != samples || frames == 0 {
            return Err(Code::BAD_ARG);
        }
        let room = i32::try_from(payload.len()).unwrap_or(i32::MAX);
        // SAFETY: the state is live and borrowed exclusively; `pcm` holds `frames` × channels
        // samples, which is what libopus reads, and `payload` at least `room` bytes, the most
        // it writes.
        let n = unsafe {
            match self.state {
                EncoderState::Single(p) => sys::opus_encode_float(
                    p.as_ptr(),
                    pcm.as_ptr(),
                    count,
                    payload.as_mut_ptr(),
                    room,
                ),
                EncoderState::Multi(p) => sys::opus_multistream_encode_float(
                    p.as_ptr(),
                    pcm.as_ptr(),
                    count,
                    payload.as_mut_ptr(),
                    room,
                ),
            }
        };
        length(n)
    }

    /// Changes a setting.
    pub(crate) fn set(&mut self, setting: Setting, value: i32) -> Result<(), Code> {
        let request = setting.request();
        // SAFETY: the state is live and borrowed exclusively, and every `Setting` reads exactly
        // one `opus_int32`.
        done(unsafe {
            match self.state {
                EncoderState::Single(p) => sys::opus_encoder_ctl(p.as_ptr(), request, value),
                EncoderState::Multi(p) => {
                    sys::opus_multistream_encoder_ctl(p.as_ptr(), request, value)
                }
            }
        })
    }

    /// Asks for a value.
    pub(crate) fn get(&mut self, reading: Reading) -> Result<i32, Code> {
        let request = reading.request();
        let mut value = 0i32;
        // SAFETY: the state is live and borrowed exclusively, and every `Reading` writes one
        // `opus_int32` through the pointer to a live one.
        done(unsafe {
            match self.state {
                EncoderState::Single(p) => {
                    sys::opus_encoder_ctl(p.as_ptr(), request, &raw mut value)
                }
                EncoderState::Multi(p) => {
                    sys::opus_multistream_encoder_ctl(p.as_ptr(), request, &raw mut value)
                }
            }
        })?;
        Ok(value)
    }

    /// Forgets the past; settings stay.
    pub(crate) fn reset(&mut self) {
        // SAFETY: the state is live and borrowed exclusively; the request takes no argument.
        let _ = unsafe {
            match self.state {
                EncoderState::Single(p) => sys::opus_encoder_ctl(p.as_ptr(), sys::OPUS_RESET_STATE),
                EncoderState::Multi(p) => {
                    sys::opus_multistream_encoder_ctl(p.as_ptr(), sys::OPUS_RESET_STATE)
                }
            }
        };
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        // SAFETY: made by the matching `create`, and nothing uses it after this.
        unsafe {
            match self.state {
                EncoderState::Single(p) => sys::opus_encoder_destroy(p.as_ptr()),
                EncoderState::Multi(p) => sys::opus_multistream_encoder_destroy(p.as_ptr()),
            }
        }
    }
}

/// Where a decoder takes frames from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From<'a> {
    /// The payload's own frames.
    Payload(&'a [u8]),
    /// What the payload says about the frames before its own.
    Redundancy(&'a [u8]),
    /// The past alone.
    Concealment,
}

/// A decoder of one stream or of several.
#[derive(Debug)]
pub(crate) struct RawDecoder {
    state: DecoderState,
    channels: usize,
    #[cfg(feature = "dred")]
    rate: usize,
}

#[derive(Debug, Clone, Copy)]
enum DecoderState {
    Single(NonNull<sys::OpusDecoder>),
    Multi(NonNull<sys::OpusMSDecoder>),
}

// SAFETY: the state is memory that only this value points to; libopus ties it to no thread.
#[allow(clippy::non_send_fields_in_send_ty, reason = "that is what it says")]
unsafe impl Send for RawDecoder {}

impl RawDecoder {
    /// A decoder of the streams of `layout` to `rate` Hz.
    pub(crate) fn new(rate: u32, layout: &Layout) -> Result<Self, Code> {
        let channels = layout.channels();
        let rate = i32::try_from(rate).map_err(|_| Code::BAD_ARG)?;
        let count = c_int::try_from(channels).map_err(|_| Code::BAD_ARG)?;
        let mut error = sys::OPUS_OK;
        let state = if layout.is_single() {
            // SAFETY: takes numbers, which it checks, and writes one `int` through a pointer to
            // a live one.
            let p = unsafe { sys::opus_decoder_create(rate, count, &mut error) };
            made(p, error).map(DecoderState::Single)?
        } else {
            // SAFETY: as above; it reads `count` bytes of the mapping, which has as many.
            let p = unsafe {
                sys::opus_multistream_decoder_create(
                    rate,
                    count,
                    c_int::from(layout.streams()),
                    c_int::from(layout.coupled()),
                    layout.mapping().as_ptr(),
                    &mut error,
                )
            };
            made(p, error).map(DecoderState::Multi)?
        };
        Ok(Self {
            state,
            channels,
            #[cfg(feature = "dred")]
            rate: rate as usize,
        })
    }

    /// Decodes into the whole of `out`, `frames` × channels, and returns the frames written.
    /// Redundancy and concealment come in multiples of 2.5 ms.
    pub(crate) fn decode(
        &mut self,
        from: From<'_>,
        out: &mut [f32],
        frames: usize,
    ) -> Result<usize, Code> {
        let samples = frames.checked_mul(self.channels).ok_or(Code::BAD_ARG)?;
        let count = c_int::try_from(frames).map_err(|_| Code::BAD_ARG)?;
        if out.len() != samples || frames == 0 {
            return Err(Code::BAD_ARG);
        }
        let (payload, fec) = match from {
            From::Payload(payload) => (Some(payload), 0),
            From::Redundancy(payload) => (Some(payload), 1),
            From::Concealment => (None, 0),
        };
        let data = payload.map_or(std::ptr::null(), <[u8]>::as_ptr);
        let len = payload.map_or(0, <[u8]>::len);
        let len = i32::try_from(len).map_err(|_| Code::BAD_ARG)?;
        // An empty payload would mean concealment to libopus.
        if payload.is_some() && len == 0 {
            return Err(Code(sys::OPUS_INVALID_PACKET));
        }
        // SAFETY: the state is live and borrowed exclusively; `data` is null with length 0 or
        // points to `len` bytes; `out` has room for `frames` × channels samples, the most that
        // is written.
        let n = unsafe {
            match self.state {
                DecoderState::Single(p) => {
                    sys::opus_decode_float(p.as_ptr(), data, len, out.as_mut_ptr(), count, fec)
                }
                DecoderState::Multi(p) => sys::opus_multistream_decode_float(
                    p.as_ptr(),
                    data,
                    len,
                    out.as_mut_ptr(),
                    count,
                    fec,
                ),
            }
        };
        length(n)
    }

    /// Changes a setting.
    #[cfg(feature = "dred")]
    pub(crate) fn set(&mut self, setting: Setting, value: i32) -> Result<(), Code> {
        let request = setting.request();
        // SAFETY: the state is live and borrowed exclusively, and every `Setting` reads exactly
        // one `opus_int32`.
        done(unsafe {
            match self.state {
                DecoderState::Single(p) => sys::opus_decoder_ctl(p.as_ptr(), request, value),
                DecoderState::Multi(p) => {
                    sys::opus_multistream_decoder_ctl(p.as_ptr(), request, value)
                }
            }
        })
    }

    /// Forgets the past; settings stay.
    pub(crate) fn reset(&mut self) {
        // SAFETY: the state is live and borrowed exclusively; the request takes no argument.
        let _ = unsafe {
            match self.state {
                DecoderState::Single(p) => sys::opus_decoder_ctl(p.as_ptr(), sys::OPUS_RESET_STATE),
                DecoderState::Multi(p) => {
                    sys::opus_multistream_decoder_ctl(p.as_ptr(), sys::OPUS_RESET_STATE)
                }
            }
        };
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        // SAFETY: made by the matching `create`, and nothing uses it after this.
        unsafe {
            match self.state {
                DecoderState::Single(p) => sys::opus_decoder_destroy(p.as_ptr()),
                DecoderState::Multi(p) => sys::opus_multistream_decoder_destroy(p.as_ptr()),
            }
        }
    }
}

fn made<T>(pointer: *mut T, error: c_int) -> Result<NonNull<T>, Code> {
    match NonNull::new(pointer) {
        Some(p) => Ok(p),
        None if error != sys::OPUS_OK => Err(Code(error)),
        None => Err(Code::ALLOC_FAIL),
    }
}

fn done(code: c_int) -> Result<(), Code> {
    if code == sys::OPUS_OK {
        Ok(())
    } else {
        Err(Code(code))
    }
}

fn length(n: c_int) -> Result<usize, Code> {
    usize::try_from(n).map_err(|_| Code(n))
}

/// Channel mapping family 1 of RFC 7845 section 5.1.1.2.
const SURROUND: c_int = 1;
/// Channels that libopus takes.
pub(crate) const MAX_CHANNELS: usize = 255;

#[cfg(feature = "dred")]
mod dred;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(feature = "dred")]
pub(crate) use dred::RawDred;
