//! Sockets, pacing and session descriptions for audiox.
//!
//! The blocks from which streamers, recorders and the command are made: a [`clock`] that ties
//! the monotonic and the wall clock together once, a thread shell that works to absolute
//! deadlines ([`pace`]), UDP sockets for media ([`udp`]), session descriptions ([`sdp`]) and the
//! URLs that name streams ([`endpoint`]). Feature `http` adds the shell that control pages and
//! adapters are served by.
//!
//! # Why plain threads
//! Media datagrams are sent and received by ordinary threads on blocking sockets. Pacing needs
//! absolute deadlines to some tens of microseconds, and an async runtime's timers tick in
//! milliseconds; a thread blocked in a receive call wakes sooner, and its arrival stamp is
//! truer, than a task that waits for a reactor to poll and a worker to be free.
//!
//! # Naming a stream
//! ```
//! use audiox_net::Endpoint;
//!
//! let Endpoint::Rtp(rtp) = "rtp://239.1.2.3:5004?codec=L24&rate=48000&ptime=1".parse()? else {
//!     unreachable!("the URL says rtp");
//! };
//! assert_eq!(rtp.ptime, Some(std::time::Duration::from_millis(1)));
//! let mistyped = "rtp://239.1.2.3:5004?cdoec=L24".parse::<Endpoint>();
//! assert!(mistyped.unwrap_err().to_string().contains("cdoec"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! None is on by default; each only adds.
//!
//! | feature | adds | brings or needs |
//! | --- | --- | --- |
//! | `link` | a bad network between real sockets |  |
//! | `fanout` | one publisher, many listeners with a bounded queue each |  |
//! | `http` | the HTTP shell of control pages and adapters |  |
//! | `websocket` | WebSocket's server side | `http` |
//! | `socketio` | Socket.IO's server side | `websocket`, `fanout` |
//! | `fuzzing` | the bodies of fuzz targets, for the repository; no promise of stability |  |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod allow;
pub mod clock;
pub mod endpoint;
#[cfg(feature = "fanout")]
pub mod fanout;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "link")]
pub mod link;
pub mod pace;
pub mod sdp;
#[cfg(feature = "socketio")]
pub mod socketio;
pub mod stop;
pub mod thread;
pub mod udp;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use allow::{AddressRange, AllowList};
pub use clock::Clock;
pub use endpoint::Endpoint;
pub use sdp::SessionDescription;
pub use stop::StopFlag;
