//! The receivers, and how what they put out is timed.

use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::packet::rtp::RtpPacket;
use audiox_core::pitch::PitchSearch;
use audiox_core::playout::PlayoutConfig;
use audiox_core::source::{Sink, SinkError};
use audiox_core::time::Instant;
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;
use audiox_udp::node::Listen;
use audiox_udp::player::{Player, PlayerConfig, PlayerHandle};

use crate::tee::{Arrivals, PAYLOAD_TYPE, PTIME};

/// That of the speech.
fn rate() -> SampleRate {
    SampleRate::new(24_000).expect("a sound rate")
}

/// Something that a stream is sent to.
pub(crate) trait Receiver {
    fn address(&self) -> SocketAddr;

    /// What is missing counts from the first call on, up to the second.
    fn mark(&mut self) {}

    /// Stops it.
    fn finish(self: Box<Self>) -> Heard;
}

/// What came out of a receiver, with times.
pub(crate) enum Heard {
    /// Packets, each when a sink played it.
    Packets(Vec<(u16, Instant)>),
    /// Samples in blocks; the time is that of a block's first.
    Samples {
        samples: Vec<f32>,
        /// Position and time.
        blocks: Vec<(usize, Instant)>,
        /// Share made up.
        missing: f64,
    },
}

/// How late it came and how much was missing.
pub(crate) struct Verdict {
    pub(crate) mean: Duration,
    pub(crate) max: Duration,
    /// 0 to 1.
    pub(crate) missing: f64,
}

/// `rtpjitterbuffer` in front of a sink that sends each packet on when it is due.
pub(crate) struct GStreamer {
    address: SocketAddr,
    process: Process,
    stop: StopFlag,
    thread: JoinHandle<Vec<(u16, Instant)>>,
}

/// Ended when dropped: the pipeline goes on for ever.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, badly, which shows in what came.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl GStreamer {
    pub(crate) fn installed() -> bool {
        let mut version = Command::new("gst-launch-1.0");
        let version = version.arg("--version").stdout(Stdio::null());
        version.status().is_ok_and(|s| s.success())
    }

    pub(crate) fn start(clock: Clock, latency: Duration) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr());
        let address = free.expect("loopback has a free port");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        let to = socket.local_addr().expect("it is bound").port();
        // Sinks add 20 ms for their own processing unless told not to.
        let pipeline = format!(
            "udpsrc address=127.0.0.1 port={} caps=application/x-rtp,media=audio,\
             clock-rate={},encoding-name=L16,channels=1,payload={PAYLOAD_TYPE} ! \
             rtpjitterbuffer latency={} ! \
             udpsink host=127.0.0.1 port={to} sync=true processing-deadline=0",
            address.port(),
            rate().get(),
            latency.as_millis(),
        );
        let process = Command::new("gst-launch-1.0")
            .arg("-q")
            .args(pipeline.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("gst-launch-1.0 starts");
        let stop = StopFlag::new();
        let stopped = stop.clone();
        let timeout = Some(Duration::from_millis(50));
        socket.set_read_timeout(timeout).expect("not zero");
        let thread = std::thread::spawn(move || {
            let (mut packets, mut buffer) = (Vec::new(), [0; 2_048]);
            while !stopped.is_stopped() {
                if let Ok(len) = socket.recv(&mut buffer)
                    && let Ok(packet) = RtpPacket::parse(&buffer[..len])
                {
                    packets.push((packet.seq().0, clock.now()));
                }
            }
            packets
        });
        Self {
            address,
            process: Process(process),
            stop,
            thread,
        }
    }
}

impl Receiver for GStreamer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn finish(self: Box<Self>) -> Heard {
        drop(self.process);
        self.stop.stop();
        Heard::Packets(self.thread.join().expect("it does not panic"))
    }
}

/// Our player, with a sink that looks at the clock.
pub(crate) struct Ours {
    player: PlayerHandle,
    taken: Arc<Mutex<Taken>>,
    /// Frames made up and decoded at each mark.
    marks: Vec<[u64; 2]>,
}

#[derive(Default)]
struct Taken {
    samples: Vec<f32>,
    blocks: Vec<(usize, Instant)>,
}

struct Timed {
    clock: Clock,
    taken: Arc<Mutex<Taken>>,
}

impl Ours {
    pub(crate) fn start(clock: Clock, playout: PlayoutConfig) -> Self {
        let url = format!(
            "rtp://127.0.0.1:0?codec=L16&pt={PAYLOAD_TYPE}&rate={}&channels=1&rtcp-mux",
            rate().get()
        );
        let listen = Listen::from_endpoint(&url.parse().expect("a sound URL"));
        let config = PlayerConfig::new(listen.expect("loopback resolves"), playout);
        let taken = Arc::new(Mutex::new(Taken::default()));
        let sink = Timed {
            clock,
            taken: Arc::clone(&taken),
        };
        let player = Player::start(config.expect("one port"), Box::new(sink));
        Self {
            player: player.expect("loopback has a free port"),
            taken,
            marks: Vec::new(),
        }
    }
}

