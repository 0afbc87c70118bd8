//! What has no end: one source that runs while somebody listens, encoded once for all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

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
pub(crate) type Tell = Box<dyn FnMut(LiveEvent) -> bool + Send>;

struct Listener {
    name: Arc<str>,
    tell: Tell,
}

/// A live sound.
pub(crate) struct Live {
    text: String,
    sounds: Arc<dyn Sounds>,
    codecs: CodecRegistry,
    stop: Arc<AtomicBool>,
    /// Silence of the source after which listeners are told that it failed.
    stall: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<Listener>,
    runs: bool,
    /// When something came last, or somebody began to wait for it.
    heard: Option<Instant>,
    stalls: u64,
}

impl Live {
    pub(super) fn new(
        text: String,
        sounds: Arc<dyn Sounds>,
        codecs: CodecRegistry,
        stop: Arc<AtomicBool>,
        stall: Duration,
    ) -> Self {
        Self {
            text,
            sounds,
            codecs,
            stop,
            stall,
            state: Mutex::default(),
        }
    }

    /// From now on `tell` gets what comes, in place of whatever joined under this name before. The
    /// first one starts the source.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(crate) fn join(self: &Arc<Self>, name: Arc<str>, tell: Tell) -> std::io::Result<()> {
        let mut state = self.state();
        if !state.runs {
            let this = Arc::clone(self);
            thread::Builder::new()
                .name("audiox-live".to_owned())
                .spawn(move || this.run())?;
            state.runs = true;
        }
        if state.listeners.is_empty() {
            state.heard = Some(Instant::now());
        }
        // Nobody learns that he has gone while nothing comes, and he may join again many times.
        state.listeners.retain(|l| l.name != name);
        state.listeners.push(Listener { name, tell });
        Ok(())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state().runs
    }

    /// How often it stalled.
    pub(super) fn stalls(&self) -> u64 {
        self.state().stalls
    }

    /// Tells listeners of a source from which nothing has come for too long that it failed. The
    /// source itself stays open, since a read of it cannot be left: who joins again hears it as
    /// soon as it goes on.
    pub(super) fn give_up_stalled(&self) {
        let mut state = self.state();
        let since = state.heard.map(|at| at.elapsed()).unwrap_or_default();
        if state.listeners.is_empty() || since < self.stall {
            return;
        }
        state.stalls += 1;
        let listeners = std::mem::take(&mut state.listeners);
        drop(state);
        let reason = format!("nothing came from it for {} s", self.stall.as_secs_f64());
        for mut listener in listeners {
            (listener.tell)(LiveEvent::Failed(reason.clone()));
        }
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
        for mut listener in listeners {
            (listener.tell)(ended.clone());
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
            let mut state = self.state();
            state.heard = Some(Instant::now());
            let mut listeners = std::mem::take(&mut state.listeners);
            drop(state);
            listeners.retain_mut(|l| (l.tell)(LiveEvent::Packet(data.clone(), level)));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use audiox_core::source::Source;

    use super::*;
    use crate::sound::SoundKind;

    /// A source that opens once it is let, to nothing.
    struct Stalled(Mutex<Receiver<()>>);

    impl Sounds for Stalled {
        fn look(&self, _: &str) -> Result<SoundKind, SourceError> {
            Ok(SoundKind::Live)
        }

        fn open(&self, _: &str) -> Result<Box<dyn Source>, SourceError> {
            let _ = self.0.lock().unwrap().recv();
            Err(SourceError::Unsupported("nothing came".to_owned()))
        }
    }

    #[test]
    fn who_joins_a_source_that_stalls_again_and_again_listens_once() {
        let (go, stalled) = channel();
        let sounds = Arc::new(Stalled(Mutex::new(stalled)));
        let codecs = CodecRegistry::empty();
        let stall = Duration::from_secs(3_600);
        let live = Arc::new(Live::new("x".into(), sounds, codecs, Arc::default(), stall));
        live.give_up_stalled();
        let (tell, told): (Sender<(usize, LiveEvent)>, _) = channel();
        for n in 0..1_000 {
            let tell = tell.clone();
            let name = if n % 2 == 0 { "even" } else { "odd" };
            let join = live.join(
                name.into(),
                Box::new(move |event| tell.send((n, event)).is_ok()),
            );
            join.unwrap();
        }
        assert_eq!(live.state().listeners.len(), 2);
        drop((go, tell));
        let ends: Vec<_> = told.into_iter().collect();
        assert!(
            matches!(&ends[..], [(998, LiveEvent::Failed(why)), (999, _)] if why == "nothing came"),
            "{ends:?}"
        );
        assert!(!live.is_running());
    }

    #[test]
    fn a_source_that_stalls_is_given_up_and_waited_for_again() {
        let (go, stalled) = channel();
        let sounds = Arc::new(Stalled(Mutex::new(stalled)));
        let codecs = CodecRegistry::empty();
        let stall = Duration::from_millis(1);
        let live = Arc::new(Live::new("x".into(), sounds, codecs, Arc::default(), stall));
        let (tell, told): (Sender<LiveEvent>, _) = channel();
        for n in 1..=2 {
            let tell = tell.clone();
            let join = live.join("a".into(), Box::new(move |event| tell.send(event).is_ok()));
            join.unwrap();
            // Longer than it may be silent, however busy the machine is: a sleep ends late, never early.
            thread::sleep(2 * stall);
            live.give_up_stalled();
            let event = told.try_recv().unwrap();
            let why = "nothing came from it for 0.001 s";
            assert!(
                matches!(&event, LiveEvent::Failed(reason) if reason == why),
                "{event:?}"
            );
            assert_eq!((live.stalls(), live.is_running()), (n, true));
        }
        // Nobody waits: nothing stalls.
        live.give_up_stalled();
        assert_eq!(live.stalls(), 2);
        drop(go);
    }
}
