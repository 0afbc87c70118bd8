//! The arguments of `audiox send`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use audiox::core::ConfigError;
use audiox::core::codec::EncodingName;
use audiox::core::convert::Gain;
use audiox::core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox::io::Repeat;
use audiox::net::Endpoint;
use audiox::net::endpoint::RepairScheme;
use audiox::net::pace::Priority;
use audiox::net::udp::{Dscp, Interface};
use audiox::time::parse_time;
use audiox::{SinkName, SourceOptions};
use clap::Args;

use crate::cli::encoding::EncodingArgs;
use crate::cli::failure::Failure;
use crate::cli::value;

/// Send files, folders, test signals or a pipe: to the network in real time, to a file or a pipe
/// at full speed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct SendArgs {
    /// Files (WAV, FLAC, MP3, Ogg Opus, Ogg Vorbis, AAC, WebM, Matroska); folders (every such file in one, a stream each);
    /// signals: tone:HZ, tone:HZ+HZ,
    /// sweep:FROM-TO, noise:white, noise:pink, silence:, impulse:PERIOD, with options as in
    /// tone:440,level=-20dB,channels=2,rate=48000,length=5s; mic or mic:NAME (see `audiox
    /// devices`), as in mic:usb,channels=1; or - for raw PCM on standard input
    #[arg(value_name = "SOURCE", required_unless_present = "wav_file")]
    sources: Vec<String>,
    /// Where to: udp://HOST:PORT (raw PCM), rtp://HOST:PORT, FILE.wav, FILE.opus, FOLDER/,
    /// http://HOST:PORT, a relay (a stream is made and its id told; further keys are
    /// ?name=NAME&chunk=FRAMES), http://HOST:PORT/STREAM, redis://HOST:PORT[/DB]/session:ID (a
    /// voice session in Redis, see below), - (raw PCM on standard output), speaker, speaker:NAME
    /// or null:
    #[arg(long, value_name = "SINK", required_unless_present = "ip")]
    to: Option<String>,

    /// Leave out this much at the start of each source
    #[arg(long, value_name = "TIME", value_parser = value::duration, visible_alias = "skip")]
    #[arg(help_heading = "Sources")]
    offset: Option<Duration>,
    /// Send this much of each source at most, repetitions included
    #[arg(long, value_name = "TIME", value_parser = value::duration, help_heading = "Sources")]
    duration: Option<Duration>,
    /// Repeat each source without a gap, N times in all or for ever
    #[arg(long = "loop", value_name = "N", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "0", help_heading = "Sources")]
    repeat: Option<u64>,
    /// Make louder or softer: decibels as in -6dB, or a factor as in 0.5
    #[arg(
        long,
        value_name = "GAIN",
        allow_hyphen_values = true,
        help_heading = "Sources"
    )]
    gain: Option<Gain>,
    /// Samples on standard input: u8, s16le, s16be, s24le, s24be, s32le, s32be, f32le, f32be;
    /// s16le where left out
    #[arg(long, help_heading = "Sources")]
    format: Option<PcmFormat>,
    /// Frames per second on standard input; 44100 where left out
    #[arg(long, value_name = "HZ", value_parser = value::rate, help_heading = "Sources")]
    rate: Option<SampleRate>,
    /// Channels on standard input; 1 where left out
    #[arg(long, value_name = "N", value_parser = value::channels, help_heading = "Sources")]
    channels: Option<Channels>,

    #[command(flatten)]
    pub(super) network: NetworkArgs,
    #[command(flatten)]
    pub(super) encoding: EncodingArgs,

    /// Samples of a written WAV file or pipe: u8, s16, s24, s32 or f32; as in the source where
    /// left out
    #[arg(long, value_name = "FORMAT", value_parser = value::sample, help_heading = "Files")]
    pub(super) sample_format: Option<SampleFormat>,

    #[arg(long = "wav_file", value_name = "FILE", num_args = 1.., hide = true)]
    wav_file: Vec<String>,
    #[arg(long, value_name = "ADDRESS", hide = true, conflicts_with = "to")]
    ip: Option<String>,
    #[arg(long, default_value_t = 12_345, hide = true, conflicts_with = "to")]
    port: u16,
}

