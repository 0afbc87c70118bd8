//! How exactly and how soon the difference between two clocks is known, on networks of several
//! kinds: a table of the errors of 200 runs each.
//!
//! `cargo run --release --package audiox-core --features sim --example drift_table`
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::time::Duration;

use audiox_core::drift::DriftEstimator;
use audiox_core::sim::Pcg32;
use audiox_core::sim::link::{WIFI_LOADED, wifi_trace};
use audiox_core::time::Instant;

const RUNS: u64 = 200;
/// Seconds after which the estimate is read.
const READ: [usize; 2] = [30, 120];
const PER_SECOND: usize = 100;

fn main() {
    println!(
        "Errors in ppm of {RUNS} runs a row, {PER_SECOND} packets/s, clocks ±500 ppm apart.\n"
    );
    println!("table: drift");
    print!("| delay of the packets |");
    for seconds in READ {
        print!(" {seconds} s: median | 95 % within | worst |");
    }
    println!("\n| --- |{}", " ---: | ---: | ---: |".repeat(READ.len()));
    for millis in [0.1, 1.0, 3.0, 5.0] {
        row(&format!("normal, σ {millis} ms"), |rng, _| {
            rng.normal() * millis * 1e6
        });
    }
    let wifi = wifi_trace(Duration::from_millis(1_000) / PER_SECOND as u32);
    let [from, to] = WIFI_LOADED.map(|d| d.as_secs() as usize * PER_SECOND);
    let places = (to - from - READ[1] * PER_SECOND) as u64;
    row("wireless, loaded", |_, (run, n)| {
        let start = from + (run * 997 % places) as usize;
        wifi[start + n].as_nanos() as f64
    });
}

/// Measures one network; `delay` gives the nanoseconds of the n-th packet of a run.
fn row(name: &str, delay: impl Fn(&mut Pcg32, (u64, usize)) -> f64) {
    let mut errors = READ.map(|_| Vec::new());
    for run in 0..RUNS {
        let ppm = 1_000.0 * run as f64 / (RUNS - 1) as f64 - 500.0;
        let mut rng = Pcg32::derive(run, 1);
        let mut estimator = DriftEstimator::new();
        let mut n = 0;
        for (seconds, errors) in READ.into_iter().zip(&mut errors) {
            while n < seconds * PER_SECOND {
                let media = (n * 1_000_000_000 / PER_SECOND) as i64;
                let sent = media as f64 / (1.0 + ppm * 1e-6);
                let local = 1e9 + sent + delay(&mut rng, (run, n));
                estimator.observe(Instant::from_nanos(local as u64), media);
                n += 1;
            }
            let found = estimator.estimate().map_or(f64::NAN, |e| e.ppm);
            errors.push((found - ppm).abs());
        }
    }
    print!("| {name} |");
    for mut errors in errors {
        errors.sort_by(f64::total_cmp);
        let at = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
        print!(" {:.2} | {:.2} | {:.2} |", at(0.5), at(0.95), at(1.0));
    }
    println!();
}
