//! Who sends reports, and so wants ours.

use std::net::SocketAddr;
use std::time::Duration;

use audiox_core::time::Instant;

/// Addresses that reports came from lately.
///
/// Whoever is silent for longer than senders ever are (RFC 3550 section 6.3.5) is gone: reports
/// that went on would hold open what lies on the way, for as long as anybody else is there.
#[derive(Debug, Default)]
pub(crate) struct Peers(Vec<(SocketAddr, Instant)>);

impl Peers {
    /// A report came at `now`. Where all places are taken those who have them keep them.
    pub(crate) fn heard(&mut self, from: SocketAddr, now: Instant) {
        if let Some((_, heard)) = self.0.iter_mut().find(|(peer, _)| *peer == from) {
            *heard = now.max(*heard);
            return;
        }
        self.forget(now);
        if self.0.len() < MAX_PEERS {
            self.0.push((from, now));
        }
    }

    /// Those who are there.
    pub(crate) fn present(&mut self, now: Instant) -> impl Iterator<Item = SocketAddr> + '_ {
        self.forget(now);
        self.0.iter().map(|(peer, _)| *peer)
    }

    fn forget(&mut self, now: Instant) {
        self.0
            .retain(|(_, heard)| now.saturating_since(*heard) < GONE_AFTER);
    }
}

/// Addresses that get reports.
const MAX_PEERS: usize = 64;
/// Five intervals between reports are 25 s (RFC 3550 section 6.2), and one may be lost.
const GONE_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5_005))
    }

    fn after(seconds: u64) -> Instant {
        Instant::EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_left_gets_no_more_reports() {
        let mut peers = Peers::default();
        peers.heard(address(1), after(100));
        for seconds in (100..=160).step_by(5) {
            peers.heard(address(2), after(seconds));
            let present: Vec<_> = peers.present(after(seconds)).collect();
            match seconds {
                ..130 => assert_eq!(present, [address(1), address(2)]),
                _ => assert_eq!(present, [address(2)]),
            }
        }
        // Back again, and one who came late in a batch does not make another older.
        peers.heard(address(1), after(161));
        peers.heard(address(1), after(150));
        let present: Vec<_> = peers.present(after(190)).collect();
        assert_eq!(present, [address(1)]);
    }

    #[test]
    fn a_crowd_displaces_nobody_and_passes() {
        let mut peers = Peers::default();
        peers.heard(address(0), after(0));
        for n in 1..1_000 {
            peers.heard(address(n), after(1));
        }
        assert_eq!(peers.present(after(1)).count(), MAX_PEERS);
        peers.heard(address(0), after(29));
        peers.heard(address(5_000), after(31));
        let present: Vec<_> = peers.present(after(31)).collect();
        assert_eq!(present, [address(0), address(5_000)]);
    }
}
