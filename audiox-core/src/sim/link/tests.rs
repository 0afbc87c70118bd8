use super::*;
use crate::sim::Digest;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn link(config: LinkConfig) -> Link {
    Link::new(config).unwrap()
}

/// Sends `count` numbered datagrams, one each `every`, taking each out when it is due; returns
/// (number in the datagram, due) in order of delivery.
fn run(link: &mut Link, count: u64, every: Duration) -> Vec<(u64, Instant)> {
    let mut out = Vec::new();
    let mut drain = |link: &mut Link, until: Instant| {
        while let Some(due) = link.poll_timeout().filter(|due| *due <= until) {
            let d = link.poll_output(due).unwrap();
            assert_eq!(d.due, due);
            let number = u64::from_be_bytes(d.bytes[..8].try_into().unwrap());
            out.push((number, due));
        }
    };
    for n in 0..count {
        let now = Instant::EPOCH + every * n as u32;
        drain(link, now);
        link.handle(now, 0, &n.to_be_bytes());
    }
    drain(link, Instant::from_nanos(u64::MAX));
    out
}

#[test]
fn a_perfect_link_hands_everything_on_at_once_and_in_order() {
    let mut l = link(LinkConfig::default());
    for n in 0..10u8 {
        assert_eq!(l.handle(at(5), usize::from(n), &[n]), Fate::Queued(at(5)));
    }
    assert!(l.poll_output(at(4)).is_none());
    for n in 0..10u8 {
        let d = l.poll_output(at(5)).unwrap();
        assert_eq!(
            (d.bytes, d.tag, d.number),
            (&[n][..], usize::from(n), u64::from(n))
        );
    }
    assert!(l.poll_output(at(5)).is_none() && l.poll_timeout().is_none());
    assert_eq!(l.stats().delay_max, Duration::ZERO);
}

