//! What a stream does that is no lateness: loss, copies, pauses, restarts, clocks, other routes.

use super::*;
use crate::sim::Pcg32;
use proptest::prelude::*;

const PTIME: i64 = 5 * MS;

fn stream(jitter: &str, seconds: i64) -> Vec<Arrival> {
    Sending::new(PTIME, seconds * SECOND).through(link(jitter, 11))
}

/// The same from `from` seconds on with other times.
fn changed(arrivals: &mut [Arrival], from: i64, change: impl Fn(&mut Arrival)) {
    let later = arrivals.iter_mut().filter(|a| a.at >= from * SECOND);
    later.for_each(change);
}

#[test]
fn loss_on_a_calm_network_leaves_the_target_at_its_minimum() {
    for loss in ["1%", "30%", "ge:5%,30%", "95%"] {
        let link = LinkConfig {
            loss: loss.parse().unwrap(),
            ..link("0", 4)
        };
        let arrivals = Sending::new(PTIME, 60 * SECOND).through(link);
        for profile in profiles() {
            let s = play(&profile, PTIME, &arrivals);
            assert_eq!(highest(&s, 3, 60), millis(profile.min) * MS, "{loss}");
        }
    }
}

#[test]
fn a_minute_without_a_packet_changes_nothing() {
    let mut arrivals = stream("20ms", 120);
    let whole = play(&DelayConfig::balanced(), PTIME, &arrivals);
    arrivals.retain(|a| !(30 * SECOND..90 * SECOND).contains(&a.at));
    let s = play(&DelayConfig::balanced(), PTIME, &arrivals);
    assert!(highest(&s, 90, 120) <= highest(&whole, 10, 120));
    assert_eq!(late(&s, 90, 120), 0);
}

#[test]
fn copies_change_nothing() {
    let once = stream("normal:6ms", 30);
    let mut twice = once.clone();
    let copies = once.iter().enumerate().map(|(n, a)| Arrival {
        at: a.at + (n as i64 * 7 % 90) * MS,
        ..*a
    });
    twice.extend(copies);
    twice.sort_by_key(|a| a.at);
    let last = |arrivals: &[Arrival]| {
        let mut player = Player::new(&DelayConfig::balanced(), PTIME);
        player.play(arrivals);
        (player.target(), player.estimator.lucky_arrival(0))
    };
    assert_eq!(last(&once), last(&twice));
}

#[test]
fn pauses_of_any_length_are_no_lateness_whatever_the_clock() {
    for ppm in [-500, -50, 0, 50, 500] {
        for pause in [300 * MS, 3 * SECOND, 60 * SECOND] {
            let sending = Sending {
                ppm,
                ..Sending::new(PTIME, 300 * SECOND)
            };
            let mut arrivals = sending.through(link("10ms", 2));
            // Talks for 4 s, pauses, and numbers its packets on.
            arrivals.retain(|a| a.media % (4 * SECOND + pause) < 4 * SECOND);
            for (n, a) in arrivals.iter_mut().enumerate() {
                a.seq = n as u64;
            }
            let s = play(&DelayConfig::interactive(), PTIME, &arrivals);
            let (told, target) = (format!("{ppm} {pause}"), highest(&s, 3, 300));
            assert!(target <= 17 * MS, "{told} {target}");
            assert!(late(&s, 5, 300) < 40, "{told}");
        }
    }
}

#[test]
fn a_clock_500_ppm_off_costs_a_few_milliseconds_and_no_packet() {
    for ppm in [-500, 500] {
        let sending = Sending {
            ppm,
            ..Sending::new(PTIME, 600 * SECOND)
        };
        let arrivals = sending.through(link("12ms", 2));
        let s = play(&DelayConfig::interactive(), PTIME, &arrivals);
        assert!(highest(&s, 5, 600) <= 20 * MS);
        assert_eq!(late(&s, 5, 600), 0);
    }
}

