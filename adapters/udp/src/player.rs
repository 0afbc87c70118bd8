//! Plays streams as a listener would hear them, into any sink.
//!
//! Where a [`node`](crate::node) records what arrived, aligned and with its gaps, a player runs
//! the playout engine in real time: adaptive delay, concealment, time-stretch, drift correction,
//! several senders mixed. One thread a socket stamps datagrams. One paced thread plays into a sink
//! that has no clock ([`Player::start`]); or a sound device pulls, in its callback and at its own
//! pace, and one thread hands it what comes, woken by it ([`Player::start_pulled`]).

mod output;
mod report;
mod stations;
mod trace;
mod work;

pub use output::PlayerOutput;
pub use report::{PlayedStream, PlayerReport};

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::StreamFormat;
use audiox_core::playout::PlayoutConfig;
use audiox_core::source::Sink;
use audiox_net::AllowList;
use audiox_net::clock::Clock;
use audiox_net::pace::{Priority, spawn_paced};
use audiox_net::stop::StopFlag;

use crate::Error;
use crate::node::{Content, Listen};
use crate::port::Port;
use stations::Stations;
use trace::Tracer;
use work::{Puller, Work, serve};

/// What a [`Player`] is made with.
#[derive(Debug, Clone)]
pub struct PlayerConfig {
    /// Ports to listen on; at least one.
    pub listen: Vec<Listen>,
    /// How each stream is played. Its output format is [`format`](Self::format).
    pub playout: PlayoutConfig,
    /// Rate and channels of what is played: those of the sink.
    pub format: StreamFormat,
    /// Frames made at once, as a sound device would ask for; 1 to 65 536.
    pub quantum: usize,
    /// Streams played at once a port; 1 to 1 024. Further ones are refused and counted.
    pub max_streams: usize,
    /// Silence on the wire after which a stream has ended.
    pub idle_after: Duration,
    /// Stop once all streams heard have ended.
    pub stop_when_ended: bool,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Trace every arrival and decision of the first stream into this file, of later ones into
    /// files of the same name and a number.
    pub trace: Option<PathBuf>,
    /// Where datagrams may come from; others are dropped and counted. Anywhere by default.
    pub allow: AllowList,
    /// What RTP payloads may hold.
    pub codecs: CodecRegistry,
}

impl PlayerConfig {
    /// The defaults of each part: quanta of 5 ms, 16 streams, 5 s of silence end a stream; the
    /// format is that of the first port.
    ///
    /// # Errors
    /// Nothing to listen on.
    pub fn new(listen: Vec<Listen>, playout: PlayoutConfig) -> Result<Self, ConfigError> {
        let format = match listen.first().map(|l| &l.content) {
            Some(Content::Raw { format, .. }) => *format,
            Some(Content::Rtp { formats, .. }) if !formats.is_empty() => formats[0].1.format(),
            _ => return Err(nothing_to_listen_on()),
        };
        Ok(Self {
            listen,
            playout,
            format,
            quantum: (format.rate.get() / 200).max(1) as usize,
            max_streams: 16,
            idle_after: Duration::from_secs(5),
            stop_when_ended: false,
            duration: None,
            trace: None,
            allow: AllowList::default(),
            codecs: CodecRegistry::default(),
        })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(nothing_to_listen_on());
        }
        if !(1..=65_536).contains(&self.quantum) {
            let allowed = "1 to 65536 frames";
            return Err(ConfigError::new("quantum", self.quantum, allowed));
        }
        Ok(())
    }
}

/// Starts playing.
#[derive(Debug)]
pub struct Player;

