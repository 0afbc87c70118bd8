//! Real-time priority for the device's own thread.

/// Asks for real-time priority for this thread, where threads of the sound system do not have it
/// by themselves. Says whether it was granted; `None` where there is nothing to ask for.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd"))]
pub(super) fn promote() -> Option<bool> {
    use thread_priority::unix::{
        RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    use thread_priority::{ThreadPriority, ThreadPriorityValue};

    // Above a sender's pacing thread, which has 50: a device waits for nobody.
    let priority = ThreadPriorityValue::try_from(60u8).ok()?;
    let asked = set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(priority),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    );
    Some(asked.is_ok())
}

/// Elsewhere the sound system schedules its threads.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd")))]
pub(super) fn promote() -> Option<bool> {
    None
}
