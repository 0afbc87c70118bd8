//! What becomes of datagrams, and the count of it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// What became of a datagram that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It was handed to the network.
    Sent,
    /// It was handed to the network, and meanwhile word came back that the peer's host refused
    /// an earlier one: nothing listens on the port.
    Refused,
    /// It was dropped here: the route or the interface is gone for the moment, or a firewall of
    /// this machine forbids it.
    Unreachable,
    /// It was dropped here: the send buffer is full.
    Full,
    /// It was dropped here: it is longer than the path's MTU or than UDP can carry.
    TooLong,
}

/// What a receive call came back with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvOutcome {
    /// A datagram, whole.
    Datagram {
        /// Its sender.
        from: SocketAddr,
        /// Its length in bytes; 0 is possible.
        len: usize,
    },
    /// A datagram longer than the buffer; it was dropped.
    Truncated {
        /// Its sender.
        from: SocketAddr,
    },
    /// Word that a datagram sent earlier was refused by the peer's host or did not reach it.
    Refused,
    /// Nothing came within the read timeout.
    Nothing,
}

/// Counts of all outcomes of a socket, kept by the thread that sends or receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UdpCounts {
    /// Datagrams handed to the network.
    pub sent: u64,
    /// Bytes of payload in them.
    pub sent_bytes: u64,
    /// Datagrams that the peer's host refused.
    pub refused: u64,
    /// Datagrams dropped here because there was no way to the peer.
    pub unreachable: u64,
    /// Datagrams dropped here because the send buffer was full.
    pub full: u64,
    /// Datagrams dropped here because they were too long.
    pub too_long: u64,
    /// Datagrams received.
    pub received: u64,
    /// Bytes of payload in them.
    pub received_bytes: u64,
    /// Datagrams dropped here because they were longer than the buffer.
    pub truncated: u64,
}

impl UdpCounts {
    /// Counts a send of `len` bytes.
    pub fn count_send(&mut self, outcome: SendOutcome, len: usize) {
        match outcome {
            SendOutcome::Sent | SendOutcome::Refused => {
                self.sent += 1;
                self.sent_bytes += len as u64;
                self.refused += u64::from(outcome == SendOutcome::Refused);
            }
            SendOutcome::Unreachable => self.unreachable += 1,
            SendOutcome::Full => self.full += 1,
            SendOutcome::TooLong => self.too_long += 1,
        }
    }

    /// Counts a receive call.
    pub fn count_recv(&mut self, outcome: RecvOutcome) {
        match outcome {
            RecvOutcome::Datagram { len, .. } => {
                self.received += 1;
                self.received_bytes += len as u64;
            }
            RecvOutcome::Truncated { .. } => self.truncated += 1,
            RecvOutcome::Refused => self.refused += 1,
            RecvOutcome::Nothing => {}
        }
    }

    /// Datagrams that were to be sent and were dropped here.
    pub fn dropped(&self) -> u64 {
        self.unreachable + self.full + self.too_long
    }
}

/// Sends and sorts the result. A refusal is about an *earlier* datagram and keeps this one from
/// being sent, so it is sent once more.
pub(super) fn send_outcome(send: impl Fn() -> io::Result<usize>) -> io::Result<SendOutcome> {
    let mut refused = false;
    loop {
        return match send() {
            Ok(_) if refused => Ok(SendOutcome::Refused),
            Ok(_) => Ok(SendOutcome::Sent),
            Err(e) => match e.kind() {
                ErrorKind::Interrupted => continue,
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if !refused => {
                    refused = true;
                    continue;
                }
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::AddrNotAvailable
                | ErrorKind::PermissionDenied => Ok(SendOutcome::Unreachable),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(SendOutcome::Full),
                _ if is_no_buffers(&e) => Ok(SendOutcome::Full),
                _ if is_too_long(&e) => Ok(SendOutcome::TooLong),
                _ => Err(e),
            },
        };
    }
}

/// Sorts what a receive call returned.
pub(super) fn recv_outcome(received: io::Result<super::Raw>) -> io::Result<RecvOutcome> {
    match received {
        Ok((len, from, cut)) => {
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            Ok(if cut {
                RecvOutcome::Truncated { from }
            } else {
                RecvOutcome::Datagram { from, len }
            })
        }
        Err(e) => match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                Ok(RecvOutcome::Nothing)
            }
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown => Ok(RecvOutcome::Refused),
            _ if is_too_long(&e) => Ok(RecvOutcome::Refused),
            _ => Err(e),
        },
    }
}

#[cfg(unix)]
fn is_no_buffers(e: &io::Error) -> bool {
    e.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

#[cfg(unix)]
fn is_too_long(e: &io::Error) -> bool {
    e.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

#[cfg(not(unix))]
fn is_no_buffers(e: &io::Error) -> bool {
    const WSAENOBUFS: i32 = 10_055;
    e.raw_os_error() == Some(WSAENOBUFS)
}

#[cfg(not(unix))]
fn is_too_long(e: &io::Error) -> bool {
    const WSAEMSGSIZE: i32 = 10_040;
    e.raw_os_error() == Some(WSAEMSGSIZE)
}
