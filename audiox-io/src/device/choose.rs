//! Which device is meant.

use std::fmt;

use super::error::{DeviceError, DeviceErrorKind};
use super::host::{DeviceInfo, Direction};

/// A device as people name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceName {
    /// Whatever the system takes where none is named; followed when that changes.
    #[default]
    Default,
    /// An identifier, a number in the list, a name or a part of one.
    Named(String),
}

impl DeviceName {
    /// What is empty is [`Default`](Self::Default).
    pub fn new(text: &str) -> Self {
        match text.trim() {
            "" => Self::Default,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "the default device",
            Self::Named(name) => name,
        })
    }
}

/// The one of `devices` that is meant by `name`: by its identifier, its number among those of its
/// direction (from 0), its whole name, or a part of its name or identifier in any case, in this
/// order.
///
/// # Errors
/// None or several fit; the error names those that there are.
pub fn choose<'a>(
    devices: &'a [DeviceInfo],
    direction: Direction,
    name: &DeviceName,
) -> Result<&'a DeviceInfo, DeviceError> {
    let there: Vec<&DeviceInfo> = devices
        .iter()
        .filter(|d| d.direction == direction)
        .collect();
    let failed = |message: String| {
        let kind = DeviceErrorKind::NoSuchDevice;
        Err(DeviceError::new(kind, name.to_string(), message))
    };
    if there.is_empty() {
        return failed(format!("this machine has no {direction} device"));
    }
    let DeviceName::Named(text) = name else {
        return match there.iter().find(|d| d.is_default) {
            Some(device) => Ok(device),
            None => failed(format!(
                "the system names no default {direction}; say which: {}",
                names(&there)
            )),
        };
    };
    let wanted = text.to_lowercase();
    let part = |d: &DeviceInfo| {
        d.name.to_lowercase().contains(&wanted) || d.id.to_lowercase().contains(&wanted)
    };
    if let Some(device) = there.iter().find(|d| d.id == *text) {
        return Ok(device);
    }
    if let Some(device) = text.parse().ok().and_then(|n: usize| there.get(n)) {
        return Ok(device);
    }
    for fits in [
        &(|d: &DeviceInfo| d.name.to_lowercase() == wanted) as &dyn Fn(&DeviceInfo) -> bool,
        &part,
    ] {
        let found: Vec<&DeviceInfo> = there.iter().copied().filter(|d| fits(d)).collect();
        match found[..] {
            [] => {}
            [device] => return Ok(device),
            _ => {
                return failed(format!(
                    "{} {direction} devices are called so: {}; give more of the name, the \
                     identifier or the number",
                    found.len(),
                    names(&found)
                ));
            }
        }
    }
    failed(format!(
        "no {direction} device is called so; there are {}",
        names(&there)
    ))
}

fn names(devices: &[&DeviceInfo]) -> String {
    let names: Vec<String> = devices
        .iter()
        .map(|d| match d.name == d.id {
            true => d.id.clone(),
            false => format!("{} ({})", d.id, d.name),
        })
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::fake::{FakeDevice, FakeHost};
    use super::super::host::Host;
    use super::*;

    fn devices() -> Vec<DeviceInfo> {
        let host = FakeHost::new();
        for (id, name) in [
            ("hw:0", "Built-in Audio"),
            ("hw:1", "USB Mic"),
            ("hw:2", "USB Mic Pro"),
        ] {
            host.plug(FakeDevice::new(id, name, Direction::Input));
        }
        host.plug(FakeDevice::new("hw:1", "USB Speaker", Direction::Output));
        host.devices().unwrap()
    }

    fn chosen(text: &str) -> Result<String, String> {
        let devices = devices();
        let name = DeviceName::new(text);
        let chosen = choose(&devices, Direction::Input, &name);
        chosen
            .map(|d| d.id.clone())
            .map_err(|e| e.message.to_string())
    }

    #[test]
    fn devices_are_chosen_by_id_number_name_and_part() {
        assert_eq!(chosen("").unwrap(), "hw:0");
        assert_eq!(chosen("hw:1").unwrap(), "hw:1");
        assert_eq!(chosen("2").unwrap(), "hw:2");
        assert_eq!(chosen("usb mic").unwrap(), "hw:1");
        assert_eq!(chosen("PRO").unwrap(), "hw:2");
        assert_eq!(chosen("built").unwrap(), "hw:0");
    }

    #[test]
    fn what_fits_none_or_several_names_those_that_there_are() {
        let none = chosen("bluetooth").unwrap_err();
        assert!(none.contains("hw:0 (Built-in Audio)"), "{none}");
        assert!(none.contains("USB Mic Pro"), "{none}");
        assert!(!none.contains("Speaker"), "{none}");
        let several = chosen("usb").unwrap_err();
        assert!(several.contains("2 input devices"), "{several}");
        assert!(!several.contains("Built-in"), "{several}");
        let empty = choose(&[], Direction::Output, &DeviceName::Default).unwrap_err();
        assert!(empty.to_string().contains("no output device"), "{empty}");
    }
}
