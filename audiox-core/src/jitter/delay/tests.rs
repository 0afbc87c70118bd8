//! The estimator driven with what comes out of simulated links.

mod network;
mod stream;

use super::*;
use crate::sim::{Link, LinkConfig};

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// A packet as it comes out of a link; times in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: i64,
    seq: u64,
    media: i64,
}

/// Who sends: packets of `ptime` from `from` until `to` by a clock that is off by `ppm`, all
/// times but the last in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Sending {
    ptime: i64,
    ppm: i64,
    from: i64,
    to: i64,
}

impl Sending {
    fn new(ptime: i64, to: i64) -> Self {
        Self {
            ptime,
            ppm: 0,
            from: 0,
            to,
        }
    }

    /// What arrives at the other end of `link`.
    fn through(self, link: LinkConfig) -> Vec<Arrival> {
        let mut link = Link::new(link).unwrap();
        let mut out = Vec::new();
        let first = self.from / self.ptime;
        for n in first.. {
            let media = n * self.ptime;
            let sent = media - media / 1_000_000 * self.ppm;
            let end = sent >= self.to;
            let now = Instant::from_nanos(if end { u64::MAX } else { sent as u64 });
            while let Some(due) = link.poll_timeout().filter(|due| *due <= now) {
                let d = link.poll_output(due).unwrap();
                let n = first + d.number as i64;
                out.push(Arrival {
                    at: d.due.as_nanos() as i64,
                    seq: n as u64,
                    media: n * self.ptime,
                });
            }
            if end {
                break;
            }
            link.handle(now, 0, &[]);
        }
        out
    }
}

/// What arrives behind another link.
fn onward(arrivals: &[Arrival], link: LinkConfig) -> Vec<Arrival> {
    let mut link = Link::new(link).unwrap();
    let mut out = Vec::new();
    for at in arrivals.iter().map(|a| a.at as u64).chain([u64::MAX]) {
        let now = Instant::from_nanos(at);
        while let Some(due) = link.poll_timeout().filter(|due| *due <= now) {
            let d = link.poll_output(due).unwrap();
            out.push(Arrival {
                at: d.due.as_nanos() as i64,
                ..arrivals[d.number as usize]
            });
        }
        link.handle(now, 0, &[]);
    }
    out
}

fn link(jitter: &str, seed: u64) -> LinkConfig {
    LinkConfig {
        latency: Duration::from_millis(3),
        jitter: jitter.parse().unwrap(),
        seed,
        ..LinkConfig::default()
    }
}

/// A stream over links that change: each from its time in seconds on.
fn over(ptime: i64, seed: u64, phases: &[(i64, &str)], end: i64) -> Vec<Arrival> {
    let ends = phases.iter().skip(1).map(|p| p.0).chain([end]);
    let parts = phases.iter().zip(ends).flat_map(|((from, jitter), to)| {
        let sending = Sending {
            from: from * SECOND,
            ..Sending::new(ptime, to * SECOND)
        };
        sending.through(link(jitter, seed))
    });
    let mut all: Vec<Arrival> = parts.collect();
    all.sort_by_key(|a| a.at);
    all
}

/// What the estimator said just before a packet, and what that meant for it.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: i64,
    target: i64,
    /// Playout that keeps to target, and never goes back in time, has passed the packet's first
    /// frame already.
    late: bool,
}

/// Plays as the estimator says.
struct Player {
    estimator: DelayEstimator,
    ptime: i64,
    /// The media time that playout has reached.
    played: i64,
}

impl Player {
    fn new(config: &DelayConfig, ptime: i64) -> Self {
        Self {
            estimator: DelayEstimator::new(config).unwrap(),
            ptime,
            played: i64::MIN,
        }
    }

    fn play(&mut self, arrivals: &[Arrival]) -> Vec<Sample> {
        arrivals.iter().map(|a| self.receive(a)).collect()
    }

    fn receive(&mut self, a: &Arrival) -> Sample {
        let target = self.target();
        if let Some(lucky) = self.estimator.lucky_arrival(a.media) {
            let due = lucky.as_nanos() as i64 + target;
            self.played = self.played.max(a.media + a.at - due);
        }
        let at = Instant::from_nanos(a.at as u64);
        let seq = ExtSeq(a.seq);
        self.estimator.observe(at, seq, a.media, self.ptime);
        Sample {
            at: a.at,
            target,
            late: a.media < self.played,
        }
    }

    fn target(&self) -> i64 {
        self.estimator.target().as_nanos() as i64
    }
}

/// Plays a whole stream from its start.
fn play(config: &DelayConfig, ptime: i64, arrivals: &[Arrival]) -> Vec<Sample> {
    Player::new(config, ptime).play(arrivals)
}

fn between(samples: &[Sample], from: i64, to: i64) -> impl Iterator<Item = &Sample> {
    let range = from * SECOND..to * SECOND;
    samples.iter().filter(move |s| range.contains(&s.at))
}

fn highest(samples: &[Sample], from: i64, to: i64) -> i64 {
    between(samples, from, to).map(|s| s.target).max().unwrap()
}

fn late(samples: &[Sample], from: i64, to: i64) -> usize {
    between(samples, from, to).filter(|s| s.late).count()
}

fn profiles() -> [DelayConfig; 3] {
    [
        DelayConfig::interactive(),
        DelayConfig::balanced(),
        DelayConfig::robust(),
    ]
}

fn millis(d: Duration) -> i64 {
    d.as_millis() as i64
}
