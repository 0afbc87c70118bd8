//! A sound's packets, as far as they are encoded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use audiox_core::convert::Level;
use bytes::Bytes;

/// Packets that grow while somebody encodes, and are there for all who play.
#[derive(Debug, Default)]
pub(crate) struct Track {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    packets: Vec<(Bytes, Level)>,
    bytes: u64,
    end: Option<Result<(), String>>,
}

/// What there is at a place of a track.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum At {
    Packet(Bytes, Level),
    /// Not encoded yet.
    Coming,
    End,
    Failed(String),
}

impl Track {
    pub(crate) fn at(&self, packet: u64) -> At {
        let state = self.state();
        match (state.packets.get(packet as usize), &state.end) {
            (Some((data, level)), _) => At::Packet(data.clone(), *level),
            (None, None) => At::Coming,
            (None, Some(Ok(()))) => At::End,
            (None, Some(Err(reason))) => At::Failed(reason.clone()),
        }
    }

    /// Packets, bytes, and whether these are all.
    pub(crate) fn size(&self) -> (u64, u64, bool) {
        let state = self.state();
        (state.packets.len() as u64, state.bytes, state.end.is_some())
    }

    pub(crate) fn push(&self, data: Bytes, level: Level) {
        let mut state = self.state();
        state.bytes += data.len() as u64;
        state.packets.push((data, level));
    }

    pub(crate) fn end(&self, how: Result<(), String>) {
        let mut state = self.state();
        state.packets.shrink_to_fit();
        state.end = Some(how);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