/// Options of the way through the network. They win over the URL's.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    /// Duration of a packet in milliseconds, or with a unit (125us); 10 where left out. It is
    /// shortened, with a notice, where a datagram would not fit the MTU
    #[arg(long, value_name = "TIME", value_parser = value::ptime)]
    #[arg(visible_alias = "delay-ms", alias = "delay_ms")]
    ptime: Option<Duration>,
    /// Bytes of the largest IP packet on the way; 1500 where left out
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(68..))]
    mtu: Option<u16>,
    /// Encoding of RTP: L8, L16, L24, L32, F32, PCMU, PCMA or opus; L16 or, for sources of more than
    /// 16 bits, L24 where left out
    #[arg(long, value_name = "NAME")]
    codec: Option<EncodingName>,
    /// RTP payload type, 0 to 127; a fitting one where left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=127))]
    pt: Option<u8>,
    /// Start at this time: UTC as 2026-05-04T21:00:00Z, a time of today in UTC as 21:00:00, or
    /// +5s. Streamers on several machines that are given the same time start together
    #[arg(long, value_name = "TIME")]
    pub(super) start_at: Option<String>,
    /// Write the session description of RTP streams here; `audiox recv FILE` reads it
    #[arg(long, value_name = "FILE")]
    pub(super) sdp: Option<PathBuf>,
    /// Class of service: 0 to 63, ef, af41 or be
    #[arg(long, value_name = "CLASS", value_parser = value::dscp)]
    dscp: Option<Dscp>,
    /// Routers that a datagram may pass
    #[arg(long, value_name = "HOPS")]
    ttl: Option<u8>,
    /// Interface for multicast: a name, an index or an IPv4 address
    #[arg(long, value_name = "INTERFACE")]
    iface: Option<String>,
    /// RTCP's canonical name; a random one where left out
    #[arg(long, value_name = "NAME")]
    pub(super) cname: Option<String>,
    /// Pace at ordinary priority, without asking the system for real time
    #[arg(long)]
    pub(super) no_realtime: bool,
    /// Make identifiers repeatable, for tests
    #[arg(long, hide = true)]
    pub(super) seed: Option<u64>,
}

