use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const T0: Instant = Instant::from_nanos(1_000_000_000);

fn at(ms: u64) -> Instant {
    T0 + Duration::from_millis(ms)
}

fn device() -> Device {
    let mut device = Device::new(Arc::new(Behaviour::default()));
    device.handle_status_open(T0);
    device.handle_audio_open(T0);
    assert_eq!(outputs(&mut device), [Output::Light(Leds::OFF)]);
    device
}

fn outputs(device: &mut Device) -> Vec<Output> {
    std::iter::from_fn(|| device.poll_output()).collect()
}

fn press(device: &mut Device, button: Button) -> Vec<Output> {
    device.handle_button(T0, button, Press::Press);
    let all = outputs(device);
    device.handle_button(T0, button, Press::Hold);
    device.handle_button(T0, button, Press::Release);
    assert_eq!(outputs(device), []);
    all
}

fn start(play: u64, sound: &str, from: u64) -> Output {
    let sound = sound.into();
    Output::Start { play, sound, from }
}

fn lit(number: usize) -> Output {
    Output::Light(Leds::one(number, Rgba::MAGENTA))
}

#[test]
fn each_mode_press_moves_the_lit_led_and_wraps_to_the_first() {
    let mut device = device();
    for expected in [1, 2, 3, 4, 5, 1, 2] {
        assert_eq!(press(&mut device, Button::Two), [lit(expected)]);
        assert_eq!(device.mode(), expected);
    }
    assert_eq!(
        press(&mut device, Button::Three),
        [Output::Light(Leds::OFF)]
    );
    assert_eq!(device.mode(), 0);
    assert_eq!(press(&mut device, Button::One), []);
}

#[test]
fn play_plays_the_modes_sound_and_stop_ends_it() {
    let mut device = device();
    let [zero, one, ..] = crate::sound::BUILT_IN;
    assert_eq!(press(&mut device, Button::Four), [start(1, zero, 0)]);
    // Another mode is chosen while it plays, and then played at once.
    assert_eq!(press(&mut device, Button::Two), [lit(1)]);
    let stop = |play| Output::Stop { play };
    assert_eq!(
        press(&mut device, Button::Four),
        [stop(1), start(2, one, 0)]
    );
    let all = press(&mut device, Button::Three);
    assert_eq!(all, [stop(2), Output::Light(Leds::OFF)]);
    assert_eq!(device.playback(), &Playback::Idle);
    device.handle_ended(2);
    assert_eq!(outputs(&mut device), []);
}

#[test]
fn a_sound_that_was_interrupted_by_a_lost_connection_goes_on() {
    let mut device = device();
    let [zero, one, ..] = crate::sound::BUILT_IN;
    press(&mut device, Button::Two);
    press(&mut device, Button::Four);
    device.handle_status_closed();
    device.handle_audio_closed(at(500), 25);
    assert_eq!(outputs(&mut device), [Output::Stop { play: 1 }]);
    device.handle_audio_open(at(3_000));
    device.handle_status_open(at(3_000));
    assert_eq!(outputs(&mut device), [start(2, one, 25), lit(1)]);
    // Not for ever, though.
    device.handle_audio_closed(at(4_000), 30);
    outputs(&mut device);
    device.handle_timeout(at(34_000));
    device.handle_audio_open(at(34_001));
    assert_eq!(outputs(&mut device), []);
    // Nor does play need a stop before it.
    press(&mut device, Button::Three);
    assert_eq!(press(&mut device, Button::Four), [start(3, zero, 0)]);
}

#[test]
fn play_before_the_device_listens_begins_when_it_does() {
    let mut device = Device::new(Arc::new(Behaviour::default()));
    press(&mut device, Button::Four);
    assert!(matches!(device.playback(), Playback::Held { from: 0, .. }));
    device.handle_audio_open(at(10));
    assert_eq!(
        outputs(&mut device),
        [start(1, crate::sound::BUILT_IN[0], 0)]
    );
}

#[test]
fn an_announcement_interrupts_and_what_it_interrupted_goes_on() {
    let mut device = device();
    press(&mut device, Button::Four);
    device.handle_announcement(at(10), "fire".into(), 42);
    let all = outputs(&mut device);
    assert_eq!(all, [Output::Stop { play: 1 }, start(2, "fire", 0)]);
    device.handle_announcement(at(20), "again".into(), 7);
    outputs(&mut device);
    device.handle_ended(3);
    assert_eq!(
        outputs(&mut device),
        [start(4, crate::sound::BUILT_IN[0], 42)]
    );
    device.handle_ended(4);
    assert_eq!(device.playback(), &Playback::Idle);
}

#[test]
fn an_announcement_interrupted_by_another_is_over_whatever_it_interrupted() {
    let mut device = device();
    device.handle_announcement(at(10), "fire".into(), 0);
    device.handle_announcement(at(20), "again".into(), 7);
    outputs(&mut device);
    device.handle_ended(2);
    assert_eq!(outputs(&mut device), []);
    assert_eq!(device.playback(), &Playback::Idle);
}

#[test]
fn what_an_announcement_interrupted_outlives_a_lost_connection() {
    let wake = crate::sound::BUILT_IN[0];
    // Lost while it is announced.
    let mut device = device();
    press(&mut device, Button::Four);
    device.handle_announcement(at(10), "fire".into(), 42);
    outputs(&mut device);
    device.handle_audio_closed(at(20), 5);
    device.handle_audio_open(at(30));
    assert_eq!(
        outputs(&mut device),
        [Output::Stop { play: 2 }, start(3, "fire", 5)]
    );
    device.handle_ended(3);
    assert_eq!(outputs(&mut device), [start(4, wake, 42)]);
    // Announced while it is away.
    device.handle_audio_closed(at(40), 50);
    device.handle_announcement(at(50), "fire".into(), 0);
    device.handle_audio_open(at(60));
    assert_eq!(
        outputs(&mut device),
        [Output::Stop { play: 4 }, start(5, "fire", 0)]
    );
    device.handle_ended(5);
    assert_eq!(outputs(&mut device), [start(6, wake, 50)]);
}

