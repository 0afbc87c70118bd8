use std::collections::VecDeque;
use std::iter;
use std::num::NonZeroU64;

use super::{Interpolation, MAX_SYMBOLS, PayloadId, Points, RTP_HEADER};
use crate::error::ParseError;
use crate::fec::gf256;
use crate::fec::symbol::MAX_DATAGRAM;

/// Brings back lost source packets of one sender's blocks.
///
/// Fixed memory: the packets of [`BLOCKS`](Self::BLOCKS) blocks, of which only what was ever used
/// is more than addresses. A packet costs one copy; the one that completes a block costs, for each
/// packet missing, an addition of every packet there.
#[derive(Debug)]
pub struct BlockDecoder {
    interpolation: Interpolation,
    blocks: [Block; Self::BLOCKS],
    /// Symbols by block and symbol number.
    symbols: Box<[u8]>,
    sum: Box<[u8]>,
    /// The newest block's number.
    newest: Option<u16>,
    /// That of the newest block with a source packet.
    sourced: u16,
    /// Brought back and not polled for: block number and symbol.
    recovered: VecDeque<(u16, u8)>,
    stats: BlockDecoderStats,
}

/// What a [`BlockDecoder`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockDecoderStats {
    /// Repair packets taken in.
    pub repair_packets: u64,
    /// Of these, such as said nothing new: their block was whole, or they had been there.
    pub redundant: u64,
    /// Repair packets of no use: malformed, at odds with the rest of their block, or of a block
    /// that is too old or far ahead.
    pub refused: u64,
    /// Packets brought back.
    pub recovered: u64,
    /// Packets whose calculated content was none: their block's packets did not belong together.
    pub implausible: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// `None` until its first packet.
    number: Option<u16>,
    source: u8,
    len: usize,
    /// Which symbols are there, a bit each.
    have: [u64; 4],
    /// How many.
    count: usize,
}

impl BlockDecoder {
    /// Blocks looked back on, the newest included.
    pub const BLOCKS: usize = 4;

    /// A decoder for what an encoder with the same points makes.
    pub fn new(points: Points) -> Self {
        Self {
            interpolation: Interpolation::new(points),
            blocks: Default::default(),
            symbols: vec![0; Self::BLOCKS * MAX_SYMBOLS * MAX_DATAGRAM].into_boxed_slice(),
            sum: vec![0; MAX_DATAGRAM].into_boxed_slice(),
            newest: None,
            sourced: 0,
            recovered: VecDeque::with_capacity(Self::BLOCKS * MAX_SYMBOLS),
            stats: BlockDecoderStats::default(),
        }
    }

    /// Takes in a source packet that arrived, as [`PayloadId::split_source`] gives it. Copies and
    /// what is at odds with the rest of its block are left out.
    pub fn handle_source(&mut self, id: PayloadId, packet: &[u8]) {
        let number = id.block as u16;
        let ahead = self.newest.map_or(0, |n| number.wrapping_sub(n) as i16);
        // A little late, or the sender has started over.
        if self.newest.is_none() || !(-MAX_LATE..=0).contains(&ahead) {
            self.advance(number);
            self.sourced = number;
        } else if (1..=AHEAD).contains(&number.wrapping_sub(self.sourced)) {
            self.sourced = number;
        }
        if id.symbol < id.source && (RTP_HEADER..=MAX_DATAGRAM).contains(&packet.len()) {
            self.take(id, packet);
        }
    }

    /// Takes in a repair packet, with its payload ID. Packets that it brings back are to be had
    /// from [`poll_recovered`](Self::poll_recovered).
    ///
    /// # Errors
    /// It is malformed. One that is of no use is counted and left out.
    pub fn handle_repair(&mut self, datagram: &[u8]) -> Result<(), ParseError> {
        self.stats.repair_packets += 1;
        let (id, symbol) =
            PayloadId::split_repair(datagram).inspect_err(|_| self.stats.refused += 1)?;
        let number = id.block as u16;
        match self.newest {
            // Source packets decide where in the stream we are; all those of a few blocks can be
            // lost, or still be on their way.
            Some(newest)
                if (1..=AHEAD).contains(&number.wrapping_sub(newest))
                    && (1..=AHEAD).contains(&number.wrapping_sub(self.sourced)) =>
            {
                self.advance(number);
            }
            Some(_) => {}
            None => {
                self.stats.refused += 1;
                return Ok(());
            }
        }
        match self.take(id, symbol) {
            Taken::Anew => {}
            Taken::Before => self.stats.redundant += 1,
            Taken::Not => self.stats.refused += 1,
        }
        Ok(())
    }

