//! The thread that receives receivers' reports.
//!
//! It waits on the RTCP sockets of all streams at once and stamps each datagram as it arrives,
//! since the round-trip time hangs on that; the pacing thread reads it when it has time. What
//! speaks of no stream of ours ends here, so that strangers cannot occupy the pacing thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::packet::PacketBuf;
use audiox_core::packet::rtcp::Compound;
use audiox_core::pool::{PacketInput, PacketOutput, packet_pool};
use audiox_net::StopFlag;
use audiox_net::clock::Clock;
use audiox_net::udp::{ReadSet, RecvOutcome, UdpTransport};

use super::pace::reported;
use super::status::Status;
use crate::Error;

/// A socket to listen on, and the stream that refusals there are about.
pub(super) type Heard = (Arc<UdpTransport>, Arc<Status>);

/// Starts the thread. Besides its handle there are the reports it lets through, and the count of
/// datagrams that are none.
pub(super) fn listen(
    sockets: Vec<Heard>,
    mut ssrcs: Vec<u32>,
    clock: Clock,
    stop: StopFlag,
) -> Result<(JoinHandle<()>, PacketOutput, Arc<AtomicU64>), Error> {
    ssrcs.sort_unstable();
    let (input, output) = packet_pool(POOL, DATAGRAM);
    let rejected = Arc::new(AtomicU64::new(0));
    let listener = Listener {
        sockets,
        ssrcs,
        clock,
        input,
        spare: PacketBuf::with_capacity(DATAGRAM),
        rejected: rejected.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("audiox-rtcp".to_owned())
        .spawn(move || listener.run(&stop))
        .map_err(|source| Error::Io {
            what: "cannot start a thread".to_owned(),
            source,
        })?;
    Ok((thread, output, rejected))
}

struct Listener {
    sockets: Vec<Heard>,
    ssrcs: Vec<u32>,
    clock: Clock,
    input: PacketInput,
    /// Takes what there is no room for, and what is not let through.
    spare: PacketBuf,
    rejected: Arc<AtomicU64>,
}

impl Listener {
    fn run(mut self, stop: &StopFlag) {
        let sockets = std::mem::take(&mut self.sockets);
        let mut set = ReadSet::new(sockets.iter().map(|(socket, _)| &**socket));
        while !stop.is_stopped() {
            if set.wait(WAIT).is_err() {
                // Streams go on without reports.
                return;
            }
            for at in set.ready() {
                self.receive(&sockets[at]);
            }
        }
    }

    /// Receives what a socket has, but not for ever, so that one does not keep others waiting.
    fn receive(&mut self, (socket, status): &Heard) {
        for _ in 0..DATAGRAMS_A_TURN {
            match socket.recv(&self.clock, &mut self.spare) {
                Ok(RecvOutcome::Datagram { .. }) => self.pass_on(),
                Ok(RecvOutcome::Truncated { .. }) => {
                    self.rejected.fetch_add(1, Relaxed);
                }
                Ok(RecvOutcome::Refused) => {
                    status.refused_heard.fetch_add(1, Relaxed);
                }
                Ok(RecvOutcome::Nothing) | Err(_) => return,
            }
        }
    }

    fn pass_on(&mut self) {
        let ours = |ssrc: u32| self.ssrcs.binary_search(&ssrc).is_ok();
        if Compound::parse(self.spare.bytes()).is_err() {
            self.rejected.fetch_add(1, Relaxed);
        } else if reported(self.spare.bytes()).any(ours)
            && let Some(free) = self.input.acquire()
        {
            let report = std::mem::replace(&mut self.spare, free);
            // It takes the place of one that was in the pool.
            let _ = self.input.submit(report);
        }
    }
}

/// Reports that may wait for the pacing thread; when it is held up, more are dropped. They repeat.
const POOL: usize = 64;
/// A report on 31 sources, its description and a goodbye take less.
const DATAGRAM: usize = 1_500;
const DATAGRAMS_A_TURN: usize = 32;
/// How soon the thread notices that it is to stop.
const WAIT: Duration = Duration::from_millis(100);
