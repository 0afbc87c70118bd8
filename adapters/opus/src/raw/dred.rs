//! Deep redundancy: what libopus' neural coder put into a payload about the second before it.

use std::ptr::NonNull;

use opusic_sys as sys;

use super::{Code, DecoderState, RawDecoder, length, made};

/// Deep redundancy out of one payload, and what reads it.
#[derive(Debug)]
pub(crate) struct RawDred {
    reader: NonNull<sys::OpusDREDDecoder>,
    state: NonNull<sys::OpusDRED>,
    /// `state` holds what a payload said; before that it is not even initialised.
    ready: bool,
}

// SAFETY: both are memory that only this value points to; libopus ties them to no thread.
#[allow(clippy::non_send_fields_in_send_ty, reason = "that is what it says")]
unsafe impl Send for RawDred {}

impl RawDred {
    /// Room for the redundancy of one payload.
    pub(crate) fn new() -> Result<Self, Code> {
        let mut error = sys::OPUS_OK;
        // SAFETY: writes one `int` through a pointer to a live one.
        let reader = made(unsafe { sys::opus_dred_decoder_create(&mut error) }, error)?;
        // SAFETY: as above.
        match made(unsafe { sys::opus_dred_alloc(&mut error) }, error) {
            Ok(state) => Ok(Self {
                reader,
                state,
                ready: false,
            }),
            Err(code) => {
                // SAFETY: made above, and nothing uses it after this.
                unsafe { sys::opus_dred_decoder_destroy(reader.as_ptr()) };
                Err(code)
            }
        }
    }

    /// Reads the redundancy in `payload` as far as `most` frames at `rate` Hz before it. Returns
    /// how far back it begins and how far before the payload it ends, in frames; `None` where
    /// there is none.
    pub(crate) fn read(
        &mut self,
        payload: &[u8],
        most: usize,
        rate: u32,
    ) -> Result<Option<(usize, usize)>, Code> {
        self.ready = false;
        let len = i32::try_from(payload.len()).map_err(|_| Code::BAD_ARG)?;
        let rate = i32::try_from(rate).map_err(|_| Code::BAD_ARG)?;
        // libopus reads whole spans of 40 ms and may end one and its offset of up to 40 ms short.
        // It multiplies by 100.
        let most = most.min(rate as usize * 2) as i32 + rate / 12;
        let mut end = 0;
        if len == 0 {
            return Err(Code(sys::OPUS_INVALID_PACKET));
        }
        // SAFETY: both states are live and borrowed exclusively; `payload` has `len` bytes; one
        // `int` is written through a pointer to a live one. 0 asks for the whole work at once,
        // after which the redundancy is initialised where it begins before the payload.
        let begin = unsafe {
            sys::opus_dred_parse(
                self.reader.as_ptr(),
                self.state.as_ptr(),
                payload.as_ptr(),
                len,
                most,
                rate,
                &mut end,
                0,
            )
        };
        let begin = length(begin)?;
        self.ready = begin > 0;
        let end = usize::try_from(end).unwrap_or(0);
        Ok(self.ready.then_some((begin, end)))
    }
}

impl Drop for RawDred {
    fn drop(&mut self) {
        // SAFETY: made by the matching functions, and nothing uses them after this.
        unsafe {
            sys::opus_dred_free(self.state.as_ptr());
            sys::opus_dred_decoder_destroy(self.reader.as_ptr());
        }
    }
}

impl RawDecoder {
    /// Decodes deep redundancy into the whole of `out`, `frames` × channels, whose first frame
    /// lies `before` frames before the payload that `dred` was read from. Only for one stream,
    /// in multiples of 2.5 ms up to 60 ms.
    pub(crate) fn recover(
        &mut self,
        dred: &RawDred,
        before: usize,
        out: &mut [f32],
        frames: usize,
    ) -> Result<usize, Code> {
        let samples = frames.checked_mul(self.channels).ok_or(Code::BAD_ARG)?;
        let count = i32::try_from(frames).map_err(|_| Code::BAD_ARG)?;
        let before = i32::try_from(before).map_err(|_| Code::BAD_ARG)?;
        let DecoderState::Single(state) = self.state else {
            return Err(Code(sys::OPUS_UNIMPLEMENTED));
        };
        // libopus asserts that a call's features, one for 10 ms, fit its queue of 104.
        let longest = MAX_RECOVERED * self.rate / 1_000;
        if out.len() != samples || frames == 0 || frames > longest || !dred.ready {
            return Err(Code::BAD_ARG);
        }
        // SAFETY: the state is live and borrowed exclusively; the redundancy is live, and
        // initialised since it was read; `out` has room for `frames` × channels samples, the
        // most that is written.
        let n = unsafe {
            sys::opus_decoder_dred_decode_float(
                state.as_ptr(),
                dred.state.as_ptr(),
                before,
                out.as_mut_ptr(),
                count,
            )
        };
        length(n)
    }
}

/// Milliseconds of redundancy decoded at once.
const MAX_RECOVERED: usize = 60;
