use std::ops::Range;

use super::{Interpolation, MAX_SYMBOLS, PayloadId, Points, RTP_HEADER};
use crate::error::ConfigError;
use crate::fec::gf256;
use crate::fec::symbol::MAX_DATAGRAM;

/// What a [`BlockEncoder`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockConfig {
    /// Source packets a block, 1 to 254: at most the receiver's delay ÷ ptime, since the first
    /// packet of a block waits for its last. Default: 20.
    pub source: usize,
    /// Repair packets for a thousand source packets, 0 to 4 000; a block's share is rounded down
    /// and the rest carried over. With the source packets at most 255 a block. Default: 500.
    pub rate: u32,
    /// Which of two incompatible codes. Default: OpenFEC's and roc's.
    pub points: Points,
    /// Number of the first block, of which the lower 24 bits count; random. Default: 0.
    pub first_block: u32,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self {
            source: 20,
            rate: 500,
            points: Points::default(),
            first_block: 0,
        }
    }
}

/// What a [`BlockEncoder`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockEncoderStats {
    /// Blocks completed.
    pub blocks: u64,
    /// Blocks given up, and so without repair packets, because a packet came that was too long
    /// or too short to be one of theirs.
    pub cut: u64,
    /// Bytes of RTP padding added to make packets equally long.
    pub padding: u64,
}

/// Puts payload IDs behind the source packets of one stream and makes repair packets for each
/// block of them.
///
/// Fixed memory: the repair symbols of the largest block, which grow with each source packet, so
/// that the end of a block costs no more than its middle. Source packets are not kept.
#[derive(Debug)]
pub struct BlockEncoder {
    config: BlockConfig,
    interpolation: Interpolation,
    /// By source symbol, for each repair symbol; of blocks of `prepared`.
    coefficients: Box<[u8]>,
    /// Source packets, and repair packets at most.
    prepared: (usize, usize),
    /// Repair symbols, the rest behind their length being without meaning.
    sums: Box<[u8]>,
    block: u32,
    /// Source packets in the present block, 0 between blocks.
    held: usize,
    /// Source and repair packets of the present or last block.
    sizes: (usize, usize),
    /// Length of the present or last block's symbols.
    len: usize,
    /// The longest datagram since the last block began, before padding.
    longest: usize,
    /// Repair packets of the last block not yet polled for.
    due: Range<usize>,
    /// Thousandths of a repair packet that are owed.
    credit: usize,
    stats: BlockEncoderStats,
}

impl BlockEncoder {
    /// An encoder that has seen no packet.
    ///
    /// # Errors
    /// No source packets, a rate above 4 000, or more than 255 packets a block.
    pub fn new(config: BlockConfig) -> Result<Self, ConfigError> {
        check(config.source, config.rate)?;
        Ok(Self {
            interpolation: Interpolation::new(config.points),
            coefficients: vec![0; MAX_COEFFICIENTS].into_boxed_slice(),
            prepared: (0, 0),
            sums: vec![0; MAX_REPAIR * MAX_DATAGRAM].into_boxed_slice(),
            block: config.first_block.wrapping_sub(1),
            held: 0,
            sizes: (0, 0),
            len: 0,
            longest: 0,
            due: 0..0,
            credit: 0,
            stats: BlockEncoderStats::default(),
            config,
        })
    }

    /// Other blocks, from the next one on.
    ///
    /// # Errors
    /// As for [`new`](Self::new); nothing is changed then.
    pub fn set(&mut self, source: usize, rate: u32) -> Result<(), ConfigError> {
        check(source, rate)?;
        (self.config.source, self.config.rate) = (source, rate);
        Ok(())
    }

    /// Makes a source packet of the RTP datagram in the first `len` bytes of `buf` and returns its
    /// length: padding where others of the block are longer, and the payload ID. Forgets repair
    /// packets not polled for where a block begins with it.
    ///
    /// `None`, with `buf` unchanged, where it is no RTP datagram, longer than [`MAX_DATAGRAM`], or
    /// `buf` too short, for which the longest datagram and [`PayloadId::LEN`] are enough.
    #[must_use]
    pub fn push(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        let datagram = buf.get(..len)?;
        let is_rtp = len >= RTP_HEADER && datagram[0] >> 6 == 2;
        if !is_rtp || len > MAX_DATAGRAM {
            return None;
        }
        let room = buf.len().saturating_sub(PayloadId::LEN);
        let max_padded = (len + room_for_padding(datagram)).min(room);
        // The block's length; that of the longest of late where a block begins.
        let goal = match self.held {
            0 => self.longest.max(len),
            _ => self.len,
        };
        let fits = (len..=max_padded).contains(&goal);
        let padded = if fits { goal } else { len };
        let total = padded + PayloadId::LEN;
        if buf.len() < total {
            return None;
        }
        if self.held > 0 && !fits {
            self.held = 0;
            self.stats.cut += 1;
        }
        if self.held == 0 {
            self.begin(padded);
        }
        self.longest = self.longest.max(len);
        self.stats.padding += (padded - len) as u64;
        pad(&mut buf[..padded], len);
        let (source, repair) = self.sizes;
        let coefficients = &self.coefficients[self.held * self.prepared.1..][..repair];
        for (sum, c) in self.sums.chunks_exact_mut(MAX_DATAGRAM).zip(coefficients) {
            gf256::mul_add(&mut sum[..padded], &buf[..padded], *c);
        }
        let id = self.id(self.held);
        if let Some(out) = buf[padded..].first_chunk_mut() {
            id.write(out);
        }
        self.held += 1;
        if self.held == source {
            self.held = 0;
            self.due = 0..repair;
            self.stats.blocks += 1;
        }
        Some(total)
    }

