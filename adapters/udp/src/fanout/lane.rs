//! The stream to one client, in the hands of the sending thread.

use std::net::SocketAddr;
use std::sync::Arc;

use audiox_core::ConfigError;
use audiox_core::block::AudioRef;
use audiox_core::codec::{CodecRegistry, CodecSpec, EncodingName};
use audiox_core::convert::{self, Gain, GainRamp, Level};
use audiox_core::format::{Channels, PcmFormat, StreamFormat};
use audiox_core::packet::Framing;
use audiox_core::sender::{Flow, Sender, SenderConfig};
use audiox_core::time::{Instant, MediaTime, RtpTimestamp, SeqNum};
use audiox_net::AllowList;
use audiox_net::clock::Clock;
use audiox_net::endpoint::{NetAddress, NetOptions};
use audiox_net::udp::{Fragmentation, UdpSocketConfig, UdpTransport};

use super::client::{ClientSpec, ClientWire};
use super::error::FanoutError;
use super::status::ClientStatus;
use crate::Error;
use crate::streamer::identity::Identifiers;

/// What streams to all clients have in common.
#[derive(Debug, Clone)]
pub(super) struct LaneContext {
    pub(super) format: StreamFormat,
    pub(super) chunk: usize,
    pub(super) clock: Clock,
    pub(super) codecs: CodecRegistry,
    pub(super) allow: AllowList,
    /// The canonical name of all RTP streams.
    pub(super) cname: String,
}

/// The stream to one client.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: u64,
    picks: Box<[usize]>,
    channels: Channels,
    socket: UdpTransport,
    wire: Wire,
    /// The client's channels of the block at hand, interleaved.
    block: Box<[f32]>,
    datagram: Box<[u8]>,
    len: usize,
    gain: Gain,
    ramp: GainRamp,
    ramp_frames: u32,
    status: Arc<ClientStatus>,
}

#[derive(Debug)]
enum Wire {
    Raw,
    Rtp(Box<Rtp>),
}

#[derive(Debug)]
struct Rtp {
    sender: Sender,
    /// Samples a packet.
    packet: usize,
    reports_to: Option<SocketAddr>,
    frames: i64,
}

impl Lane {
    /// Looks up the client's name, where it is one, and opens its socket.
    ///
    /// # Errors
    /// A channel that the source lacks, an encoding or length that cannot be, an address that is
    /// not allowed, does not resolve or to which there is no way.
    pub(super) fn connect(
        id: u64,
        spec: &ClientSpec,
        status: Arc<ClientStatus>,
        context: &LaneContext,
    ) -> Result<Self, FanoutError> {
        let format = context.format;
        for &channel in &spec.channels {
            if channel >= format.channels.get() {
                let last = format.channels.get() - 1;
                let allowed = format!("the source has channels 0 to {last}");
                return Err(ConfigError::new("channel", channel, allowed).into());
            }
        }
        let channels = Channels::new(spec.channels.len() as u16)?;
        let socket = socket_config(spec, &context.allow)?;
        let peer = socket.connect;
        let (wire, longest) = match &spec.wire {
            ClientWire::Raw => (Wire::Raw, raw_len(context.chunk, channels)?),
            ClientWire::Rtp(encoding) => {
                let rtp = Rtp::new(encoding, channels, peer, context)?;
                let longest = rtp.sender.max_datagram();
                (Wire::Rtp(Box::new(rtp)), longest)
            }
        };
        let socket = UdpTransport::open(&socket).map_err(Error::from)?;
        socket.set_nonblocking().map_err(Error::from)?;
        let gain = status.gain();
        Ok(Self {
            id,
            picks: spec.channels.clone().into(),
            channels,
            socket,
            wire,
            block: vec![0.0; context.chunk * channels.get()].into(),
            datagram: vec![0; longest].into(),
            len: 0,
            gain,
            ramp: GainRamp::new(gain, channels),
            ramp_frames: format.rate.get() / 200,
            status,
        })
    }

    /// Before the deadline: takes its channels out of `block`, which was captured at `captured`.
    /// `fall` is for its meter.
    pub(super) fn prepare(&mut self, block: AudioRef<'_>, captured: Instant, fall: f32) {
        let frames = block.frames();
        let mine = &mut self.block[..frames * self.channels.get()];
        match &*self.picks {
            [one] => {
                convert::copy_channel(block.samples(), block.channels(), *one, mine);
            }
            picks => {
                let frames = block.samples().chunks_exact(block.channels().get());
                for (out, frame) in mine.chunks_exact_mut(picks.len()).zip(frames) {
                    for (sample, &pick) in out.iter_mut().zip(picks) {
                        *sample = frame[pick];
                    }
                }
            }
        }
        let gain = self.status.gain();
        if gain != self.gain {
            // Not at once, which would click.
            self.ramp.set(gain, self.ramp_frames);
            self.gain = gain;
        }
        if !self.ramp.is_settled() || gain != Gain::UNITY {
            self.ramp.apply(mine);
        }
        let mut levels = [Level::default(); 64];
        let count = convert::levels(AudioRef::new(mine, self.channels), &mut levels);
        let loudest = levels[..count].iter().fold(Level::default(), |a, b| Level {
            peak: a.peak.max(b.peak),
            rms: a.rms.max(b.rms),
        });
        self.status.meter.push(loudest, fall);
        match &mut self.wire {
            Wire::Raw => {
                self.len = convert::encode(PcmFormat::S16LE, mine, &mut self.datagram);
            }
            Wire::Rtp(rtp) => {
                rtp.sender.set_capture(MediaTime(rtp.frames), captured);
                self.len = mine.len();
            }
        }
    }

