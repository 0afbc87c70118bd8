//! Bodies of the fuzz targets: what must hold for any bytes whatever.

use std::sync::Arc;
use std::time::Duration;

use audiox_core::time::Instant;
use prost::Message;

use crate::device::{Behaviour, Device, Output, Settings};
use crate::proto::device_status_response::Response;
use crate::proto::{DeviceEvent, DeviceStatusResponse};
use crate::wire;

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[("device", device), ("device_settings", device_settings)];

/// Whatever a device sends in whatever order: starts and stops alternate, and no number is used
/// twice. Each step is a byte that says what happens, a length, and so many bytes of a message.
///
/// # Panics
/// They do not.
pub fn device(mut data: &[u8]) {
    let mut device = Device::new(Arc::new(Behaviour::default()));
    let (mut now, mut playing, mut newest) = (Instant::EPOCH, None, 0);
    while let [kind, length, rest @ ..] = data {
        let (message, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        data = rest;
        now += Duration::from_millis(u64::from(*length) * 7);
        match kind % 9 {
            0 | 1 => {
                if let Ok(event) = DeviceEvent::decode(message)
                    && let Some((button, press)) = wire::button(&event)
                {
                    device.handle_button(now, button, press);
                }
            }
            2 => match DeviceStatusResponse::decode(message).map(|m| m.response) {
                Ok(Some(Response::State(state))) => device.handle_report(wire::report(now, &state)),
                Ok(Some(Response::Status(text))) => device.handle_answer(&text),
                _ => {}
            },
            3 => device.handle_status_open(now),
            4 => device.handle_status_closed(),
            5 => device.handle_audio_open(now),
            6 => device.handle_audio_closed(now, u64::from(*length)),
            7 => device.handle_announcement(now, "news".into(), u64::from(*length)),
            _ => {
                device.handle_timeout(now);
                // Only what was started can end.
                if let Some(play) = playing.take() {
                    device.handle_ended(play);
                }
            }
        }
        while let Some(output) = device.poll_output() {
            match output {
                Output::Stop { play } => assert_eq!(playing.take(), Some(play)),
                Output::Start { play, .. } => {
                    assert!(play > newest && playing.is_none());
                    (playing, newest) = (Some(play), play);
                }
                Output::Light(leds) => assert_eq!(leds, device.leds()),
                Output::Ask => {}
            }
        }
    }
    let reports = device.reports();
    assert!(
        reports
            .newest
            .and_then(|r| r.battery)
            .is_none_or(f32::is_finite)
    );
    assert!(
        reports
            .refusal
            .as_ref()
            .is_none_or(|r| r.chars().count() <= 200)
    );
}

/// A file of settings is read or refused, and what is read can be used: there is a mode, and every
/// mode's sound has a name that is known.
///
/// # Panics
/// It cannot.
pub fn device_settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(settings) = Settings::from_toml(text) else {
        return;
    };
    let modes = &settings.behaviour.modes;
    assert!((1..=64).contains(&modes.len()));
    for sound in modes.iter().filter_map(|m| m.sound.as_deref()) {
        let built_in = crate::sound::BUILT_IN.contains(&sound);
        assert!(built_in || settings.sounds.contains_key(sound), "{sound}");
    }
    let every = settings.behaviour.report_every;
    assert!(every.is_none_or(|e| !e.is_zero()));
    let mut device = Device::new(Arc::new(settings.behaviour));
    device.handle_status_open(Instant::EPOCH);
    while let Some(at) = device.poll_timeout().filter(|at| *at < HOUR) {
        device.handle_timeout(at);
        assert!(device.poll_timeout().is_none_or(|next| next > at));
    }
}

const HOUR: Instant = Instant::from_nanos(3_600_000_000_000);