impl Player {
    /// Opens the sockets and starts playing into `sink`, in real time by the local clock.
    ///
    /// # Errors
    /// Nothing to listen on, a port in use, a sink of another format, a value out of range.
    pub fn start(config: PlayerConfig, sink: Box<dyn Sink>) -> Result<PlayerHandle, Error> {
        config.validate()?;
        if sink.format() != config.format {
            let allowed = format!("what is played is {}", config.format);
            return Err(ConfigError::new("sink", sink.format(), allowed).into());
        }
        let start = Setup::new(config)?;
        let (clock, stop, sockets_stop) = (start.clock, start.stop.clone(), start.sockets_stop);
        let work = Work::new(
            start.stations,
            start.output,
            sink,
            clock.now(),
            stop.clone(),
        );
        let pacing = spawn_paced("audiox-play", clock, stop.clone(), Priority::Ordinary, work)
            .map_err(|source| Error::Io {
                what: "cannot start a thread".to_owned(),
                source,
            })?;
        let thread = std::thread::Builder::new()
            .name("audiox-player".to_owned())
            .spawn(move || {
                let paced = match pacing.join() {
                    Ok(paced) => paced,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                sockets_stop.stop();
                paced.work.finish()
            })
            .map_err(|source| Error::Io {
                what: "cannot start a thread".to_owned(),
                source,
            })?;
        Ok(PlayerHandle {
            stop,
            shared: start.shared,
            local_addrs: start.local_addrs,
            puller: Puller::default(),
            thread: Some(thread),
        })
    }

    /// Opens the sockets, and gives what is to be pulled by a sound device: it plays while that
    /// does. [`PlayerConfig::quantum`] is the device's to choose.
    ///
    /// # Errors
    /// Nothing to listen on, a port in use, a value out of range.
    pub fn start_pulled(config: PlayerConfig) -> Result<(PlayerHandle, PlayerOutput), Error> {
        config.validate()?;
        let start = Setup::new(config)?;
        let (stations, clock, stop) = (start.stations, start.clock, start.stop.clone());
        let (puller, sockets_stop) = (Puller::default(), start.sockets_stop);
        let held = puller.clone();
        let thread = std::thread::Builder::new()
            .name("audiox-player".to_owned())
            .spawn(move || {
                let served = serve(stations, clock, &stop, &held, &sockets_stop);
                sockets_stop.stop();
                served
            })
            .map_err(|source| Error::Io {
                what: "cannot start a thread".to_owned(),
                source,
            })?;
        let handle = PlayerHandle {
            stop: start.stop,
            shared: start.shared,
            local_addrs: start.local_addrs,
            puller,
            thread: Some(thread),
        };
        Ok((handle, start.output))
    }
}

/// A player with its sockets open, that nobody pulls from yet.
struct Setup {
    stations: Stations,
    output: PlayerOutput,
    clock: Clock,
    stop: StopFlag,
    sockets_stop: StopFlag,
    shared: Arc<Mutex<PlayerReport>>,
    local_addrs: Vec<SocketAddr>,
}

impl Setup {
    fn new(config: PlayerConfig) -> Result<Self, Error> {
        let (clock, sockets_stop, stop) = (Clock::new(), StopFlag::new(), StopFlag::new());
        let tracer = config.trace.clone().map(Tracer::start).transpose()?;
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
        let shared = Arc::new(Mutex::new(PlayerReport::default()));
        let made = Stations::new(config, ports, clock, tracer, shared.clone());
        let (stations, output) = made.inspect_err(|_| sockets_stop.stop())?;
        Ok(Self {
            stations,
            output,
            clock,
            stop,
            sockets_stop,
            shared,
            local_addrs,
        })
    }
}

/// A running player. Dropped, it stops without waiting for the sink.
pub struct PlayerHandle {
    stop: StopFlag,
    shared: Arc<Mutex<PlayerReport>>,
    local_addrs: Vec<SocketAddr>,
    puller: Puller,
    thread: Option<JoinHandle<Result<PlayerReport, Error>>>,
}

impl fmt::Debug for PlayerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayerHandle")
            .field("local_addrs", &self.local_addrs)
            .finish_non_exhaustive()
    }
}

impl PlayerHandle {
    /// The media addresses listened on, in the order of [`PlayerConfig::listen`].
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Keeps what pulls from the output, a device's stream, and drops it when the player ends.
    pub fn keep(&self, puller: impl Send + 'static) {
        self.puller.keep(Box::new(puller));
    }

    /// The state some tenths of a second ago.
    pub fn snapshot(&self) -> PlayerReport {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stops playing: the sink is completed.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Whether it has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// The sink failed; what it took before is kept.
    pub fn wait(mut self) -> Result<PlayerReport, Error> {
        // Only `wait` takes the thread, and it takes the handle too.
        let thread = self.thread.take().expect("a handle has its thread");
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for PlayerHandle {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

fn nothing_to_listen_on() -> ConfigError {
    ConfigError::new("listen", "nothing", "give at least one port")
}