impl Receiver for Ours {
    fn address(&self) -> SocketAddr {
        self.player.local_addrs()[0]
    }

    fn mark(&mut self) {
        let report = self.player.snapshot();
        let stats = report.streams.first().map(|s| s.playback.playout);
        self.marks
            .push(stats.map_or([0, 0], |s| [s.concealed_samples, s.frames_decoded]));
    }

    fn finish(self: Box<Self>) -> Heard {
        self.player.stop();
        self.player.wait().expect("the sink takes everything");
        let mut taken = self.taken.lock().expect("nobody panicked");
        let taken = std::mem::take(&mut *taken);
        let missing = match *self.marks {
            [from, to] => {
                let [made_up, decoded] = [to[0] - from[0], to[1] - from[1]];
                made_up as f64 / (made_up + decoded).max(1) as f64
            }
            _ => 1.0,
        };
        Heard::Samples {
            samples: taken.samples,
            blocks: taken.blocks,
            missing,
        }
    }
}

impl Sink for Timed {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(rate(), Channels::MONO)
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        let now = self.clock.now();
        let mut taken = self.taken.lock().expect("nobody panicked");
        let at = taken.samples.len();
        taken.blocks.push((at, now));
        taken.samples.extend_from_slice(block.samples());
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported("frames are wanted".to_owned()))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Heard {
    /// Compares with what was `sent`; what was not captured within `counted` does not count.
    pub(crate) fn judge(
        &self,
        arrivals: &Arrivals,
        sent: &[f32],
        counted: Range<Duration>,
    ) -> Verdict {
        let mut delays = Vec::new();
        let mut share = 0.0;
        match self {
            Self::Packets(packets) => {
                let mut last: Option<(Duration, Duration)> = None;
                let mut silence = Duration::ZERO;
                for (seq, at) in packets {
                    let media = PTIME * arrivals.number(*seq) as u32;
                    if !counted.contains(&media) {
                        continue;
                    }
                    let delay = arrivals.delay(media, *at);
                    if let Some((before, had)) = last {
                        // What never came, and what came so late that there was a hole before.
                        silence += media.saturating_sub(before + PTIME);
                        let hole = delay.saturating_sub(had);
                        silence += if hole > TOLERATED {
                            hole
                        } else {
                            Duration::ZERO
                        };
                    }
                    last = Some((media, delay));
                    delays.push(delay);
                }
                share += silence.as_secs_f64() / (counted.end - counted.start).as_secs_f64();
            }
            Self::Samples {
                samples,
                blocks,
                missing,
            } => {
                share += missing;
                let mut search = PitchSearch::new(rate(), REACH + COMPARED);
                for (at, now) in blocks.iter().step_by(EVERY) {
                    let lucky = arrivals.delay(Duration::ZERO, *now);
                    let due = rate().frames_in(lucky) as usize;
                    let Some(part) = samples.get(*at..at + COMPARED) else {
                        continue;
                    };
                    if let Some(k) = find(&mut search, part, sent, due)
                        && counted.contains(&rate().duration_of(k as u64))
                    {
                        delays.push(arrivals.delay(rate().duration_of(k as u64), *now));
                    }
                }
            }
        }
        let sum: Duration = delays.iter().sum();
        Verdict {
            mean: sum / delays.len().max(1) as u32,
            max: delays.iter().max().copied().unwrap_or_default(),
            missing: share,
        }
    }
}

/// Where `part` is in `sent`, at `due` or at most half a second before it, if there is no doubt.
fn find(search: &mut PitchSearch, part: &[f32], sent: &[f32], due: usize) -> Option<usize> {
    let peak = |x: &[f32]| x.iter().fold(0.0f32, |max, s| max.max(s.abs()));
    let from = due.saturating_sub(REACH);
    let around = sent.get(from..(due + COMPARED).min(sent.len()))?;
    let found = search.find(part, around, 0..=REACH)?;
    (found.similarity > 0.98 && peak(part) > 0.05).then_some(from + found.offset)
}

/// Blocks of which one is looked for.
const EVERY: usize = 20;
/// Samples compared: 100 ms.
const COMPARED: usize = 2_400;
/// Samples by which it may have been delayed: half a second.
const REACH: usize = 12_000;
/// By how much a packet may come later than the one before it without a hole: threads wake late,
/// and devices have buffers for that.
const TOLERATED: Duration = Duration::from_millis(20);
