//! The playout engine as a whole over simulated networks: the figures that are promised.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::Profile;
use audiox_core::sim::link::{WIFI_LOADED, wifi_trace};
use audiox_core::sim::{Jitter, LinkConfig, Pair, PairReport};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn pair(profile: Profile, ptime: u32, jitter: &str, seed: u64) -> Pair {
    Pair::builder()
        .format(SampleRate::HZ_48000, Channels::MONO)
        .ptime(ptime * MS)
        .playback_quantum(240)
        .playout(profile.config())
        .link(jittery(jitter))
        .seed(seed)
        .build()
        .unwrap()
}

/// What was made up or came late between two reports.
fn trouble(before: &PairReport, after: &PairReport) -> (u64, u64) {
    (
        after.playout.concealed_samples - before.playout.concealed_samples,
        after.playout.packets_late - before.playout.packets_late,
    )
}

#[test]
fn on_a_wired_network_20_ms_are_enough_for_peaks_of_12() {
    for ptime in [1, 2, 5] {
        for seed in 0..4 {
            let mut p = pair(Profile::Interactive, ptime, "12ms", seed);
            let warm = p.run_for(5 * SECOND);
            let target = p.receiver().playout().target_delay();
            assert!(target <= 20 * MS, "{target:?}");
            let end = p.run_for(55 * SECOND);
            assert_eq!(trouble(&warm, &end), (0, 0), "{ptime} ms, seed {seed}");
            let target = p.receiver().playout().target_delay();
            assert!(target <= 20 * MS, "{target:?}");
        }
    }
}

#[test]
fn the_defaults_stay_within_30_ms_there() {
    for ptime in [1, 5] {
        let mut p = pair(Profile::Balanced, ptime, "12ms", 5);
        let warm = p.run_for(5 * SECOND);
        let end = p.run_for(55 * SECOND);
        assert_eq!(trouble(&warm, &end), (0, 0));
        let target = p.receiver().playout().target_delay();
        assert!(target <= 30 * MS, "{target:?}");
    }
}

#[test]
fn a_clean_network_costs_next_to_nothing() {
    for (profile, most) in [(Profile::Interactive, 15), (Profile::Balanced, 25)] {
        let mut p = pair(profile, 5, "none", 1);
        let end = p.run_for(30 * SECOND);
        assert_eq!(end.playout.concealed_samples, 0);
        let delay = p.receiver().playout().ledger().jitter_buffer;
        assert!(delay <= most * MS, "{profile}: {delay:?}");
    }
}

#[test]
fn the_spikes_of_wifi_are_bridged_by_the_least_delay_that_can() {
    for profile in Profile::ALL {
        for decay in ["140ms", "40ms"] {
            let mut p = pair(profile, 10, &format!("spikes:140ms/1.5s/{decay}"), 3);
            let warm = p.run_for(10 * SECOND);
            let end = p.run_for(590 * SECOND);
            let target = p.receiver().playout().target_delay();
            // A quantum's margin on top of what the network calls for.
            assert!(target <= 155 * MS, "{profile}: {target:?}");
            let (concealed, _) = trouble(&warm, &end);
            let share = concealed as f64 / (590.0 * 48_000.0);
            assert!(share < 0.001, "{profile} {decay}: {share}");
        }
    }
}

