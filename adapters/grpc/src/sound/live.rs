//! What has no end: one source that runs while somebody listens, encoded once for all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use audiox_core::codec::CodecRegistry;
use audiox_core::convert::Level;
use audiox_core::format::SampleRate;
use audiox_core::pacer::{CatchUp, Pacer};
use audiox_core::source::{SourceClock, SourceError};
use audiox_net::Clock;
use bytes::Bytes;

use super::encode::Encoding;
use super::{PACKET, Sounds};

/// What a listener is told.
#[derive(Debug, Clone)]
pub(crate) enum LiveEvent {
    Packet(Bytes, Level),
    End,
    Failed(String),
}

/// Takes what comes; says whether it wants more.
pub(crate) type Listener = Box<dyn FnMut(LiveEvent) -> bool + Send>;

/// A live sound.
pub(crate) struct Live {
    text: String,
    sounds: Arc<dyn Sounds>,
    codecs: CodecRegistry,
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<Listener>,
    runs: bool,
}

impl Live {
    pub(super) fn new(
        text: String,
        sounds: Arc<dyn Sounds>,
        codecs: CodecRegistry,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            text,
            sounds,
            codecs,
            stop,
            state: Mutex::default(),
        }
    }

    /// From now on `listener` gets what comes. The first one starts the source.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(crate) fn join(self: &Arc<Self>, listener: Listener) -> std::io::Result<()> {
        let mut state = self.state();
        if !state.runs {
            let this = Arc::clone(self);
            thread::Builder::new()
                .name("audiox-live".to_owned())
                .spawn(move || this.run())?;
            state.runs = true;
        }
        state.listeners.push(listener);
        Ok(())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state().runs
    }

    fn run(&self) {
        let ended = match self.play() {
            Ok(Over::Alone) => return,
            Ok(Over::Ended) => LiveEvent::End,
            Err(e) => LiveEvent::Failed(e.to_string()),
        };
        let mut state = self.state();
        state.runs = false;
        let listeners = std::mem::take(&mut state.listeners);
        // They may want to join again at once.
        drop(state);
        for mut listen in listeners {
            listen(ended.clone());
        }
    }

    /// Until the source ends or nobody listens.
    fn play(&self) -> Result<Over, SourceError> {
        let source = self.sounds.open(&self.text)?;
        let paced = source.clock() == SourceClock::None;
        let mut encoding = Encoding::new(source, &self.codecs)?;
        let clock = Clock::new();
        let mut pacer = Pacer::new(clock.now(), SampleRate::HZ_48000, CatchUp::Burst);
        while let Some((data, level)) = encoding.next()? {
            if paced {
                clock.sleep_until(pacer.next_deadline());
                pacer.advance(PACKET as u64);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Over::Ended);
            }
            let mut listeners = std::mem::take(&mut self.state().listeners);
            listeners.retain_mut(|listen| listen(LiveEvent::Packet(data.clone(), level)));
            let mut state = self.state();
            // Some may have joined meanwhile.
            listeners.append(&mut state.listeners);
            state.listeners = listeners;
            if state.listeners.is_empty() {
                state.runs = false;
                return Ok(Over::Alone);
            }
        }
        Ok(Over::Ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Listeners are called without it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a source runs no more.
enum Over {
    Ended,
    /// Nobody listens, which is noted already: somebody else may have begun anew.
    Alone,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Live").field(&self.text).finish()
    }
}