#[test]
fn a_longer_route_moves_the_reference_within_3_s_and_not_the_target() {
    let mut arrivals = stream("5ms", 60);
    changed(&mut arrivals, 30, |a| a.at += 50 * MS);
    let mut player = Player::new(&DelayConfig::balanced(), PTIME);
    let s = player.play(&arrivals);
    assert!((50 * MS..60 * MS).contains(&highest(&s, 30, 32)));
    assert!(highest(&s, 33, 60) <= 9 * MS, "{}", highest(&s, 33, 60));
    let lucky = player.estimator.lucky_arrival(0).unwrap().as_nanos() as i64;
    assert!((53 * MS..56 * MS).contains(&lucky));
    assert_eq!(late(&s, 33, 60), 0);
}

#[test]
fn a_shorter_route_moves_the_reference_at_once_and_the_playout_within_9_s() {
    let mut arrivals = stream("5ms", 60);
    changed(&mut arrivals, 0, |a| a.at += 50 * MS);
    changed(&mut arrivals, 30, |a| a.at -= 50 * MS);
    arrivals.sort_by_key(|a| a.at);
    let s = play(&DelayConfig::balanced(), PTIME, &arrivals);
    assert!(highest(&s, 20, 29) <= 9 * MS);
    assert!(highest(&s, 30, 39) <= 62 * MS);
    assert!(highest(&s, 39, 60) <= 9 * MS);
    assert_eq!(late(&s, 5, 60), 0);
}

#[test]
fn another_timeline_keeps_what_is_known_of_the_network() {
    let arrivals = stream("20ms", 60);
    let (before, after) = arrivals.split_at(arrivals.len() / 2);
    let mut player = Player::new(&DelayConfig::balanced(), PTIME);
    player.play(before);
    let target = player.target();
    player.estimator.reset();
    assert_eq!(player.estimator.lucky_arrival(0), None);
    player.played = i64::MIN;
    let after: Vec<Arrival> = after
        .iter()
        .map(|a| Arrival {
            media: a.media - 3_600 * SECOND,
            seq: a.seq % 1_000,
            ..*a
        })
        .collect();
    let s = player.play(&after);
    assert!(s[..2_000].iter().all(|s| s.target >= target * 9 / 10));
    assert!(player.target() < 24 * MS);
    assert!(late(&s, 30, 60) <= 1, "{}", late(&s, 30, 60));

    player.estimator.forget();
    assert_eq!(player.target(), 20 * MS);
    assert_eq!(player.estimator.lucky_arrival(0), None);
}

