//! Waiting for any of many sockets.

use std::time::Duration;

use super::{UdpError, UdpTransport};

/// A set of sockets of which one thread waits for the first to have something to receive.
///
/// For control traffic of many streams, where a thread a socket would be too many.
#[derive(Debug)]
pub struct ReadSet<'a> {
    #[cfg(unix)]
    fds: Vec<rustix::event::PollFd<'a>>,
    #[cfg(not(unix))]
    sockets: Vec<&'a UdpTransport>,
}

#[cfg(unix)]
impl<'a> ReadSet<'a> {
    /// A set of `sockets`, which keep their order.
    pub fn new(sockets: impl IntoIterator<Item = &'a UdpTransport>) -> Self {
        use rustix::event::{PollFd, PollFlags};
        Self {
            fds: sockets
                .into_iter()
                .map(|s| PollFd::new(&s.socket, PollFlags::IN))
                .collect(),
        }
    }

    /// Waits until a socket has a datagram, or word of one that was refused, at most `timeout`;
    /// returns how many have. A signal may end the wait early.
    ///
    /// # Errors
    /// The system is out of order.
    pub fn wait(&mut self, timeout: Duration) -> Result<usize, UdpError> {
        let timeout = rustix::event::Timespec {
            tv_sec: timeout.as_secs().min(i32::MAX as u64) as _,
            tv_nsec: timeout.subsec_nanos() as _,
        };
        match rustix::event::poll(&mut self.fds, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {
                self.fds.iter_mut().for_each(|fd| fd.clear_revents());
                Ok(0)
            }
            other => other.map_err(|e| UdpError::io("cannot wait on UDP sockets")(e.into())),
        }
    }

    /// The positions of the sockets that the latest wait found ready.
    pub fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        let ready =
            |(i, fd): (usize, &rustix::event::PollFd<'_>)| (!fd.revents().is_empty()).then_some(i);
        self.fds.iter().enumerate().filter_map(ready)
    }
}

/// Elsewhere the sockets are looked at in turn, often enough for control traffic; receiving from
/// one that has nothing must not block ([`UdpTransport::set_nonblocking`]).
#[cfg(not(unix))]
impl<'a> ReadSet<'a> {
    /// A set of `sockets`, which keep their order.
    pub fn new(sockets: impl IntoIterator<Item = &'a UdpTransport>) -> Self {
        Self {
            sockets: sockets.into_iter().collect(),
        }
    }

    /// Waits a little, at most `timeout`, and takes every socket for ready.
    ///
    /// # Errors
    /// None.
    pub fn wait(&mut self, timeout: Duration) -> Result<usize, UdpError> {
        std::thread::sleep(timeout.min(Duration::from_millis(10)));
        Ok(self.sockets.len())
    }

    /// The positions of all sockets.
    pub fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        0..self.sockets.len()
    }
}
