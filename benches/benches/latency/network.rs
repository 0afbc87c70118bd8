//! Loopback as it is, or a relay that makes it a bad network.

use std::fmt;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use audiox_core::sim::LinkConfig;
use audiox_net::link::{LinkRelay, RelayConfig};
use audiox_net::stop::StopFlag;
use audiox_net::udp::RtcpPort;

/// What kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// Loopback.
    Straight,
    /// Datagrams come up to 10 ms late, and one of a hundred does not.
    Bad,
}

impl fmt::Display for Road {
    /// What is added to a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Straight => "",
            Self::Bad => ", bad network",
        })
    }
}

/// A way to a receiver.
pub(crate) struct Network {
    address: SocketAddr,
    relay: Option<(StopFlag, JoinHandle<()>)>,
}

impl Network {
    /// To `receiver`.
    pub(crate) fn to(receiver: SocketAddr, road: Road) -> Self {
        if road == Road::Straight {
            return Self {
                address: receiver,
                relay: None,
            };
        }
        let link = LinkConfig {
            jitter: "10ms".parse().expect("a jitter that is known"),
            loss: "1%".parse().expect("a loss that is known"),
            seed: 5,
            ..LinkConfig::default()
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = RelayConfig {
            rtcp: RtcpPort::Mux,
            ..RelayConfig::new(any, receiver, link)
        };
        let relay = LinkRelay::open(config).expect("loopback has a free port");
        let (address, stop) = (relay.local_addr(), StopFlag::new());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            relay.run(&stopped).expect("loopback can be waited for");
        });
        Self {
            address,
            relay: Some((stop, thread)),
        }
    }

    /// Where to send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.relay.take() {
            stop.stop();
            let _ = thread.join();
        }
    }
}
