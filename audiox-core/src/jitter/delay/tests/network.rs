//! Targets over networks: how low, how well covered, how fast up and down.

use super::*;

#[test]
fn ethernet_with_peaks_of_12_ms_settles_within_5_s_and_then_no_packet_is_late() {
    for jitter in ["12ms", "spikes:12ms/100ms", "spikes:12ms/250ms/30ms"] {
        for ptime in [MS, 2 * MS, 5 * MS] {
            for seed in 0..4 {
                let arrivals = Sending::new(ptime, 60 * SECOND).through(link(jitter, seed));
                for (profile, limit) in profiles().iter().zip([15, 15, 40]) {
                    let s = play(profile, ptime, &arrivals);
                    let told = format!("{jitter} {ptime} {seed}");
                    assert!(highest(&s, 5, 60) <= limit * MS, "{told}");
                    assert_eq!(late(&s, 5, 60), 0, "{told}");
                }
            }
        }
    }
}

#[test]
fn loaded_wireless_with_spikes_of_140_ms_stays_below_150_ms_and_is_covered() {
    for (seed, spikes) in [
        "140ms/1.5s",
        "140ms/1.5s/60ms",
        "140ms/1.2s/30ms",
        "140ms/1.8s/90ms",
    ]
    .into_iter()
    .enumerate()
    {
        for ptime in [5 * MS, 10 * MS, 20 * MS] {
            let spikes = format!("spikes:{spikes}");
            let phases = [(0, "2ms"), (30, spikes.as_str()), (570, "2ms")];
            let arrivals = over(ptime, seed as u64, &phases, 600);
            for profile in profiles() {
                let s = play(&profile, ptime, &arrivals);
                let told = format!("{spikes} {ptime} {profile:?}");
                let packets = between(&s, 40, 570).count();
                assert!(late(&s, 40, 570) * 2_000 < packets, "{told}");
                assert!(highest(&s, 30, 600) <= 147 * MS, "{told}");
                let floor = highest(&s, 20, 30);
                assert!(floor <= (6 * MS).max(millis(profile.min) * MS), "{told}");
                assert!(highest(&s, 579, 600) <= floor * 11 / 10, "{told}");
            }
        }
    }
}
