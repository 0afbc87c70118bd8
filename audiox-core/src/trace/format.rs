//! Traces as bytes.

use super::{Arrival, TraceEvent};
use crate::format::{Channels, SampleRate, StreamFormat};
use crate::jitter::Decision;
use crate::playout::Inserted;
use crate::stretch::Effort;
use crate::time::{ExtSeq, Instant, MediaTime};

/// What a trace begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceHead {
    /// The stream's format.
    pub stream: StreamFormat,
    /// Format of the slices pulled.
    pub output: StreamFormat,
}

/// Bytes that are no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The first bytes are other ones.
    #[error("not a trace: it does not begin with AXTR")]
    Magic,
    /// Written by another version.
    #[error("version {0} of the trace format is not supported, only version 1")]
    Version(u8),
    /// The head is cut off or names an impossible format.
    #[error("the trace's head is damaged")]
    Head,
    /// A record is cut off, of a kind that version 1 does not know, or holds impossible values.
    #[error("the record at byte {0} is cut off or damaged")]
    Record(usize),
}

/// Differences are taken to these.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    arrival: u64,
    pull: u64,
    decision: u64,
    seq: u64,
    media: i64,
}

/// Turns events into bytes.
#[derive(Debug)]
pub struct TraceWriter {
    memory: Memory,
}

impl TraceWriter {
    /// Begins a trace: writes its head to the end of `out`.
    pub fn begin(head: &TraceHead, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        for format in [head.stream, head.output] {
            unsigned(out, format.rate.get().into());
            unsigned(out, format.channels.get() as u64);
        }
        Self {
            memory: Memory::default(),
        }
    }

    /// Writes an event to the end of `out`.
    pub fn write(&mut self, event: &TraceEvent, out: &mut Vec<u8>) {
        let m = &mut self.memory;
        match *event {
            TraceEvent::Arrival(a) => {
                out.push(ARRIVAL);
                out.push(
                    u8::from(a.recovered)
                        | u8::from(a.synthesised) << 1
                        | u8::from(a.marker) << 2
                        | (outcome_code(a.outcome) << 4),
                );
                step(out, &mut m.arrival, a.at.as_nanos());
                let expected = m.seq.wrapping_add(1);
                signed(out, a.seq.0.wrapping_sub(expected) as i64);
                m.seq = a.seq.0;
                signed(out, a.media.0.wrapping_sub(m.media));
                m.media = a.media.0;
                unsigned(out, a.frames.into());
                unsigned(out, a.generation.into());
                unsigned(out, a.bytes.into());
            }
            TraceEvent::Pull { at, frames } => {
                out.push(PULL);
                step(out, &mut m.pull, at.as_nanos());
                unsigned(out, frames.into());
            }
            TraceEvent::Decision {
                at,
                decision,
                delay,
                target,
            } => {
                let (code, nanos) = decision_code(decision);
                out.push(DECISION);
                out.push(code);
                step(out, &mut m.decision, at.as_nanos());
                signed(out, delay);
                unsigned(out, target);
                unsigned(out, nanos);
            }
            TraceEvent::Lost(n) => {
                out.push(LOST);
                unsigned(out, n);
            }
        }
    }
}

/// Turns bytes into events. Any bytes: what is not a trace is an error, never a panic.
#[derive(Debug)]
pub struct TraceReader<'a> {
    bytes: &'a [u8],
    at: usize,
    head: TraceHead,
    memory: Memory,
}

