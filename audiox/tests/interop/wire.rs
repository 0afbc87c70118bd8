//! A way between two peers that loses packets: the project's own link, with a fixed seed.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use audiox::core::sim::{LinkConfig, LinkStats, Loss, Probability};
use audiox::net::link::{LinkRelay, RelayConfig, RelayStats};
use audiox::net::stop::StopFlag;
use audiox::net::udp::RtcpPort;

/// Carries RTP to a port and loses some of it, and RTCP to the next port, all of it: so what is
/// counted as lost is media alone.
pub(crate) struct Wire {
    stop: StopFlag,
    media: JoinHandle<RelayStats>,
    reports: JoinHandle<RelayStats>,
}

impl Wire {
    /// From the port that the sender sends to.
    pub(crate) fn losing(share: f64, port: u16, to: u16) -> Self {
        let stop = StopFlag::new();
        let open = |port, to, loss| {
            let link = LinkConfig {
                loss,
                seed: SEED,
                ..LinkConfig::default()
            };
            let mut config = RelayConfig::new(at(port), at(to), link);
            config.rtcp = RtcpPort::Mux;
            let (relay, stop) = (LinkRelay::open(config).unwrap(), stop.clone());
            thread::spawn(move || relay.run(&stop).unwrap())
        };
        let lost = Loss::Bernoulli(Probability::new(share).unwrap());
        Self {
            media: open(port, to, lost),
            reports: open(port + 1, to + 1, Loss::None),
            stop,
        }
    }

    /// Ends, and tells what became of the media.
    pub(crate) fn finish(self) -> LinkStats {
        self.stop.stop();
        self.reports.join().unwrap();
        let media = self.media.join().unwrap();
        assert_eq!(media.sessions_opened, 1, "{media:?}");
        media.forward
    }
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Which packets are lost: neither the first nor the last of any stream here.
const SEED: u64 = 2_650;
