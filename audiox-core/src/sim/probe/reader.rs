//! Reads off a stream of output blocks which probe frames came out, and when.

use super::Probe;

/// Follows the output of a path that a [`Probe`] was sent into.
///
/// Blocks may be cut anywhere. Memory is bounded: after `max_spans` spans only the totals go on.
#[derive(Debug, Clone)]
pub struct ProbeReader {
    probe: Probe,
    frames: u64,
    run: Option<Run>,
    pending: Option<u32>,
    open: Option<Span>,
    spans: Vec<Span>,
    max_spans: usize,
    /// The index and output position that follow the last probe frame.
    after: Option<(u64, u64)>,
    first_index: u64,
    totals: ProbeTotals,
}

/// A stretch of output of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Position of its first frame in the output.
    pub out_at: u64,
    /// Its length in frames.
    pub frames: u64,
    /// What it is.
    pub kind: SpanKind,
}

/// What a stretch of output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// The probe's frames from this index on.
    Played {
        /// Index of the first, unwrapped.
        from: u64,
    },
    /// Exact zeros.
    Silence,
    /// Anything else, and a probe frame without a neighbour.
    Garbage,
}

/// Counts of all that was read, in frames unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeTotals {
    /// Probe frames that came out, repeated ones included.
    pub played: u64,
    /// Zeros, before the first probe frame too.
    pub silence: u64,
    /// Neither.
    pub garbage: u64,
    /// Output before the first probe frame.
    pub lead_in: u64,
    /// How often the index jumped ahead (a count).
    pub gaps: u64,
    /// Indices that those jumps left out.
    pub missing: u64,
    /// How often the index jumped back (a count).
    pub repeats: u64,
    /// Indices that those jumps went back over.
    pub repeated: u64,
    /// The least delay: output position less index. Zero before the first probe frame.
    pub delay_min: i64,
    /// The greatest delay.
    pub delay_max: i64,
    /// The delay of the last probe frame.
    pub delay_last: i64,
    /// How often the delay changed from one stretch of probe frames to the next (a count).
    pub delay_changes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    span: Span,
    from: u64,
    next_code: u32,
}

impl ProbeReader {
    /// A reader that has seen nothing. Indices are unwrapped to those nearest to
    /// `first_index` plus the output position, later to those nearest to where the last stretch
    /// would have led; so the delay may change by up to half a period at once.
    pub fn new(probe: Probe, first_index: u64, max_spans: usize) -> Self {
        Self {
            probe,
            frames: 0,
            run: None,
            pending: None,
            open: None,
            spans: Vec::new(),
            max_spans,
            after: None,
            first_index,
            totals: ProbeTotals::default(),
        }
    }

    /// Reads the next interleaved block.
    pub fn push(&mut self, block: &[f32]) {
        let channels = self.probe.channels().get();
        let mut rest = block;
        loop {
            if let Some(run) = &mut self.run {
                let (followed, next_code) = self.probe.follow(run.next_code, rest);
                run.span.frames += followed as u64;
                run.next_code = next_code;
                self.frames += followed as u64;
                rest = &rest[followed * channels..];
            }
            let Some((frame, after)) = rest.split_at_checked(channels) else {
                break;
            };
            self.out_of_run(frame);
            self.frames += 1;
            rest = after;
        }
    }

    /// Frames read so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Index of the probe frame that would follow the last one and the output position after
    /// that one; `None` before the first.
    pub fn position(&self) -> Option<(u64, u64)> {
        match self.run {
            Some(run) => Some(run.end()),
            None => self.after,
        }
    }

    /// Closes what is still open; reading may go on.
    pub fn finish(&mut self) {
        self.end_run();
        if self.pending.take().is_some() {
            self.extend(SpanKind::Garbage, self.frames - 1);
        }
        self.close_open();
    }

    /// The closed stretches, in order; [`finish`](Self::finish) closes the last.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Counts of all closed stretches, whether or not they are kept in [`spans`](Self::spans).
    pub fn totals(&self) -> ProbeTotals {
        self.totals
    }

    fn out_of_run(&mut self, frame: &[f32]) {
        self.end_run();
        let code = self.probe.decode(frame);
        if let Some(before) = self.pending.take() {
            if code == Some(self.probe.next(before)) {
                self.begin_run(before);
                return;
            }
            self.extend(SpanKind::Garbage, self.frames - 1);
        }
        match code {
            Some(code) => self.pending = Some(code),
            None if frame.iter().all(|s| *s == 0.0) => {
                self.extend(SpanKind::Silence, self.frames);
            }
            None => self.extend(SpanKind::Garbage, self.frames),
        }
    }

    /// Begins with the frame before this one, whose code is `code`, and this one.
    fn begin_run(&mut self, code: u32) {
        self.close_open();
        let out_at = self.frames - 1;
        let expected = match self.after {
            Some((index, position)) => index + (out_at - position),
            None => self.first_index + out_at,
        };
        let from = nearest(self.probe.index(code), self.probe.period(), expected);
        let next_code = self.probe.code(from.wrapping_add(2));
        self.run = Some(Run {
            span: Span {
                out_at,
                frames: 2,
                kind: SpanKind::Played { from },
            },
            from,
            next_code,
        });
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let t = &mut self.totals;
        let delay = run.span.out_at.wrapping_sub(run.from) as i64;
        t.played += run.span.frames;
        match self.after {
            None => {
                t.lead_in = run.span.out_at;
                (t.delay_min, t.delay_max) = (delay, delay);
            }
            Some((expected, _)) => {
                t.gaps += u64::from(run.from > expected);
                t.missing += run.from.saturating_sub(expected);
                t.repeats += u64::from(run.from < expected);
                t.repeated += expected.saturating_sub(run.from);
                t.delay_changes += u64::from(delay != t.delay_last);
                t.delay_min = t.delay_min.min(delay);
                t.delay_max = t.delay_max.max(delay);
            }
        }
        t.delay_last = delay;
        self.after = Some(run.end());
        self.keep(run.span);
    }

