//! Packets of a file on their way into datagrams, without being decoded.
//!
//! The read-ahead ring carries bytes, so packets go through it as records: ticks and length, then
//! the packet. A record without bytes is a hole in the file.

use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_io::ogg::{OpusEvent, OpusFileReader};

/// The records of a file, for the read-ahead thread.
#[derive(Debug)]
pub(super) struct Records {
    reader: OpusFileReader,
    record: Vec<u8>,
    /// Bytes of the record that are read.
    read: usize,
    /// Ticks of a hole that are in no record yet.
    hole: u64,
    ended: bool,
}

/// What stands before a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) ticks: usize,
    pub(super) len: usize,
}

impl RecordHead {
    pub(super) const LEN: usize = 4;

    pub(super) fn read(bytes: [u8; Self::LEN]) -> Self {
        let [a, b, c, d] = bytes;
        Self {
            ticks: u16::from_be_bytes([a, b]).into(),
            len: u16::from_be_bytes([c, d]).into(),
        }
    }

    fn write(self) -> [u8; Self::LEN] {
        let [a, b] = (self.ticks as u16).to_be_bytes();
        let [c, d] = (self.len as u16).to_be_bytes();
        [a, b, c, d]
    }
}

impl Records {
    /// The bytes that this is read as.
    pub(super) const BYTES: PcmFormat = PcmFormat::new(SampleFormat::U8, Endian::Little);

    /// The records of a file that stands at its start.
    pub(super) fn new(reader: OpusFileReader) -> Self {
        Self {
            reader,
            record: Vec::new(),
            read: 0,
            hole: 0,
            ended: false,
        }
    }

    /// Makes the next record; at the end an empty one.
    fn next(&mut self) -> Result<(), SourceError> {
        self.record.clear();
        self.read = 0;
        while self.record.is_empty() && !self.ended {
            if self.hole > 0 {
                let ticks = self.hole.min(MOST_OF_A_HOLE);
                self.hole -= ticks;
                let head = RecordHead {
                    ticks: ticks as usize,
                    len: 0,
                };
                self.record.extend(head.write());
                continue;
            }
            match self.reader.next_event()? {
                None => self.ended = true,
                // Whoever receives it has one decoder for all.
                Some(OpusEvent::Chained(_)) => {}
                Some(OpusEvent::Hole { ticks }) => self.hole = ticks,
                Some(OpusEvent::Packet { data, ticks, .. }) => {
                    let head = RecordHead {
                        ticks: ticks as usize,
                        len: data.len(),
                    };
                    self.record.extend(head.write());
                    self.record.extend(data);
                }
            }
        }
        Ok(())
    }
}

impl Source for Records {
    /// Bytes, at least as many a second as any packets take.
    fn format(&self) -> StreamFormat {
        StreamFormat::new(SampleRate::HZ_48000, Channels::MONO)
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        (self.ended && self.read == self.record.len()).then_some(0)
    }

    fn read(&mut self, _out: &mut [f32]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported(
            "packets are read as they are stored".to_owned(),
        ))
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(Self::BYTES)
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        let mut done = 0;
        while done < out.len() {
            if self.read == self.record.len() {
                self.next()?;
                if self.record.is_empty() {
                    break;
                }
            }
            let rest = &self.record[self.read..];
            let now = rest.len().min(out.len() - done);
            out[done..done + now].copy_from_slice(&rest[..now]);
            done += now;
            self.read += now;
        }
        Ok(done)
    }

    fn seek(&mut self, _frame: u64) -> Result<(), SourceError> {
        Err(SourceError::Unsupported(
            "packets are read from their start".to_owned(),
        ))
    }
}

/// 20 ms a record, so that what is skipped is skipped in time.
const MOST_OF_A_HOLE: u64 = 960;
