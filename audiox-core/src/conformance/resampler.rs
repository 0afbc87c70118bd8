use std::f64::consts::TAU;

use super::random::Random;
use crate::format::SampleRate;
use crate::resample::{Processed, Resampler};

/// Holds a resampler from `input` to `output` frames a second to what [`Resampler`] promises:
/// exact counts, output that does not depend on how calls are cut, the speed that was asked for,
/// a start in mid-stream without a jump, finite output whatever the input, and a `reset` that
/// makes the same input give the same output again.
///
/// How well it filters is for its own tests.
///
/// # Panics
/// A promise is broken.
pub fn resampler(resampler: &mut dyn Resampler, input: SampleRate, output: SampleRate) {
    let ratio = f64::from(input.get()) / f64::from(output.get());
    nothing(resampler);
    exact_counts(resampler);
    cuts(resampler);
    speeds(resampler, ratio);
    mid_stream(resampler, ratio);
    hostile_input(resampler);
    hostile_lengths(resampler);
    resets(resampler);
}

fn nothing(resampler: &mut dyn Resampler) {
    resampler.reset();
    assert_eq!(resampler.input_needed(0), 0, "frames needed for none");
    let done = resampler.process_into(&[], &mut []);
    assert_eq!(done, Processed::default(), "of nothing");
}

fn exact_counts(resampler: &mut dyn Resampler) {
    let mut random = Random(1);
    resampler.reset();
    for _ in 0..ROUNDS {
        let frames = random.below(MOST);
        if random.below(3) == 0 {
            resampler.set_adjustment(random.below(4_000) as f64 - 2_000.0);
        }
        let needed = resampler.input_needed(frames);
        let most = resampler.max_input(frames);
        assert!(needed <= most, "{needed} needed, at most {most} announced");
        let input = signal(resampler, &mut random, needed);
        let (done, _) = processed(resampler, &input, frames);
        assert_eq!(
            done,
            Processed {
                consumed: needed,
                produced: frames
            },
            "with what was needed"
        );
    }
}

/// The same stream in one call, and in calls that have too little of the one or the other.
fn cuts(resampler: &mut dyn Resampler) {
    let ch = resampler.channels().get();
    let mut random = Random(2);
    resampler.reset();
    resampler.set_adjustment(500.0);
    let needed = resampler.input_needed(MOST);
    let input = signal(resampler, &mut random, needed);
    let (_, whole) = processed(resampler, &input, MOST);

    resampler.reset();
    resampler.set_adjustment(500.0);
    let (mut at, mut out) = (0, Vec::new());
    let mut rounds = 0;
    while out.len() < whole.len() {
        let room = random.below(100).min((whole.len() - out.len()) / ch);
        let given = random.below(100).min(input.len() / ch - at);
        let (done, part) = processed(resampler, &input[at * ch..(at + given) * ch], room);
        assert!(
            done.consumed == given || done.produced == room,
            "{done:?} of {given} and {room} frames: there was more to do"
        );
        at += done.consumed;
        out.extend(part);
        rounds += 1;
        assert!(rounds < 100 * MOST, "no progress");
    }
    assert!(out == whole, "how calls are cut changes the output");
    assert_eq!(at * ch, input.len(), "frames consumed");
}

fn speeds(resampler: &mut dyn Resampler, ratio: f64) {
    for (asked, expected) in [
        (0.0, 0.0),
        (2_000.0, 2_000.0),
        (-2_000.0, -2_000.0),
        (0.5, 0.5),
        (f64::NAN, 0.0),
    ] {
        resampler.reset();
        resampler.set_adjustment(asked);
        let mut consumed = [0, 0];
        for consumed in &mut consumed {
            for _ in 0..SPEED_CALLS {
                let needed = resampler.input_needed(MOST);
                let input = vec![0.0; needed * resampler.channels().get()];
                *consumed += processed(resampler, &input, MOST).0.consumed;
            }
        }
        // The first half holds the filter's length and the way to the new speed.
        let expected = (SPEED_CALLS * MOST) as f64 * ratio * (1.0 + expected * 1e-6);
        assert!(
            (consumed[1] as f64 - expected).abs() < 2.0 + ratio,
            "{asked} ppm: {} frames consumed, {expected} expected",
            consumed[1]
        );
    }
    for asked in [f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
        resampler.reset();
        resampler.set_adjustment(asked);
        for _ in 0..SPEED_CALLS {
            let (needed, most) = (resampler.input_needed(MOST), resampler.max_input(MOST));
            assert!(needed <= most, "at {asked} ppm");
            let input = vec![0.0; needed * resampler.channels().get()];
            processed(resampler, &input, MOST);
        }
    }
}