#[test]
fn ten_minutes_of_wifi_are_followed_up_and_down() {
    for profile in Profile::ALL {
        for ptime in [5, 10, 20] {
            let link = LinkConfig {
                latency: 2 * MS,
                jitter: Jitter::Trace(wifi_trace(ptime * MS)),
                ..LinkConfig::default()
            };
            let mut p = Pair::builder()
                .format(SampleRate::HZ_48000, Channels::MONO)
                .ptime(ptime * MS)
                .playback_quantum(240)
                .playout(profile.config())
                .link(link)
                .build()
                .unwrap();
            // As it is before the load comes …
            p.run_for(WIFI_LOADED[0] - SECOND);
            let playing = |p: &Pair| {
                let playout = p.receiver().playout();
                [playout.target_delay(), playout.ledger().jitter_buffer]
            };
            let floor = playing(&p);
            // … while it is there …
            let warm = p.run_for(11 * SECOND);
            let mut most = Duration::ZERO;
            for _ in (WIFI_LOADED[0] + 10 * SECOND).as_secs()..WIFI_LOADED[1].as_secs() {
                p.run_for(SECOND);
                most = most.max(p.receiver().playout().target_delay());
            }
            let loaded = p.report();
            let what = format!("{profile}, {ptime} ms: {most:?}, {floor:?}");
            assert!(most <= 150 * MS, "{what}");
            let (concealed, _) = trouble(&warm, &loaded);
            let heard = loaded.frames_played - warm.frames_played;
            assert!(concealed * 1_000 < heard, "{what}: {concealed}");
            // … and ten seconds after it has gone.
            p.run_for(10 * SECOND);
            let after = playing(&p);
            assert!(after[0] <= floor[0].mul_f64(1.2), "{what}: {after:?}");
            // What is within 5 ms of the target is left alone.
            let band = floor[1].mul_f64(1.2).max(floor[1] + 5 * MS);
            assert!(after[1] <= band, "{what}: {after:?}");
        }
    }
}

#[test]
fn a_device_that_asks_for_much_at_once_costs_delay_and_no_sound() {
    for (profile, ptime) in Profile::ALL.into_iter().flat_map(|p| [(p, 1), (p, 10)]) {
        let mut p = Pair::builder()
            .format(SampleRate::HZ_48000, Channels::MONO)
            .ptime(ptime * MS)
            .playback_quantum(20_000)
            .playout(profile.config())
            .link(jittery("8ms"))
            .seed(4)
            .build()
            .unwrap();
        let warm = p.run_for(8 * SECOND);
        let end = p.run_for(52 * SECOND);
        let removed = end.playout.removed_samples_for_acceleration
            - warm.playout.removed_samples_for_acceleration;
        let (concealed, late) = trouble(&warm, &end);
        // The last boundary of a slice may turn out to fall later than any before.
        assert!(concealed <= 48, "{profile}: {concealed}");
        assert_eq!((late, end.playout.resyncs, removed), (0, 0, 0), "{profile}");
    }
}

#[test]
fn clocks_that_differ_cost_no_sound_however_much_a_device_asks_for() {
    for (ppm, quantum) in [(-50.0, 960), (50.0, 2_048), (300.0, 480)] {
        let mut p = Pair::builder()
            .format(SampleRate::HZ_48000, Channels::MONO)
            .playback_quantum(quantum)
            .playback_ppm(ppm)
            .playout(Profile::Interactive.config())
            .link(jittery("8ms"))
            .seed(4)
            .build()
            .unwrap();
        // Packet boundaries wander through the slice, in seven minutes at 50 ppm.
        let warm = p.run_for(450 * SECOND);
        let end = p.run_for(450 * SECOND);
        let (concealed, late) = trouble(&warm, &end);
        let what = format!("{ppm} ppm, {quantum}");
        assert!(concealed <= 48, "{what}: {concealed}");
        assert_eq!((late, end.playout.resyncs), (0, 0), "{what}");
    }
}

fn jittery(jitter: &str) -> LinkConfig {
    LinkConfig {
        latency: 2 * MS,
        jitter: jitter.parse().unwrap(),
        ..LinkConfig::default()
    }
}

#[test]
fn loss_alone_never_raises_the_delay() {
    let delay = |loss: &str| {
        let mut p = Pair::builder()
            .ptime(10 * MS)
            .playout(Profile::Balanced.config())
            .link(LinkConfig {
                loss: loss.parse().unwrap(),
                jitter: "3ms".parse().unwrap(),
                ..LinkConfig::default()
            })
            .seed(9)
            .build()
            .unwrap();
        p.run_for(60 * SECOND);
        p.receiver().playout().target_delay()
    };
    let without = delay("none");
    for loss in ["1%", "20%", "bursts:5%,4"] {
        let with = delay(loss);
        assert!(with <= without + 2 * MS, "{loss}: {with:?} {without:?}");
    }
}
