use super::{KEYS, MAX_WINDOW, RepairHeader, coefficient};
use crate::error::ConfigError;
use crate::fec::gf256;
use crate::fec::symbol::{self, MAX_SYMBOL};

/// Makes repair packets for one stream of source packets.
///
/// Fixed memory: the symbols of the longest window.
#[derive(Debug)]
pub struct WindowEncoder {
    /// Of the newest packets, in a ring.
    symbols: Box<[u8]>,
    lens: [u16; MAX_WINDOW],
    ssrc: u32,
    /// The next packet's sequence number, once there was one.
    next: Option<u16>,
    /// Packets held, up to the longest window.
    held: usize,
    /// Where in the ring the next goes.
    slot: usize,
    window: usize,
    /// Repair packets for a thousand source packets.
    rate: u32,
    /// Thousandths of a repair packet that are owed.
    pub(super) credit: u32,
    key: u8,
}

impl WindowEncoder {
    /// An encoder whose repair packets cover the last `window` packets, and of which there are
    /// `rate` for a thousand source packets.
    ///
    /// # Errors
    /// A window outside 1 to [`MAX_WINDOW`], a rate above 4 000.
    pub fn new(window: usize, rate: u32) -> Result<Self, ConfigError> {
        let mut encoder = Self {
            symbols: vec![0; MAX_WINDOW * MAX_SYMBOL].into_boxed_slice(),
            lens: [0; MAX_WINDOW],
            ssrc: 0,
            next: None,
            held: 0,
            slot: 0,
            window: 1,
            rate: 0,
            credit: 0,
            key: 0,
        };
        encoder.set(window, rate)?;
        Ok(encoder)
    }

    /// Another window and rate from the next packet on.
    ///
    /// # Errors
    /// As for [`new`](Self::new); nothing is changed then.
    pub fn set(&mut self, window: usize, rate: u32) -> Result<(), ConfigError> {
        if !(1..=MAX_WINDOW).contains(&window) {
            return Err(ConfigError::new(
                "window",
                window,
                format!("a repair packet covers 1 to {MAX_WINDOW} packets"),
            ));
        }
        if rate > MAX_RATE {
            return Err(ConfigError::new(
                "rate",
                rate,
                format!("0 to {MAX_RATE} repair packets for a thousand source packets"),
            ));
        }
        self.window = window;
        self.rate = rate;
        Ok(())
    }

    /// Takes note of an RTP datagram that was sent. Datagrams of one SSRC follow each other by
    /// sequence number; where they do not, the window begins anew.
    ///
    /// What is no RTP datagram, or longer than [`MAX_DATAGRAM`](symbol::MAX_DATAGRAM), is not
    /// covered.
    pub fn push(&mut self, datagram: &[u8]) {
        let Some((seq, ssrc)) = seq_and_ssrc(datagram) else {
            return;
        };
        if self.next != Some(seq) || self.ssrc != ssrc {
            self.held = 0;
            self.ssrc = ssrc;
        }
        let slot = self.slot;
        let symbol = &mut self.symbols[slot * MAX_SYMBOL..][..MAX_SYMBOL];
        let Some(len) = symbol::write(datagram, symbol) else {
            self.next = None;
            self.held = 0;
            return;
        };
        self.lens[slot] = len as u16;
        self.slot = (slot + 1) % MAX_WINDOW;
        self.next = Some(seq.wrapping_add(1));
        self.held = (self.held + 1).min(MAX_WINDOW);
        self.credit = (self.credit + self.rate).min(MAX_CREDIT);
    }

    /// Writes the payload of a repair packet that is due into `out` and returns its length. Call
    /// after each [`push`](Self::push) until there is none.
    ///
    /// `None` too where `out` is too short, for which the longest source packet and 4 bytes are
    /// enough.
    #[must_use]
    pub fn poll_repair(&mut self, out: &mut [u8]) -> Option<usize> {
        let next = self.next?;
        let packets = self.window.min(self.held);
        if self.credit < WHOLE || packets == 0 {
            return None;
        }
        let first = next.wrapping_sub(packets as u16);
        let slots = (0..packets).map(|n| (self.slot + MAX_WINDOW - packets + n) % MAX_WINDOW);
        let len = slots.clone().map(|slot| self.lens[slot]).max()?.into();
        let (head, rest) = out.split_first_chunk_mut::<{ RepairHeader::LEN }>()?;
        let sum = rest.get_mut(..len)?;
        sum.fill(0);
        for (n, slot) in (0..).zip(slots) {
            let symbol = &self.symbols[slot * MAX_SYMBOL..][..usize::from(self.lens[slot])];
            let seq = u64::from(first.wrapping_add(n));
            gf256::mul_add(sum, symbol, coefficient(self.key, seq));
        }
        let header = RepairHeader {
            ssrc: self.ssrc,
            first,
            packets: packets as u8,
            key: self.key,
        };
        header.write(head);
        self.credit -= WHOLE;
        self.key = (self.key + 1) % KEYS;
        Some(RepairHeader::LEN + len)
    }
}

/// Of an RTP datagram.
pub(super) fn seq_and_ssrc(datagram: &[u8]) -> Option<(u16, u32)> {
    let head = datagram.first_chunk::<12>()?;
    let seq = u16::from_be_bytes([head[2], head[3]]);
    let ssrc = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    (head[0] >> 6 == 2).then_some((seq, ssrc))
}

const WHOLE: u32 = 1_000;
const MAX_RATE: u32 = 4_000;
/// Repair packets not polled for are forgotten beyond this.
const MAX_CREDIT: u32 = 8 * WHOLE;
