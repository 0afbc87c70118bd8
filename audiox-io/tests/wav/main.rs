//! WAV files: what others wrote, what we write, and what a dying process leaves.
#![cfg(test)]

mod ffmpeg;
mod hound_peer;
#[cfg(unix)]
mod killed;
mod read;
mod seeds;
mod support;
mod write;
