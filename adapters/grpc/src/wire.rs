//! What devices' messages mean.

use audiox_core::time::Instant;

use crate::device::{Button, Press, Report, Rgba};
use crate::proto::button_event::{ButtonEventType, ButtonId};
use crate::proto::device_event::Event;
use crate::proto::device_status::ButtonStatus;
use crate::proto::{DeviceEvent, DeviceStatus};

/// What an event says was done; none where it says nothing that is known.
pub(crate) fn button(message: &DeviceEvent) -> Option<(Button, Press)> {
    let Event::ButtonEvent(event) = message.event.as_ref()?;
    let button = match ButtonId::try_from(event.button_id).ok()? {
        ButtonId::Button1 => Button::One,
        ButtonId::Button2 => Button::Two,
        ButtonId::Button3 => Button::Three,
        ButtonId::Button4 => Button::Four,
    };
    let press = match ButtonEventType::try_from(event.event).ok()? {
        ButtonEventType::Press => Press::Press,
        ButtonEventType::Hold => Press::Hold,
        ButtonEventType::Release => Press::Release,
    };
    Some((button, press))
}

/// What a device says of itself, heard at `at`.
pub(crate) fn report(at: Instant, state: &DeviceStatus) -> Report {
    let leds = [
        &state.led_0,
        &state.led_1,
        &state.led_2,
        &state.led_3,
        &state.led_4,
        &state.led_5,
    ];
    let buttons = [
        state.button_1,
        state.button_2,
        state.button_3,
        state.button_4,
    ];
    Report {
        at,
        leds: leds.map(|led| led.as_ref().map(|led| Rgba(led.rgba))),
        down: buttons.map(|button| button == ButtonStatus::Pressed as i32),
        battery: Some(state.battery_level),
    }
}
