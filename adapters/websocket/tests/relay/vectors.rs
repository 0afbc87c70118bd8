//! What the page's playout decides, beside what audiox-core decides.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use audiox_core::jitter::{
    Decision, DelayConfig, DelayEstimator, Observation, PlayoutPolicy, PolicyConfig, Stretch,
    Supply,
};
use audiox_core::sim::{Link, LinkConfig, Order, Reorder};
use audiox_core::time::{ExtSeq, Instant};
use serde_json::{Value, json};

const MS: i64 = 1_000_000;

#[test]
fn the_page_decides_as_core_does() {
    let vectors = json!({ "delay": delay(), "policy": policy() });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vectors.json");
    std::fs::write(&file, vectors.to_string()).unwrap();
    // All of them, and not none.
    let said = node("vectors.mjs", &[&file]);
    assert!(said.contains("15 streams, 20000 decisions"), "{said}");
}

#[test]
fn the_page_plays_a_tone_as_a_tone_over_networks_of_every_kind() {
    let said = node("timeline.mjs", &[]);
    assert!(said.contains("7 scenarios"), "{said}");
}

/// Runs a script of `tests/page`, and returns what it says.
fn node(script: &str, args: &[&Path]) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let output = Command::new("node")
        .arg(dir.join(script))
        .args(args)
        .output();
    let output = output.expect("Node.js is there; install with: scripts/bootstrap.sh test");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    said
}

/// Streams through links of every kind, packet by packet: arrival, number, media time, length; and
/// what the estimator says then: target, need, and when luck would have brought this frame.
fn delay() -> Vec<Value> {
    let link = |jitter: &str| LinkConfig {
        latency: Duration::from_millis(3),
        jitter: jitter.parse().unwrap(),
        seed: 7,
        ..LinkConfig::default()
    };
    let overtaking = LinkConfig {
        reorder: Reorder {
            probability: "5%".parse().unwrap(),
            delay: Duration::from_millis(25),
        },
        order: Order::Free,
        ..link("4ms")
    };
    let links = [
        (link("none"), 10),
        (link("12ms"), 5),
        (link("normal:6ms"), 20),
        (link("spikes:80ms/1s/120ms"), 10),
        (link("spikes:140ms/3s"), 20),
        (overtaking, 5),
    ];
    let profiles = [
        ("interactive", DelayConfig::interactive()),
        ("balanced", DelayConfig::balanced()),
        ("robust", DelayConfig::robust()),
    ];
    let mut all = Vec::new();
    for (n, (link, ptime)) in links.into_iter().enumerate() {
        let arrivals = arrivals(link, ptime * MS);
        for (name, config) in profiles.iter().skip(n % 2) {
            all.push(told(name, config, &arrivals));
        }
    }
    all
}

/// Twenty seconds of packets with a pause, a jump back and a jump forth in their times, from a
/// clock that is 200 ppm fast.
fn arrivals(link: LinkConfig, ptime: i64) -> Vec<[i64; 4]> {
    let mut link = Link::new(link).unwrap();
    let mut out = Vec::new();
    let count = 20_000 * MS / ptime;
    for n in 0..=count {
        let now = n * ptime - n * ptime / 5_000;
        let end = n == count;
        let now = Instant::from_nanos(if end { u64::MAX } else { now as u64 });
        while let Some(due) = link.poll_timeout().filter(|due| *due <= now) {
            let d = link.poll_output(due).unwrap();
            let (n, seq) = (d.tag as i64, d.number as i64);
            let media = n * ptime
                + match n * 20 / count {
                    0..5 => 0,
                    5..10 => 40_000 * MS,
                    10..15 => -3_000 * MS,
                    _ => 700 * MS,
                };
            out.push([d.due.as_nanos() as i64, seq, media, ptime]);
        }
        let is_silent = (count / 3..count / 3 + 2_500 * MS / ptime).contains(&n);
        if !end && !is_silent {
            link.handle(now, n as usize, &[]);
        }
    }
    out
}

fn told(name: &str, config: &DelayConfig, arrivals: &[[i64; 4]]) -> Value {
    let mut estimator = DelayEstimator::new(config).unwrap();
    let packets = arrivals.iter().map(|&[at, seq, media, duration]| {
        let arrival = Instant::from_nanos(at as u64);
        estimator.observe(arrival, ExtSeq(seq as u64), media, duration);
        let lucky = estimator.lucky_arrival(media).unwrap();
        let nanos = |d: Duration| d.as_nanos() as u64;
        json!([
            at,
            seq,
            media,
            duration,
            nanos(estimator.target()),
            nanos(estimator.needed()),
            lucky.as_nanos(),
        ])
    });
    json!({ "profile": name, "packets": packets.collect::<Vec<_>>() })
}

/// Observations of every kind, and what is decided, by a policy that is told of each change of
/// length.
fn policy() -> Vec<Value> {
    let mut policy = PlayoutPolicy::new(PolicyConfig {
        slack_above: 5 * MS,
        slack_below: 2 * MS,
        skip_above: 700 * MS,
        skip_excess: 100 * MS,
        stretch: Stretch::Allowed,
    });
    let mut state = 1u64;
    let mut below = move |n: i64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as i64 % n
    };
    let mut now = 0;
    let made = std::iter::repeat_with(|| {
        now += below(60) * MS - 5 * MS;
        let supply = match below(6) {
            0 => Supply::Empty,
            1 => Supply::Gap(below(80 * MS) + 1),
            _ => Supply::Ready,
        };
        let target = below(500 * MS);
        let width = [10, 60, 300, 1_500][below(4) as usize] * MS;
        let o = Observation {
            now,
            target,
            delay: target + below(width) - width / 2,
            supply,
            concealed: [0, 0, 0, 10, 200][below(5) as usize] * MS,
        };
        let decision = policy.decide(o);
        let (what, more) = match decision {
            Decision::Buffering | Decision::Normal => ("normal", Value::Null),
            Decision::Merge => ("merge", Value::Null),
            Decision::Accelerate(e) => ("accelerate", format!("{e:?}").to_lowercase().into()),
            Decision::PreemptiveExpand(e) => {
                ("expandAhead", format!("{e:?}").to_lowercase().into())
            }
            Decision::Expand => ("expand", Value::Null),
            Decision::ComfortNoise => ("comfortNoise", Value::Null),
            Decision::Skip(by) => ("skip", by.into()),
        };
        let limit = policy.limit(o);
        if matches!(
            decision,
            Decision::Accelerate(_) | Decision::PreemptiveExpand(_)
        ) {
            policy.stretched(now);
        }
        let (supply, missing) = match supply {
            Supply::Ready => ("ready", 0),
            Supply::Gap(missing) => ("gap", missing),
            Supply::Empty => ("empty", 0),
        };
        json!([
            o.now,
            o.target,
            o.delay,
            supply,
            missing,
            o.concealed,
            what,
            more,
            limit
        ])
    });
    made.take(20_000).collect()
}
