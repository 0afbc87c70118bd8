use std::collections::VecDeque;

use super::encoder::seq_and_ssrc;
use super::matrix::Matrix;
use super::{MAX_WINDOW, RepairHeader, coefficient};
use crate::error::ParseError;
use crate::fec::gf256;
use crate::fec::symbol::{self, MAX_SYMBOL};
use crate::time::ExtSeq;

/// Brings back lost packets of one stream from its repair packets.
///
/// Fixed memory: the packets of [`SPAN`](Self::SPAN) numbers, and [`ROWS`](Self::ROWS) equations.
/// A packet costs at most `ROWS` additions of a symbol, a repair packet `MAX_WINDOW + 2 · ROWS`.
/// What is too late to be heard stays an unknown for as long as the span reaches, since what it
/// occurs in together with others can still help those.
#[derive(Debug)]
pub struct WindowDecoder {
    ssrc: u32,
    /// Symbols by packet number.
    symbols: Box<[u8]>,
    /// Their lengths; 0 where there is none.
    lens: Box<[u16]>,
    /// One past the newest packet number known of.
    end: Option<u64>,
    /// The newest source packet that arrived: repair packets alone do not lead away from it.
    newest: Option<u64>,
    matrix: Matrix,
    recovered: VecDeque<u64>,
    sum: Box<[u8]>,
    stats: WindowDecoderStats,
}

/// What a [`WindowDecoder`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowDecoderStats {
    /// Repair packets taken in.
    pub repair_packets: u64,
    /// Of these, such as said nothing new: nothing they cover was missing, or others had said it.
    pub redundant: u64,
    /// Repair packets of no use: malformed, of another stream, or over packets too old.
    pub refused: u64,
    /// Packets brought back.
    pub recovered: u64,
    /// Packets whose calculated content was none: the repair packets did not belong to them.
    pub implausible: u64,
}

impl WindowDecoder {
    /// Packet numbers looked back on, counted from the newest.
    pub const SPAN: usize = 256;
    /// Equations kept; beyond that the one with the oldest packet goes.
    pub const ROWS: usize = 64;

