//! Streams of devices that appear, vanish, change and lie, without a sound card.
#![cfg(test)]

mod capture;
mod playback;
mod support;
mod together;
#[cfg(target_os = "linux")]
mod waits;
