//! Ctrl-C: once to finish cleanly, twice to end at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::failure::Failure;

/// Whether the user wants an end.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on Ctrl-C (or a request to terminate) is noted; the second ends the process.
    pub(super) fn install() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        let install = |signal: i32| -> io::Result<()> {
            // In this order: the first signal only sets the flag that the second one finds.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
            Ok(())
        };
        install(SIGINT)
            .and_then(|()| install(SIGTERM))
            .map_err(|e| Failure::io("cannot listen for Ctrl-C", &e))?;
        Ok(Self(asked))
    }

    /// What is set then, for those who look by themselves.
    #[cfg(feature = "relay")]
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether it was asked for.
    pub(super) fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
