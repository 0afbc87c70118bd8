//! Is a recording what was sent? Frame for frame, apart from the gaps it admits to.

use audiox_core::format::Channels;
use audiox_core::source::{Source, SourceError};

use crate::plot::Gap;

/// What a recording has of its original, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Comparison {
    /// The original's frame with which the recording begins; negative where it begins earlier.
    pub offset: i64,
    /// Equal in every sample.
    pub identical: u64,
    /// Not equal, and not in a gap.
    pub different: u64,
    /// In a gap.
    pub missing: u64,
    /// In a gap, and every sample zero.
    pub silent: u64,
    /// Of the original, past the end of the recording.
    pub absent: u64,
}

impl Comparison {
    /// Compares what `original` and `recorded` yield from here on, leaving out `gaps` of the
    /// recording, which count from its first frame. Memory does not grow with length.
    ///
    /// A recording may begin late, because its first packets were lost, or early, because another
    /// stream came first. So the recording's first sound is looked for in the first ten seconds of
    /// the original; where it is not found, both are taken to begin together.
    ///
    /// # Errors
    /// What either source fails with, a source that cannot be rewound, and formats that differ.
    pub fn of(
        original: &mut dyn Source,
        recorded: &mut dyn Source,
        gaps: &[Gap],
    ) -> Result<Self, SourceError> {
        if original.format() != recorded.format() {
            return Err(SourceError::Unsupported(format!(
                "the original has {} and the recording {}: only equal formats compare",
                original.format(),
                recorded.format()
            )));
        }
        let gaps = Gaps::new(gaps);
        let offset = find_offset(original, recorded, &gaps)?;
        original.seek(offset.max(0).unsigned_abs())?;
        recorded.seek(offset.min(0).unsigned_abs())?;

        let channels = original.format().channels;
        let mut result = Self {
            offset,
            ..Self::default()
        };
        let (mut a, mut b) = (Buffer::new(channels), Buffer::new(channels));
        let mut at = offset.min(0).unsigned_abs();
        loop {
            let (sent, got) = (a.fill(original)?, b.fill(recorded)?);
            let frames = sent.len().max(got.len()) / channels.get();
            if frames == 0 {
                return Ok(result);
            }
            for n in 0..frames {
                let frame = n * channels.get()..(n + 1) * channels.get();
                result.count(sent.get(frame.clone()), got.get(frame), gaps.contain(at));
                at += 1;
            }
        }
    }

    /// Whether all that arrived is as it was sent.
    pub fn is_exact(&self) -> bool {
        self.different == 0 && self.identical > 0
    }

    fn count(&mut self, sent: Option<&[f32]>, got: Option<&[f32]>, in_gap: bool) {
        match (sent, got) {
            (_, None) => self.absent += 1,
            (_, Some(got)) if in_gap => {
                self.missing += 1;
                self.silent += u64::from(got.iter().all(|&s| s == 0.0));
            }
            (Some(sent), Some(got)) if sent == got => self.identical += 1,
            (_, Some(_)) => self.different += 1,
        }
    }
}

/// The gaps, in order, for questions about any frame.
struct Gaps(Vec<(u64, u64)>);

impl Gaps {
    fn new(gaps: &[Gap]) -> Self {
        let mut spans: Vec<_> = gaps
            .iter()
            .map(|g| (g.start, g.start.saturating_add(g.frames)))
            .collect();
        spans.sort_unstable();
        Self(spans)
    }

    fn contain(&self, frame: u64) -> bool {
        let next = self.0.partition_point(|&(start, _)| start <= frame);
        next > 0 && frame < self.0[next - 1].1
    }
}

/// Where in the original the recording begins; 0 where nothing tells.
fn find_offset(
    original: &mut dyn Source,
    recorded: &mut dyn Source,
    gaps: &Gaps,
) -> Result<i64, SourceError> {
    let channels = original.format().channels;
    let search = (original.format().rate.get() as usize * SEARCH_SECONDS)
        .min(SEARCH_SAMPLES / channels.get());
    let recording = read_frames(recorded, search)?;
    let Some(start) = first_sound(&recording, channels, gaps) else {
        return Ok(0);
    };
    let needle = &recording[start * channels.get()..(start + PROBE) * channels.get()];
    let sent = read_frames(original, search)?;
    let found = sent
        .windows(needle.len())
        .step_by(channels.get())
        .position(|w| w == needle);
    Ok(found.map_or(0, |at| at as i64 - start as i64))
}

/// The first place with `PROBE` frames of sound, none of them in a gap.
fn first_sound(samples: &[f32], channels: Channels, gaps: &Gaps) -> Option<usize> {
    let mut run = 0;
    for (n, frame) in samples.chunks_exact(channels.get()).enumerate() {
        let silent = frame.iter().all(|&s| s == 0.0);
        run = if gaps.contain(n as u64) || (silent && run == 0) {
            0
        } else {
            run + 1
        };
        if run == PROBE {
            return Some(n + 1 - PROBE);
        }
    }
    None
}

