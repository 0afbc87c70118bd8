//! Sockets, pacing and session descriptions for audiox.
//!
//! The blocks from which streamers, recorders and the command are made: a [`clock`] that ties
//! the monotonic and the wall clock together once, a thread shell that works to absolute
//! deadlines ([`pace`]) and UDP sockets for media ([`udp`]).
//!
//! # Why plain threads
//! Media datagrams are sent and received by ordinary threads on blocking sockets. Pacing needs
//! absolute deadlines to some tens of microseconds, and an async runtime's timers tick in
//! milliseconds; a thread blocked in a receive call wakes sooner, and its arrival stamp is
//! truer, than a task that waits for a reactor to poll and a worker to be free.
#![forbid(unsafe_code)]

pub mod clock;
#[cfg(feature = "link")]
pub mod link;
pub mod pace;
pub mod stop;
pub mod thread;
pub mod udp;

pub use clock::Clock;
pub use stop::StopFlag;
