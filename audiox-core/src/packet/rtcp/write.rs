//! Writing compound datagrams.

use super::extended::chunks;
use super::feedback::{ENTRY, entries};
use super::{
    HEADER_LEN, JitterBufferDelay, LossRle, MAX_COUNT, Nack, ReportBlock, SdesItem, SenderInfo,
    XrBlock, XrDelay, is_report, packet_type,
};
use crate::error::WriteError;
use crate::packet::rtp::VERSION;
use crate::time::{NtpTime, SeqNum};

/// Writes packets one behind the other into the caller's buffer.
///
/// A compound begins with a report, and every one that is sent carries the sender's CNAME
/// (RFC 3550 section 6.1). A packet that is refused leaves what was written before as it was, so
/// the caller may go on without it.
#[derive(Debug)]
pub struct CompoundWriter<'b> {
    out: &'b mut [u8],
    len: usize,
    reduced_size: bool,
}

impl<'b> CompoundWriter<'b> {
    /// A writer into `out` that wants a report first.
    pub fn new(out: &'b mut [u8]) -> Self {
        Self {
            out,
            len: 0,
            reduced_size: false,
        }
    }

    /// A writer that takes any packet first, where the session agreed on reduced-size RTCP
    /// (RFC 5506).
    pub fn reduced_size(out: &'b mut [u8]) -> Self {
        Self {
            reduced_size: true,
            ..Self::new(out)
        }
    }

