//! A fleet of small devices, each with four buttons, six LEDs, a battery and a speaker: the server
//! that drives them over gRPC, and the device's side of it.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`device`] | one device's logic as a machine without sockets or clocks: buttons, modes, LEDs, playback |
//! | [`sound`] | what is played: built-in sounds, files, signals, live sources; each encoded once for all who play it |
//! | [`server`] | the service: streams, pace, access, encryption, health, reflection |
//! | [`hub`] | the devices known to a server: how they do, pressing their buttons, announcements |
//! | [`http`] | the same by HTTP: a page for people, calls for programs, figures |
//! | [`client`] | a device: connects, comes back by itself, tells what it is told |
//! | [`proto`] | the messages, as `proto/device.proto` has them |
//!
//! # What a device sees
//! It names itself in the metadata `device_id` of each call, in any order, or of only some of them:
//!
//! | call | what happens |
//! | --- | --- |
//! | `StatusStream` | LEDs 1 to 5 are set at once, and again at every change; LED 0 is the device's own |
//! | `EventStream` | every event is acknowledged, odd ones too |
//! | `ServerAudioStream` | the packets of sounds, paced: at most [`ServerConfig::lead`](server::ServerConfig::lead) ahead of time |
//!
//! A device that opens a stream again takes the place of its old one, which ends with `ABORTED`.
//! Its state is kept while it is away, and what was being played goes on where it was.
//!
//! # Example
//! A device's logic needs neither a socket nor a clock:
//! ```
//! use std::sync::Arc;
//!
//! use audiox_core::time::Instant;
//! use audiox_grpc::device::{Button, Press};
//! use audiox_grpc::{Behaviour, Device};
//!
//! let mut device = Device::new(Arc::new(Behaviour::default()));
//! let now = Instant::from_nanos(0);
//! device.handle_status_open(now);
//! device.handle_button(now, Button::Two, Press::Press);
//! assert_eq!(device.mode(), 1);
//! device.handle_button(now, Button::Three, Press::Press);
//! assert_eq!(device.mode(), 0);
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `fuzzing` | the bodies of fuzz targets, for the repository; no promise of stability |  |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod client;
pub mod device;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod hub;
pub mod proto;
pub mod server;
pub mod sound;
mod wire;

pub use client::{Client, ClientConfig};
pub use device::{Behaviour, Device};
pub use error::Error;
pub use hub::Hub;
pub use server::{DeviceServer, ServerConfig, ServerHandle};
