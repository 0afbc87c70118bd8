use std::task::{Context, Poll, Waker};

use audiox_core::codec::CodecRegistry;
use tonic::Code;

use super::*;
use crate::sound::LibraryConfig;

fn hub(devices: usize) -> Hub {
    let mut codecs = CodecRegistry::empty();
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    let library = Library::open(LibraryConfig::new(codecs)).unwrap();
    let lead = Duration::from_millis(20);
    Hub::new(Behaviour::default(), library, lead, devices).unwrap()
}

#[test]
fn times_to_be_woken_at_do_not_pile_up() {
    let hub = hub(1);
    let shared = hub.shared();
    let (slot, _status) = shared.open("a", |slot| slot.open_status(shared)).unwrap();
    let mut now = shared.now();
    for _ in 0..50 {
        // The sound waits for 30 s; a report is asked for each 60 s.
        slot.press(shared, Button::Four, Press::Press);
        for _ in 0..4 {
            now += Duration::from_secs(31);
            for (slot, due) in shared.agenda.at(now).0 {
                slot.handle_due(shared, now, due);
            }
        }
    }
    let (_, left) = shared.agenda.at(now);
    assert!((1..=2).contains(&left), "{left} times are waited for");
}

#[test]
fn a_device_that_connects_is_not_forgotten_meanwhile() {
    // Room for as many as connect at once: each time somebody who is away has to go.
    let hub = hub(4);
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let shared = hub.shared();
            threads.spawn(move || {
                for n in 0..500 {
                    let id = format!("{thread}-{n}");
                    let (slot, (number, _line)) =
                        shared.open(&id, |slot| slot.open_events(shared)).unwrap();
                    let known = shared.known(&id).expect("it is connected");
                    assert!(Arc::ptr_eq(&known, &slot));
                    slot.closed(shared, Kind::Events, number);
                }
            });
        }
    });
    assert_eq!(hub.snapshot().devices.len(), 4);
}

#[test]
fn a_hub_that_ended_opens_nothing_and_ends_what_is_open() {
    let hub = hub(4);
    let shared = hub.shared();
    let (_slot, (_, line)) = shared.open("a", |slot| slot.open_status(shared)).unwrap();
    hub.end();
    let cx = Context::from_waker(Waker::noop());
    let mut said = 0;
    while let Poll::Ready(Some(request)) = line.poll(&cx) {
        request.unwrap();
        said += 1;
    }
    assert!(said == 1 && matches!(line.poll(&cx), Poll::Ready(None)));
    let refused = shared.open("b", |slot| slot.open_status(shared));
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
}

#[test]
fn a_device_that_is_named_twice_hears_it_once() {
    let hub = hub(4);
    let shared = hub.shared();
    shared.open("a", |slot| slot.open_audio(shared)).unwrap();
    let twice = Batch::These(vec!["a".to_owned(), "a".to_owned(), "nobody".to_owned()]);
    assert_eq!(hub.announce(&twice, "bells").unwrap(), 1);
    assert_eq!(hub.snapshot().devices[0].plays, 1);
    assert_eq!(hub.stop(&twice), 1);
}

#[test]
fn buttons_of_a_device_that_has_gone_are_not_down() {
    let hub = hub(4);
    let shared = hub.shared();
    let open = || shared.open("a", |slot| slot.open_events(shared)).unwrap();
    let (slot, (number, _line)) = open();
    slot.press(shared, Button::Two, Press::Press);
    assert_eq!(hub.snapshot().devices[0].down, [false, true, false, false]);
    slot.closed(shared, Kind::Events, number);
    assert_eq!(hub.snapshot().devices[0].down, [false; 4]);
}