/// Primed with a slow wave, it goes on where the wave is.
fn mid_stream(resampler: &mut dyn Resampler, ratio: f64) {
    let ch = resampler.channels().get();
    let history = 4 * (resampler.delay_frames() + 100);
    // Well within the pass band of both rates.
    let step = TAU / 64.0 / ratio.max(1.0);
    let wave = |place: f64, c: usize| (place * step + c as f64).sin() * 0.5;
    resampler.prime(
        &(0..history * ch)
            .map(|i| wave((i / ch) as f64, i % ch) as f32)
            .collect::<Vec<_>>(),
    );
    let ahead = resampler.delay_frames();
    assert_eq!(
        resampler.input_needed(1),
        ahead + 1,
        "for one frame, primed"
    );
    let needed = resampler.input_needed(MOST);
    let input: Vec<f32> = (history * ch..(history + needed) * ch)
        .map(|i| wave((i / ch) as f64, i % ch) as f32)
        .collect();
    let (_, out) = processed(resampler, &input, MOST);
    for (n, frame) in out.chunks_exact(ch).enumerate() {
        for (c, x) in frame.iter().enumerate() {
            let expected = wave(history as f64 + n as f64 * ratio, c);
            assert!(
                (f64::from(*x) - expected).abs() < 2e-4,
                "{x} where {expected} goes on, channel {c}, frame {n}"
            );
        }
    }
    // Less history than it looks back at is silence before it.
    resampler.prime(&[0.5][..ch % 2]);
    assert_eq!(resampler.input_needed(1), ahead + 1, "with little history");
}

fn hostile_input(resampler: &mut dyn Resampler) {
    let long = 4 * (resampler.delay_frames() + 1);
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        resampler.reset();
        let out = held(resampler, x, long);
        assert!(x.is_finite() || out.iter().all(|x| *x == 0.0), "of {x}");
        let out = held(resampler, 0.25, long);
        assert!(
            out.iter().all(|x| (x - 0.25).abs() < 1e-3),
            "{x} left something behind"
        );
    }
}

/// Feeds at least `frames` frames of one value, and gives what comes out of some more.
fn held(resampler: &mut dyn Resampler, x: f32, frames: usize) -> Vec<f32> {
    let mut consumed = 0;
    loop {
        let needed = resampler.input_needed(MOST);
        let input = vec![x; needed * resampler.channels().get()];
        let (_, out) = processed(resampler, &input, MOST);
        if consumed >= frames {
            return out;
        }
        consumed += needed;
    }
}

fn hostile_lengths(resampler: &mut dyn Resampler) {
    let ch = resampler.channels().get();
    resampler.reset();
    let mut random = Random(4);
    for _ in 0..ROUNDS {
        let input = vec![0.5; random.below(MOST)];
        let mut out = vec![f32::NAN; random.below(MOST)];
        let done = resampler.process_into(&input, &mut out);
        assert!(
            done.consumed * ch <= input.len() && done.produced * ch <= out.len(),
            "{done:?} of {} and {} samples",
            input.len(),
            out.len()
        );
        resampler.prime(&input[..random.below(input.len() + 1)]);
    }
    for frames in [usize::MAX, usize::MAX / 2] {
        assert!(resampler.max_input(frames) >= resampler.input_needed(frames));
    }
}

fn resets(resampler: &mut dyn Resampler) {
    let mut run = || {
        resampler.reset();
        let mut random = Random(5);
        let mut all = Vec::new();
        for ppm in [0.0, 100.0, -700.0] {
            resampler.set_adjustment(ppm);
            let needed = resampler.input_needed(MOST);
            let input = signal(resampler, &mut random, needed);
            all.extend(processed(resampler, &input, MOST).1);
        }
        all
    };
    assert!(run() == run(), "output differs after a reset");
}

/// What came out, all of it written and finite.
fn processed(resampler: &mut dyn Resampler, input: &[f32], frames: usize) -> (Processed, Vec<f32>) {
    let ch = resampler.channels().get();
    let mut out = vec![f32::NAN; frames * ch];
    let done = resampler.process_into(input, &mut out);
    assert!(
        done.produced <= frames && done.consumed * ch <= input.len(),
        "{done:?} of {} and {frames} frames",
        input.len() / ch
    );
    let (written, rest) = out.split_at(done.produced * ch);
    assert!(
        written.iter().all(|x| x.is_finite()) && rest.iter().all(|x| x.is_nan()),
        "{} frames said to be written are not the finite ones",
        done.produced
    );
    out.truncate(done.produced * ch);
    (done, out)
}

fn signal(resampler: &dyn Resampler, random: &mut Random, frames: usize) -> Vec<f32> {
    (0..frames * resampler.channels().get())
        .map(|_| random.below(2_001) as f32 / 1_000.0 - 1.0)
        .collect()
}

/// Frames of the longest call.
const MOST: usize = 700;
const ROUNDS: usize = 40;
const SPEED_CALLS: usize = 30;
