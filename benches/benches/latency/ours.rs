//! Microphone, sender, network, player and speaker, of this library.

use std::net::SocketAddr;
use std::sync::Arc;

use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::playout::Profile;
use audiox_core::stats::LatencyLedger;
use audiox_io::device::{
    Capture, DeviceName, Playback, PlaybackConfig, SystemHost, TimeSource, Wish,
};
use audiox_net::clock::Clock;
use audiox_opus::OpusConfig;
use audiox_udp::node::Listen;
use audiox_udp::player::{Player, PlayerConfig, PlayerHandle};
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig, StreamerHandle};

use crate::network::{Network, Road};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// As in RTP.
    pub(crate) name: &'static str,
    /// Of the microphone and on the wire.
    pub(crate) rate: u32,
    pub(crate) payload_type: u8,
    /// Milliseconds.
    pub(crate) ptime: u32,
}

pub(crate) const L16: Encoding = Encoding {
    name: "L16",
    rate: 48_000,
    payload_type: 96,
    ptime: 5,
};
pub(crate) const PCMU: Encoding = Encoding {
    name: "PCMU",
    rate: 8_000,
    payload_type: 0,
    ptime: 10,
};
pub(crate) const OPUS: Encoding = Encoding {
    name: "opus",
    rate: 48_000,
    payload_type: 111,
    ptime: 10,
};

impl Encoding {
    fn query(self) -> String {
        let Self {
            name,
            rate,
            payload_type,
            ptime,
        } = self;
        format!("codec={name}&pt={payload_type}&rate={rate}&channels=1&ptime={ptime}&rtcp-mux")
    }

    fn format(self) -> StreamFormat {
        let rate = SampleRate::new(self.rate).expect("a sound rate");
        StreamFormat::new(rate, Channels::MONO)
    }
}

/// Running.
pub(crate) struct Ours {
    player: PlayerHandle,
    _sender: StreamerHandle,
    _network: Network,
}

impl Ours {
    /// Both devices are asked for quanta of `buffer` frames at 48 kHz.
    pub(crate) fn start(profile: Profile, encoding: Encoding, buffer: u32, road: Road) -> Self {
        let clock = Clock::new();
        let time: TimeSource = Arc::new(move || clock.now());
        let host = Arc::new(SystemHost::new());

        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listen = Listen::from_endpoint(&url(any, encoding).parse().expect("a sound URL"));
        let listen = listen.expect("loopback resolves");
        let config = PlayerConfig::new(listen, profile.config()).expect("one port");
        let format = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
        let config = PlayerConfig {
            format,
            codecs: codecs(),
            ..config
        };
        let (player, output) = Player::start_pulled(config).expect("loopback has a free port");
        let speaker = PlaybackConfig {
            wish: Wish {
                buffer: Some(buffer),
                ..Wish::format(format)
            },
            ..PlaybackConfig::new(DeviceName::new("out"), time.clone())
        };
        let speaker = Playback::start(host.clone(), speaker, move |_| Box::new(output));
        player.keep(speaker.expect("the virtual speaker opens"));

        let network = Network::to(player.local_addrs()[0], road);
        let format = encoding.format();
        let microphone = Capture {
            wish: Wish {
                buffer: Some(buffer * encoding.rate / 48_000),
                ..Wish::format(format)
            },
            ..Capture::new(DeviceName::new("mic"), time)
        };
        let microphone = microphone
            .start(host)
            .expect("the virtual microphone opens");
        let to = url(network.address(), encoding)
            .parse()
            .expect("a sound URL");
        let config = StreamerConfig {
            codecs: codecs(),
            ..StreamerConfig::new(to)
        };
        let sender = Streamer::start(config, vec![StreamSpec::new("microphone", microphone)]);
        Self {
            player,
            _sender: sender.expect("loopback can be sent to"),
            _network: network,
        }
    }

    /// Stops it; says what the player's delay was made of.
    pub(crate) fn finish(self) -> LatencyLedger {
        let report = self.player.snapshot();
        report
            .streams
            .first()
            .map(|s| s.playback.ledger)
            .unwrap_or_default()
    }
}

fn url(address: SocketAddr, encoding: Encoding) -> String {
    format!("rtp://{address}?{}", encoding.query())
}

fn codecs() -> CodecRegistry {
    let mut codecs = CodecRegistry::pcm();
    audiox_opus::register(&mut codecs, &OpusConfig::default());
    codecs
}
