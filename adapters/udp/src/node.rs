//! The receiving node: records any number of streams, aligned to the frame.
//!
//! One thread a socket stamps datagrams and hands their buffers over; one recorder thread parses
//! them, places them on the recording's time line and writes files. A slow disk therefore costs
//! buffers, not packets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::SampleFormat;
use audiox_core::source::SinkError;
use audiox_net::AllowList;
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;

use crate::Error;
use crate::port::Port;

mod gaps;
mod lag;
mod lane;
mod listen;
mod ordered;
mod output;
mod recorder;
mod recording;
mod report;
mod track;

pub use gaps::{Gap, GapCause};
pub use lane::{Alignment, LaneStats, Mismatch};
pub(crate) use listen::MAX_DATAGRAM;
pub use listen::{Content, Listen};
pub use output::{SinkFactory, Target};
pub use report::{NodeReport, StreamReport};

use recorder::Recorder;

/// What a [`Node`] is made with.
#[derive(Debug)]
pub struct NodeConfig {
    /// Ports to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Where recordings go.
    pub target: Target,
    /// Sample format of the files; `None` keeps each stream's own.
    pub sample: Option<SampleFormat>,
    /// How long a frame waits for stragglers before it is written; 100 ms to 60 s. The default of
    /// 500 ms outlasts what reorders packets; a kill costs that and up to a quarter of a second.
    /// Raw streams wait at least 1.3 s, since their losses show late. At its start the
    /// recording waits four times as long, but at most 2 s longer, for more streams and for the
    /// senders' clocks.
    pub hold: Duration,
    /// Streams to make room for in one file; more are known at the start or merged in at the
    /// end.
    pub tracks: usize,
    /// Streams accepted a port; 1 to 4 096. Memory grows by about 2 MiB for each stereo stream.
    pub max_streams: usize,
    /// Silence after which a stream has ended.
    pub idle_after: Duration,
    /// Stop once all streams heard have ended.
    pub stop_when_ended: bool,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Write a JSON sidecar beside the recording.
    pub sidecar: bool,
    /// Where datagrams may come from; others are dropped and counted. Anywhere by default.
    pub allow: AllowList,
    /// What RTP payloads may hold.
    pub codecs: CodecRegistry,
}

impl NodeConfig {
    /// The defaults, tuned for recording on a LAN: a window of 500 ms, 64 streams a port, 5 s of silence
    /// end a stream.
    pub fn new(listen: Vec<Listen>, target: Target) -> Self {
        Self {
            listen,
            target,
            sample: None,
            hold: Duration::from_millis(500),
            tracks: 0,
            max_streams: 64,
            idle_after: Duration::from_secs(5),
            stop_when_ended: false,
            duration: None,
            sidecar: true,
            allow: AllowList::default(),
            codecs: CodecRegistry::default(),
        }
    }
}

/// Starts recordings.
#[derive(Debug)]
pub struct Node;

impl Node {
    /// Opens the sockets and starts recording.
    ///
    /// # Errors
    /// Nothing to listen on, a port in use, a folder that cannot be made, a value out of range.
    pub fn start(config: NodeConfig) -> Result<NodeHandle, Error> {
        if config.listen.is_empty() {
            return Err(ConfigError::new("listen", "nothing", "give at least one port").into());
        }
        let range = Duration::from_millis(100)..=Duration::from_secs(60);
        if !range.contains(&config.hold) {
            return Err(
                ConfigError::new("hold", format!("{:?}", config.hold), "100 ms to 60 s").into(),
            );
        }
        config.target.prepare()?;
        let stop = StopFlag::new();
        // Sockets end after the recorder, which drains them.
        let sockets_stop = StopFlag::new();
        let clock = Clock::new();
        let mut ports = Vec::new();
        for listen in &config.listen {
            let opened = Port::open(
                listen,
                clock,
                &sockets_stop,
                config.max_streams,
                &config.allow,
            );
            if opened.is_err() {
                sockets_stop.stop();
            }
            ports.push(opened?);
        }
        let local_addrs = ports.iter().map(|p| p.local).collect();
        let shared = Arc::new(Mutex::new(NodeReport::default()));
        let mut recorder = Recorder::new(config, ports, clock, shared.clone())?;
        let recorder_stop = stop.clone();
        let thread = std::thread::Builder::new()
            .name("audiox-record".to_owned())
            .spawn(move || {
                let end = recorder.run(&recorder_stop);
                sockets_stop.stop();
                recorder.finish(end)
            })
            .map_err(|source| Error::Io {
                what: "cannot start a thread".to_owned(),
                source,
            })?;
        Ok(NodeHandle {
            stop,
            shared,
            local_addrs,
            thread: Some(thread),
        })
    }
}

/// A running node. Dropped, it ends the recording without waiting for the files to close.
#[derive(Debug)]
pub struct NodeHandle {
    stop: StopFlag,
    shared: Arc<Mutex<NodeReport>>,
    local_addrs: Vec<SocketAddr>,
    thread: Option<JoinHandle<Result<NodeReport, SinkError>>>,
}

impl NodeHandle {
    /// The media addresses listened on, in the order of [`NodeConfig::listen`].
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// The state some tenths of a second ago, gap lists left out.
    pub fn snapshot(&self) -> NodeReport {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A flag that ends the recording when set.
    pub fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// Ends the recording: what was received is written and the files are closed.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Whether the recording has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end of the recording.
    ///
    /// # Errors
    /// A file could not be written; everything before that is kept.
    pub fn wait(mut self) -> Result<NodeReport, Error> {
        // Only `wait` takes the thread, and it takes the handle too.
        let thread = self.thread.take().expect("a handle has its thread");
        match thread.join() {
            Ok(result) => Ok(result?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.stop.stop();
    }
}