#[test]
fn a_restart_that_nobody_tells_is_found_out() {
    type Restart = (&'static str, fn(&mut Arrival));
    let restarts: [Restart; 4] = [
        ("media forth", |a| a.media += 3_600 * SECOND),
        ("media back", |a| a.media -= 3_600 * SECOND),
        ("numbers back", |a| a.seq -= 5_000),
        ("numbers forth", |a| a.seq += 1 << 40),
    ];
    for (told, restart) in restarts {
        let mut arrivals = stream("10ms", 60);
        changed(&mut arrivals, 30, restart);
        let mut player = Player::new(&DelayConfig::balanced(), PTIME);
        let s = player.play(&arrivals);
        assert!(highest(&s, 30, 60) <= 13 * MS, "{told}");
        let last = arrivals.last().unwrap();
        let lucky = player.estimator.lucky_arrival(last.media).unwrap();
        let delay = last.at - lucky.as_nanos() as i64;
        assert!((0..12 * MS).contains(&delay), "{told} {delay}");
    }
}

#[test]
fn a_time_that_lies_now_and_then_is_not_believed() {
    let honest = stream("10ms", 60);
    let mut lying = honest.clone();
    for (n, a) in lying.iter_mut().enumerate() {
        if n % 50 == 49 {
            a.media += if n % 100 == 49 { 3_600 } else { -3_600 } * SECOND;
        }
    }
    let s = play(&DelayConfig::balanced(), PTIME, &lying);
    assert!(highest(&s, 3, 60) <= 14 * MS);
}

#[test]
fn the_start_is_low_and_ends_after_two_seconds() {
    for profile in profiles() {
        let s = play(&profile, PTIME, &stream("0", 10));
        assert_eq!(highest(&s, 0, 2), millis(profile.start) * MS);
        assert_eq!(highest(&s, 3, 10), millis(profile.min) * MS);
        // Trouble from the start on.
        let s = play(&profile, PTIME, &stream("90ms", 10));
        assert!(highest(&s, 0, 1) > 75 * MS);
    }
}

#[test]
fn a_sender_that_hands_out_100_ms_at_a_time_is_waited_for() {
    let mut arrivals = stream("0", 30);
    for a in &mut arrivals {
        a.at = (a.at / (100 * MS) + 1) * 100 * MS;
    }
    let s = play(&DelayConfig::balanced(), PTIME, &arrivals);
    assert!((95 * MS..101 * MS).contains(&highest(&s, 2, 30)));
    assert_eq!(late(&s, 2, 30), 0);
}

#[test]
fn bounds_act_at_once() {
    let mut player = Player::new(&DelayConfig::balanced(), PTIME);
    player.play(&stream("60ms", 10));
    let e = &mut player.estimator;
    assert!((50..65).contains(&e.target().as_millis()));
    e.set_min(Duration::from_millis(90));
    assert_eq!(e.target().as_millis(), 90);
    e.set_max(Duration::from_millis(30));
    assert_eq!(e.target().as_millis(), 30);
    e.set_max(Duration::MAX);
    e.set_min(Duration::MAX);
    assert_eq!(e.target().as_secs(), 10);
}

proptest! {
    /// Whatever is left out of a stream, the target is at most what the whole has called for.
    #[test]
    fn loss_never_raises_the_target(
        seed in any::<u64>(),
        jitter in prop::sample::select(vec!["normal:8ms", "30ms", "spikes:80ms/1s/120ms", "spikes:60ms/3s"]),
        share in 1u64..95,
        burst in 1u64..40,
    ) {
        let whole = Sending::new(PTIME, 40 * SECOND).through(link(jitter, seed));
        let mut rng = Pcg32::new(seed, 1);
        let (mut losing, mut lost) = (false, 0);
        let mut clean = Player::new(&DelayConfig::balanced(), PTIME);
        let mut lossy = Player::new(&DelayConfig::balanced(), PTIME);
        let mut called_for = 0;
        for (n, a) in whole.iter().enumerate() {
            if rng.below(burst) == 0 {
                losing = rng.below(100) < share;
            }
            clean.receive(a);
            called_for = called_for.max(clean.target());
            // A second without a packet is a pause, in which time stands still.
            lost = if n > 0 && losing && lost < 180 { lost + 1 } else { 0 };
            if lost == 0 {
                lossy.receive(a);
                prop_assert!(lossy.target() <= called_for, "{} > {called_for} at {n}", lossy.target());
            }
        }
    }

    #[test]
    fn nothing_disturbs_its_bounds(
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<i64>(), any::<i64>(), 0u8..7), 0..300),
    ) {
        let config = DelayConfig::interactive();
        let mut e = DelayEstimator::new(&config).unwrap();
        let (mut at, mut seq, mut media) = (0u64, 0u64, 0i64);
        for (a, s, m, d, kind) in steps {
            match kind {
                0 => (at, seq, media) = (a, s, m),
                1 => at = a,
                2 => seq = s,
                3 => media = m,
                4 => e.reset(),
                5 => media = media.saturating_add(m % (10 * SECOND)),
                _ => at = at.saturating_add(a % (3 * SECOND as u64)),
            }
            e.observe(Instant::from_nanos(at), ExtSeq(seq), media, d);
            seq = seq.saturating_add(1);
            prop_assert!(e.target() >= config.min && e.target() <= config.max);
            let _ = e.lucky_arrival(m);
        }
        // And it finds back to good order.
        e.reset();
        for n in 0..2_400u64 {
            e.observe(Instant::from_nanos(n * 5_000_000), ExtSeq(n), n as i64 * PTIME, PTIME);
        }
        prop_assert_eq!(e.target(), config.min);
        prop_assert_eq!(e.lucky_arrival(7), Some(Instant::from_nanos(7)));
    }
}
