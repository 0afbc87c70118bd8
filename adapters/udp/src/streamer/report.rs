//! What a streamer did, once it is done.

use std::net::SocketAddr;
use std::time::Duration;

use audiox_core::redundancy::Reason;
use audiox_core::stats::ScheduleSummary;
use audiox_net::thread::Realtime;

use super::status::RemoteReport;
use crate::Error;

/// What a streamer did.
#[derive(Debug)]
pub struct StreamerReport {
    /// The streams, in the order of their sources.
    pub streams: Vec<StreamReport>,
    /// Time between the first packets of the earliest and of the latest stream.
    pub first_packet_spread: Option<Duration>,
    /// Whether the pacing thread had real-time priority.
    pub realtime: Realtime,
}

/// What became of one stream.
#[derive(Debug)]
pub struct StreamReport {
    /// Name of the source.
    pub name: String,
    /// Address and port it was sent from.
    pub local: SocketAddr,
    /// Its synchronisation source, for RTP.
    pub ssrc: Option<u32>,
    /// Coding, rate and channels, such as `L16/48000/2`.
    pub format: String,
    /// Duration of a full packet.
    pub ptime: Duration,
    /// How it ended.
    pub end: StreamEnd,
    /// Media packets sent.
    pub packets: u64,
    /// Payload bytes sent, headers not counted.
    pub bytes: u64,
    /// Frames sent.
    pub frames: u64,
    /// Frames left out to catch up, or because a live source had none.
    pub frames_skipped: u64,
    /// Packets that a host refused because nothing listens on the port.
    pub refused: u64,
    /// Packets that this machine dropped: no route for the moment, buffer full, too long.
    pub dropped: u64,
    /// Times that the source was too slow.
    pub underruns: u64,
    /// How sends kept to their schedule. A packet is late when it goes out more than its own
    /// duration after its time.
    pub schedule: ScheduleSummary,
    /// What receivers last said, for RTP.
    pub remote: Option<RemoteReport>,
    /// Repair packets, where they were asked for.
    pub repair: Option<RepairReport>,
    /// Packets sent again, where receivers may ask for them.
    pub again: Option<AgainReport>,
    /// Redundancy that follows what receivers report, as it was at the end.
    pub redundancy: Option<RedundancyReport>,
}

/// Packets of a stream that were sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgainReport {
    /// Packets sent again.
    pub packets: u64,
    /// Packets asked for, each as often as it was.
    pub requested: u64,
}

/// What was chosen against loss, beside repair packets and retransmission.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RedundancyReport {
    /// Earlier packets that each carried again.
    pub copies: usize,
    /// How far back the codec's history reached.
    pub history: Duration,
    /// Share of packets, 0 to 1, that the codec prepared to do without.
    pub expected_loss: f32,
    /// Why.
    pub reason: Reason,
}

/// The repair packets of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepairReport {
    /// Repair packets sent.
    pub packets: u64,
    /// Packets that each covers at most.
    pub window: usize,
    /// For a thousand packets, at the end.
    pub per_thousand: u32,
}

/// How a stream ended.
#[derive(Debug)]
pub enum StreamEnd {
    /// The source was sent to its end.
    Complete,
    /// The streamer was stopped before.
    Stopped,
    /// The source or the socket failed; what was read before was sent.
    Failed(Error),
}

impl StreamerReport {
    /// Packets sent by all streams.
    pub fn packets(&self) -> u64 {
        self.streams.iter().map(|s| s.packets).sum()
    }

    /// Payload bytes sent by all streams.
    pub fn bytes(&self) -> u64 {
        self.streams.iter().map(|s| s.bytes).sum()
    }

    /// The streams that failed, with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.streams.iter().filter_map(|s| match &s.end {
            StreamEnd::Failed(e) => Some((s.name.as_str(), e)),
            _ => None,
        })
    }
}