/// Up to `frames` frames from here on.
fn read_frames(source: &mut dyn Source, frames: usize) -> Result<Vec<f32>, SourceError> {
    let channels = source.format().channels;
    let mut buffer = Buffer::new(channels);
    let mut samples = Vec::new();
    while samples.len() < frames * channels.get() {
        match buffer.fill(source)? {
            [] => break,
            more => samples.extend_from_slice(more),
        }
    }
    samples.truncate(frames * channels.get());
    Ok(samples)
}

struct Buffer {
    samples: Vec<f32>,
    channels: usize,
}

impl Buffer {
    fn new(channels: Channels) -> Self {
        Self {
            samples: vec![0.0; READ_FRAMES * channels.get()],
            channels: channels.get(),
        }
    }

    /// A full buffer, or less at the end.
    fn fill(&mut self, source: &mut dyn Source) -> Result<&[f32], SourceError> {
        let mut filled = 0;
        while filled < self.samples.len() {
            match source.read(&mut self.samples[filled..])? {
                0 => break,
                frames => filled += frames * self.channels,
            }
        }
        Ok(&self.samples[..filled])
    }
}

const READ_FRAMES: usize = 4_096;
const SEARCH_SECONDS: usize = 10;
/// Caps the search, and so the memory, where there are very many channels.
const SEARCH_SAMPLES: usize = 1 << 22;
/// Frames that must be equal in a row for a place to be the same.
const PROBE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::format::{PcmFormat, SampleRate, StreamFormat};
    use audiox_core::source::SourceClock;

    const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO);

    /// Samples that are read seven frames at a time.
    struct Memory(Vec<f32>, usize);

    impl Source for Memory {
        fn format(&self) -> StreamFormat {
            FORMAT
        }
        fn clock(&self) -> SourceClock {
            SourceClock::None
        }
        fn frames_left(&self) -> Option<u64> {
            None
        }
        fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
            let n = out.len().min(14).min(self.0.len() - self.1);
            out[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            self.1 += n;
            Ok(n / 2)
        }
        fn native(&self) -> Option<PcmFormat> {
            None
        }
        fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
            Err(SourceError::Unsupported("memory has no bytes".into()))
        }
        fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
            self.1 = (frame as usize * 2).min(self.0.len());
            Ok(())
        }
    }

    /// `frames` frames of which no two are alike, after some silence.
    fn original(frames: usize) -> Vec<f32> {
        (0..2 * frames)
            .map(|n| if n < 200 { 0.0 } else { n as f32 / 65_536.0 })
            .collect()
    }

    fn gap(start: u64, frames: u64) -> Gap {
        Gap {
            start,
            frames,
            cause: "lost".into(),
        }
    }

    fn compare(sent: &[f32], got: &[f32], gaps: &[Gap]) -> Comparison {
        let (mut a, mut b) = (Memory(sent.to_vec(), 0), Memory(got.to_vec(), 0));
        Comparison::of(&mut a, &mut b, gaps).unwrap()
    }

    #[test]
    fn what_arrived_whole_is_exact() {
        let sent = original(9_001);
        let result = compare(&sent, &sent, &[]);
        assert!(result.is_exact());
        assert_eq!(
            result,
            Comparison {
                identical: 9_001,
                ..Comparison::default()
            }
        );
    }

    #[test]
    fn gaps_are_left_out_and_what_fills_them_is_told() {
        let sent = original(6_000);
        let mut got = sent.clone();
        got[2 * 2_000..2 * 2_160].fill(0.0);
        got[2 * 5_000..2 * 5_080].fill(0.25);
        got[2 * 5_500] = 0.9;
        let result = compare(&sent, &got, &[gap(5_000, 80), gap(2_000, 160)]);
        assert_eq!((result.missing, result.silent), (240, 160));
        assert_eq!((result.identical, result.different), (5_759, 1));
        assert!(!result.is_exact());
    }

    #[test]
    fn a_recording_that_begins_late_or_early_is_laid_over_its_original() {
        let sent = original(6_000);
        let late = compare(&sent, &sent[2 * 480..2 * 5_900], &[]);
        assert_eq!(
            (late.offset, late.identical, late.absent),
            (480, 5_420, 100)
        );
        assert!(late.is_exact());

        let mut padded = vec![0.0; 2 * 300];
        padded.extend_from_slice(&sent);
        padded[2 * 1_000..2 * 1_010].fill(0.0);
        let early = compare(&sent, &padded, &[gap(1_000, 10)]);
        assert_eq!(
            (early.offset, early.identical, early.missing),
            (-300, 5_990, 10)
        );
        assert!(early.is_exact());
    }

    #[test]
    fn silence_and_strangers_are_compared_from_the_start() {
        let sent = original(500);
        let silent = compare(&sent, &[0.0; 1_000], &[]);
        assert_eq!(
            (silent.offset, silent.identical, silent.different),
            (0, 100, 400)
        );
        let other: Vec<f32> = sent.iter().map(|s| s * 0.5).collect();
        assert_eq!(compare(&sent, &other, &[]).different, 400);
        assert!(!compare(&sent, &[], &[]).is_exact());
    }
}
