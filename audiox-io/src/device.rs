//! Microphones and speakers (feature `devices`).
//!
//! | type | what it does |
//! | --- | --- |
//! | [`Playback`] | a device pulls its frames straight from a [`Pull`], in its own callback |
//! | [`Capture`] | a device's frames, stamped with the time of their capture, as a [`Source`] |
//! | [`PlaybackSink`] | a speaker for whoever pushes: a [`Sink`] |
//! | [`Duplex`] | a microphone and a speaker that run together |
//! | [`measure_loopback`] | how long sound takes out of one device and into another |
//! | [`Host`] | where devices come from: the system ([`SystemHost`]) or a test ([`FakeHost`]) |
//!
//! # Streams outlive devices
//! A stream that has begun goes on until it is dropped. Where its device is unplugged, invalidated
//! or falls silent, a thread of the stream stands in: it pulls and throws away, or captures silence,
//! by the local clock, counts the frames, and tries four times a second to open the device again, or
//! the default, where that was asked for. A device that comes back with another format is adapted
//! to.
//!
//! # What a device is asked, and what it does
//! A buffer size is a wish. Devices round it, ignore it and change it while they run, so callbacks of
//! any length are taken; what was obtained is reported. Errors between callbacks are counted, never
//! believed: what counts is whether callbacks come.
//!
//! # In the callback
//! No allocation, no lock, no wait and no panic; frames are converted to the device's samples in
//! place or in memory taken beforehand. Whether the system runs it with real-time priority is
//! reported.
//!
//! [`Pull`]: audiox_core::source::Pull
//! [`Source`]: audiox_core::source::Source
//! [`Sink`]: audiox_core::source::Sink

mod adapt;
mod ahead;
mod capture;
mod choose;
mod counters;
mod duplex;
mod error;
mod fake;
mod host;
mod loopback;
mod playback;
mod priority;
mod sink;
mod supervisor;
mod system;

pub use ahead::PullAhead;
pub use capture::{Capture, CaptureSource, CaptureStamp};
pub use choose::{DeviceName, choose};
pub use counters::{DevicePriority, DeviceStats, DeviceWatch};
pub use duplex::Duplex;
pub use error::{DeviceError, DeviceErrorKind};
pub use fake::{FakeDevice, FakeHost};
pub use host::{
    BufferRange, Captured, DeviceInfo, Direction, Host, InputCallback, InputMaker, Obtained,
    OpenStream, OutputCallback, OutputMaker, StreamEvent, StreamEvents, TimeSource, Wish,
};
pub use loopback::{LoopbackConfig, LoopbackReport, measure_loopback};
pub use playback::{Playback, PlaybackConfig};
pub use sink::PlaybackSink;
pub use system::SystemHost;
