//! How devices do, for people and programs.

use std::sync::Arc;

use serde::Serialize;

use super::Shared;
use super::slot::Slot;
use crate::device::{Playback, Rgba};
use crate::sound::SoundInfo;

/// Which devices something is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// All that are known.
    All,
    /// Those of these names; names that nobody has are passed over.
    These(Vec<String>),
}

/// How a server's devices do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HubSnapshot {
    /// Devices that are connected.
    pub connected: usize,
    /// Devices that a sound is on its way to.
    pub playing: usize,
    /// All that are known, in the order of their names.
    pub devices: Vec<DeviceSnapshot>,
    /// The sounds.
    pub sounds: Vec<SoundInfo>,
    /// Modes that devices have.
    pub modes: usize,
}

/// How a device does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceSnapshot {
    /// Its name.
    pub id: String,
    /// Which of its streams are open.
    pub streams: Streams,
    /// Seconds since it connected, or since it went.
    pub since: f64,
    /// Its mode.
    pub mode: usize,
    /// LEDs 0 to 5; LED 0 is what the device says of it.
    pub leds: [Option<Rgba>; 6],
    /// Buttons 1 to 4, those that are down.
    pub down: [bool; 4],
    /// `idle`, `playing` or `held` (it waits for the device to listen).
    pub state: &'static str,
    /// What plays or waits.
    pub sound: Option<String>,
    /// Seconds of that which were sent.
    pub position: f64,
    /// In the device's own measure.
    pub battery: Option<f32>,
    /// Why its last sound could not be played, or what it answered instead of `success`.
    pub trouble: Option<String>,
    /// Times that it connected.
    pub connects: u64,
    /// Buttons pressed.
    pub presses: u64,
    /// Events that were none that is known.
    pub odd_events: u64,
    /// Sounds begun.
    pub plays: u64,
    /// Packets sent.
    pub packets: u64,
    /// Times that a sound waited because the device did not take what was sent.
    pub stalls: u64,
    /// Packets of live sounds left out for that reason.
    pub dropped: u64,
    /// Milliseconds that the latest packet was behind its time.
    pub latest_ms: f64,
}

/// Which streams are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Streams {
    /// `StatusStream`.
    pub status: bool,
    /// `EventStream`.
    pub events: bool,
    /// `ServerAudioStream`.
    pub audio: bool,
}

/// How loud a device's sound is: that of its newest packet, full scale 1.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelSnapshot {
    /// The device.
    pub id: Arc<str>,
    /// Largest magnitude.
    pub peak: f32,
    /// Root of the mean square.
    pub rms: f32,
}

pub(super) fn of(hub: &Shared, slots: &[Arc<Slot>]) -> HubSnapshot {
    let devices: Vec<_> = slots.iter().map(|slot| device(hub, slot)).collect();
    let streams = devices.iter().map(|d| d.streams);
    HubSnapshot {
        connected: streams.filter(|s| s.status || s.events || s.audio).count(),
        playing: devices.iter().filter(|d| d.state == "playing").count(),
        devices,
        sounds: hub.library.sounds(),
        modes: hub.behaviour.modes.len(),
    }
}

pub(super) fn levels(slots: &[Arc<Slot>]) -> Vec<LevelSnapshot> {
    let playing = slots.iter().filter_map(|slot| {
        let level = slot.state().play.as_ref()?.level;
        Some(LevelSnapshot {
            id: slot.id.clone(),
            peak: level.peak,
            rms: level.rms,
        })
    });
    playing.collect()
}

fn device(hub: &Shared, slot: &Slot) -> DeviceSnapshot {
    let now = hub.now();
    let state = slot.state();
    let reports = state.device.reports();
    let own = reports.newest.and_then(|r| r.leds[0]);
    let [one, two, three, four, five] = state.device.leds().0.map(Some);
    let (word, sound) = match state.device.playback() {
        Playback::Idle => ("idle", None),
        Playback::Playing { sound, .. } => ("playing", Some(sound.to_string())),
        Playback::Held { sound, .. } => ("held", Some(sound.to_string())),
    };
    let counts = state.totals();
    DeviceSnapshot {
        id: slot.id.to_string(),
        streams: Streams {
            status: state.status.is_some(),
            events: state.events.is_some(),
            audio: state.audio.is_some(),
        },
        since: now.saturating_since(state.since).as_secs_f64(),
        mode: state.device.mode(),
        leds: [own, one, two, three, four, five],
        down: state.device.buttons_down(),
        state: word,
        sound,
        position: state.play.as_ref().map_or(0.0, |p| p.next as f64 / 50.0),
        battery: reports.newest.and_then(|r| r.battery),
        trouble: state.trouble.clone().or_else(|| reports.refusal.clone()),
        connects: counts.connects,
        presses: counts.presses,
        odd_events: counts.odd_events,
        plays: counts.plays,
        packets: counts.packets,
        stalls: counts.stalls,
        dropped: counts.dropped,
        latest_ms: counts.latest.as_secs_f64() * 1e3,
    }
}
