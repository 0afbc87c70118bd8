use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use audiox_core::source::SinkError;
use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::TICK_RATE;
use super::head::{ChannelMapping, OpusHead, tags};
use super::toc::{conceal, packet_ticks};

/// Writes an Ogg Opus file, packet by packet.
///
/// A page holds a second at most, and is with the system at the latest after
/// [`flush`](Self::flush). What is written of a file whose process is killed is valid and lacks the
/// last page and the end mark.
pub struct OpusFileWriter<W: Write = BufWriter<File>> {
    name: String,
    writer: PacketWriter<'static, W>,
    serial: u32,
    mapping: ChannelMapping,
    /// Packets of the page in the making, with their granule positions. The last one waits for what
    /// comes, since it may be the last of all.
    page: Vec<(Vec<u8>, u64)>,
    page_ticks: u64,
    ticks: u64,
    /// Ticks of gaps that no packet could fill.
    owed: u64,
    /// First byte of the last packet.
    toc: u8,
    finished: bool,
}

impl OpusFileWriter {
    /// Creates a file, over what is there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn create(path: impl AsRef<Path>, head: &OpusHead) -> Result<Self, SinkError> {
        let path = path.as_ref();
        // Different ones can be joined to one file. The hasher's keys are random.
        let serial = RandomState::new().hash_one(path) as u32;
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Self::new(BufWriter::new(file), name, head, serial),
            Err(source) => {
                let what = format!("cannot write {name}");
                Err(SinkError::Io { what, source })
            }
        }
    }
}

impl<W: Write> OpusFileWriter<W> {
    /// A file into any writer; `name` stands in messages, `serial` tells streams apart that may be
    /// joined in one file.
    ///
    /// # Errors
    /// Writing the headers fails.
    pub fn new(
        writer: W,
        name: impl Into<String>,
        head: &OpusHead,
        serial: u32,
    ) -> Result<Self, SinkError> {
        let stereo = if head.mapping.coupled() > 0 { 4 } else { 0 };
        let mut this = Self {
            name: name.into(),
            writer: PacketWriter::new(writer),
            serial,
            mapping: head.mapping.clone(),
            page: Vec::new(),
            page_ticks: 0,
            ticks: 0,
            owed: 0,
            toc: FIRST_TOC | stereo,
            finished: false,
        };
        for packet in [head.to_bytes(), tags()] {
            // Each on a page of its own (RFC 7845 section 3).
            let end = PacketWriteEndInfo::EndPage;
            let written = this.writer.write_packet(packet, serial, end, 0);
            written.map_err(|e| this.io(e))?;
        }
        Ok(this)
    }

    /// Ticks written and left to concealment so far: where the next packet begins.
    pub fn ticks(&self) -> u64 {
        self.ticks + self.owed
    }

    /// Writes a packet as it is.
    ///
    /// # Errors
    /// [`SinkError::Unsupported`] where it is none of Opus; [`SinkError::Io`].
    pub fn write(&mut self, packet: &[u8]) -> Result<(), SinkError> {
        let Some(ticks) = packet_ticks(packet) else {
            return Err(SinkError::Unsupported(format!(
                "{}: what was to be written is no packet of Opus",
                self.name
            )));
        };
        self.toc = packet[0];
        self.add(packet.to_vec(), ticks)
    }

    /// Leaves `ticks` to concealment, by packets that ask for it (RFC 7845 section 4.1). What is no
    /// multiple of 2.5 ms is left for the next gap.
    ///
    /// # Errors
    /// [`SinkError::Io`].
    pub fn gap(&mut self, ticks: u64) -> Result<(), SinkError> {
        let mut ticks = ticks.saturating_add(self.owed);
        // A long one in parts, so that it takes no memory.
        while ticks > 0 {
            let now = ticks.min(u64::from(TICK_RATE));
            let mut packets = Vec::new();
            let left = conceal(self.toc, now, |packet, lasts| {
                packets.push((in_all_streams(&self.mapping, packet), lasts));
            });
            if packets.is_empty() {
                break;
            }
            for (packet, lasts) in packets {
                self.add(packet, lasts)?;
            }
            ticks -= now - left;
        }
        self.owed = ticks;
        Ok(())
    }

