//! What was heard in the place of what was lost, however the receiver moved the rest.

use std::ops::Range;

use audiox_core::sim::spectrum::{floor, log_spectral};

/// Means over all gaps, dB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// Log-spectral distance of what was heard from the last frame before the gap on to what was
    /// lost.
    pub(crate) in_place: f64,
    /// Signal-to-noise ratio there.
    pub(crate) snr: f64,
    /// The same distance, aligned by what went before the gap or by what came after it, whichever
    /// is nearer.
    pub(crate) nearer: f64,
    /// Log-spectral distance of all that was played and never received to what would have come
    /// next, or before, whichever is nearer.
    pub(crate) made_up: f64,
    /// Frames of that for each frame lost.
    pub(crate) made_up_share: f64,
    /// Gaps judged.
    pub(crate) gaps: usize,
}

/// Judges one channel: `sent` without the `lost` ranges became `heard`; what lies before frame
/// `from` does not count.
pub(crate) fn judge(
    sent: &[f32],
    lost: &[Range<usize>],
    heard: &[f32],
    rate: usize,
    from: usize,
) -> Verdict {
    let packet = rate / 100;
    let floor = floor(sent);
    let place = places(sent, heard, rate);
    let distance = |range: Range<usize>, at: Option<usize>| -> Option<f64> {
        let (a, b) = (sent.get(range.clone())?, heard.get(at?..at? + range.len())?);
        let power = a.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / a.len() as f64;
        (power >= floor).then(|| log_spectral(a, b, floor))
    };
    let (mut in_place, mut nearer) = (Vec::new(), Vec::new());
    let (mut signal, mut noise) = (0.0, 0.0);
    for gap in lost.iter().filter(|gap| gap.start >= from) {
        let before = (gap.start.saturating_sub(packet)..gap.start)
            .rev()
            .find_map(|k| place.sent[k].map(|at| at + gap.start - k));
        let after = (gap.end..(gap.end + packet).min(sent.len()))
            .find_map(|k| (place.sent[k]? + gap.start).checked_sub(k));
        let Some(d) = distance(gap.clone(), before) else {
            continue;
        };
        in_place.push(d);
        nearer.push(distance(gap.clone(), after).map_or(d, |after| after.min(d)));
        for (x, y) in sent[gap.clone()].iter().zip(&heard[before.unwrap_or(0)..]) {
            signal += f64::from(*x).powi(2);
            noise += f64::from(x - y).powi(2);
        }
    }
    let (mut made, mut frames) = (0.0, 0);
    let mut judged = 0;
    for run in place.unknown() {
        let (Some(before), Some(after)) = (place.heard[run.start - 1], place.heard[run.end]) else {
            continue;
        };
        if before < from {
            continue;
        }
        frames += run.len();
        let nearest = [before + 1, after.saturating_sub(run.len())]
            .into_iter()
            .filter_map(|start| distance(start..start + run.len(), Some(run.start)))
            .fold(f64::INFINITY, f64::min);
        if nearest.is_finite() {
            made += nearest * run.len() as f64;
            judged += run.len();
        }
    }
    let lost: usize = lost
        .iter()
        .filter(|g| g.start >= from)
        .map(Range::len)
        .sum();
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
    Verdict {
        in_place: mean(&in_place),
        snr: 10.0 * (signal.max(1e-30) / noise.max(1e-30)).log10(),
        nearer: mean(&nearer),
        made_up: made / judged.max(1) as f64,
        made_up_share: frames as f64 / lost.max(1) as f64,
        gaps: in_place.len(),
    }
}

/// Which sample of the one is which of the other.
struct Places {
    /// By position sent.
    sent: Vec<Option<usize>>,
    /// By position heard.
    heard: Vec<Option<usize>>,
    /// Shorter runs are joins, not stretches.
    shortest: usize,
}

/// Finds what was played as it was sent, to the bit.
fn places(sent: &[f32], heard: &[f32], rate: usize) -> Places {
    let (window, reach) = (rate / 1_000, rate);
    let mut places = Places {
        sent: vec![None; sent.len()],
        heard: vec![None; heard.len()],
        shortest: rate / 400,
    };
    let (mut at, mut next) = (0, 0);
    while let Some(part) = heard.get(at..at + window) {
        let known = sent.get(next..next + window) == Some(part);
        let found = match known {
            true => Some(next),
            // Silence looks the same everywhere.
            false if part.iter().all(|s| s.abs() < 1e-3) => None,
            false => {
                let from = next.saturating_sub(reach);
                let until = (next + reach).min(sent.len());
                let windows = sent[from..until].windows(window).enumerate();
                let equal = windows.filter(|(_, w)| w[0] == part[0] && *w == part);
                equal
                    .map(|(k, _)| from + k)
                    .min_by_key(|k| k.abs_diff(next))
            }
        };
        match found {
            Some(k) => {
                for i in 0..window {
                    places.sent[k + i] = Some(at + i);
                    places.heard[at + i] = Some(k + i);
                }
                next = k + 1;
                at += 1;
            }
            None => at += 1,
        }
    }
    places
}

impl Places {
    /// Stretches that were heard and never sent, with something known on both sides.
    fn unknown(&self) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        let mut start = None;
        for (at, known) in self.heard.iter().enumerate() {
            match (known, start) {
                (None, None) if at > 0 && self.heard[at - 1].is_some() => start = Some(at),
                (Some(_), Some(from)) => {
                    if at - from >= self.shortest {
                        all.push(from..at);
                    }
                    start = None;
                }
                _ => {}
            }
        }
        all
    }
}