impl<'a> TraceReader<'a> {
    /// Reads the head.
    ///
    /// # Errors
    /// It is not one.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TraceError> {
        if !bytes.starts_with(MAGIC) {
            return Err(TraceError::Magic);
        }
        let version = *bytes.get(MAGIC.len()).ok_or(TraceError::Head)?;
        if version != VERSION {
            return Err(TraceError::Version(version));
        }
        let mut at = MAGIC.len() + 1;
        let mut format = || -> Option<StreamFormat> {
            let rate = u32::try_from(read_unsigned(bytes, &mut at)?).ok()?;
            let channels = u16::try_from(read_unsigned(bytes, &mut at)?).ok()?;
            Some(StreamFormat::new(
                SampleRate::new(rate).ok()?,
                Channels::new(channels).ok()?,
            ))
        };
        let stream = format().ok_or(TraceError::Head)?;
        let output = format().ok_or(TraceError::Head)?;
        Ok(Self {
            bytes,
            at,
            head: TraceHead { stream, output },
            memory: Memory::default(),
        })
    }

    /// What the trace begins with.
    pub fn head(&self) -> &TraceHead {
        &self.head
    }

    /// Reads the record at `at` and moves on behind it; `None` where it is cut off or damaged.
    fn read(&mut self, at: &mut usize) -> Option<TraceEvent> {
        let bytes = self.bytes;
        let m = &mut self.memory;
        Some(match byte(bytes, at)? {
            ARRIVAL => {
                let flags = byte(bytes, at)?;
                m.arrival = read_step(bytes, at, m.arrival)?;
                let seq = read_signed(bytes, at)? as u64;
                m.seq = m.seq.wrapping_add(1).wrapping_add(seq);
                m.media = m.media.wrapping_add(read_signed(bytes, at)?);
                let mut word = || u32::try_from(read_unsigned(bytes, at)?).ok();
                let (frames, generation, size) = (word()?, word()?, word()?);
                TraceEvent::Arrival(Arrival {
                    at: Instant::from_nanos(m.arrival),
                    seq: ExtSeq(m.seq),
                    media: MediaTime(m.media),
                    frames,
                    bytes: size,
                    generation,
                    recovered: flags & 1 != 0,
                    synthesised: flags & 2 != 0,
                    marker: flags & 4 != 0,
                    outcome: outcome(flags >> 4)?,
                })
            }
            PULL => {
                m.pull = read_step(bytes, at, m.pull)?;
                TraceEvent::Pull {
                    at: Instant::from_nanos(m.pull),
                    frames: u32::try_from(read_unsigned(bytes, at)?).ok()?,
                }
            }
            DECISION => {
                let code = byte(bytes, at)?;
                m.decision = read_step(bytes, at, m.decision)?;
                TraceEvent::Decision {
                    at: Instant::from_nanos(m.decision),
                    delay: read_signed(bytes, at)?,
                    target: read_unsigned(bytes, at)?,
                    decision: decision(code, read_unsigned(bytes, at)?)?,
                }
            }
            LOST => TraceEvent::Lost(read_unsigned(bytes, at)?),
            _ => return None,
        })
    }
}

impl Iterator for TraceReader<'_> {
    type Item = Result<TraceEvent, TraceError>;

    /// The next event. After an error there is none: what follows cannot be told apart. A last
    /// record that is cut off, as by a program that was killed, is an error too.
    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.bytes.len() {
            return None;
        }
        let mut at = self.at;
        let event = self.read(&mut at).ok_or(TraceError::Record(self.at));
        self.at = match event {
            Ok(_) => at,
            Err(_) => self.bytes.len(),
        };
        Some(event)
    }
}

fn outcome_code(outcome: Inserted) -> u8 {
    match outcome {
        Inserted::Queued => 0,
        Inserted::Duplicate => 1,
        Inserted::Late => 2,
        Inserted::Flushed => 3,
        Inserted::Undecodable => 4,
    }
}

fn outcome(code: u8) -> Option<Inserted> {
    Some(match code {
        0 => Inserted::Queued,
        1 => Inserted::Duplicate,
        2 => Inserted::Late,
        3 => Inserted::Flushed,
        4 => Inserted::Undecodable,
        _ => return None,
    })
}

const EFFORTS: [Effort; 3] = [Effort::Gentle, Effort::Normal, Effort::Urgent];

fn decision_code(decision: Decision) -> (u8, u64) {
    let effort = |e: Effort| EFFORTS.iter().position(|x| *x == e).unwrap_or(0) as u8;
    match decision {
        Decision::Buffering => (0, 0),
        Decision::Normal => (1, 0),
        Decision::Merge => (2, 0),
        Decision::Expand => (3, 0),
        Decision::ComfortNoise => (4, 0),
        Decision::Skip(nanos) => (5, nanos.max(0) as u64),
        Decision::Accelerate(e) => (8 + effort(e), 0),
        Decision::PreemptiveExpand(e) => (12 + effort(e), 0),
    }
}

fn decision(code: u8, nanos: u64) -> Option<Decision> {
    let effort = |n: u8| EFFORTS.get(usize::from(n)).copied();
    Some(match code {
        0 => Decision::Buffering,
        1 => Decision::Normal,
        2 => Decision::Merge,
        3 => Decision::Expand,
        4 => Decision::ComfortNoise,
        5 => Decision::Skip(i64::try_from(nanos).ok()?),
        8..12 => Decision::Accelerate(effort(code - 8)?),
        12..16 => Decision::PreemptiveExpand(effort(code - 12)?),
        _ => return None,
    })
}

