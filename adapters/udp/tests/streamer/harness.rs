//! WAV files with known content, plain UDP sockets that write down all they hear, and a streamer
//! between them on loopback.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::wav::{WavSink, WavSource};
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig, StreamerHandle, StreamerReport};

/// A WAV file and the sample data in it.
pub(crate) struct Wav {
    pub(crate) source: WavSource,
    pub(crate) data: Vec<u8>,
    pub(crate) format: StreamFormat,
}

/// Writes a WAV file whose bytes follow from `name` and reads it back.
pub(crate) fn wav(
    dir: &Path,
    name: &str,
    sample: SampleFormat,
    rate: u32,
    channels: u16,
    frames: usize,
) -> Wav {
    let path = dir.join(name);
    let format = StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    );
    let mut x = name.bytes().fold(7u32, |x, b| x * 31 + u32::from(b));
    let samples = frames * format.channels.get();
    let data: Vec<u8> = (0..samples)
        .flat_map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bytes = match sample {
                // Whole-number floats survive every conversion on the way.
                SampleFormat::F32 => ((x >> 16) as f32 / 65_536.0 - 0.5).to_le_bytes(),
                _ => x.to_be_bytes(),
            };
            bytes.into_iter().take(sample.bytes())
        })
        .collect();
    let mut sink = WavSink::create(&path, format, sample).unwrap();
    sink.write_native(&data).unwrap();
    sink.finish().unwrap();
    Wav {
        source: WavSource::open(&path).unwrap(),
        data,
        format,
    }
}

/// A datagram and who sent it.
pub(crate) type Heard = (SocketAddr, Vec<u8>);

/// A socket with a thread that writes down what it hears, in the order of arrival.
pub(crate) struct Ear {
    pub(crate) socket: Arc<UdpSocket>,
    done: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Heard>>,
}

impl Ear {
    pub(crate) fn new(socket: UdpSocket) -> Self {
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let socket = Arc::new(socket);
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (socket, done) = (socket.clone(), done.clone());
            move || {
                let (mut heard, mut buf) = (Vec::new(), vec![0; 65_536]);
                loop {
                    // Asked first: what was sent before lies in the socket's buffer.
                    let last = done.load(Ordering::Acquire);
                    match socket.recv_from(&mut buf) {
                        Ok((n, from)) => heard.push((from, buf[..n].to_vec())),
                        Err(e)
                            if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                        {
                            if last {
                                return heard;
                            }
                        }
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        });
        Self {
            socket,
            done,
            thread,
        }
    }

    pub(crate) fn at(addr: &str) -> Self {
        Self::new(UdpSocket::bind(addr).unwrap())
    }

    /// Two sockets on adjacent ports of loopback, as RTP and RTCP have them.
    pub(crate) fn pair() -> (Self, Self) {
        loop {
            let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = rtp.local_addr().unwrap().port();
            if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port.wrapping_add(1))) {
                return (Self::new(rtp), Self::new(rtcp));
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// What was heard, now that all was sent.
    pub(crate) fn heard(self) -> Vec<Heard> {
        self.done.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

pub(crate) fn config(url: &str) -> StreamerConfig {
    StreamerConfig::new(url.parse().unwrap())
}

pub(crate) fn spec(name: &str, source: impl Source + 'static) -> StreamSpec {
    StreamSpec::new(name, source)
}

/// Starts `sources` towards `url`.
pub(crate) fn start(
    config: StreamerConfig,
    sources: impl IntoIterator<Item = WavSource>,
) -> StreamerHandle {
    let specs = sources
        .into_iter()
        .map(|s| StreamSpec::new(s.name().to_owned(), s));
    Streamer::start(config, specs.collect()).unwrap()
}

/// Sends `sources` to their end; yields the addresses they came from and the report.
pub(crate) fn send(
    config: StreamerConfig,
    sources: impl IntoIterator<Item = WavSource>,
) -> (Vec<SocketAddr>, StreamerReport) {
    let handle = start(config, sources);
    let from = handle.local_addrs();
    (from, handle.wait().unwrap())
}

/// The datagrams from one sender.
pub(crate) fn from(heard: &[Heard], sender: SocketAddr) -> Vec<&[u8]> {
    let of = |(from, datagram): &'_ &Heard| (*from == sender).then_some(datagram.len());
    heard
        .iter()
        .filter(|h| of(h).is_some())
        .map(|(_, datagram)| &datagram[..])
        .collect()
}
