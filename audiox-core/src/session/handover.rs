//! What crosses from the socket side of a session to its playback side, and back.
//!
//! Four single-producer single-consumer rings and one cell of atomics a place. Every ring but the
//! reports' has room for all that can ever be in it, so nothing that matters can be turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Observer, Producer, Split};

use super::event::Routed;
use super::lane::Lane;
use super::stats::{MixStats, PlaybackStats};
use super::ticket::Ticket;
use crate::convert::Gain;
use crate::packet::PacketBuf;
use crate::pool::{PacketInput, PacketOutput, packet_pool};

/// Makes both ends for `slots` places and `buffers` packet buffers of `capacity` bytes.
pub(super) fn handover(slots: usize, buffers: usize, capacity: usize) -> (Socket, Playback) {
    let (packets_in, packets_out) = packet_pool(buffers, capacity);
    let (commands_tx, commands_rx) = HeapRb::new(slots * COMMANDS).split();
    let (home_tx, home_rx) = HeapRb::new(slots).split();
    let (reports_tx, reports_rx) = HeapRb::new(2 * (slots + 1)).split();
    let cells: Arc<[Cell]> = (0..slots).map(|_| Cell::default()).collect();
    (
        Socket {
            packets: packets_in,
            commands: commands_tx,
            home: home_rx,
            reports: reports_rx,
            cells: cells.clone(),
            stash: Vec::with_capacity(buffers),
            lent: 0,
        },
        Playback {
            packets: packets_out,
            buffers,
            commands: commands_rx,
            home: home_tx,
            reports: reports_tx,
            cells,
        },
    )
}

/// What the socket side tells the playback side.
pub(super) enum Command {
    Open(Box<Lane>),
    /// Play what is there, then send the lane home.
    Finish(Ticket),
    /// Send the lane home at once.
    Close(Ticket),
}

/// What the playback side reports now and then.
#[expect(
    clippy::large_enum_variant,
    reason = "it crosses a ring, and the callback makes no boxes"
)]
pub(super) enum Report {
    Lane(Ticket, PlaybackStats),
    Mix(MixStats),
}

/// Written by one side, read by the other. Each value stands for itself, so no order between
/// them is needed.
#[derive(Default)]
struct Cell {
    gain: AtomicU32,
    /// Packet buffers that the place's lane has given back since it was opened.
    returned: AtomicU32,
}

/// The end beside the socket.
pub(super) struct Socket {
    packets: PacketInput,
    commands: ringbuf::HeapProd<Command>,
    home: ringbuf::HeapCons<Box<Lane>>,
    reports: ringbuf::HeapCons<Report>,
    cells: Arc<[Cell]>,
    /// Buffers that never left, or came home within a lane.
    stash: Vec<PacketBuf>,
    /// Buffers in the hands of the socket's owner.
    lent: usize,
}

impl Socket {
    /// Lends a buffer.
    pub(super) fn acquire(&mut self) -> Option<PacketBuf> {
        let buffer = self.free()?;
        self.lent += 1;
        Some(buffer)
    }

    /// Takes a buffer back. One more than were lent is foreign: its content moves to a buffer of
    /// the pool, of which there are always as many as the rings have room for.
    pub(super) fn take_back(&mut self, packet: PacketBuf) -> Result<PacketBuf, Routed> {
        if self.lent > 0 {
            self.lent -= 1;
            return Ok(packet);
        }
        let mut own = self.free().ok_or(Routed::NoBuffer)?;
        if !own.fill(packet.bytes()) {
            self.keep(own);
            return Err(Routed::TooLong);
        }
        own.meta = packet.meta;
        Ok(own)
    }

    /// Keeps a buffer of the pool for the next datagram.
    pub(super) fn keep(&mut self, packet: PacketBuf) {
        debug_assert!(self.stash.len() < self.stash.capacity(), "more than all");
        self.stash.push(packet);
    }

