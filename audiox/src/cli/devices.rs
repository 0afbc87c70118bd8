//! `audiox devices`: what microphones and speakers there are.

use audiox::core::format::Channels;
use audiox::io::device::{DeviceInfo, Direction, Host, SystemHost};
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;

/// List microphones and speakers
///
/// A device is taken by its identifier, its number among those of its direction or a part of its
/// name: mic:usb, speaker:1. What is marked with * is taken where none is named.
#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    /// Only microphones (input) or speakers (output)
    #[arg(long, value_name = "DIRECTION")]
    direction: Option<Direction>,
}

pub(super) fn run(args: &DevicesArgs, output: &Output) -> Result<(), Failure> {
    let mut devices = SystemHost::new().devices().map_err(audiox::Error::from)?;
    devices.retain(|d| args.direction.is_none_or(|wanted| wanted == d.direction));
    output.summary(|| table(&devices), || list(&devices))
}

fn numbered(
    devices: &[DeviceInfo],
    direction: Direction,
) -> impl Iterator<Item = (usize, &DeviceInfo)> {
    let own = devices.iter().filter(move |d| d.direction == direction);
    own.enumerate()
}

fn table(devices: &[DeviceInfo]) -> String {
    let mut lines = Vec::new();
    for (direction, what) in [
        (Direction::Input, "microphones"),
        (Direction::Output, "speakers"),
    ] {
        let rows: Vec<[String; 5]> = numbered(devices, direction)
            .map(|(n, d)| {
                let mark = if d.is_default { "*" } else { "" };
                [
                    format!("{n}{mark}"),
                    d.id.clone(),
                    channels(&d.channels),
                    rates(d),
                    d.name.replace('\n', ", "),
                ]
            })
            .collect();
        if rows.is_empty() {
            continue;
        }
        lines.push(format!("{what}:"));
        let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max();
        let widths: Vec<usize> = (0..4).filter_map(width).collect();
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            lines.push(format!("  {}  {}", cells.join("  "), row[4]));
        }
    }
    if lines.is_empty() {
        lines.push("no device is there".to_owned());
    }
    lines.join("\n")
}

fn channels(all: &[Channels]) -> String {
    match (all.first(), all.last()) {
        (Some(one), Some(last)) if one == last => format!("{one} ch"),
        (Some(least), Some(most)) => format!("{least}-{most} ch"),
        _ => String::new(),
    }
}

fn rates(d: &DeviceInfo) -> String {
    let (low, high) = (d.rates.0.get(), d.rates.1.get());
    match low == high {
        true => format!("{low} Hz"),
        false => format!("{low}-{high} Hz"),
    }
}

fn list(devices: &[DeviceInfo]) -> Value {
    let all: Vec<Value> = [Direction::Input, Direction::Output]
        .into_iter()
        .flat_map(|direction| numbered(devices, direction))
        .map(|(index, d)| {
            json!({
                "id": d.id,
                "name": d.name,
                "index": index,
                "direction": d.direction.as_str(),
                "channels": d.channels.iter().map(|c| c.get()).collect::<Vec<_>>(),
                "rate_min": d.rates.0.get(),
                "rate_max": d.rates.1.get(),
                "preferred_rate": d.preferred.rate.get(),
                "preferred_channels": d.preferred.channels.get(),
                "buffer_min": d.buffer.map(|b| b.min),
                "buffer_max": d.buffer.map(|b| b.max),
                "default": d.is_default,
            })
        })
        .collect();
    json!({ "devices": all })
}
