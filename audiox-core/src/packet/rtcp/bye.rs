//! Goodbye (RFC 3550 section 6.6).

use super::split_items;
use crate::error::ParseError;

/// Sources that leave, and perhaps why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye<'a> {
    ssrcs: &'a [[u8; 4]],
    /// The reason for leaving, at most 255 bytes; the RFC asks for UTF-8, the wire does not
    /// promise it.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let (ssrcs, rest) = split_items(body, count)?;
        let reason = match rest.split_first() {
            None => None,
            Some((&len, text)) => {
                let len = usize::from(len);
                let (reason, pad) = text.split_at_checked(len).ok_or(ParseError::Truncated {
                    expected: len,
                    actual: text.len(),
                })?;
                // Null bytes fill the last word, no more.
                if pad.len() > 3 {
                    return Err(ParseError::Length(pad.len()));
                }
                Some(reason)
            }
        };
        Ok(Self { ssrcs, reason })
    }

    /// Who leaves: at most 31, and possibly nobody.
    pub fn ssrcs(&self) -> impl ExactSizeIterator<Item = u32> + Clone + use<'a> {
        self.ssrcs.iter().map(|ssrc| u32::from_be_bytes(*ssrc))
    }
}