    /// A buffer that stays on this side.
    pub(super) fn free(&mut self) -> Option<PacketBuf> {
        self.stash.pop().or_else(|| self.packets.acquire())
    }

    pub(super) fn submit(&mut self, packet: PacketBuf) -> Result<(), PacketBuf> {
        self.packets.submit(packet)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.packets.is_closed()
    }

    pub(super) fn open(&mut self, lane: Box<Lane>, gain: Gain) -> bool {
        let cell = &self.cells[lane.ticket().slot()];
        cell.gain.store(gain.factor().to_bits(), Ordering::Relaxed);
        cell.returned.store(0, Ordering::Relaxed);
        self.commands.try_push(Command::Open(lane)).is_ok()
    }

    pub(super) fn finish(&mut self, ticket: Ticket) {
        self.command(Command::Finish(ticket));
    }

    pub(super) fn close(&mut self, ticket: Ticket) {
        self.command(Command::Close(ticket));
    }

    pub(super) fn set_gain(&mut self, slot: usize, gain: Gain) {
        let bits = gain.factor().to_bits();
        self.cells[slot].gain.store(bits, Ordering::Relaxed);
    }

    /// Buffers given back by the lane that is in `slot` now.
    pub(super) fn returned(&self, slot: usize) -> u32 {
        self.cells[slot].returned.load(Ordering::Relaxed)
    }

    pub(super) fn next_home(&mut self) -> Option<Box<Lane>> {
        self.home.try_pop()
    }

    pub(super) fn next_report(&mut self) -> Option<Report> {
        self.reports.try_pop()
    }

    fn command(&mut self, command: Command) {
        let sent = self.commands.try_push(command).is_ok();
        debug_assert!(sent, "the ring holds all commands of all places");
    }
}

/// The end in the playback callback.
pub(super) struct Playback {
    packets: PacketOutput,
    buffers: usize,
    commands: ringbuf::HeapCons<Command>,
    home: ringbuf::HeapProd<Box<Lane>>,
    reports: ringbuf::HeapProd<Report>,
    cells: Arc<[Cell]>,
}

impl Playback {
    /// Packets that one pull takes in at most: all there are.
    pub(super) fn buffers(&self) -> usize {
        self.buffers
    }

    pub(super) fn next_command(&mut self) -> Option<Command> {
        self.commands.try_pop()
    }

    pub(super) fn next_packet(&mut self) -> Option<PacketBuf> {
        self.packets.recv()
    }

    /// Sends a spent buffer home, and says of which lane it was.
    pub(super) fn recycle(&mut self, packet: PacketBuf, slot: Option<usize>) {
        if let Some(cell) = slot.and_then(|s| self.cells.get(s)) {
            // This side alone writes while a lane is open.
            let returned = cell.returned.load(Ordering::Relaxed).wrapping_add(1);
            cell.returned.store(returned, Ordering::Relaxed);
        }
        let home = self.packets.recycle(packet);
        debug_assert!(home.is_ok(), "the ring holds every buffer of the pool");
    }

    pub(super) fn gain(&self, slot: usize) -> Gain {
        let bits = self.cells[slot].gain.load(Ordering::Relaxed);
        Gain::linear(f32::from_bits(bits)).unwrap_or_default()
    }

    /// Gives the lane back where it cannot go, which is never: each place's lane fits.
    pub(super) fn send_home(&mut self, lane: Box<Lane>) -> Result<(), Box<Lane>> {
        self.home.try_push(lane)
    }

    /// Reports if there is room for `reports`; otherwise nobody read the last ones yet.
    pub(super) fn has_room_for(&self, reports: usize) -> bool {
        self.reports.vacant_len() >= reports
    }

    pub(super) fn report(&mut self, report: Report) {
        let _ = self.reports.try_push(report);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.packets.is_closed()
    }
}

/// Commands that a place can have waiting: while the playback side does nothing, a stale close of
/// the lane before, and an open, a finish and a close of the present one. After these its lane
/// must come home before another is opened.
const COMMANDS: usize = 4;
