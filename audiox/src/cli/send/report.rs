//! How sending went.

use std::time::{Duration, UNIX_EPOCH};

use audiox::core::stats::ScheduleSummary;
use audiox::udp::streamer::{
    RemoteReport, StreamEnd, StreamReport, StreamState, StreamerHandle, StreamerReport,
    StreamerSnapshot,
};
use serde_json::{Value, json};

use crate::cli::output::round;
use crate::cli::text::{Scaled, Short, count};

/// For people.
pub(super) fn text(report: &StreamerReport) -> String {
    let mut lines = Vec::new();
    for s in &report.streams {
        let end = match &s.end {
            StreamEnd::Complete => "complete",
            StreamEnd::Stopped => "stopped",
            StreamEnd::Failed(_) => "failed",
        };
        lines.push(format!(
            "{}: {}, {}, {} frames as {} in packets of {}, {end}",
            s.name,
            count(s.packets, "packet"),
            Scaled(s.bytes as f64, "B"),
            s.frames,
            s.format,
            Short(s.ptime),
        ));
        lines.push(format!("  {}", schedule_text(&s.schedule)));
        let troubles: Vec<String> = [
            ("refused by the host", s.refused),
            ("dropped here", s.dropped),
            ("waits for the source", s.underruns),
            ("frames left out", s.frames_skipped),
        ]
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
        if !troubles.is_empty() {
            lines.push(format!("  {}", troubles.join(", ")));
        }
        lines.extend(s.remote.as_ref().map(|r| format!("  {}", remote_text(r))));
    }
    if report.streams.len() > 1 {
        let spread = report.first_packet_spread.map_or_else(String::new, |d| {
            format!(", first packets within {}", Short(d))
        });
        lines.push(format!(
            "{}: {}, {}{spread}",
            count(report.streams.len() as u64, "stream"),
            count(report.packets(), "packet"),
            Scaled(report.bytes() as f64, "B"),
        ));
    }
    lines.join("\n")
}

/// How sends kept to their schedule.
fn schedule_text(s: &ScheduleSummary) -> String {
    let mut parts = Vec::new();
    if let Some(nanos) = s.mean_interval_nanos {
        parts.push(format!("mean interval {:.5} ms", nanos / 1e6));
    }
    parts.push(format!(
        "off schedule {} median, {} p99, {} most",
        Short(s.p50),
        Short(s.p99),
        Short(s.max)
    ));
    parts.extend(s.slope_ppm.map(|ppm| format!("slope {ppm:+.3} ppm")));
    parts.extend(
        s.drift_frames
            .map(|n| format!("drift {}", count_signed(n, "frame"))),
    );
    parts.push(format!("late {}", s.late));
    parts.join(", ")
}

fn count_signed(n: i64, noun: &str) -> String {
    format!("{n} {noun}{}", if n.abs() == 1 { "" } else { "s" })
}

fn remote_text(r: &RemoteReport) -> String {
    let round_trip = r
        .round_trip
        .map_or_else(String::new, |d| format!(", round trip {}", Short(d)));
    format!(
        "receiver says: lost {}, jitter {}{round_trip}",
        r.packets_lost,
        Short(r.jitter)
    )
}

/// For programs.
pub(super) fn json(report: &StreamerReport) -> Value {
    json!({
        "packets": report.packets(),
        "bytes": report.bytes(),
        "first_packet_spread_ms": report.first_packet_spread.map(millis),
        "streams": report.streams.iter().map(stream_json).collect::<Vec<_>>(),
    })
}

fn stream_json(s: &StreamReport) -> Value {
    let (end, error) = match &s.end {
        StreamEnd::Complete => ("complete", None),
        StreamEnd::Stopped => ("stopped", None),
        StreamEnd::Failed(e) => ("failed", Some(e.to_string())),
    };
    json!({
        "name": s.name,
        "from": s.local,
        "ssrc": s.ssrc,
        "format": s.format,
        "ptime_ms": millis(s.ptime),
        "end": end,
        "error": error,
        "packets": s.packets,
        "bytes": s.bytes,
        "frames": s.frames,
        "frames_skipped": s.frames_skipped,
        "refused": s.refused,
        "dropped": s.dropped,
        "underruns": s.underruns,
        "schedule": schedule_json(&s.schedule),
        "remote": s.remote.as_ref().map(remote_json),
    })
}

/// For programs, too.
fn schedule_json(s: &ScheduleSummary) -> Value {
    json!({
        "mean_interval_ms": s.mean_interval_nanos.map(|n| n / 1e6),
        "deviation_p50_ms": millis(s.p50),
        "deviation_p99_ms": millis(s.p99),
        "deviation_max_ms": millis(s.max),
        "slope_ppm": s.slope_ppm,
        "drift_frames": s.drift_frames,
        "late": s.late,
    })
}

fn remote_json(r: &RemoteReport) -> Value {
    json!({
        "reports": r.reports,
        "fraction_lost": r.fraction_lost,
        "packets_lost": r.packets_lost,
        "jitter_ms": millis(r.jitter),
        "round_trip_ms": r.round_trip.map(millis),
    })
}

/// Who sends from where, and when it starts.
pub(super) fn started_json(handle: &StreamerHandle) -> Value {
    let start = handle.start_time().duration_since(UNIX_EPOCH);
    let names = handle.snapshot().streams.into_iter().map(|s| s.name);
    let streams = names
        .zip(handle.local_addrs())
        .map(|(name, from)| json!({ "name": name, "from": from }));
    json!({
        "start_unix": start.map_or(0.0, |d| d.as_secs_f64()),
        "streams": streams.collect::<Vec<_>>(),
    })
}

/// A look in between.
pub(super) fn snapshot_json(now: &StreamerSnapshot, rate: f64) -> Value {
    let streams = now.streams.iter().map(|s| {
        json!({
            "name": s.name,
            "state": match s.state {
                StreamState::Waiting => "waiting",
                StreamState::Sending => "sending",
                StreamState::Ended => "ended",
            },
            "position": round(s.position),
            "packets": s.packets,
            "bytes": s.bytes,
            "late": s.late,
            "refused": s.refused,
            "dropped": s.dropped,
            "underruns": s.underruns,
            "frames_skipped": s.frames_skipped,
            "drift_frames": s.drift_frames,
            "peak_dbfs": s.peak_dbfs.is_finite().then_some(s.peak_dbfs),
            "remote": s.remote.as_ref().map(remote_json),
        })
    });
    json!({
        "bits_per_second": rate.round(),
        "streams": streams.collect::<Vec<_>>(),
    })
}

/// Milliseconds, to the nanosecond.
pub(in crate::cli) fn millis(d: Duration) -> f64 {
    d.as_nanos() as f64 / 1e6
}