#[test]
fn latency_and_jitter_bound_the_delay_and_the_order_is_kept() {
    let mut l = link(LinkConfig {
        latency: 30 * MS,
        jitter: Jitter::Uniform { max: 20 * MS },
        ..LinkConfig::default()
    });
    let out = run(&mut l, 20_000, 5 * MS);
    assert!(out.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    let s = l.stats();
    assert_eq!((s.delivered, s.reordered), (20_000, 0));
    assert!(s.delay_min >= 30 * MS && s.delay_max <= 50 * MS);
    assert!(
        s.delay_mean() > 40 * MS,
        "waiting for the one before adds delay"
    );
}

#[test]
fn free_order_takes_the_delays_as_drawn() {
    let mut l = link(LinkConfig {
        jitter: Jitter::Uniform { max: 20 * MS },
        order: Order::Free,
        ..LinkConfig::default()
    });
    run(&mut l, 20_000, 5 * MS);
    let s = l.stats();
    assert!(s.reordered > 5_000);
    assert!(
        s.delay_mean().abs_diff(10 * MS) < MS / 5,
        "{:?}",
        s.delay_mean()
    );
}

#[test]
fn normal_jitter_never_delivers_before_sending() {
    let mut l = link(LinkConfig {
        latency: MS,
        jitter: Jitter::Normal { sigma: 5 * MS },
        order: Order::Free,
        ..LinkConfig::default()
    });
    for (number, due) in run(&mut l, 5_000, 20 * MS) {
        assert!(due >= at(number * 20));
    }
}

#[test]
fn a_reordered_datagram_is_overtaken_by_those_sent_within_its_delay() {
    let mut l = link(LinkConfig {
        latency: 10 * MS,
        reorder: "2%/45ms".parse().unwrap(),
        seed: 4,
        ..LinkConfig::default()
    });
    let out = run(&mut l, 50_000, 20 * MS);
    let s = l.stats();
    assert!((900..1_100).contains(&s.reordered), "{}", s.reordered);
    let position = |n: u64| out.iter().position(|(m, _)| *m == n).unwrap();
    let late = (0..49_000u64)
        .find(|n| position(*n) as u64 == n + 2)
        .expect("one is overtaken by exactly two");
    assert_eq!(out[position(late)].1, at(late * 20 + 55));
}

#[test]
fn duplicates_are_counted_and_marked() {
    let mut l = link(LinkConfig {
        duplicate: "10%".parse().unwrap(),
        latency: 5 * MS,
        jitter: Jitter::Uniform { max: 3 * MS },
        ..LinkConfig::default()
    });
    let (mut copies, mut seen) = (0, vec![0u8; 20_000]);
    for n in 0..20_000u64 {
        l.handle(at(n), 3, &[1, 2, 3]);
        while let Some(d) = l.poll_output(at(n)) {
            assert_eq!((d.tag, d.bytes), (3, &[1, 2, 3][..]));
            copies += u64::from(d.copy);
            seen[d.number as usize] += 1;
        }
    }
    let s = l.stats();
    assert!((1_800..2_200).contains(&s.duplicated));
    assert!(s.duplicated - copies <= s.in_flight);
    assert!(seen[..19_900].iter().all(|n| (1..=2).contains(n)));
    assert_eq!(s.reordered, 0);
}

#[test]
fn bits_flip_at_their_rate() {
    let mut l = link(LinkConfig {
        bit_error: "0.1%".parse().unwrap(),
        ..LinkConfig::default()
    });
    let (mut flipped, mut touched) = (0, 0);
    for n in 0..1_000 {
        l.handle(at(n), 0, &[0x55; 125]);
        let d = l.poll_output(at(n)).unwrap();
        let bits: u32 = d.bytes.iter().map(|b| (b ^ 0x55).count_ones()).sum();
        flipped += bits;
        touched += u64::from(bits > 0);
    }
    assert!((900..1_100).contains(&flipped), "{flipped}");
    assert_eq!(l.stats().corrupted, touched);
}

#[test]
fn the_bottleneck_spaces_datagrams_and_drops_the_tail() {
    let mut l = link(LinkConfig {
        latency: 10 * MS,
        rate: Some(RateLimit {
            overhead: 0,
            queue: 250 * MS,
            bits_per_second: 8_000,
        }),
        ..LinkConfig::default()
    });
    let fates: Vec<Fate> = (0..5).map(|_| l.handle(at(0), 0, &[0; 100])).collect();
    assert_eq!(
        fates,
        [
            Fate::Queued(at(110)),
            Fate::Queued(at(210)),
            Fate::Queued(at(310)),
            Fate::QueueDropped,
            Fate::QueueDropped
        ]
    );
    assert_eq!(l.stats().queue_dropped, 2);
}

#[test]
fn what_exceeds_the_capacity_is_dropped() {
    let mut l = link(LinkConfig {
        latency: MS,
        capacity: 2,
        duplicate: Probability::ALWAYS,
        ..LinkConfig::default()
    });
    assert_eq!(l.handle(at(0), 0, &[0; 65_536]), Fate::Overflowed);
    assert_eq!(l.handle(at(0), 0, &[1]), Fate::Queued(at(1)));
    assert_eq!(l.handle(at(0), 0, &[2]), Fate::Overflowed);
    assert_eq!((l.stats().overflowed, l.stats().in_flight), (4, 2));
}

#[test]
fn loss_does_not_depend_on_the_rest_of_the_configuration() {
    let lost = |config: LinkConfig| -> Vec<bool> {
        let mut l = link(LinkConfig {
            loss: "ge:5%,20%".parse().unwrap(),
            seed: 99,
            ..config
        });
        (0..2_000)
            .map(|n| l.handle(at(n), 0, &[0]) == Fate::Lost)
            .collect()
    };
    let plain = lost(LinkConfig::default());
    assert_eq!(
        plain,
        lost(LinkConfig {
            jitter: "normal:5ms".parse().unwrap(),
            duplicate: "20%".parse().unwrap(),
            reorder: "20%".parse().unwrap(),
            ..LinkConfig::default()
        })
    );
}

#[test]
fn time_may_jump_anywhere() {
    let mut l = link(LinkConfig {
        latency: MS,
        jitter: "spikes:10ms/100ms".parse().unwrap(),
        rate: Some(RateLimit::new(1_000_000_000_000)),
        ..LinkConfig::default()
    });
    for now in [u64::MAX, 0, u64::MAX, 17, u64::MAX / 2, 1] {
        l.handle(Instant::from_nanos(now), 0, &[0; 1_500]);
        while l.poll_output(Instant::from_nanos(now)).is_some() {}
    }
}

/// Ten minutes on a bad network; the golden value changes only where the model does.
#[test]
fn the_same_seed_gives_the_same_run_for_ever() {
    let digest = |seed: u64, jitter: &str| {
        let mut l = link(LinkConfig {
            latency: 40 * MS,
            jitter: jitter.parse().unwrap(),
            loss: "ge:1%,25%,80%,0.1%".parse().unwrap(),
            duplicate: "0.5%".parse().unwrap(),
            reorder: "1%/30ms".parse().unwrap(),
            rate: Some("256kbit/80ms".parse().unwrap()),
            bit_error: "0.001%".parse().unwrap(),
            seed,
            ..LinkConfig::default()
        });
        let mut d = Digest::new();
        for n in 0..30_000u64 {
            let now = at(n * 20);
            l.handle(now, n as usize % 2, &[n as u8; 172]);
            while let Some(out) = l.poll_output(now) {
                d.word(out.due.as_nanos());
                d.word(out.number << 1 | u64::from(out.copy));
                d.word(out.tag as u64);
                d.bytes(out.bytes);
            }
        }
        d.to_string()
    };
    for (jitter, golden) in [
        ("15ms", "e7b350180770fb36a4c2e73e54e4109c"),
        ("normal:8ms", "a9dedd32e42fdf5d39cc6126e8e0e068"),
        ("spikes:140ms/1.5s", "2e99d6a5a8a464f1dd3b9f04b5ee851f"),
    ] {
        assert_eq!(digest(7, jitter), golden, "{jitter}");
        assert_ne!(digest(8, jitter), golden, "{jitter}");
    }
}

fn any_probability() -> impl Strategy<Value = Probability> {
    prop_oneof![
        Just(Probability::NEVER),
        Just(Probability::ALWAYS),
        (0.0..1.0).prop_map(|p| Probability::new(p).unwrap()),
    ]
}

fn any_config() -> impl Strategy<Value = LinkConfig> {
    let jitter = prop_oneof![
        Just("none"),
        Just("20ms"),
        Just("normal:30ms"),
        Just("spikes:50ms/200ms"),
        Just("trace:0,90ms,1ms"),
    ];
    let loss = prop_oneof![
        Just("none"),
        Just("30%"),
        Just("ge:10%,20%"),
        Just("list:0-5,9")
    ];
    (
        (0u64..50, jitter, loss, any_probability(), any_probability()),
        (
            any::<bool>(),
            1usize..40,
            proptest::option::of(1_000u64..1_000_000),
            any::<u64>(),
        ),
    )
        .prop_map(
            |((latency, jitter, loss, duplicate, reorder), (free, capacity, rate, seed))| {
                LinkConfig {
                    latency: Duration::from_millis(latency),
                    jitter: jitter.parse().unwrap(),
                    loss: loss.parse().unwrap(),
                    duplicate,
                    reorder: Reorder {
                        probability: reorder,
                        ..Reorder::default()
                    },
                    rate: rate.map(RateLimit::new),
                    order: if free { Order::Free } else { Order::Kept },
                    capacity,
                    seed,
                    ..LinkConfig::default()
                }
            },
        )
}

proptest! {
    #[test]
    fn every_datagram_has_one_outcome_and_none_comes_early(
        config in any_config(),
        steps in proptest::collection::vec((0u64..40, any::<bool>(), 0usize..300), 0..200),
    ) {
        let mut l = link(config);
        let mut now = Instant::EPOCH;
        let mut last: Option<(Instant, u64)> = None;
        for (ms, send, len) in steps {
            now += Duration::from_millis(ms);
            if send {
                let fate = l.handle(now, len, &vec![7; len]);
                if let Fate::Queued(due) = fate {
                    prop_assert!(due >= now);
                    prop_assert!(l.poll_timeout().unwrap() <= due);
                }
                last = None;
            } else {
                let timeout = l.poll_timeout();
                let got = l.poll_output(now).map(|d| (d.due, d.sent, d.tag, d.bytes.len()));
                prop_assert_eq!(got.is_some(), timeout.is_some_and(|t| t <= now));
                if let Some((due, sent, tag, len)) = got {
                    prop_assert_eq!(Some(due), timeout);
                    prop_assert!(sent <= due && due <= now);
                    prop_assert_eq!(tag, len);
                    prop_assert!(last.is_none_or(|(before, _)| before <= due));
                    last = Some((due, 0));
                }
            }
            let s = l.stats();
            prop_assert_eq!(
                s.handled + s.duplicated,
                s.lost + s.queue_dropped + s.overflowed + s.delivered + s.in_flight
            );
        }
    }
}

#[test]
fn another_route_delays_what_is_sent_from_then_on_and_keeps_counts() {
    let over = |latency| LinkConfig {
        latency,
        ..LinkConfig::default()
    };
    let mut link = Link::new(over(30 * MS)).unwrap();
    link.handle(Instant::EPOCH, 0, b"long way");
    link.set_config(over(10 * MS)).unwrap();
    link.handle(Instant::EPOCH + MS, 0, b"short way");
    let refused = link.set_config(over(Duration::from_secs(7_200)));
    assert_eq!(refused.unwrap_err().field, "latency");
    let mut came = Vec::new();
    while let Some(d) = link.poll_output(Instant::EPOCH + 100 * MS) {
        came.push((d.number, d.due.saturating_since(Instant::EPOCH)));
    }
    assert_eq!(came, [(1, 11 * MS), (0, 30 * MS)]);
    let stats = link.stats();
    assert_eq!((stats.handled, stats.delivered, stats.reordered), (2, 2, 1));
}
