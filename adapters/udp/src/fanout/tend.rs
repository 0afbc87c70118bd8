//! The thread that does what takes long: names, second tries, the file.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use audiox_net::StopFlag;

use super::error::FanoutError;
use super::shared::{Link, Names, Shared};

/// Starts the thread. It ends with the fan-out.
pub(super) fn spawn(shared: &Arc<Shared>, stop: StopFlag) -> std::io::Result<()> {
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new()
        .name("audiox-tend".to_owned())
        .spawn(move || run(&shared, &stop))
        .map(drop)
}

fn run(shared: &Weak<Shared>, stop: &StopFlag) {
    while !stop.wait_timeout(LOOK_EVERY) {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.config.watch {
            look_at_file(&shared);
        }
        try_again(&shared);
        shared.connect_wanted(Names::Now);
    }
}

/// Clients that failed are wanted again after a while: networks and names come back.
fn try_again(shared: &Shared) {
    let now = Instant::now();
    let mut inner = shared.lock();
    inner.note_end();
    if inner.session.is_none() {
        return;
    }
    for client in inner.clients.values_mut() {
        if matches!(client.link, Link::Failed { again, .. } if again <= now) {
            client.link = Link::Wanted;
        }
    }
}

/// Takes the file over where it says something else than it did. A file is read whole: it is
/// short, and times of change are too coarse on some systems.
fn look_at_file(shared: &Shared) {
    let Some(file) = &shared.config.file else {
        return;
    };
    match std::fs::read_to_string(file) {
        Ok(text) => {
            if shared.lock().stored.as_ref() != Some(&text) {
                // A broken one stands in the snapshot.
                let _ = shared.take_text(text);
            }
        }
        // It is not there yet, or is being replaced.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => {
            let told = FanoutError::io("cannot read", file)(e).to_string();
            let mut inner = shared.lock();
            if inner.file_error.as_ref() != Some(&told) {
                inner.file_error = Some(told);
                drop(inner);
                shared.touch();
            }
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
