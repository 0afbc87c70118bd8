use crate::error::ParseError;

/// Identifies a source within one [`Ingress`](super::Ingress); never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u32);

/// Where a datagram came from, as a number that the caller made up for the address. Tells raw
/// streams apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Origin(pub u64);

/// What became of a datagram. Counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Media; the packet's `meta` is filled in.
    Media(SourceId),
    /// A repair packet for this source; see [`Ingress::poll_recovered`](super::Ingress::poll_recovered).
    Repair(SourceId),
    /// A repair packet or a retransmission that is of no use: malformed, for a source that is not
    /// known (yet), or for one source more than are repaired at once.
    Useless,
    /// A jump in sequence or time that the next packet must confirm; dropped.
    Suspect(SourceId),
    /// Not what it claims to be; dropped.
    Malformed(ParseError),
    /// An RTP payload type that was not announced; dropped.
    PayloadType(u8),
    /// The table of sources is full; dropped.
    TooManySources,
}

/// Something about a source that its owner acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngressEvent {
    /// First packet of a source.
    Started(SourceId),
    /// The sender started over: another timeline (`meta.generation`).
    Restarted(SourceId),
    /// The source's wall clock is known from now on: [`Ingress::clock_map`](super::Ingress::clock_map).
    Mapped(SourceId),
    /// The sender said goodbye.
    Bye(SourceId),
    /// Silent for longer than [`IngressConfig::idle_after`](super::IngressConfig::idle_after), or replaced while unconfirmed; its
    /// slot is free.
    Ended(SourceId),
}

/// Counters over all sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IngressStats {
    /// Datagrams that could not be parsed.
    pub malformed: u64,
    /// RTP packets of payload types that were not announced.
    pub unknown_payload_type: u64,
    /// Packets refused for want of a slot.
    pub too_many_sources: u64,
    /// Packets dropped as an unconfirmed jump.
    pub suspect: u64,
    /// Repair packets and retransmissions of no use.
    pub useless_repair_packets: u64,
    /// Bytes at the end of raw datagrams that made no whole frame.
    pub trailing_bytes: u64,
    /// RTCP datagrams read.
    pub reports_received: u64,
    /// RTCP datagrams sent.
    pub reports_sent: u64,
    /// Events lost because nobody polled.
    pub events_dropped: u64,
}
