//! Opus with ffmpeg and GStreamer, both ways, through the command as people run it.
//! `AUDIOX_LONG=1` widens the matrix.
#![cfg(test)]
#![cfg(all(feature = "cli", feature = "opus"))]

mod ffmpeg;
mod files;
mod gstreamer;
mod peer;
mod relay;
mod retransmission;
mod sound;
#[allow(dead_code, reason = "the command's own tests use the rest")]
#[path = "../cli/support.rs"]
mod support;
