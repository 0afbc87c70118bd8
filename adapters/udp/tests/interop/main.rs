//! Foreign programs as peers, both ways, to the bit. `AUDIOX_LONG=1` widens the matrix.
#![cfg(test)]

mod ffmpeg;
mod gstreamer;
mod peer;
