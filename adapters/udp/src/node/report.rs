//! What a node tells: snapshots while it runs, a report at the end, the JSON sidecar.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use audiox_core::format::StreamFormat;
use audiox_core::stats::SourceStats;
use serde::Serialize;

use super::gaps::Gap;
use super::lane::{Alignment, LaneStats, Mismatch};

/// One recorded stream.
#[derive(Debug, Clone)]
pub struct StreamReport {
    /// Order of first packets, from 0.
    pub index: usize,
    /// Sender's address, where known.
    pub from: Option<SocketAddr>,
    /// SSRC; `None` for raw streams.
    pub ssrc: Option<u32>,
    /// Canonical name, where the sender gave one.
    pub cname: Option<String>,
    /// Rate and channels.
    pub format: StreamFormat,
    /// How it was put in its place; `None` until it is.
    pub alignment: Option<Alignment>,
    /// File that holds it, and its first channel in there.
    pub file: Option<PathBuf>,
    /// First channel in the file, from 0.
    pub first_channel: usize,
    /// Position of its first frame, and the end of its last.
    pub start: u64,
    /// End of its last frame.
    pub end: u64,
    /// What was received.
    pub source: SourceStats,
    /// What was placed.
    pub lane: LaneStats,
    /// Gaps, also those beyond the list.
    pub gap_count: u64,
    /// Frames in all gaps.
    pub gap_frames: u64,
    /// The gaps, at most 100 000; empty in a snapshot.
    pub gaps: Vec<Gap>,
    /// The sender said goodbye or fell silent.
    pub ended: bool,
    /// The samples were most likely read in a format that is not the sender's.
    pub mismatch: Option<Mismatch>,
    /// Nanoseconds by which the sender's wall clock was off, where it was too far to align by.
    pub clock_rejected: Option<i64>,
}

/// What a node has done so far or, at its end, altogether.
#[derive(Debug, Clone, Default)]
pub struct NodeReport {
    /// The streams, in the order of their first packets.
    pub streams: Vec<StreamReport>,
    /// Frames on each track.
    pub tracks: Vec<u64>,
    /// Datagrams that made no sense.
    pub malformed: u64,
    /// RTP packets of unexpected payload types.
    pub unknown_payload_type: u64,
    /// Packets that could not be decoded, of streams that never became a track: the codec, rate
    /// or channels given are not the sender's.
    pub undecodable: u64,
    /// Datagrams turned away because there are streams enough.
    pub too_many_streams: u64,
    /// Datagrams from addresses that are not allowed.
    pub not_allowed: u64,
    /// Datagrams longer than any buffer.
    pub truncated: u64,
    /// Datagrams dropped because the recorder was behind.
    pub overrun: u64,
    /// Unconfirmed jumps in a stream's numbers.
    pub suspect: u64,
    /// Bytes at the end of raw datagrams that made no whole frame.
    pub trailing_bytes: u64,
    /// Receiver reports sent.
    pub reports_sent: u64,
}

/// Writes the sidecar in one step, so that a reader never sees half of it.
pub(super) fn write_sidecar(
    path: &Path,
    started: &str,
    report: &NodeReport,
) -> std::io::Result<()> {
    let sidecar = Sidecar {
        version: 1,
        recorder: concat!("audiox ", env!("CARGO_PKG_VERSION")),
        started,
        streams: report.streams.iter().map(SidecarStream::from).collect(),
    };
    let temporary = path.with_extension("json.part");
    std::fs::write(&temporary, serde_json::to_vec_pretty(&sidecar)?)
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| {
            // What a full disk took of it is of no use.
            let _ = std::fs::remove_file(&temporary);
        })
}

#[derive(Serialize)]
struct Sidecar<'a> {
    version: u32,
    recorder: &'a str,
    /// Wall-clock time of frame 0, UTC.
    started: &'a str,
    streams: Vec<SidecarStream<'a>>,
}

#[derive(Serialize)]
struct SidecarStream<'a> {
    file: Option<String>,
    first_channel: usize,
    channels: usize,
    rate: u32,
    from: Option<String>,
    ssrc: Option<u32>,
    cname: Option<&'a str>,
    aligned_by: &'a str,
    start_frame: u64,
    end_frame: u64,
    packets: u64,
    packets_lost: i64,
    duplicate_frames: u64,
    late_frames: u64,
    restarts: u64,
    drift_ppm: Option<f64>,
    gap_count: u64,
    gap_frames: u64,
    gaps: &'a [Gap],
}

impl<'a> From<&'a StreamReport> for SidecarStream<'a> {
    fn from(s: &'a StreamReport) -> Self {
        let name = s.file.as_deref().and_then(Path::file_name);
        Self {
            file: name.map(|n| n.to_string_lossy().into_owned()),
            first_channel: s.first_channel,
            channels: s.format.channels.get(),
            rate: s.format.rate.get(),
            from: s.from.map(|a| a.to_string()),
            ssrc: s.ssrc,
            cname: s.cname.as_deref(),
            aligned_by: match s.alignment {
                Some(Alignment::Timestamps) => "timestamps",
                Some(Alignment::Arrival) => "arrival",
                None => "nothing yet",
            },
            start_frame: s.start,
            end_frame: s.end,
            packets: s.source.packets_received,
            packets_lost: s.source.packets_lost,
            duplicate_frames: s.lane.duplicate_frames,
            late_frames: s.lane.late_frames,
            restarts: s.source.restarts,
            drift_ppm: s.lane.drift_ppm,
            gap_count: s.gap_count,
            gap_frames: s.gap_frames,
            gaps: &s.gaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_that_cannot_be_put_in_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.json");
        std::fs::create_dir(&path).unwrap();
        write_sidecar(&path, "", &NodeReport::default()).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