    /// Hands everything but the last packet to the system.
    ///
    /// # Errors
    /// [`SinkError::Io`].
    pub fn flush(&mut self) -> Result<(), SinkError> {
        self.end_page()?;
        let flushed = self.writer.inner_mut().flush();
        flushed.map_err(|e| self.io(e))
    }

    /// Writes what waits, with the end mark. `trim` ticks at the end are not to be heard.
    ///
    /// # Errors
    /// [`SinkError::Io`].
    pub fn finish(mut self, trim: u32) -> Result<(), SinkError> {
        self.close(trim)
    }

    fn close(&mut self, trim: u32) -> Result<(), SinkError> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        self.end_page()?;
        if let Some((packet, granule)) = self.page.pop() {
            let granule = granule.saturating_sub(u64::from(trim));
            self.put(packet, granule, PacketWriteEndInfo::EndStream)?;
        }
        let flushed = self.writer.inner_mut().flush();
        flushed.map_err(|e| self.io(e))
    }

    fn add(&mut self, packet: Vec<u8>, ticks: u32) -> Result<(), SinkError> {
        if self.page_ticks + u64::from(ticks) > u64::from(TICK_RATE) {
            self.end_page()?;
        }
        self.ticks += u64::from(ticks);
        self.page_ticks += u64::from(ticks);
        self.page.push((packet, self.ticks));
        Ok(())
    }

    /// Writes the page in the making, but for its last packet.
    fn end_page(&mut self) -> Result<(), SinkError> {
        let Some(last) = self.page.pop() else {
            return Ok(());
        };
        let count = self.page.len();
        for (i, (packet, granule)) in std::mem::take(&mut self.page).into_iter().enumerate() {
            let end = match i + 1 == count {
                true => PacketWriteEndInfo::EndPage,
                false => PacketWriteEndInfo::NormalPacket,
            };
            self.put(packet, granule, end)?;
        }
        self.page_ticks = 0;
        self.page.push(last);
        Ok(())
    }

    fn put(
        &mut self,
        packet: Vec<u8>,
        granule: u64,
        end: PacketWriteEndInfo,
    ) -> Result<(), SinkError> {
        let written = self.writer.write_packet(packet, self.serial, end, granule);
        written.map_err(|e| self.io(e))
    }

    fn io(&self, source: io::Error) -> SinkError {
        let what = format!("cannot write {}", self.name);
        SinkError::Io { what, source }
    }
}

impl<W: Write> Drop for OpusFileWriter<W> {
    /// Ends the file. Whoever wants to know whether that worked calls [`finish`](Self::finish).
    fn drop(&mut self) {
        let _ = self.close(0);
    }
}

impl<W: Write> fmt::Debug for OpusFileWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusFileWriter")
            .field("name", &self.name)
            .field("mapping", &self.mapping)
            .field("ticks", &self.ticks)
            .finish_non_exhaustive()
    }
}

/// A packet without audio for each stream: all but the last delimit themselves, by a length of
/// no bytes (RFC 6716 appendix B).
fn in_all_streams(mapping: &ChannelMapping, packet: &[u8]) -> Vec<u8> {
    if mapping.streams() == 1 {
        return packet.to_vec();
    }
    let mut all = Vec::new();
    for stream in 0..mapping.streams() {
        let stereo = if stream < mapping.coupled() { 4 } else { 0 };
        all.push(packet[0] & !4 | stereo);
        all.extend(&packet[1..]);
        if stream + 1 < mapping.streams() {
            all.push(0);
        }
    }
    all
}

/// Transform coding of all the bandwidth, 20 ms: what goes before the first packet.
const FIRST_TOC: u8 = 31 << 3;