    /// At the deadline: sends what was prepared.
    pub(super) fn send(&mut self, now: Instant) {
        if self.len == 0 {
            return;
        }
        let (socket, status) = (&self.socket, &self.status);
        match &mut self.wire {
            Wire::Raw => {
                let outcome = socket.send(&self.datagram[..self.len]);
                status.count(outcome.ok(), self.len, now);
            }
            Wire::Rtp(rtp) => {
                // The sender holds eight packets, a block may have more.
                for piece in self.block[..self.len].chunks(rtp.packet) {
                    let piece = AudioRef::new(piece, self.channels);
                    rtp.frames += piece.frames() as i64;
                    rtp.sender.push(piece);
                    while let Some(sent) = rtp.sender.poll_transmit(now, &mut self.datagram) {
                        let datagram = &self.datagram[..sent.len];
                        if sent.flow == Flow::Reports {
                            // Reports repeat, so one that is lost is not missed.
                            if let Some(to) = rtp.reports_to {
                                let _ = socket.send_to(datagram, to);
                            }
                        } else {
                            status.count(socket.send(datagram).ok(), sent.len, now);
                        }
                    }
                }
            }
        }
        self.len = 0;
    }

    /// Leaves out frames for which there was no time.
    pub(super) fn skip(&mut self, frames: u64) {
        if let Wire::Rtp(rtp) = &mut self.wire {
            rtp.sender.skip(frames);
            rtp.frames += frames as i64;
        }
    }

    /// Says goodbye, where the form of the stream has a word for it.
    pub(super) fn finish(&mut self, now: Instant) {
        self.status.meter.reset();
        let Wire::Rtp(rtp) = &mut self.wire else {
            return;
        };
        rtp.sender.finish();
        while let Some(sent) = rtp.sender.poll_transmit(now, &mut self.datagram) {
            let datagram = &self.datagram[..sent.len];
            let _ = match rtp.reports_to.filter(|_| sent.flow == Flow::Reports) {
                Some(to) => self.socket.send_to(datagram, to),
                None => self.socket.send(datagram),
            };
        }
    }
}

impl Rtp {
    fn new(
        encoding: &EncodingName,
        channels: Channels,
        peer: Option<SocketAddr>,
        context: &LaneContext,
    ) -> Result<Self, ConfigError> {
        let rate = context.format.rate;
        let carried = context.codecs.rate_for(encoding, rate);
        if carried != rate {
            let allowed = format!(
                "{encoding} carries {carried}; start with --rate {}",
                carried.get()
            );
            return Err(ConfigError::new(
                "codec",
                format_args!("{encoding} at {rate}"),
                allowed,
            ));
        }
        let spec = CodecSpec::new(encoding.clone(), StreamFormat::new(rate, channels));
        // 20 ms is what codecs with packet times of their own are made for; of others as much
        // as is due at once, as far as it fits a datagram.
        let coded = audiox_core::codec::PcmCoding::from_encoding(encoding).is_none();
        let limit = MAX_PAYLOAD / (3 * channels.get());
        let frames = match coded {
            true => rate.get() as usize / 50,
            false => context
                .chunk
                .min(rate.get() as usize / 100)
                .min(limit)
                .max(1),
        };
        let encoder = context.codecs.encoder(&spec, frames)?;
        let mut ids = Identifiers::new(None);
        let config = SenderConfig {
            framing: Framing::Rtp,
            payload_type: spec.static_payload_type().unwrap_or(DYNAMIC),
            ssrc: ids.next() as u32,
            first_seq: SeqNum(ids.next() as u16),
            first_timestamp: RtpTimestamp(ids.next() as u32),
            cname: context.cname.clone(),
            wall: context.clock.anchor(),
        };
        let sender = Sender::new(config, encoder, context.clock.now())?;
        let above = |to: SocketAddr| {
            let port = to.port().checked_add(1)?;
            Some(SocketAddr::new(to.ip(), port))
        };
        Ok(Self {
            packet: frames * channels.get(),
            sender,
            reports_to: peer.and_then(above),
            frames: 0,
        })
    }
}

fn socket_config(spec: &ClientSpec, allow: &AllowList) -> Result<UdpSocketConfig, FanoutError> {
    let at = NetAddress {
        host: spec.host.trim_matches(['[', ']']).to_owned(),
        port: spec.port,
        options: NetOptions::default(),
    };
    let config = at.sender().map_err(Error::from)?;
    if let Some(to) = config.connect
        && !allow.allows(to.ip())
    {
        let allowed = format!("only {allow} may be sent to (--allow)");
        return Err(ConfigError::new("ip", to.ip(), allowed).into());
    }
    Ok(match spec.wire {
        // The contract fixes the length of raw datagrams, whatever the path's MTU.
        ClientWire::Raw => UdpSocketConfig {
            fragmentation: Fragmentation::Allow,
            broadcast: true,
            ..config
        },
        ClientWire::Rtp(_) => config,
    })
}

fn raw_len(chunk: usize, channels: Channels) -> Result<usize, ConfigError> {
    let len = chunk * channels.get() * 2;
    if len <= MAX_DATAGRAM {
        return Ok(len);
    }
    let most = MAX_DATAGRAM / (chunk * 2);
    let allowed = format!(
        "at most {most} fit a datagram of {chunk} frames; choose a shorter --chunk, or rtp"
    );
    Err(ConfigError::new("channels", channels, allowed))
}

/// What UDP over IPv4 can carry.
pub(super) const MAX_DATAGRAM: usize = 65_507;
/// What an unfragmented datagram carries behind RTP's header, with some room.
const MAX_PAYLOAD: usize = 1_400;
const DYNAMIC: u8 = 96;
