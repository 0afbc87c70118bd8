//! Any number of sources as real-time streams, in step with each other.
//!
//! Every source becomes a stream of its own, told apart by its source port and, in RTP, by its
//! SSRC; all go to one destination and count their deadlines from one start:
//! deadline(n) = start + n · frames / rate, in integers, so that nothing accumulates.
//!
//! | thread | does |
//! | --- | --- |
//! | `audiox-prefetch` | reads the sources ahead into rings; a source of unknown length, which may block, has one of its own |
//! | `audiox-pace` | sends each datagram at its deadline, then makes the next one |
//! | `audiox-rtcp` | stamps receivers' reports and hands them to the pacing thread (RTP only) |
//!
//! Raw streams (`udp://`) carry each source's samples byte for byte as they are stored. RTP
//! streams (`rtp://`) carry them in the codec asked for, by default L24 for sources of more than
//! 16 bits and otherwise L16; their sender reports tell the capture time of every frame, the
//! first frame's being the common start. Streamers on several machines that are given one
//! [`Start::At`] therefore line up to the frame at a receiver, as far as their clocks agree.
//!
//! ```no_run
//! use audiox_io::load_folder;
//! use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = load_folder("takes")?;
//! let streams = files.into_iter().map(|f| StreamSpec::new(f.name().to_owned(), f));
//! let config = StreamerConfig::new("rtp://239.1.2.3:5004".parse()?);
//! let report = Streamer::start(config, streams.collect())?.wait()?;
//! println!("{} packets", report.packets());
//! # Ok(())
//! # }
//! ```

mod control;
mod feed;
mod handle;
pub(crate) mod identity;
mod pace;
mod packets;
mod plan;
mod report;
mod session;
mod setup;
mod sockets;
mod start;
mod status;
mod stream;
mod tempo;

pub use handle::StreamerHandle;
pub(crate) use plan::check_red_type;
pub use report::{
    AgainReport, RedundancyReport, RepairReport, StreamEnd, StreamReport, StreamerReport,
};
pub use start::Start;
pub use status::{RemoteReport, StreamSnapshot, StreamState, StreamerSnapshot};

use std::fmt;
use std::time::Duration;

use audiox_core::codec::CodecRegistry;
use audiox_core::pacer::CatchUp;
use audiox_core::source::Source;
use audiox_io::OpusFileReader;
use audiox_net::Endpoint;
use audiox_net::pace::Priority;

use crate::Error;

/// A source, and what to call it.
pub struct StreamSpec {
    /// Name for people: a file's, or what a signal is.
    pub name: String,
    /// The audio. Gain, loops and offsets are sources around it.
    pub source: Box<dyn Source>,
    /// Where `source` is what this file decodes to from start to end: the file, standing at its start.
    /// As RTP with `codec=opus` its packets are sent as they are, unless something is asked for
    /// that they do not have: a packet time, a rate, settings of the encoder, or RED.
    pub opus: Option<OpusFileReader>,
}

impl StreamSpec {
    /// A source under a name.
    pub fn new(name: impl Into<String>, source: impl Source + 'static) -> Self {
        Self {
            name: name.into(),
            source: Box::new(source),
            opus: None,
        }
    }
}

impl fmt::Debug for StreamSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSpec")
            .field("name", &self.name)
            .field("format", &self.source.format())
            .finish_non_exhaustive()
    }
}

/// What a [`Streamer`] is made with.
#[derive(Debug, Clone)]
pub struct StreamerConfig {
    /// Where all streams go: `udp://` or `rtp://`, with codec, payload type, packet time and
    /// socket options in its query.
    pub to: Endpoint,
    /// Duration of a packet, one frame to a second; `None` for the URL's, else 10 ms. It is
    /// shortened, with a notice, where a datagram would exceed `max_datagram`.
    pub ptime: Option<Duration>,
    /// Bytes of UDP payload that a datagram may have; `None` for what fits the URL's MTU, else
    /// Ethernet's: 1 472 over IPv4, 1 452 over IPv6, whatever the interface says.
    pub max_datagram: Option<usize>,
    /// When the first packets are due.
    pub start: Start,
    /// What happens to packets whose time has passed. By default they are sent at once, which
    /// is right for files.
    pub catch_up: CatchUp,
    /// RTCP's canonical name, the same for all streams; `None` for a random one.
    pub cname: Option<String>,
    /// Makes SSRCs, first sequence numbers, first timestamps and the random name repeatable;
    /// `None` for random ones, as RFC 3550 wants them.
    pub seed: Option<u64>,
    /// Name of the session in its description.
    pub session_name: String,
    /// How the pacing thread is scheduled. Real time, the default, keeps the schedule on a busy
    /// machine; where the system does not grant it, the report says so and sending goes on.
    pub priority: Priority,
    /// Codecs for RTP.
    pub codecs: CodecRegistry,
}

impl StreamerConfig {
    /// The defaults, tuned for files on a LAN: packets of 10 ms, a start as soon as possible,
    /// nothing left out.
    pub fn new(to: Endpoint) -> Self {
        Self {
            to,
            ptime: None,
            max_datagram: None,
            start: Start::Now,
            catch_up: CatchUp::Burst,
            cname: None,
            seed: None,
            session_name: "audiox".to_owned(),
            priority: Priority::Realtime,
            codecs: CodecRegistry::default(),
        }
    }
}

/// Starts streams.
#[derive(Debug)]
pub struct Streamer;

impl Streamer {
    /// Checks everything, reads the sources ahead, opens the sockets and starts the threads.
    /// Blocks while the sources are read ahead, a second at most.
    ///
    /// # Errors
    /// No stream; a destination that does not resolve, has no route, or is a session
    /// description; a rate, channel count, codec, payload type or packet time that cannot be;
    /// a source that fails or has nothing to send; a start time that has passed. Nothing was
    /// sent then.
    pub fn start(
        config: StreamerConfig,
        streams: Vec<StreamSpec>,
    ) -> Result<StreamerHandle, Error> {
        setup::start(config, streams)
    }
}
