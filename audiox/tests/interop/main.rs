//! Foreign programs as peers, both ways, through the command as people run it.
//! `AUDIOX_LONG=1` widens the matrix.
#![cfg(test)]
#![cfg(all(feature = "cli", feature = "opus"))]

mod aes67;
mod files;
mod opus;
mod pcm;
mod peer;
mod program;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod pulse;
mod relay;
mod retransmission;
mod sound;
mod stream;
#[allow(dead_code, reason = "the command's own tests use the rest")]
#[path = "../cli/support.rs"]
mod support;
mod table;
#[cfg(all(feature = "devices", target_os = "linux"))]
#[allow(dead_code, reason = "tests of sound devices use the rest")]
#[path = "../cli/virtual_devices.rs"]
mod virtual_devices;
mod wav;
mod wire;
