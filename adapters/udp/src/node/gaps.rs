//! What is missing from a track, where and why.

use std::collections::VecDeque;

use super::track::Span;

/// Why frames are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GapCause {
    /// Packets never came.
    Lost,
    /// Packets never came; the codec made something up in their place.
    Concealed,
    /// Packets came after their place was written.
    Late,
    /// The sender left frames out: its timestamps jump, its sequence does not.
    Pause,
    /// The sender started over.
    Restart,
    /// Nothing came in time (raw streams, which number nothing).
    Starved,
}

/// A stretch of silence in place of audio, or of audio that was made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// Position in the recording, frames.
    #[serde(rename = "start_frame")]
    pub start: u64,
    /// Length, frames.
    pub frames: u64,
    /// Why.
    pub cause: GapCause,
}

/// The gaps of one track, in its own positions.
///
/// Missing frames become a gap when audio follows them: a stream that ends leaves none.
#[derive(Debug)]
pub(super) struct GapBook {
    /// Cause where nothing tells another.
    usual: GapCause,
    /// Stretches whose absence is explained, that may still be in the window.
    explained: VecDeque<(Span, GapCause)>,
    pending: Option<Span>,
    list: Vec<(Span, GapCause)>,
    count: u64,
    frames: u64,
}

impl GapBook {
    pub(super) fn new(usual: GapCause) -> Self {
        Self {
            usual,
            explained: VecDeque::with_capacity(MAX_EXPLAINED),
            pending: None,
            list: Vec::new(),
            count: 0,
            frames: 0,
        }
    }

    /// Says why a stretch will be missing.
    pub(super) fn explain(&mut self, span: Span, cause: GapCause) {
        if span.start < span.end {
            if self.explained.len() == MAX_EXPLAINED {
                self.explained.pop_front();
            }
            self.explained.push_back((span, cause));
        }
    }

    /// Frames came for a stretch that is already written.
    pub(super) fn came_late(&mut self, span: Span) {
        let hit = |s: &Span| s.start < span.end && span.start < s.end;
        if let Some((_, cause)) = self.list.iter_mut().rev().take(64).find(|(s, _)| hit(s)) {
            if *cause == self.usual {
                *cause = GapCause::Late;
            }
        } else if self.pending.as_ref().is_some_and(hit) {
            self.explain(span, GapCause::Late);
        }
    }

    /// Frames at `at` are missing.
    pub(super) fn missing(&mut self, at: i64, frames: u64) {
        let end = at + frames as i64;
        match &mut self.pending {
            Some(span) => span.end = end,
            None => self.pending = Some(Span { start: at, end }),
        }
    }

    /// Audio at last: what was missing before it is a gap.
    pub(super) fn found(&mut self) {
        let Some(gap) = self.pending.take() else {
            return;
        };
        self.count += 1;
        self.frames += (gap.end - gap.start) as u64;
        if self.list.len() < MAX_GAPS {
            let hit = |s: &Span| s.start < gap.end && gap.start < s.end;
            let known = self.explained.iter().find(|(s, _)| hit(s));
            let cause = known.map_or(self.usual, |(_, cause)| *cause);
            let at = self.list.partition_point(|(s, _)| s.start < gap.start);
            self.list.insert(at, (gap, cause));
        }
    }

    /// A stretch was made up.
    pub(super) fn concealed(&mut self, span: Span) {
        if span.start < span.end {
            self.count += 1;
            self.frames += (span.end - span.start) as u64;
            if self.list.len() < MAX_GAPS {
                // Made before what lies before it is written.
                let at = self.list.partition_point(|(s, _)| s.start < span.start);
                self.list.insert(at, (span, GapCause::Concealed));
            }
        }
    }

    /// Gaps so far, also those beyond what the list keeps.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Frames in all gaps.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// The gaps, moved by `start` onto the recording's time line; at most 100 000.
    pub(super) fn list(&self, start: i64) -> Vec<Gap> {
        self.list
            .iter()
            .map(|(span, cause)| Gap {
                start: (span.start + start).max(0) as u64,
                frames: (span.end - span.start) as u64,
                cause: *cause,
            })
            .collect()
    }
}

const MAX_EXPLAINED: usize = 256;
const MAX_GAPS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_once_audio_follows_and_keeps_its_cause() {
        let mut book = GapBook::new(GapCause::Lost);
        book.missing(10, 5);
        book.missing(15, 5);
        assert_eq!(book.count(), 0);
        book.found();
        book.explain(Span { start: 30, end: 40 }, GapCause::Pause);
        book.missing(30, 10);
        book.found();
        book.missing(50, 10);
        book.came_late(Span { start: 52, end: 55 });
        book.found();
        book.came_late(Span { start: 12, end: 13 });
        let causes: Vec<_> = book
            .list(100)
            .iter()
            .map(|g| (g.start, g.frames, g.cause))
            .collect();
        assert_eq!(
            causes,
            [
                (110, 10, GapCause::Late),
                (130, 10, GapCause::Pause),
                (150, 10, GapCause::Late),
            ]
        );
        assert_eq!((book.count(), book.frames()), (3, 30));
    }
}
