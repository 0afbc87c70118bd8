//! How receiving went.

use audiox::udp::node::{Alignment, Mismatch, NodeReport, StreamReport};
use serde_json::{Value, json};

use crate::cli::output::round;
use crate::cli::send::millis;
use crate::cli::text::{Clock, Scaled, Short, count, recovered, recovered_by, recovered_json};

/// What stands in for lost packets beside those that came back.
fn made_up(s: &StreamReport) -> String {
    let rate = s.format.rate;
    let made = match s.lane.concealed_frames {
        0 => String::new(),
        n => format!(", {} made up", Short(rate.duration_of(n))),
    };
    recovered_by(&s.lane.recovered, rate) + &made
}

/// For people.
pub(super) fn text(report: &NodeReport) -> String {
    let mut lines = Vec::new();
    let (told, rest) = report.streams.split_at(report.streams.len().min(MOST_TOLD));
    for s in told {
        lines.push(format!(
            "{}: {} of {}, {}, {}{}",
            name(s),
            Clock(s.format.rate.duration_of(s.end.saturating_sub(s.start))),
            s.format,
            count(s.source.packets_received, "packet"),
            Scaled(s.source.bytes_received as f64, "B"),
            place(s),
        ));
        lines.push(format!(
            "  lost {}{}{}, late frames {}, duplicate frames {}, out of order {}, jitter {}{}; {}",
            s.source.missing(),
            recovered(&s.source),
            made_up(s),
            s.lane.late_frames,
            s.lane.duplicate_frames,
            s.source.packets_out_of_order,
            Short(s.source.jitter),
            s.lane
                .drift_ppm
                .map_or_else(String::new, |ppm| format!(", clock {ppm:+.1} ppm")),
            alignment(s),
        ));
        if let Some(m) = &s.mismatch {
            lines.push(format!("  {}", mismatch(m)));
        }
        let dropped: Vec<String> = [
            ("frames far ahead of their time", s.lane.early_frames),
            (
                "packets that do not fit the codec given",
                s.lane.undecodable,
            ),
        ]
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
        if !dropped.is_empty() {
            lines.push(format!("  dropped {}", dropped.join(", ")));
        }
        if s.gap_count > 0 {
            lines.push(format!(
                "  {}, {} frames ({}) missing: {}",
                count(s.gap_count, "gap"),
                s.gap_frames,
                Short(s.format.rate.duration_of(s.gap_frames)),
                causes(s),
            ));
        }
    }
    if !rest.is_empty() {
        let sum = |of: fn(&StreamReport) -> i64| -> i64 { report.streams.iter().map(of).sum() };
        lines.push(format!(
            "and {} more, see --json; all {}: lost {}, {}",
            count(rest.len() as u64, "stream"),
            report.streams.len(),
            sum(|s| s.source.missing() as i64),
            count(sum(|s| s.gap_count as i64).unsigned_abs(), "gap"),
        ));
    }
    if report.streams.is_empty() {
        lines.push("nothing was heard".to_owned());
    }
    let troubles: Vec<String> = troubles(report)
        .into_iter()
        .filter(|(_, _, n)| *n > 0)
        .map(|(_, name, n)| format!("{name} {n}"))
        .collect();
    if !troubles.is_empty() {
        lines.push(format!("dropped: {}", troubles.join(", ")));
    }
    if report.unknown_payload_type > 0 {
        lines.push(
            "  the sender's session description (`audiox send --sdp FILE`) knows all payload types"
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// A stream's name: where it comes from and, of RTP, its SSRC.
pub(super) fn name(s: &StreamReport) -> String {
    let from = s
        .from
        .map_or_else(|| "unknown".to_owned(), |a| a.to_string());
    s.ssrc
        .map_or_else(|| from.clone(), |ssrc| format!("{from} {ssrc:08x}"))
}

fn place(s: &StreamReport) -> String {
    let Some(file) = &s.file else {
        return String::new();
    };
    let (first, channels) = (s.first_channel + 1, s.format.channels.get());
    let last = first + channels - 1;
    let tracks = if channels == 1 {
        format!("channel {first}")
    } else {
        format!("channels {first} to {last}")
    };
    format!(", in {} {tracks} from frame {}", file.display(), s.start)
}

fn alignment(s: &StreamReport) -> String {
    let by = match s.alignment {
        Some(Alignment::Timestamps) => "aligned by timestamps",
        Some(Alignment::Arrival) => "aligned by arrival",
        None => "not placed",
    };
    s.clock_rejected.map_or_else(
        || by.to_owned(),
        |nanos| format!("{by}, since its clock is {:.1} s off", -nanos as f64 / 1e9),
    )
}

/// Why a recording may be noise.
pub(super) fn mismatch(m: &Mismatch) -> String {
    format!(
        "this is probably not what was sent: packets hold {} frames as read here, but their \
         timestamps are {} apart; check codec, rate and channels, or use the sender's session \
         description",
        m.payload_frames, m.timestamp_step
    )
}

/// How often each cause made a gap.
fn causes(s: &StreamReport) -> String {
    let mut counts: Vec<(String, u64)> = Vec::new();
    for gap in &s.gaps {
        let cause = format!("{:?}", gap.cause).to_lowercase();
        match counts.iter_mut().find(|(name, _)| *name == cause) {
            Some((_, n)) => *n += 1,
            None => counts.push((cause, 1)),
        }
    }
    let texts: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    texts.join(", ")
}

/// Datagrams and packets that no stream counts: key, words, number.
fn troubles(report: &NodeReport) -> [(&'static str, &'static str, u64); 9] {
    [
        ("malformed", "malformed", report.malformed),
        (
            "unknown_payload_type",
            "of unexpected payload type",
            report.unknown_payload_type,
        ),
        (
            "undecodable",
            "that do not fit the codec given",
            report.undecodable,
        ),
        (
            "too_many_streams",
            "of more streams than allowed",
            report.too_many_streams,
        ),
        (
            "not_allowed",
            "from addresses that are not allowed",
            report.not_allowed,
        ),
        ("truncated", "too long", report.truncated),
        ("overrun", "for want of time", report.overrun),
        ("suspect", "out of nowhere", report.suspect),
        (
            "trailing_bytes",
            "bytes after whole frames",
            report.trailing_bytes,
        ),
    ]
}

/// For programs.
pub(super) fn json(report: &NodeReport) -> Value {
    let streams = report.streams.iter().map(|s| {
        let mut value = stream_json(s);
        value["gaps"] = json!(s.gaps);
        value
    });
    with_troubles(json!({ "streams": streams.collect::<Vec<_>>() }), report)
}

/// A look in between.
pub(super) fn snapshot_json(now: &NodeReport, rate: f64) -> Value {
    let streams = now.streams.iter().map(|s| {
        let mut value = stream_json(s);
        let peak = 20.0 * s.lane.peak.log10();
        value["peak_dbfs"] = json!(peak.is_finite().then_some(peak));
        value
    });
    let value = json!({
        "bits_per_second": rate.round(),
        "streams": streams.collect::<Vec<_>>(),
    });
    with_troubles(value, now)
}

fn with_troubles(mut value: Value, report: &NodeReport) -> Value {
    for (key, _, n) in troubles(report) {
        value[key] = json!(n);
    }
    value
}

fn stream_json(s: &StreamReport) -> Value {
    json!({
        "from": s.from,
        "ssrc": s.ssrc,
        "cname": s.cname,
        "rate": s.format.rate.get(),
        "channels": s.format.channels.get(),
        "file": s.file,
        "first_channel": s.first_channel,
        "start_frame": s.start,
        "end_frame": s.end,
        "seconds": round(s.format.rate.duration_of(s.end.saturating_sub(s.start))),
        "ended": s.ended,
        "aligned_by": match s.alignment {
            Some(Alignment::Timestamps) => Some("timestamps"),
            Some(Alignment::Arrival) => Some("arrival"),
            None => None,
        },
        "packets": s.source.packets_received,
        "bytes": s.source.bytes_received,
        "packets_lost": s.source.packets_lost,
        "packets_duplicate": s.source.packets_duplicate,
        "packets_recovered": s.source.packets_recovered,
        "packets_retransmitted": s.source.packets_retransmitted,
        "retransmissions_requested": s.source.retransmissions_requested,
        "repair_packets": s.source.repair_packets,
        "out_of_order": s.source.packets_out_of_order,
        "restarts": s.source.restarts,
        "jitter_ms": millis(s.source.jitter),
        "drift_ppm": s.lane.drift_ppm,
        "mismatch": s.mismatch.as_ref().map(mismatch),
        "clock_off_ns": s.clock_rejected,
        "undecodable": s.lane.undecodable,
        "recovered_frames": s.lane.recovered_frames,
        "recovered_by": recovered_json(&s.lane.recovered),
        "concealed_frames": s.lane.concealed_frames,
        "late_packets": s.lane.late_packets,
        "late_frames": s.lane.late_frames,
        "early_frames": s.lane.early_frames,
        "duplicate_frames": s.lane.duplicate_frames,
        "gap_count": s.gap_count,
        "gap_frames": s.gap_frames,
    })
}

/// Streams that people are told about one by one.
const MOST_TOLD: usize = 12;

#[cfg(test)]
mod tests {
    use audiox::core::format::{Channels, SampleRate, StreamFormat};
    use audiox::core::stats::SourceStats;
    use audiox::udp::node::{Gap, GapCause, LaneStats};

    use super::*;

    fn stream(index: usize) -> StreamReport {
        let gap = |cause| Gap {
            start: 960,
            frames: 480,
            cause,
        };
        StreamReport {
            index,
            from: Some(([127, 0, 0, 1], 5_004).into()),
            ssrc: Some(0xabc),
            cname: None,
            format: StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO),
            alignment: Some(Alignment::Timestamps),
            file: Some("heard.wav".into()),
            first_channel: 2,
            start: 48,
            end: 96_048,
            source: SourceStats {
                packets_received: 198,
                bytes_received: 380_160,
                packets_lost: 2,
                ..SourceStats::default()
            },
            lane: LaneStats {
                drift_ppm: Some(-12.34),
                ..LaneStats::default()
            },
            gap_count: 2,
            gap_frames: 960,
            gaps: vec![gap(GapCause::Lost), gap(GapCause::Late)],
            ended: true,
            mismatch: None,
            clock_rejected: None,
        }
    }

    #[test]
    fn a_stream_takes_a_few_lines() {
        let report = NodeReport {
            streams: vec![stream(0)],
            malformed: 3,
            ..NodeReport::default()
        };
        assert_eq!(
            text(&report),
            "127.0.0.1:5004 00000abc: 0:02.0 of 48000 Hz, 2 ch, 198 packets, 380 kB, in heard.wav \
             channels 3 to 4 from frame 48\n  \
             lost 2, late frames 0, duplicate frames 0, out of order 0, jitter 0.0 µs, clock \
             -12.3 ppm; aligned by timestamps\n  \
             2 gaps, 960 frames (20.00 ms) missing: 1 lost, 1 late\n\
             dropped: malformed 3"
        );
        let json = json(&report);
        assert_eq!(json["streams"][0]["gaps"][1]["cause"], "late");
        assert_eq!(json["malformed"], 3);
    }

    #[test]
    fn many_streams_and_odd_ones() {
        let mut odd = stream(0);
        odd.mismatch = Some(Mismatch {
            payload_frames: 960,
            timestamp_step: 480,
        });
        odd.clock_rejected = Some(3_600_000_000_000);
        odd.alignment = Some(Alignment::Arrival);
        odd.lane.early_frames = 80;
        odd.lane.undecodable = 9;
        let report = NodeReport {
            streams: std::iter::once(odd).chain((1..30).map(stream)).collect(),
            unknown_payload_type: 7,
            ..NodeReport::default()
        };
        let text = text(&report);
        for part in [
            "probably not what was sent",
            "aligned by arrival, since its clock is -3600.0 s off",
            "dropped 80 frames far ahead of their time, 9 packets that do not fit the codec given",
            "and 18 streams more, see --json; all 30: lost 60, 60 gaps",
            "of unexpected payload type 7",
            "--sdp FILE",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(super::text(&NodeReport::default()).contains("nothing was heard"));
    }
}