    /// Adds the frame at `out_at` to the open stretch of this kind, or opens one.
    fn extend(&mut self, kind: SpanKind, out_at: u64) {
        match kind {
            SpanKind::Silence => self.totals.silence += 1,
            _ => self.totals.garbage += 1,
        }
        match &mut self.open {
            Some(span) if span.kind == kind => span.frames += 1,
            _ => {
                self.close_open();
                self.open = Some(Span {
                    out_at,
                    frames: 1,
                    kind,
                });
            }
        }
    }

    fn close_open(&mut self) {
        if let Some(span) = self.open.take() {
            self.keep(span);
        }
    }

    fn keep(&mut self, span: Span) {
        if self.spans.len() < self.max_spans {
            self.spans.push(span);
        }
    }
}

impl Run {
    fn end(&self) -> (u64, u64) {
        (
            self.from + self.span.frames,
            self.span.out_at + self.span.frames,
        )
    }
}

/// The number nearest to `expected`, not below zero, that leaves the rest `residue`.
fn nearest(residue: u64, period: u64, expected: u64) -> u64 {
    let ahead = (residue + period - expected % period) % period;
    let up = expected.saturating_add(ahead);
    match up.checked_sub(period) {
        Some(down) if ahead > period / 2 => down,
        _ => up,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Channels, SampleFormat};
    use SpanKind::*;

    fn probe() -> Probe {
        Probe::new(SampleFormat::S16, Channels::STEREO).unwrap()
    }

    fn played(from: u64, frames: usize) -> Vec<f32> {
        let mut out = vec![0.0; frames * 2];
        probe().write(from, &mut out);
        out
    }

    fn read(parts: &[&[f32]], block: usize) -> (Vec<(u64, u64, SpanKind)>, ProbeTotals) {
        let mut r = ProbeReader::new(probe(), 0, 100);
        for chunk in parts.concat().chunks(block * 2) {
            r.push(chunk);
        }
        r.finish();
        let spans = r.spans().iter().map(|s| (s.out_at, s.frames, s.kind));
        (spans.collect(), r.totals())
    }

    #[test]
    fn a_clean_path_is_one_stretch_with_its_delay_whatever_the_blocks() {
        for block in [1, 2, 7, 1_000] {
            let (spans, t) = read(&[&[0.0; 200], &played(0, 500)], block);
            assert_eq!(spans, [(0, 100, Silence), (100, 500, Played { from: 0 })]);
            assert_eq!((t.played, t.silence, t.lead_in), (500, 100, 100));
            assert_eq!((t.delay_min, t.delay_max, t.delay_changes), (100, 100, 0));
        }
    }

    #[test]
    fn gaps_repeats_and_noise_are_told_apart() {
        let parts: [&[f32]; 6] = [
            &played(0, 100),
            &[0.0; 40],
            &played(120, 80),
            &played(190, 30),
            &[0.25; 6],
            &played(223, 10),
        ];
        let (spans, t) = read(&parts, 13);
        assert_eq!(
            spans,
            [
                (0, 100, Played { from: 0 }),
                (100, 20, Silence),
                (120, 80, Played { from: 120 }),
                (200, 30, Played { from: 190 }),
                (230, 3, Garbage),
                (233, 10, Played { from: 223 }),
            ]
        );
        assert_eq!((t.gaps, t.missing, t.repeats, t.repeated), (2, 23, 1, 10));
        assert_eq!((t.played, t.silence, t.garbage), (220, 20, 3));
        assert_eq!(
            (t.delay_min, t.delay_max, t.delay_last, t.delay_changes),
            (0, 10, 10, 1)
        );
    }

    #[test]
    fn a_lone_probe_frame_is_garbage_and_never_begins_a_run_falsely() {
        let (spans, t) = read(&[&played(5, 1), &[0.0; 4], &played(9, 1)], 3);
        assert_eq!(spans, [(0, 1, Garbage), (1, 2, Silence), (3, 1, Garbage)]);
        assert_eq!((t.played, t.garbage), (0, 2));
    }

    #[test]
    fn indices_unwrap_far_beyond_the_period() {
        let mut r = ProbeReader::new(probe(), 1_000_000, 10);
        r.push(&played(1_000_000, 200_000));
        r.push(&vec![0.0; 2 * 300_000]);
        r.push(&played(1_500_010, 100));
        r.finish();
        assert_eq!(r.spans()[2].kind, Played { from: 1_500_010 });
        assert_eq!(
            (r.totals().missing, r.position()),
            (300_010, Some((1_500_110, 500_100)))
        );
    }

    #[test]
    fn memory_stays_bounded_while_the_totals_go_on() {
        let mut r = ProbeReader::new(probe(), 0, 3);
        for n in 0..100 {
            r.push(&played(n * 10, 5));
            r.push(&[0.0; 10]);
        }
        assert_eq!(r.spans().len(), 3);
        assert_eq!((r.totals().played, r.totals().missing), (500, 495));
    }

    #[test]
    fn residues_unwrap_to_the_nearest() {
        assert_eq!(nearest(9, 10, 1), 9);
        assert_eq!(nearest(9, 10, 21), 19);
        assert_eq!(nearest(1, 10, 19), 21);
        assert_eq!(nearest(4, 10, 19), 24);
        assert_eq!(nearest(9, 10, 4), 9);
        assert_eq!(
            nearest(0, 10, u64::MAX),
            u64::MAX,
            "the end of the count saturates"
        );
    }
}
