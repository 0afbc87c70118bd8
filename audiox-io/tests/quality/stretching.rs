//! Time-stretch, judged about the joins: window after window is made shorter or longer until the
//! whole lasts a tenth less or more.

use std::ops::Range;

use audiox_core::sim::spectrum::{floor, log_spectral};
use audiox_core::stretch::{Effort, TimeStretcher};

use crate::material::Material;

#[derive(Debug, Clone, Copy)]
enum How {
    /// 10 ms are cut out or repeated, whatever is there.
    Naive,
    Ours(Effort),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Shorter,
    Longer,
}

/// A place at which frames are missing or repeated.
struct Join {
    /// Frames of the output that are not the input's.
    frames: Range<usize>,
    /// Input position less output position, before and behind it.
    shifts: [isize; 2],
}

struct Stretched {
    samples: Vec<f32>,
    joins: Vec<Join>,
    /// Frames left out or added.
    moved: usize,
}

fn stretch(material: &Material, change: Change, how: How) -> Stretched {
    let (input, ch) = (&material.samples, material.format.channels.get());
    let mut stretcher = TimeStretcher::new(material.format).unwrap();
    let window = stretcher.window();
    let packet = material.format.rate.get() as usize / 100;
    let mut buffer = vec![0.0; 2 * window * ch];
    let mut out = Stretched {
        samples: Vec::new(),
        joins: Vec::new(),
        moved: 0,
    };
    let mut shift = 0;
    for (n, input) in input.chunks_exact(window * ch).enumerate() {
        let wanted = n * window / 10;
        let made = if out.moved + packet / 2 >= wanted {
            buffer[..window * ch].copy_from_slice(input);
            window
        } else {
            match how {
                How::Naive => naive(input, packet * ch, change, &mut buffer) / ch,
                How::Ours(effort) => match change {
                    Change::Shorter => stretcher.accelerate(input, &mut buffer, window, effort),
                    Change::Longer => stretcher.expand(input, &mut buffer, window, effort),
                },
            }
        };
        let made_up = &buffer[..made * ch];
        if made != window {
            let alike = |pairs: &mut dyn Iterator<Item = (&f32, &f32)>| {
                pairs.take_while(|(a, b)| a == b).count() / ch
            };
            let head = alike(&mut input.iter().zip(made_up));
            let tail = alike(&mut input.iter().rev().zip(made_up.iter().rev()));
            let (from, behind) = (
                out.samples.len() / ch,
                shift + window as isize - made as isize,
            );
            out.joins.push(Join {
                frames: from + head..from + head.max(made - tail),
                shifts: [shift, behind],
            });
            out.moved += made.abs_diff(window);
            shift = behind;
        }
        out.samples.extend_from_slice(made_up);
    }
    out
}

/// Repeats or leaves out `step` samples in the middle.
fn naive(input: &[f32], step: usize, change: Change, out: &mut [f32]) -> usize {
    let (head, tail) = input.split_at(input.len() / 2);
    let tail = match change {
        Change::Shorter => &tail[step..],
        Change::Longer => &input[head.len() - step..],
    };
    out[..head.len()].copy_from_slice(head);
    out[head.len()..head.len() + tail.len()].copy_from_slice(tail);
    head.len() + tail.len()
}

/// Mean log-spectral distance about the joins: at each moment to whatever moment of the input
/// comes nearest, of those that it may stand for.
fn distance_at_joins(material: &Material, out: &Stretched) -> f64 {
    let rate = material.format.rate.get() as isize;
    let size = rate / 48;
    let mut all = Vec::new();
    for channel in 0..material.format.channels.get() {
        let sent = material.channel(&material.samples, channel);
        let heard = material.channel(&out.samples, channel);
        let floor = floor(&sent);
        let around = |signal: &[f32], at: isize| -> Option<Vec<f32>> {
            let from = usize::try_from(at - size / 2).ok()?;
            signal.get(from..from + size as usize).map(<[f32]>::to_vec)
        };
        for join in &out.joins {
            let (mut sum, mut count) = (0.0, 0);
            let [a, b] = join.shifts;
            let end = join.frames.end as isize + size / 4;
            let mut at = join.frames.start as isize - size / 4;
            while at <= end {
                let nearest = (a.min(b)..=a.max(b))
                    .step_by(rate as usize / 1_000)
                    .chain([b])
                    .filter_map(|shift| {
                        let (x, y) = (around(&sent, at + shift)?, around(&heard, at)?);
                        Some(log_spectral(&x, &y, floor))
                    })
                    .fold(f64::INFINITY, f64::min);
                if nearest.is_finite() {
                    sum += nearest;
                    count += 1;
                }
                at += size / 4;
            }
            if count > 0 {
                all.push(sum / f64::from(count));
            }
        }
    }
    all.iter().sum::<f64>() / all.len() as f64
}

/// `limits`, dB: by effort, from the least.
fn assert_within(material: &Material, change: Change, limits: [f64; 3]) {
    let frames = material.samples.len() / material.format.channels.get();
    let naive = stretch(material, change, How::Naive);
    let naive = distance_at_joins(material, &naive);
    let efforts = [Effort::Gentle, Effort::Normal, Effort::Urgent];
    for (effort, limit) in efforts.into_iter().zip(limits) {
        let out = stretch(material, change, How::Ours(effort));
        let distance = distance_at_joins(material, &out);
        let case = format!(
            "{}, {change:?}, {effort:?}: {distance:.2} dB at {} joins ({naive:.2} anywhere)",
            material.name,
            out.joins.len(),
        );
        // The report of the benches takes it from here.
        println!(
            "table: quality-stretch\n\
             | a tenth | effort | audiox, dB | 10 ms cut or repeated anywhere, dB |\n\
             | --- | --- | ---: | ---: |\n\
             | {}, {change:?} | `{effort:?}` | {distance:.2} | {naive:.2} |",
            material.name
        );
        assert!(distance < limit, "{case}");
        assert!(distance < naive - 5.0, "{case}");
        let moved = out.moved as f64 / frames as f64;
        assert!((0.097..0.104).contains(&moved), "{case}: {moved}");
    }
}

#[test]
fn a_tenth_of_speech_goes() {
    assert_within(&Material::speech(), Change::Shorter, [1.5, 1.8, 1.65]);
}

#[test]
fn a_tenth_of_speech_comes_on_top() {
    assert_within(&Material::speech(), Change::Longer, [1.7, 1.95, 1.85]);
}

#[test]
fn a_tenth_of_music_goes() {
    assert_within(&Material::music(), Change::Shorter, [1.6, 2.0, 1.8]);
}

#[test]
fn a_tenth_of_music_comes_on_top() {
    assert_within(&Material::music(), Change::Longer, [1.75, 2.1, 1.9]);
}