    /// A sender report of the stream `ssrc`, with at most 31 blocks; more go into receiver
    /// reports behind it.
    ///
    /// # Errors
    /// No room, or more than 31 blocks.
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: &SenderInfo,
        reports: &[ReportBlock],
    ) -> Result<(), WriteError> {
        let body_len = 4 + SenderInfo::LEN + reports.len() * ReportBlock::LEN;
        let mut body = self.begin(packet_type::SENDER_REPORT, reports.len(), body_len)?;
        body.put(&ssrc.to_be_bytes());
        body.put(&info.ntp.0.to_be_bytes());
        body.put(&info.timestamp.0.to_be_bytes());
        body.put(&info.packet_count.to_be_bytes());
        body.put(&info.octet_count.to_be_bytes());
        body.put_reports(reports);
        Ok(())
    }

    /// A receiver report by `ssrc`, with at most 31 blocks; none says that nothing is received.
    ///
    /// # Errors
    /// No room, or more than 31 blocks.
    pub fn receiver_report(
        &mut self,
        ssrc: u32,
        reports: &[ReportBlock],
    ) -> Result<(), WriteError> {
        let body_len = 4 + reports.len() * ReportBlock::LEN;
        let mut body = self.begin(packet_type::RECEIVER_REPORT, reports.len(), body_len)?;
        body.put(&ssrc.to_be_bytes());
        body.put_reports(reports);
        Ok(())
    }

    /// A source description with the canonical name of `ssrc`, at most 255 bytes.
    ///
    /// # Errors
    /// No room, no report before it, or a longer name.
    pub fn sdes_cname(&mut self, ssrc: u32, cname: &str) -> Result<(), WriteError> {
        let text_len = text_len(cname, "CNAME length")?;
        // At least one null byte ends the chunk.
        let body_len = 4 + (2 + cname.len() + 1).next_multiple_of(4);
        let mut body = self.begin(packet_type::SOURCE_DESCRIPTION, 1, body_len)?;
        body.put(&ssrc.to_be_bytes());
        body.put(&[SdesItem::CNAME, text_len]);
        body.put(cname.as_bytes());
        body.fill_with_nulls();
        Ok(())
    }

    /// The sources `ssrcs`, at most 31, leave; the reason has at most 255 bytes.
    ///
    /// # Errors
    /// No room, no report before it, too many sources or a longer reason.
    pub fn bye(&mut self, ssrcs: &[u32], reason: Option<&str>) -> Result<(), WriteError> {
        let reason = match reason {
            Some(text) => Some((text_len(text, "reason length")?, text)),
            None => None,
        };
        let reason_len = reason.map_or(0, |(_, text)| (1 + text.len()).next_multiple_of(4));
        let body_len = ssrcs.len() * 4 + reason_len;
        let mut body = self.begin(packet_type::BYE, ssrcs.len(), body_len)?;
        for ssrc in ssrcs {
            body.put(&ssrc.to_be_bytes());
        }
        if let Some((len, text)) = reason {
            body.put(&[len]);
            body.put(text.as_bytes());
        }
        body.fill_with_nulls();
        Ok(())
    }

    /// A request by `ssrc` for packets of `media` that are `missing`, in ascending order
    /// (RFC 4585 section 6.2.1).
    ///
    /// # Errors
    /// No room, no report before it, or nothing missing.
    pub fn nack(&mut self, ssrc: u32, media: u32, missing: &[SeqNum]) -> Result<(), WriteError> {
        if missing.is_empty() {
            return Err(WriteError::OutOfRange {
                field: "packets asked for",
            });
        }
        let entries = entries(missing);
        let body_len = 8 + entries.clone().count() * ENTRY;
        let fmt = usize::from(Nack::FMT);
        let mut body = self.begin(packet_type::TRANSPORT_FEEDBACK, fmt, body_len)?;
        body.put(&ssrc.to_be_bytes());
        body.put(&media.to_be_bytes());
        entries.for_each(|entry| body.put(&entry));
        Ok(())
    }

    /// An extended report by `ssrc` that tells which packets of `media` arrived, from number
    /// `begin` on (RFC 3611 section 4.1).
    ///
    /// # Errors
    /// No room, no report before it, or more than 65 534 packets.
    pub fn loss(
        &mut self,
        ssrc: u32,
        media: u32,
        begin: SeqNum,
        arrived: impl Iterator<Item = bool> + Clone,
    ) -> Result<(), WriteError> {
        let Ok(count @ ..=MAX_REPORTED) = u16::try_from(arrived.clone().count()) else {
            return Err(WriteError::OutOfRange {
                field: "packets reported on",
            });
        };
        let chunks = chunks(arrived);
        let block_len = LossRle::HEAD + (chunks.clone().count() * 2).next_multiple_of(4);
        let mut body = self.xr_block(ssrc, XrBlock::LOSS, 0, block_len)?;
        body.put(&media.to_be_bytes());
        body.put(&begin.0.to_be_bytes());
        body.put(&begin.wrapping_add(count).0.to_be_bytes());
        chunks.for_each(|chunk| body.put(&chunk.to_be_bytes()));
        body.fill_with_nulls();
        Ok(())
    }

    /// An extended report with the wall-clock time of its writer `ssrc`, which senders answer
    /// (RFC 3611 section 4.4).
    ///
    /// # Errors
    /// No room, or no report before it.
    pub fn reference_time(&mut self, ssrc: u32, now: NtpTime) -> Result<(), WriteError> {
        self.xr_block(ssrc, XrBlock::REFERENCE_TIME, 0, 8)?
            .put(&now.0.to_be_bytes());
        Ok(())
    }

    /// An extended report by `ssrc` that answers reference times (RFC 3611 section 4.5).
    ///
    /// # Errors
    /// No room, or no report before it.
    pub fn delays(&mut self, ssrc: u32, answers: &[XrDelay]) -> Result<(), WriteError> {
        let block_len = answers.len() * XrDelay::LEN;
        let mut body = self.xr_block(ssrc, XrBlock::DELAYS, 0, block_len)?;
        for answer in answers {
            body.put(&answer.ssrc.to_be_bytes());
            body.put(&answer.last_rr.to_be_bytes());
            body.put(&answer.delay_since_last_rr.to_be_bytes());
        }
        Ok(())
    }

    /// An extended report by `ssrc` about what it holds back (RFC 7005).
    ///
    /// # Errors
    /// No room, or no report before it.
    pub fn jitter_buffer(
        &mut self,
        ssrc: u32,
        delay: &JitterBufferDelay,
    ) -> Result<(), WriteError> {
        let bytes = delay.to_bytes();
        self.xr_block(ssrc, XrBlock::JITTER_BUFFER, delay.specific(), bytes.len())?
            .put(&bytes);
        Ok(())
    }

    /// A packet of any type, whose body the caller wrote: feedback, extended reports.
    /// `count_or_fmt` is at most 31, `body` whole words of four bytes.
    ///
    /// # Errors
    /// No room, no report before it, or a value beyond these limits.
    pub fn other(&mut self, ty: u8, count_or_fmt: u8, body: &[u8]) -> Result<(), WriteError> {
        self.begin(ty, count_or_fmt.into(), body.len())?.put(body);
        Ok(())
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The datagram's length; it lies at the start of the buffer.
    pub fn finish(self) -> usize {
        self.len
    }

    /// An extended report of one block of `len` bytes, a multiple of four.
    fn xr_block(
        &mut self,
        ssrc: u32,
        ty: u8,
        specific: u8,
        len: usize,
    ) -> Result<Body<'_>, WriteError> {
        let mut body = self.begin(packet_type::EXTENDED_REPORT, 0, 8 + len)?;
        let [high, low] = ((len / 4) as u16).to_be_bytes();
        body.put(&ssrc.to_be_bytes());
        body.put(&[ty, specific, high, low]);
        Ok(body)
    }

    /// Writes a packet's header and hands out its body: everything that can fail, fails here.
    fn begin(&mut self, ty: u8, count: usize, body_len: usize) -> Result<Body<'_>, WriteError> {
        let out_of_range = |field| Err(WriteError::OutOfRange { field });
        if self.is_empty() && !self.reduced_size && !is_report(ty) {
            return out_of_range("type of a compound's first packet");
        }
        if count > usize::from(MAX_COUNT) {
            return out_of_range("count");
        }
        let words = body_len / 4;
        if !body_len.is_multiple_of(4) || words > usize::from(u16::MAX) {
            return out_of_range("packet length");
        }
        let end = self.len + HEADER_LEN + body_len;
        let available = self.out.len();
        let Some((header, body)) = self
            .out
            .get_mut(self.len..end)
            .and_then(<[u8]>::split_first_chunk_mut)
        else {
            return Err(WriteError::BufferTooSmall {
                needed: end,
                available,
            });
        };
        let [high, low] = (words as u16).to_be_bytes();
        *header = [VERSION << 6 | count as u8, ty, high, low];
        self.len = end;
        Ok(Body { rest: body })
    }
}

/// A body being filled. `begin` made it as long as what is put into it.
struct Body<'b> {
    rest: &'b mut [u8],
}

impl Body<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let (field, rest) = std::mem::take(&mut self.rest).split_at_mut(bytes.len());
        field.copy_from_slice(bytes);
        self.rest = rest;
    }

    fn put_reports(&mut self, reports: &[ReportBlock]) {
        for word in reports.iter().flat_map(|block| block.to_words()) {
            self.put(&word.to_be_bytes());
        }
    }

    fn fill_with_nulls(self) {
        self.rest.fill(0);
    }
}

fn text_len(text: &str, field: &'static str) -> Result<u8, WriteError> {
    u8::try_from(text.len()).map_err(|_| WriteError::OutOfRange { field })
}

/// Packets that a loss block can tell of: numbers wrap.
const MAX_REPORTED: u16 = u16::MAX - 1;