    /// A decoder for the stream of `ssrc`.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            symbols: vec![0; Self::SPAN * MAX_SYMBOL].into_boxed_slice(),
            lens: vec![0; Self::SPAN].into_boxed_slice(),
            end: None,
            newest: None,
            matrix: Matrix::new(Self::ROWS, Self::SPAN, MAX_SYMBOL),
            recovered: VecDeque::with_capacity(Self::SPAN),
            sum: vec![0; MAX_SYMBOL].into_boxed_slice(),
            stats: WindowDecoderStats::default(),
        }
    }

    /// Takes in a source packet that arrived, an RTP datagram whose number `seq` was unwrapped.
    /// Copies and what cannot have been covered are left out.
    pub fn handle_source(&mut self, seq: ExtSeq, datagram: &[u8]) {
        if seq_and_ssrc(datagram) != Some((seq.0 as u16, self.ssrc)) || !self.reach(seq.0) {
            return;
        }
        self.newest = self.newest.max(Some(seq.0));
        let slot = slot(seq.0);
        if self.lens[slot] != 0 {
            return;
        }
        let room = &mut self.symbols[slot * MAX_SYMBOL..][..MAX_SYMBOL];
        let Some(len) = symbol::write(datagram, room) else {
            return;
        };
        self.lens[slot] = len as u16;
        self.matrix.know(seq.0, &room[..len]);
        self.collect();
    }

    /// Takes in a repair packet's payload. Packets that it brings back are to be had from
    /// [`poll_recovered`](Self::poll_recovered).
    ///
    /// # Errors
    /// It is malformed. One of another stream or too old is counted and left out.
    pub fn handle_repair(&mut self, payload: &[u8]) -> Result<(), ParseError> {
        self.stats.repair_packets += 1;
        let (header, sum) =
            RepairHeader::parse(payload).inspect_err(|_| self.stats.refused += 1)?;
        // Numbers are unwrapped by source packets, so one has to be there first.
        let Some(newest) = self.newest.filter(|_| header.ssrc == self.ssrc) else {
            self.stats.refused += 1;
            return Ok(());
        };
        let ahead = header.first.wrapping_sub(newest as u16) as i16;
        let Some(first) = newest.checked_add_signed(ahead.into()) else {
            self.stats.refused += 1;
            return Ok(());
        };
        let covered = first..first + u64::from(header.packets);
        let too_far = ahead as i64 > MAX_WINDOW as i64;
        if too_far || !self.reach(covered.end - 1) || first < self.base() {
            self.stats.refused += 1;
            return Ok(());
        }
        if covered.clone().all(|seq| self.lens[slot(seq)] != 0) {
            self.stats.redundant += 1;
            return Ok(());
        }
        let own = &mut self.sum[..sum.len()];
        own.copy_from_slice(sum);
        for seq in covered.clone() {
            let (slot, len) = (slot(seq), usize::from(self.lens[slot(seq)]));
            if len > own.len() {
                // The sum is as long as the longest that it covers.
                self.stats.refused += 1;
                return Err(ParseError::Length(sum.len()));
            }
            let symbol = &self.symbols[slot * MAX_SYMBOL..][..len];
            gf256::mul_add(own, symbol, coefficient(header.key, seq));
        }
        let lens = &self.lens;
        let missing = covered
            .filter(|seq| lens[slot(*seq)] == 0)
            .map(|seq| (seq, coefficient(header.key, seq)));
        if !self.matrix.insert(missing, own) {
            self.stats.redundant += 1;
        }
        self.collect();
        Ok(())
    }

    /// Writes a packet that was brought back into `out`, as the RTP datagram that it was, and
    /// returns its number and length. Call until there is none; a datagram takes at most
    /// [`MAX_DATAGRAM`](symbol::MAX_DATAGRAM) bytes. At most [`SPAN`](Self::SPAN) wait, beyond
    /// that the oldest goes.
    #[must_use]
    pub fn poll_recovered(&mut self, out: &mut [u8]) -> Option<(ExtSeq, usize)> {
        let seq = self.recovered.pop_front()?;
        let slot = slot(seq);
        let symbol = &self.symbols[slot * MAX_SYMBOL..][..usize::from(self.lens[slot])];
        let len = symbol::read(symbol, seq as u16, self.ssrc, out)?;
        self.stats.recovered += 1;
        Some((ExtSeq(seq), len))
    }

    /// Counters so far.
    pub fn stats(&self) -> &WindowDecoderStats {
        &self.stats
    }

    /// Another timeline: nothing before belongs to what follows.
    pub fn reset(&mut self) {
        (self.end, self.newest) = (None, None);
        self.lens.fill(0);
        self.recovered.clear();
        self.matrix.clear(0);
    }

    /// The oldest number looked back on.
    fn base(&self) -> u64 {
        self.end
            .map_or(0, |end| end.saturating_sub(Self::SPAN as u64))
    }

    /// Moves on so that `seq` is within the span; `false` where it is too old for that.
    fn reach(&mut self, seq: u64) -> bool {
        let end = match self.end {
            Some(end) if seq < end => return seq >= self.base(),
            Some(end) if seq - end < Self::SPAN as u64 => end,
            // The first, or a jump: nothing of before is of use.
            _ => {
                self.lens.fill(0);
                self.recovered.clear();
                self.matrix
                    .clear((seq + 1).saturating_sub(Self::SPAN as u64));
                self.end = Some(seq + 1);
                return true;
            }
        };
        for new in end..=seq {
            self.lens[slot(new)] = 0;
        }
        self.end = Some(seq + 1);
        let base = self.base();
        self.matrix.advance(base);
        self.recovered.retain(|seq| *seq >= base);
        true
    }

    /// Takes over what has been solved.
    fn collect(&mut self) {
        while let Some((seq, symbol)) = self.matrix.pop_solved() {
            let Some(symbol) = symbol::trim(symbol) else {
                self.stats.implausible += 1;
                continue;
            };
            let slot = slot(seq);
            self.symbols[slot * MAX_SYMBOL..][..symbol.len()].copy_from_slice(symbol);
            self.lens[slot] = symbol.len() as u16;
            if self.recovered.len() == Self::SPAN {
                self.recovered.pop_front();
            }
            self.recovered.push_back(seq);
        }
    }
}

fn slot(seq: u64) -> usize {
    (seq % WindowDecoder::SPAN as u64) as usize
}
