//! The command as people run it: real processes, real sockets on loopback.
#![cfg(test)]
#![cfg(feature = "cli")]

mod bad_input;
mod browser;
mod compare;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod devices;
mod fanout;
mod files;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod heard;
mod interrupt;
mod link;
mod media;
mod network;
mod ogg;
mod play;
mod record;
mod repair;
mod support;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod virtual_devices;