    /// Writes a packet that was brought back into `out`, as the RTP datagram that it was before
    /// its payload ID was put behind it, and returns its length. Call until there is none; a
    /// datagram takes at most [`MAX_DATAGRAM`] bytes. What waits goes with its block.
    #[must_use]
    pub fn poll_recovered(&mut self, out: &mut [u8]) -> Option<usize> {
        let (number, symbol) = self.recovered.pop_front()?;
        let packet = self.symbol(number, symbol);
        let len = packet.len();
        out.get_mut(..len)?.copy_from_slice(packet);
        self.stats.recovered += 1;
        Some(len)
    }

    /// Counters so far.
    pub fn stats(&self) -> &BlockDecoderStats {
        &self.stats
    }

    /// Another timeline: nothing before belongs to what follows.
    pub fn reset(&mut self) {
        self.newest = None;
        self.blocks.fill(Block::default());
        self.recovered.clear();
    }

    /// Makes `number` the newest block. Blocks no longer looked back on go.
    fn advance(&mut self, number: u16) {
        self.newest = Some(number);
        let behind = |n: u16| usize::from(number.wrapping_sub(n));
        self.recovered.retain(|(n, _)| behind(*n) < Self::BLOCKS);
        for block in &mut self.blocks {
            if block.number.is_some_and(|n| behind(n) >= Self::BLOCKS) {
                *block = Block::default();
            }
        }
    }

    fn take(&mut self, id: PayloadId, symbol: &[u8]) -> Taken {
        let number = id.block as u16;
        let behind = self.newest.map(|n| usize::from(n.wrapping_sub(number)));
        if behind.is_none_or(|b| b >= Self::BLOCKS) {
            return Taken::Not;
        }
        let block = &mut self.blocks[slot(number)];
        if block.number.is_none() {
            *block = Block {
                number: Some(number),
                source: id.source,
                len: symbol.len(),
                ..Block::default()
            };
        }
        if (block.source, block.len) != (id.source, symbol.len()) {
            return Taken::Not;
        }
        // Once there are as many as source packets, those are there.
        if block.has(id.symbol) || block.count >= usize::from(block.source) {
            return Taken::Before;
        }
        block.add(id.symbol);
        let complete = block.count == usize::from(block.source);
        self.symbols[at(number, id.symbol)..][..symbol.len()].copy_from_slice(symbol);
        if complete {
            self.recover(number);
        }
        Taken::Anew
    }

    /// Calculates the source packets missing in a block of which as many others are there.
    fn recover(&mut self, number: u16) {
        let block = self.blocks[slot(number)];
        let missing = (0..block.source).filter(|n| !block.has(*n));
        if missing.clone().next().is_none() {
            return;
        }
        self.interpolation.set(block.present());
        for symbol in missing {
            let sum = &mut self.sum[..block.len];
            sum.fill(0);
            let coefficients = self.interpolation.coefficients(symbol);
            for (other, c) in block.present().zip(coefficients) {
                gf256::mul_add(sum, &self.symbols[at(number, other)..][..block.len], c);
            }
            if sum[0] >> 6 != 2 {
                self.stats.implausible += 1;
                continue;
            }
            self.symbols[at(number, symbol)..][..block.len].copy_from_slice(sum);
            self.recovered.push_back((number, symbol));
        }
    }

    fn symbol(&self, number: u16, symbol: u8) -> &[u8] {
        &self.symbols[at(number, symbol)..][..self.blocks[slot(number)].len]
    }
}

enum Taken {
    Anew,
    /// It, or what it says, had been there.
    Before,
    Not,
}

impl Block {
    fn has(&self, symbol: u8) -> bool {
        self.have[usize::from(symbol / 64)] >> (symbol % 64) & 1 == 1
    }

    fn add(&mut self, symbol: u8) {
        self.have[usize::from(symbol / 64)] |= 1 << (symbol % 64);
        self.count += 1;
    }

    fn present(&self) -> impl Iterator<Item = u8> + Clone + '_ {
        self.have
            .iter()
            .zip([0, 64, 128, 192])
            .flat_map(|(word, base)| {
                let without_lowest =
                    |bits: &NonZeroU64| NonZeroU64::new(bits.get() & (bits.get() - 1));
                iter::successors(NonZeroU64::new(*word), without_lowest)
                    .map(move |bits| base + bits.trailing_zeros() as u8)
            })
    }
}

fn slot(number: u16) -> usize {
    usize::from(number) % BlockDecoder::BLOCKS
}

fn at(number: u16, symbol: u8) -> usize {
    (slot(number) * MAX_SYMBOLS + usize::from(symbol)) * MAX_DATAGRAM
}

/// Blocks by which repair packets may be ahead of all source packets.
const AHEAD: u16 = 2;
/// Blocks by which a source packet may be late; one further behind is of a sender that has
/// started over.
const MAX_LATE: i16 = 100;