    /// Writes a repair packet that is due into `out` and returns its length. Call after each
    /// [`push`](Self::push) until there is none.
    ///
    /// `None` too where `out` is too short, for which the longest source packet is enough.
    #[must_use]
    pub fn poll_repair(&mut self, out: &mut [u8]) -> Option<usize> {
        if self.due.is_empty() {
            return None;
        }
        let n = self.due.start;
        let (head, rest) = out.split_first_chunk_mut()?;
        let symbol = rest.get_mut(..self.len)?;
        symbol.copy_from_slice(&self.sums[n * MAX_DATAGRAM..][..self.len]);
        self.id(self.sizes.0 + n).write(head);
        self.due.start += 1;
        Some(PayloadId::LEN + self.len)
    }

    /// Counters so far.
    pub fn stats(&self) -> &BlockEncoderStats {
        &self.stats
    }

    fn begin(&mut self, len: usize) {
        let BlockConfig { source, rate, .. } = self.config;
        let owed = self.credit % 1_000 + source * rate as usize;
        let repair = (owed / 1_000).min(MAX_SYMBOLS - source);
        self.credit = owed;
        self.prepare(source, most(source, rate));
        self.sizes = (source, repair);
        self.block = self.block.wrapping_add(1);
        self.len = len;
        self.longest = 0;
        self.due = 0..0;
        for sum in self.sums.chunks_exact_mut(MAX_DATAGRAM).take(repair) {
            sum[..len].fill(0);
        }
    }

    fn prepare(&mut self, source: usize, repair: usize) {
        if self.prepared == (source, repair) {
            return;
        }
        self.prepared = (source, repair);
        self.interpolation.set(0..source as u8);
        for n in 0..repair {
            let column = self.coefficients[n..].iter_mut().step_by(repair);
            let coefficients = self.interpolation.coefficients((source + n) as u8);
            column.zip(coefficients).for_each(|(c, new)| *c = new);
        }
    }

    fn id(&self, symbol: usize) -> PayloadId {
        PayloadId {
            block: self.block,
            symbol: symbol as u8,
            source: self.sizes.0 as u8,
        }
    }
}

/// Repair packets that a block can have, with what was carried over.
fn most(source: usize, rate: u32) -> usize {
    (source * rate as usize).div_ceil(1_000)
}

fn check(source: usize, rate: u32) -> Result<(), ConfigError> {
    if !(1..MAX_SYMBOLS).contains(&source) {
        return Err(ConfigError::new(
            "source",
            source,
            format!("1 to {} source packets a block", MAX_SYMBOLS - 1),
        ));
    }
    if rate > MAX_RATE {
        return Err(ConfigError::new(
            "rate",
            rate,
            format!("0 to {MAX_RATE} repair packets for a thousand source packets"),
        ));
    }
    if source + most(source, rate) > MAX_SYMBOLS {
        return Err(ConfigError::new(
            "rate",
            rate,
            format!("with its repair packets a block has at most {MAX_SYMBOLS} packets"),
        ));
    }
    Ok(())
}

/// Bytes by which the padding of an RTP datagram can grow (RFC 3550 section 5.1: its length is in
/// its last byte).
fn room_for_padding(datagram: &[u8]) -> usize {
    match (datagram[0] & PADDED, datagram.last()) {
        (0, _) => 255,
        (_, Some(present)) => 255 - usize::from(*present),
        (_, None) => 0,
    }
}

/// Adds padding to the first `len` bytes up to the end.
fn pad(datagram: &mut [u8], len: usize) {
    let (content, padding) = datagram.split_at_mut(len);
    if let Some((count, zeros)) = padding.split_last_mut() {
        let present = match content[0] & PADDED {
            0 => 0,
            _ => content[len - 1],
        };
        zeros.fill(0);
        *count = present + zeros.len() as u8 + 1;
        content[0] |= PADDED;
    }
}

const PADDED: u8 = 0x20;
const MAX_RATE: u32 = 4_000;
/// Of blocks of 51 at the highest rate.
const MAX_REPAIR: usize = 204;
/// Of blocks of 127 and 128.
const MAX_COEFFICIENTS: usize = 127 * 128;
