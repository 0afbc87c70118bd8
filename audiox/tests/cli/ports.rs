//! Ports that nobody has.

use std::net::UdpSocket;

/// A port that is free, as is the next one.
pub(crate) fn free_ports() -> u16 {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = rtp.local_addr().unwrap().port();
        if port.is_multiple_of(2) && UdpSocket::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}
