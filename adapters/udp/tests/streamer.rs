//! Streamers at work, between real files and real sockets on loopback.

#[cfg(test)]
#[path = "streamer/harness.rs"]
mod harness;
#[cfg(test)]
#[path = "streamer/raw.rs"]
mod raw;
#[cfg(test)]
#[path = "streamer/rtp.rs"]
mod rtp;