#[test]
fn a_sound_that_cannot_be_played_turns_the_leds_red_for_a_while() {
    let mut device = device();
    press(&mut device, Button::Two);
    press(&mut device, Button::Four);
    device.handle_failed(at(10), 1);
    assert_eq!(outputs(&mut device), [Output::Light(Leds::all(Rgba::RED))]);
    let until = device.poll_timeout().unwrap();
    assert_eq!(until, at(2_010));
    device.handle_timeout(until);
    assert_eq!(outputs(&mut device), [lit(1)]);
    assert!(matches!(
        press(&mut device, Button::Four)[..],
        [Output::Start { .. }]
    ));
}

#[test]
fn the_flourish_is_shown_once_and_ends_in_the_mode() {
    let step = |n| Step {
        leds: Leds::one(n, Rgba(0xFF)),
        lasts: Duration::from_millis(50),
    };
    let behaviour = Behaviour {
        flourish: vec![step(1), step(2)],
        ..Behaviour::default()
    };
    let mut device = Device::new(Arc::new(behaviour));
    device.handle_status_open(T0);
    let mut seen = outputs(&mut device);
    for ms in [50, 100] {
        assert_eq!(device.poll_timeout(), Some(at(ms)));
        device.handle_timeout(at(ms));
        seen.extend(outputs(&mut device));
    }
    let shown = |leds| Output::Light(leds);
    assert_eq!(
        seen,
        [shown(step(1).leds), shown(step(2).leds), shown(Leds::OFF)]
    );
    device.handle_status_closed();
    device.handle_status_open(at(200));
    assert_eq!(outputs(&mut device), [Output::Light(Leds::OFF)]);
}

#[test]
fn reports_are_kept_and_asked_for() {
    let mut device = device();
    assert_eq!(device.poll_timeout(), Some(at(60_000)));
    device.handle_timeout(at(60_000));
    assert_eq!(outputs(&mut device), [Output::Ask]);
    for battery in [0.5, f32::NAN] {
        device.handle_report(Report {
            at: at(1),
            leds: [None; 6],
            down: [true, false, false, false],
            battery: Some(battery),
        });
        let newest = device.reports().newest.unwrap();
        assert_eq!(newest.battery, Some(battery).filter(|b| b.is_finite()));
    }
    device.handle_answer("success");
    device.handle_answer(&"ö".repeat(1_000));
    let reports = device.reports();
    assert_eq!((reports.successes, reports.refusals), (1, 1));
    assert_eq!(reports.refusal.as_ref().unwrap().chars().count(), 200);
    // That is no trouble any more once a request was carried out.
    device.handle_answer("success");
    let reports = device.reports();
    assert_eq!((reports.successes, reports.refusals), (2, 1));
    assert_eq!(reports.refusal, None);
}

/// Whatever happens in whatever order: starts and stops alternate, numbers are never used twice,
/// what is lit is what should be, and something is due only in the future.
fn any_order(ops: &[(u8, u16)]) {
    let behaviour = Behaviour {
        flourish: vec![Step {
            leds: Leds::one(3, Rgba(1)),
            lasts: Duration::from_millis(30),
        }],
        ..Behaviour::default()
    };
    let mut device = Device::new(Arc::new(behaviour));
    let (mut now, mut playing, mut used) = (T0, None, HashSet::new());
    let (mut lit, mut watched) = (None, false);
    for &(op, value) in ops {
        now += Duration::from_millis(u64::from(value % 997));
        let button = Button::ALL[usize::from(value) % 4];
        match op % 12 {
            0..=4 => device.handle_button(now, button, Press::ALL[usize::from(op) % 3]),
            5 => {
                (lit, watched) = (None, true);
                device.handle_status_open(now);
            }
            6 => {
                watched = false;
                device.handle_status_closed();
            }
            7 => device.handle_audio_open(now),
            8 => device.handle_audio_closed(now, u64::from(value)),
            9 => device.handle_announcement(now, "news".into(), u64::from(value)),
            10 => {
                let play = playing.unwrap_or_else(|| value.into());
                let plays = device.playback();
                if matches!(plays, Playback::Playing { play: now, .. } if *now == play) {
                    playing = playing.filter(|p| *p != play);
                }
                if value % 2 == 0 {
                    device.handle_ended(play);
                } else {
                    device.handle_failed(now, play);
                }
            }
            _ => device.handle_timeout(now),
        }
        // Sometimes nobody looks for a while.
        if value % 5 == 0 {
            continue;
        }
        while let Some(output) = device.poll_output() {
            match output {
                Output::Stop { play } => assert_eq!(playing.take(), Some(play)),
                Output::Start { play, .. } => {
                    assert!(used.insert(play), "{play} twice");
                    assert_eq!(playing.replace(play), None);
                }
                Output::Light(leds) => {
                    assert!(watched);
                    lit = Some(leds);
                }
                Output::Ask => assert!(watched),
            }
        }
        if watched {
            assert_eq!(lit, Some(device.leds()));
        }
        match device.playback() {
            Playback::Playing { play, .. } => assert_eq!(playing, Some(*play)),
            _ => assert_eq!(playing, None),
        }
    }
    device.handle_timeout(now);
    assert!(device.poll_timeout().is_none_or(|at| at > now));
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_it(ops in prop::collection::vec(any::<(u8, u16)>(), 0..200)) {
        any_order(&ops);
    }
}
