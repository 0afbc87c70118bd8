//! How late each way of waiting wakes up, in one run of about ten seconds.
//!
//! Not a criterion bench: what matters is the tail of the lateness, not a mean cost.

use std::time::Duration;

use audiox_benches::table::{Cell, Table, is_quick};
use audiox_core::format::SampleRate;
use audiox_core::pacer::{CatchUp, Pacer};
use audiox_core::stats::ScheduleStats;
use audiox_core::time::Instant;
use audiox_net::pace::{PacedWork, run_paced};
use audiox_net::thread::{Realtime, request_realtime};
use audiox_net::{Clock, StopFlag};

const RATE: SampleRate = SampleRate::HZ_48000;
const FRAMES: u64 = 96;
const TICK: Duration = Duration::from_millis(2);

type Method = fn(&Clock, &mut Run);

fn main() {
    let (rounds, packets) = if is_quick() { (1, 50) } else { (2, 500) };
    let methods: [(&str, Method); 6] = [
        ("audiox, absolute deadlines", audiox),
        ("audiox, real-time priority", audiox_realtime),
        ("`thread::sleep` to the deadline", sleep_to_deadline),
        (
            "`thread::sleep` of one tick after each send",
            sleep_relative,
        ),
        ("tokio `interval`", tokio_interval),
        ("tokio `sleep` of one tick after each send", tokio_relative),
    ];
    let mut runs: Vec<Vec<Run>> = methods.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, method), runs) in methods.iter().zip(&mut runs) {
            let method = *method;
            // A thread of its own: priority and timer slack stay with a thread.
            let run = std::thread::spawn(move || {
                let clock = Clock::new();
                let mut run = Run::new(clock.now() + TICK, packets);
                method(&clock, &mut run);
                run
            });
            runs.push(run.join().expect("a run does not panic"));
        }
    }
    let mut table = Table::new("pacing", "way of waiting")
        .number("p50", "µs", 0)
        .number("p99", "µs", 0)
        .number("max", "µs", 0)
        .number("last tick", "µs", 0);
    for ((name, _), runs) in methods.iter().zip(&runs) {
        let mut all = runs[0].stats.deviation().clone();
        runs[1..]
            .iter()
            .for_each(|r| all.merge(r.stats.deviation()));
        let us = |nanos: Option<u64>| nanos.unwrap_or(0) as f64 / 1e3;
        let last = runs.iter().filter_map(|r| r.stats.last());
        let last = last.map(|(due, at)| at.signed_since(due)).max();
        let cells = [
            us(all.quantile(0.5)),
            us(all.quantile(0.99)),
            us(all.max()),
            last.unwrap_or(0) as f64 / 1e3,
        ];
        table.row(*name, cells.map(Cell::from));
        if let Realtime::Denied(why) = &runs[0].realtime {
            table.note(format!("{name}: denied, {why}"));
        }
        // Where the line of a distribution bends is its tail.
        let shares = [
            0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0,
        ];
        table.series(name, shares.map(|q| (q, us(all.quantile(q)))));
    }
    table.note(format!(
        "{rounds} runs of {packets} ticks of {TICK:?} each, interleaved"
    ));
    table.finish();
}

struct Run {
    pacer: Pacer,
    left: u64,
    stats: ScheduleStats,
    realtime: Realtime,
}

impl Run {
    fn new(start: Instant, packets: u64) -> Self {
        Self {
            pacer: Pacer::new(start, RATE, CatchUp::Burst),
            left: packets,
            stats: ScheduleStats::new(RATE, TICK),
            realtime: Realtime::NotAsked,
        }
    }

    /// One tick, at the time it should be sent.
    fn tick(&mut self, now: Instant) {
        self.stats.record(self.pacer.next_deadline(), now);
        self.pacer.advance(FRAMES);
        self.left -= 1;
    }
}

impl PacedWork for Run {
    fn next_deadline(&self) -> Option<Instant> {
        (self.left > 0).then(|| self.pacer.next_deadline())
    }

    fn run(&mut self, now: Instant) {
        self.tick(now);
    }
}

fn audiox(clock: &Clock, run: &mut Run) {
    run_paced(clock, &StopFlag::new(), run);
}

fn audiox_realtime(clock: &Clock, run: &mut Run) {
    run.realtime = request_realtime();
    run_paced(clock, &StopFlag::new(), run);
}

fn sleep_to_deadline(clock: &Clock, run: &mut Run) {
    while let Some(deadline) = run.next_deadline() {
        std::thread::sleep(deadline.saturating_since(clock.now()));
        run.tick(clock.now());
    }
}

/// What the simple streamers do: send, then sleep for a packet's duration.
fn sleep_relative(clock: &Clock, run: &mut Run) {
    clock.sleep_until(run.pacer.start());
    while run.left > 0 {
        run.tick(clock.now());
        std::thread::sleep(TICK);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be had")
}

fn tokio_interval(clock: &Clock, run: &mut Run) {
    runtime().block_on(async {
        let start = clock.to_std(run.pacer.start()).into();
        let mut interval = tokio::time::interval_at(start, TICK);
        while run.left > 0 {
            interval.tick().await;
            run.tick(clock.now());
        }
    });
}

fn tokio_relative(clock: &Clock, run: &mut Run) {
    clock.sleep_until(run.pacer.start());
    runtime().block_on(async {
        while run.left > 0 {
            run.tick(clock.now());
            tokio::time::sleep(TICK).await;
        }
    });
}
