//! How sending went.

use std::time::{Duration, UNIX_EPOCH};

use audiox::core::stats::ScheduleSummary;
use audiox::udp::streamer::{
    RedundancyReport, RemoteReport, RepairReport, StreamEnd, StreamReport, StreamState,
    StreamerHandle, StreamerReport, StreamerSnapshot,
};
use serde_json::{Value, json};

use crate::cli::output::round;
use crate::cli::text::{Scaled, Short, count};

/// For people.
pub(super) fn text(report: &StreamerReport) -> String {
    let mut lines = Vec::new();
    let (told, rest) = report.streams.split_at(report.streams.len().min(MOST_TOLD));
    for s in told {
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
        lines.extend(s.repair.as_ref().map(|r| format!("  {}", repair_text(r))));
        let again = s.again.as_ref().filter(|a| a.requested > 0);
        lines.extend(again.map(|a| {
            let packets = count(a.packets, "packet");
            format!("  {packets} sent again, of {} asked for", a.requested)
        }));
        lines.extend(
            s.redundancy
                .as_ref()
                .map(|r| format!("  {}", redundancy_text(r))),
        );
    }
    if !rest.is_empty() {
        lines.push(format!(
            "and {} more, see --json",
            count(rest.len() as u64, "stream")
        ));
        lines.push(format!("worst of all: {}", worst_text(&report.streams)));
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

/// The farthest from the schedule, each figure of whichever stream it is.
fn worst_text(streams: &[StreamReport]) -> String {
    let schedules = || streams.iter().map(|s| &s.schedule);
    let mut parts = vec![format!(
        "off schedule {} p99, {} most",
        Short(schedules().map(|s| s.p99).max().unwrap_or_default()),
        Short(schedules().map(|s| s.max).max().unwrap_or_default()),
    )];
    let slopes = schedules().filter_map(|s| s.slope_ppm);
    if let Some(ppm) = slopes.max_by(|a, b| a.abs().total_cmp(&b.abs())) {
        parts.push(format!("slope {ppm:+.3} ppm"));
    }
    let drifts = schedules().filter_map(|s| s.drift_frames);
    if let Some(n) = drifts.max_by_key(|n| n.abs()) {
        parts.push(format!("drift {}", count_signed(n, "frame")));
    }
    parts.push(format!("late {}", schedules().map(|s| s.late).sum::<u64>()));
    parts.join(", ")
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

fn repair_text(r: &RepairReport) -> String {
    format!(
        "{}, each of up to {}, {:.1} % at the end",
        count(r.packets, "repair packet"),
        count(r.window as u64, "packet"),
        f64::from(r.per_thousand) / 10.0,
    )
}

fn redundancy_text(r: &RedundancyReport) -> String {
    let mut chosen = Vec::new();
    if r.copies > 0 {
        chosen.push(format!("each packet carries {} before it", r.copies));
    }
    if !r.history.is_zero() {
        chosen.push(format!("{} of history in each", Short(r.history)));
    }
    if r.expected_loss > 0.0 {
        let percent = r.expected_loss * 100.0;
        chosen.push(format!("the codec prepares for {percent:.1} % of loss"));
    }
    let chosen: String = chosen.into_iter().map(|c| format!("; {c}")).collect();
    format!("redundancy: {}{chosen}", r.reason)
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
        "pacing": report.realtime.to_string(),
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
        "repair": s.repair.as_ref().map(|r| json!({
            "packets": r.packets,
            "window": r.window,
            "per_thousand": r.per_thousand,
        })),
        "retransmission": s.again.as_ref().map(|a| json!({
            "packets": a.packets,
            "requested": a.requested,
        })),
        "redundancy": s.redundancy.as_ref().map(|r| json!({
            "copies": r.copies,
            "history_ms": millis(r.history),
            "expected_loss": r.expected_loss,
            "reason": r.reason.to_string(),
        })),
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

/// Streams that people are told about one by one.
const MOST_TOLD: usize = 12;

#[cfg(test)]
mod tests {
    use audiox::net::thread::Realtime;

    use super::*;

    fn stream(n: u64) -> StreamReport {
        StreamReport {
            name: format!("take{n}.wav"),
            local: ([127, 0, 0, 1], 5_000).into(),
            ssrc: Some(7),
            format: "L16/48000/1".to_owned(),
            ptime: Duration::from_millis(10),
            end: StreamEnd::Complete,
            packets: 3_300,
            bytes: 3_168_000,
            frames: 1_584_000,
            frames_skipped: 0,
            refused: n,
            dropped: 0,
            underruns: 0,
            schedule: ScheduleSummary {
                count: 3_300,
                late: n,
                mean_interval_nanos: Some(9_999_987.2),
                p50: Duration::from_micros(52),
                p99: Duration::from_micros(140 + n),
                max: Duration::from_micros(1_204),
                slope_ppm: Some(-0.0312),
                drift_frames: Some(0),
            },
            remote: Some(RemoteReport {
                reports: 6,
                fraction_lost: 0.0,
                packets_lost: 2,
                jitter: Duration::from_micros(31),
                round_trip: Some(Duration::from_micros(412)),
            }),
            repair: None,
            again: None,
            redundancy: None,
        }
    }

    fn report(streams: u64) -> StreamerReport {
        StreamerReport {
            streams: (0..streams).map(stream).collect(),
            first_packet_spread: Some(Duration::from_nanos(35_400)),
            realtime: Realtime::NotAsked,
        }
    }

    #[test]
    fn a_stream_takes_a_few_lines() {
        assert_eq!(
            text(&report(1)),
            "take0.wav: 3300 packets, 3.17 MB, 1584000 frames as L16/48000/1 in packets of \
             10.00 ms, complete\n  \
             mean interval 9.99999 ms, off schedule 52 µs median, 140 µs p99, 1.20 ms most, \
             slope -0.031 ppm, drift 0 frames, late 0\n  \
             receiver says: lost 2, jitter 31 µs, round trip 412 µs"
        );
        let two = text(&report(2));
        assert!(two.contains("refused by the host 1"), "{two}");
        let total = "2 streams: 6600 packets, 6.34 MB, first packets within 35 µs";
        assert!(two.ends_with(total), "{two}");
    }

    #[test]
    fn of_many_streams_the_worst_is_told() {
        let many = text(&report(50));
        assert!(many.lines().count() < 60, "{many}");
        let worst = "worst of all: off schedule 189 µs p99, 1.20 ms most, slope -0.031 ppm, \
                     drift 0 frames, late 1225";
        assert!(many.contains(worst), "{many}");
    }
}
