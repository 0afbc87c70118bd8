//! The thread that does what takes long: names, second tries, the file.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use audiox_net::StopFlag;

use super::error::FanoutError;
use super::list;
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
        try_again(&shared, Instant::now());
        shared.connect_wanted(Names::Now);
    }
}

/// Clients that failed are wanted again after a while: networks and names come back. So are those
/// that have a name and are in trouble: it may stand for another address by now. How many are.
fn try_again(shared: &Shared, now: Instant) -> usize {
    let mut wanted = 0;
    let mut inner = shared.lock();
    inner.note_end();
    if inner.session.is_none() {
        return wanted;
    }
    for client in inner.clients.values_mut() {
        let again = match client.link {
            Link::Wanted => false,
            Link::Failed { again, .. } => again <= now,
            Link::Up { since } => {
                let named = client.spec.as_ref().is_ok_and(|s| s.address().is_none());
                let long = now.saturating_duration_since(since) >= LOOK_UP_AGAIN;
                named && long && client.status.trouble(shared.clock.now()).is_some()
            }
        };
        if again {
            client.link = Link::Wanted;
            wanted += 1;
        }
    }
    wanted
}

/// Takes the file over where it says something else than it did. A file is read whole: it is
/// short, and times of change are too coarse on some systems.
fn look_at_file(shared: &Shared) {
    let Some(file) = &shared.config.file else {
        return;
    };
    match list::read(file) {
        Ok(text) => {
            if shared.lock().stored.as_ref() != Some(&text) {
                // A broken one stands in the snapshot.
                let _ = shared.take_text(text);
            }
        }
        // It is not there yet, or is being replaced; nothing is wrong with it, and nothing saved.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let mut inner = shared.lock();
            if inner.saved.take().is_some() | inner.file_error.take().is_some() {
                drop(inner);
                shared.touch();
            }
        }
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
/// How long a client with a name is in trouble before the name is looked up again.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use audiox_core::convert::Gain;
    use audiox_core::format::{Channels, SampleRate, StreamFormat};
    use audiox_io::Signal;

    use super::super::{ClientList, Fanout, FanoutConfig};
    use super::*;

    #[test]
    fn names_of_clients_in_trouble_are_looked_up_again() {
        let text = r#"{"named": {"ip": "localhost", "port": 9, "channel": 0},
                       "numbered": {"ip": "127.0.0.1", "port": 9, "channel": 0}}"#;
        let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
        let open = move || Ok(Box::new(Signal::tone(format, 440.0, Gain::UNITY)?) as _);
        let list = ClientList::parse(text).unwrap();
        let fanout = Fanout::new(FanoutConfig::new("tone", open), list).unwrap();
        fanout.start().unwrap();
        let refused = |c: &super::super::ClientSnapshot| c.refused > 0;
        while !fanout.snapshot().clients.iter().all(refused) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let now = Instant::now();
        assert_eq!(try_again(&fanout.shared, now + LOOK_UP_AGAIN / 2), 0);
        assert_eq!(try_again(&fanout.shared, now + LOOK_UP_AGAIN), 1);
    }
}
