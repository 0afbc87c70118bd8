//! What a thread can ask of the system to be woken in time. All of it is best effort: the
//! outcome is reported and never an error.

use std::fmt;

/// Asks that this thread's sleeps end as near to their time as the kernel can do.
///
/// Linux delays the timers of ordinary threads by up to 50 µs to wake several at once; media
/// threads are worth a wake-up of their own. Returns whether it was granted; elsewhere there is
/// nothing to ask for.
pub fn sharpen_timers() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).is_ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        false
    }
}

/// Whether a thread runs with real-time priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Realtime {
    /// It was not asked for.
    NotAsked,
    /// The thread is scheduled ahead of all ordinary ones.
    Granted,
    /// The system refused; the thread runs as an ordinary one. The text says why.
    Denied(String),
}

impl fmt::Display for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("ordinary priority"),
            Self::Granted => f.write_str("real-time priority"),
            Self::Denied(why) => write!(f, "ordinary priority (real-time was denied: {why})"),
        }
    }
}

/// Asks for real-time priority for this thread: first-in-first-out scheduling on Unix, the
/// highest priority of the process's class on Windows.
pub fn request_realtime() -> Realtime {
    match set_realtime() {
        Ok(()) => Realtime::Granted,
        Err(e) => Realtime::Denied(match e {
            // The common case, and the one that somebody can do something about.
            thread_priority::Error::OS(1) => {
                "not permitted; raise the limit `ulimit -r` or grant CAP_SYS_NICE".to_owned()
            }
            other => format!("{other:?}"),
        }),
    }
}

#[cfg(unix)]
fn set_realtime() -> Result<(), thread_priority::Error> {
    use thread_priority::unix::{
        RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    use thread_priority::{ThreadPriority, ThreadPriorityValue};

    // In the middle: above ordinary threads, below the kernel's own and a sound server's.
    let priority = ThreadPriorityValue::try_from(50u8)
        .map_err(|_| thread_priority::Error::Priority("50 is out of range"))?;
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(priority),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
}

#[cfg(not(unix))]
fn set_realtime() -> Result<(), thread_priority::Error> {
    thread_priority::ThreadPriority::Max.set_for_current()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_is_harmless_whatever_the_answer() {
        let answer = std::thread::spawn(|| (sharpen_timers(), request_realtime()))
            .join()
            .unwrap();
        assert_ne!(answer.1, Realtime::NotAsked);
        assert!(answer.1.to_string().contains("priority"));
    }
}
