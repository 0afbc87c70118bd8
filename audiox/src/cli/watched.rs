//! What is told of microphones and speakers beside the streams.

#[cfg(feature = "devices")]
use audiox::io::device::{DeviceStats, DeviceWatch};
use serde_json::{Value, json};

#[cfg(feature = "devices")]
use super::output::round;
#[cfg(feature = "devices")]
use super::send::millis;
#[cfg(feature = "devices")]
use super::text::{Clock, Short, bars, count};

/// The devices that a command uses; none without feature `devices`.
#[derive(Debug, Default)]
pub(super) struct Watched {
    #[cfg(feature = "devices")]
    devices: Vec<DeviceWatch>,
}

#[cfg(feature = "devices")]
impl Watched {
    /// These.
    pub(super) fn new(devices: impl IntoIterator<Item = DeviceWatch>) -> Self {
        Self {
            devices: devices.into_iter().collect(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// For the live line; nothing while all is well.
    pub(super) fn line(&self) -> Vec<String> {
        let stats = self.devices.iter().map(DeviceWatch::stats);
        stats.flat_map(|s| troubles(&s)).collect()
    }

    /// For the live line where nothing else tells of levels: those, and the troubles.
    pub(super) fn levels(&self) -> Vec<String> {
        let stats: Vec<DeviceStats> = self.devices.iter().map(DeviceWatch::stats).collect();
        let mut parts = vec![bars(stats.iter().map(|s| 20.0 * s.peak.log10()))];
        parts.extend(stats.iter().flat_map(troubles));
        parts
    }

    /// For the summary, two lines a device.
    pub(super) fn text(&self) -> Vec<String> {
        self.devices
            .iter()
            .flat_map(|d| lines(&d.stats()))
            .collect()
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        self.devices.iter().map(|d| describe(&d.stats())).collect()
    }
}

#[cfg(not(feature = "devices"))]
impl Watched {
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn line(&self) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn levels(&self) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn text(&self) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn json(&self) -> Value {
        json!([])
    }
}

impl Watched {
    /// What is told of streams, with the devices beside it where there are any.
    pub(super) fn beside(&self, mut streams: Value) -> Value {
        let devices = self.json();
        if let Value::Object(object) = &mut streams
            && devices.as_array().is_some_and(|d| !d.is_empty())
        {
            object.insert("devices".to_owned(), devices);
        }
        streams
    }
}

#[cfg(feature = "devices")]
fn troubles(s: &DeviceStats) -> Vec<String> {
    let away = (!s.running).then(|| "device away".to_owned());
    let xruns = (s.xruns > 0).then(|| format!("xruns {}", s.xruns));
    [away, xruns].into_iter().flatten().collect()
}

#[cfg(feature = "devices")]
fn lines(s: &DeviceStats) -> Vec<String> {
    let Some(o) = &s.obtained else {
        return Vec::new();
    };
    let buffer = match o.buffer {
        Some(buffer) => format!("a buffer of {buffer} (asked for {})", o.asked_buffer),
        None => format!("a buffer it does not tell (asked for {})", o.asked_buffer),
    };
    let (least, most) = s.quantum;
    let mut second = vec![
        count(s.xruns, "xrun"),
        format!("delay {}", Short(s.device_delay)),
        format!(
            "callbacks {} (99 %: {})",
            Short(s.busy_p50),
            Short(s.busy_p99)
        ),
        s.priority.to_string(),
    ];
    if s.ahead {
        second.push("made a quantum ahead".to_owned());
    }
    if s.losses > 0 {
        let away = o.format.rate.duration_of(s.frames_away);
        let silent = format!("away {} for {}", count(s.losses, "time"), Clock(away));
        second.insert(1, silent);
    }
    for (what, frames) in [
        ("left out for want of a reader", s.frames_overflowed),
        ("silent for want of a writer", s.frames_starved),
    ] {
        if frames > 0 {
            second.push(format!("{frames} frames {what}"));
        }
    }
    vec![
        format!(
            "{}: {}, {buffer}, quanta of {least} to {most}",
            o.name, o.format
        ),
        format!("  {}", second.join(", ")),
    ]
}

#[cfg(feature = "devices")]
fn describe(s: &DeviceStats) -> Value {
    json!({
        "id": s.obtained.as_ref().map(|o| o.id.clone()),
        "name": s.obtained.as_ref().map(|o| o.name.clone()),
        "rate": s.obtained.as_ref().map(|o| o.format.rate.get()),
        "channels": s.obtained.as_ref().map(|o| o.format.channels.get()),
        "buffer_asked": s.obtained.as_ref().map(|o| o.asked_buffer),
        "buffer": s.obtained.as_ref().and_then(|o| o.buffer),
        "running": s.running,
        "peak_dbfs": (s.peak > 0.0).then(|| 20.0 * s.peak.log10()),
        "callbacks": s.callbacks,
        "frames": s.frames,
        "frames_away": s.frames_away,
        "away": s.obtained.as_ref().map(|o| round(o.format.rate.duration_of(s.frames_away))),
        "frames_overflowed": s.frames_overflowed,
        "frames_starved": s.frames_starved,
        "xruns": s.xruns,
        "troubles": s.troubles,
        "losses": s.losses,
        "reopened": s.reopened,
        "quantum_min": s.quantum.0,
        "quantum_max": s.quantum.1,
        "delay_ms": millis(s.device_delay),
        "callback_p50_ms": millis(s.busy_p50),
        "callback_p99_ms": millis(s.busy_p99),
        "callback_max_ms": millis(s.busy_max),
        "priority": s.priority.to_string(),
        "ahead": s.ahead,
    })
}