impl SendArgs {
    /// The sources' names.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources
            .iter()
            .chain(&self.wav_file)
            .map(String::as_str)
    }

    /// Where to, with the network options in the URL.
    pub(super) fn sink(&self) -> Result<SinkName, Failure> {
        let mut sink: SinkName = match (&self.to, &self.ip) {
            (Some(to), _) => to.parse()?,
            (None, Some(ip)) if ip.contains(':') => {
                format!("udp://[{ip}]:{}", self.port).parse()?
            }
            (None, ip) => {
                let ip = ip.as_deref().unwrap_or_default();
                format!("udp://{ip}:{}", self.port).parse()?
            }
        };
        match &mut sink {
            SinkName::Net(to) => {
                self.network.apply(to)?;
                self.encode(to)?;
            }
            to if self.encoding.given() && !to.is_opus() => {
                return Err(Failure::Usage(
                    "--bitrate, --application, --complexity, --dtx and --history are for Opus: \
                     send to rtp://…?codec=opus or into FILE.opus"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        Ok(sink)
    }

    fn encode(&self, to: &mut Endpoint) -> Result<(), Failure> {
        match to {
            Endpoint::Rtp(rtp) => rtp.encoding = self.encoding.options().or(rtp.encoding),
            _ if self.encoding.given() => {
                return Err(Failure::Usage(
                    "udp:// carries PCM; Opus is sent to rtp://…?codec=opus".to_owned(),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// How the sources are read.
    pub(super) fn source_options(&self) -> Result<SourceOptions, Failure> {
        let pipes = self.sources().filter(|s| *s == "-").count();
        if pipes > 1 {
            return Err(Failure::Usage(
                "there is one standard input: give - once".to_owned(),
            ));
        }
        let of_pipe = [
            ("--format", self.format.is_some()),
            ("--rate", self.rate.is_some()),
            ("--channels", self.channels.is_some()),
        ];
        if let (0, Some(option)) = (pipes, first_given(&of_pipe)) {
            return Err(Failure::Usage(format!(
                "{option} is for -, raw PCM on standard input; files and signals say their own"
            )));
        }
        let usual = SourceOptions::default();
        Ok(SourceOptions {
            pcm: self.format.unwrap_or(usual.pcm),
            format: StreamFormat::new(
                self.rate.unwrap_or(usual.format.rate),
                self.channels.unwrap_or(usual.format.channels),
            ),
            skip: self.offset.unwrap_or_default(),
            repeat: self
                .repeat
                .map(|n| NonZeroU64::new(n).map_or(Repeat::Forever, Repeat::Times)),
            length: self.duration,
            gain: self.gain.unwrap_or_default(),
        })
    }

    /// Nor must those that have none for the network.
    pub(super) fn refuse_file_options(&self) -> Result<(), Failure> {
        match self.sample_format {
            Some(_) => Err(Failure::Usage(
                "--sample-format is for files and pipes; for rtp:// give --codec, for udp:// the \
                 URL's ?format="
                    .to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// Opus has no samples to choose.
    pub(super) fn refuse_samples_of_opus(&self, to: &SinkName) -> Result<(), Failure> {
        match self.sample_format {
            Some(_) if to.is_opus() => Err(Failure::Usage(
                "--sample-format is for WAV files and pipes; for FILE.opus give --bitrate"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Options that have no meaning for files must not pass unseen.
    pub(super) fn refuse_network_options(&self) -> Result<(), Failure> {
        let n = &self.network;
        let given = [
            ("--ptime", n.ptime.is_some()),
            ("--mtu", n.mtu.is_some()),
            ("--codec", n.codec.is_some()),
            ("--pt", n.pt.is_some()),
            ("--start-at", n.start_at.is_some()),
            ("--sdp", n.sdp.is_some()),
            ("--dscp", n.dscp.is_some()),
            ("--ttl", n.ttl.is_some()),
            ("--iface", n.iface.is_some()),
            ("--cname", n.cname.is_some()),
            ("--no-realtime", n.no_realtime),
        ];
        match first_given(&given) {
            Some(option) => Err(Failure::Usage(format!(
                "{option} needs a network sink, udp://HOST:PORT or rtp://HOST:PORT; leave it out"
            ))),
            None => Ok(()),
        }
    }
}

impl NetworkArgs {
    fn apply(&self, to: &mut Endpoint) -> Result<(), Failure> {
        let at = match to {
            Endpoint::Udp(udp) => {
                let rtp_only = [
                    ("--codec", self.codec.is_some()),
                    ("--pt", self.pt.is_some()),
                    ("--sdp", self.sdp.is_some()),
                    ("--cname", self.cname.is_some()),
                ];
                if let Some(option) = first_given(&rtp_only) {
                    return Err(Failure::Usage(format!(
                        "{option} is for RTP; send to rtp://{} or leave it out",
                        udp.at
                    )));
                }
                udp.chunk = udp.chunk.filter(|_| self.ptime.is_none());
                udp.ptime = self.ptime.or(udp.ptime);
                &mut udp.at
            }
            Endpoint::Rtp(rtp) => {
                if self.sdp.is_some() && rtp.repair.scheme == RepairScheme::Rs8m {
                    return Err(Failure::Usage(
                        "--sdp cannot describe packets in blocks; leave it out, and give the \
                         receiver the same fec-scheme=rs8m"
                            .to_owned(),
                    ));
                }
                rtp.ptime = self.ptime.or(rtp.ptime);
                rtp.payload_type = self.pt.or(rtp.payload_type);
                if let Some(codec) = &self.codec {
                    rtp.codec = Some(codec.clone());
                }
                &mut rtp.at
            }
            Endpoint::Sdp(_) => return Ok(()),
        };
        let options = &mut at.options;
        options.mtu = self.mtu.map(usize::from).or(options.mtu);
        options.ttl = self.ttl.or(options.ttl);
        options.dscp = self.dscp.or(options.dscp);
        if let Some(interface) = &self.iface {
            options.interface = Interface::from(interface.as_str());
        }
        Ok(())
    }

    /// How the pacing thread is scheduled.
    pub(super) fn priority(&self) -> Priority {
        if self.no_realtime {
            Priority::Ordinary
        } else {
            Priority::Realtime
        }
    }

    /// The start, read now.
    pub(super) fn start(&self) -> Result<Option<SystemTime>, ConfigError> {
        let parse = |text: &String| parse_time("start-at", text, SystemTime::now());
        self.start_at.as_ref().map(parse).transpose()
    }
}

/// The first option that was given.
fn first_given(options: &[(&'static str, bool)]) -> Option<&'static str> {
    options
        .iter()
        .find(|(_, given)| *given)
        .map(|(name, _)| *name)
}

const EXAMPLES: &str = "\
Examples:
  Two files as raw PCM, byte for byte, 10 ms a datagram:
    audiox send take1.wav take2.wav --to udp://192.168.2.20:12345
  A folder by multicast RTP, and its description for receivers:
    audiox send takes/ --to 'rtp://239.1.2.3:5004?codec=L24&ptime=5' --sdp session.sdp
  Two machines that start together:
    audiox send a.wav --to rtp://studio:5004 --start-at 21:00:00
  Music as Opus of 96 kbit/s, with repair packets as needed; an Ogg Opus file is sent as it is:
    audiox send song.flac --to 'rtp://studio:5004?codec=opus&bitrate=96k&ptime=20&fec=auto'
  A microphone, in packets of 5 ms:
    audiox send mic --to 'rtp://studio:5004?ptime=5'
  Files to a file, at full speed: two files side by side as tracks, half as loud:
    audiox send a.wav b.wav --gain -6dB --to both.wav
  A file as Ogg Opus:
    audiox send song.flac --to song.opus --bitrate 96k
  A microphone into a voice session in Redis, marked as recording until Ctrl-C:
    audiox send mic --to 'redis://127.0.0.1:6379/session:demo?user-name=Ann'
  A second of noise on standard output:
    audiox send noise:pink,length=1s --to - | aplay -f S24_3LE -r 48000

Voice sessions: redis://HOST:PORT[/DB]/session:ID, redis+sentinel://HOST,.../SERVICE/session:ID
or redis+cluster://HOST,.../session:ID, and rediss... for TLS. Samples are 16-bit little-endian
unless --sample-format says otherwise; what they are stands in the fields audio_format, audio_rate
and audio_channels. A password is taken from REDIS_PASSWORD, a user from REDIS_USERNAME.
  as=wav            a WAV file of unknown length in place of bare samples
  user-name=NAME, user-id=ID, authenticated=false, ttl=SECONDS [3600]
  ca=FILE           with rediss://, whom to trust in place of the system's authorities

Against loss, in rtp:// URLs:
  fec=auto        what the loss that receivers report calls for, the cheapest first: packets
                  sent again, repair packets, the codec's own redundancy
  fec=60%         so many repair packets for a hundred packets; off: none
  fec-delay=60ms  what receivers wait at least: nothing later is repaired
  nack=on|off     whether packets are sent again when asked for [on with fec=auto]
  red=2           each packet carries two earlier ones again; auto: up to four. Receivers
                  have to say so, too
  fec-scheme=rs8m repair packets as roc-toolkit has them, on a port of their own (fec-port)";