fn unsigned(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn signed(out: &mut Vec<u8>, n: i64) {
    unsigned(out, ((n << 1) ^ (n >> 63)) as u64);
}

fn step(out: &mut Vec<u8>, last: &mut u64, now: u64) {
    signed(out, now.wrapping_sub(*last) as i64);
    *last = now;
}

fn byte(bytes: &[u8], at: &mut usize) -> Option<u8> {
    let b = *bytes.get(*at)?;
    *at += 1;
    Some(b)
}

/// `None` where the bytes end; bits beyond 64 are dropped.
fn read_unsigned(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0;
    for shift in (0..).step_by(7).take(MAX_NUMBER) {
        let b = byte(bytes, at)?;
        n |= u64::from(b & 0x7f).checked_shl(shift).unwrap_or(0);
        if b < 0x80 {
            break;
        }
    }
    Some(n)
}

fn read_signed(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let n = read_unsigned(bytes, at)?;
    Some((n >> 1) as i64 ^ -((n & 1) as i64))
}

fn read_step(bytes: &[u8], at: &mut usize, last: u64) -> Option<u64> {
    Some(last.wrapping_add(read_signed(bytes, at)? as u64))
}

const MAGIC: &[u8] = b"AXTR";
const VERSION: u8 = 1;
const ARRIVAL: u8 = 1;
const PULL: u8 = 2;
const DECISION: u8 = 3;
const LOST: u8 = 4;
/// Bytes of a number at most.
const MAX_NUMBER: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: TraceHead = TraceHead {
        stream: StreamFormat::new(SampleRate::HZ_44100, Channels::MONO),
        output: StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO),
    };

    fn any_event() -> impl Strategy<Value = TraceEvent> {
        let arrival = (
            any::<(u64, u64, i64)>(),
            any::<(u32, u32, u32)>(),
            any::<(bool, bool, bool)>(),
            0u8..5,
        )
            .prop_map(|(t, n, f, o)| {
                TraceEvent::Arrival(Arrival {
                    at: Instant::from_nanos(t.0),
                    seq: ExtSeq(t.1),
                    media: MediaTime(t.2),
                    frames: n.0,
                    bytes: n.1,
                    generation: n.2,
                    recovered: f.0,
                    synthesised: f.1,
                    marker: f.2,
                    outcome: outcome(o).unwrap(),
                })
            });
        let pull = any::<(u64, u32)>().prop_map(|(at, frames)| TraceEvent::Pull {
            at: Instant::from_nanos(at),
            frames,
        });
        let decided =
            (0u8..15, any::<(u64, i64, u64, u32)>()).prop_map(|(code, n)| TraceEvent::Decision {
                at: Instant::from_nanos(n.0),
                decision: decision(code, n.3.into()).unwrap_or_default(),
                delay: n.1,
                target: n.2,
            });
        prop_oneof![
            arrival,
            pull,
            decided,
            any::<u64>().prop_map(TraceEvent::Lost)
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_a_cut_costs_one_record(
            events in prop::collection::vec(any_event(), 0..40),
            cut in 0usize..20,
        ) {
            let mut bytes = Vec::new();
            let mut writer = TraceWriter::begin(&HEAD, &mut bytes);
            let mut ends = vec![bytes.len()];
            for e in &events {
                writer.write(e, &mut bytes);
                ends.push(bytes.len());
            }
            let reader = TraceReader::new(&bytes).unwrap();
            prop_assert_eq!(reader.head(), &HEAD);
            let read: Result<Vec<_>, _> = reader.collect();
            prop_assert_eq!(read.unwrap(), events.clone());
            let len = bytes.len().saturating_sub(cut).max(ends[0]);
            let whole = ends.iter().filter(|e| **e <= len).count() - 1;
            let mut read: Vec<_> = TraceReader::new(&bytes[..len]).unwrap().collect();
            if !ends.contains(&len) {
                prop_assert_eq!(read.pop(), Some(Err(TraceError::Record(ends[whole]))));
            }
            let read: Result<Vec<_>, _> = read.into_iter().collect();
            prop_assert_eq!(read.unwrap(), &events[..whole]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = Vec::new();
            TraceWriter::begin(&HEAD, &mut bytes);
            bytes.extend_from_slice(&noise);
            let mut read = TraceReader::new(&bytes).unwrap();
            let good = read.by_ref().take_while(Result::is_ok).count();
            prop_assert!(good <= noise.len());
            prop_assert!(read.next().is_none());
            let _ = TraceReader::new(&noise);
        }
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        assert_eq!(TraceReader::new(b"RIFF").unwrap_err(), TraceError::Magic);
        let newer = TraceReader::new(b"AXTR\x02").unwrap_err();
        assert_eq!(newer, TraceError::Version(2));
        assert_eq!(TraceReader::new(b"AXTR").unwrap_err(), TraceError::Head);
        let silent = [b"AXTR\x01".as_slice(), &[0, 1, 0, 1]].concat();
        assert_eq!(TraceReader::new(&silent).unwrap_err(), TraceError::Head);
    }

    #[test]
    fn a_packet_takes_about_eight_bytes() {
        let mut bytes = Vec::new();
        let mut writer = TraceWriter::begin(&HEAD, &mut bytes);
        for n in 0..1_000u64 {
            let event = TraceEvent::Arrival(Arrival {
                at: Instant::from_nanos(5_000_000_000 + n * 10_000_000 + n * 7_919 % 100_000),
                seq: ExtSeq(70_000 + n),
                media: MediaTime(n as i64 * 441),
                frames: 441,
                bytes: 882,
                generation: 0,
                recovered: false,
                synthesised: false,
                marker: false,
                outcome: Inserted::Queued,
            });
            writer.write(&event, &mut bytes);
        }
        assert!(bytes.len() < 15_000, "{}", bytes.len());
    }
}
