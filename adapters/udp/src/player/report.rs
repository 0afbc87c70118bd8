//! What a player tells.

use std::net::SocketAddr;
use std::time::Duration;

use audiox_core::session::PlaybackStats;
use audiox_core::stats::SourceStats;

/// The state of a player, or its end.
#[derive(Debug, Clone, Default)]
pub struct PlayerReport {
    /// Streams in the order they were first heard, the last 64 of those that ended too.
    pub streams: Vec<PlayedStream>,
    /// Frames that went to the sink.
    pub frames: u64,
    /// Frames of silence while nothing was to be played.
    pub frames_idle: u64,
    /// Largest magnitude since the snapshot before, linear.
    pub peak: f32,
    /// Packets of streams for which there was no place.
    pub refused: u64,
    /// Datagrams that were not what was expected.
    pub malformed: u64,
    /// Datagrams from addresses that are not allowed.
    pub not_allowed: u64,
    /// Datagrams longer than any buffer.
    pub truncated: u64,
    /// Datagrams dropped because the player was behind.
    pub overrun: u64,
    /// Pulls that came more than a quantum late: the machine was busy.
    pub late_pulls: u64,
    /// Events that the trace has not got.
    pub untraced: u64,
}

/// One stream as it was played.
#[derive(Debug, Clone)]
pub struct PlayedStream {
    /// Where it came from.
    pub from: Option<SocketAddr>,
    /// Its SSRC; `None` for raw streams.
    pub ssrc: Option<u32>,
    /// Its canonical name, where it told one.
    pub cname: Option<String>,
    /// What arrived.
    pub source: SourceStats,
    /// What was played of it.
    pub playback: PlaybackStats,
    /// From its sender's socket to ours, where both wall clocks are set alike; the mean of the
    /// luckiest packets.
    pub network: Option<Duration>,
    /// Whether it has ended.
    pub ended: bool,
}
