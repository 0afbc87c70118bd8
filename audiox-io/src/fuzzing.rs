//! Bodies of the fuzz targets for files: what must hold for any bytes whatever.

use std::io::Cursor;

use audiox_core::convert;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Source;

use crate::guess::{Content, guess as judge};
use crate::matroska::{MatroskaEvent, MatroskaOpus, MatroskaReader};
use crate::ogg::{OpusEvent, OpusFileReader, OpusFileWriter};
use crate::opus::OpusPackets;
use crate::pcm::PcmCoding;
use crate::wav::WavSource;

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[
    ("wav", wav),
    ("ogg", ogg),
    ("matroska", matroska),
    ("guess", guess),
    #[cfg(feature = "compressed")]
    ("sound", sound),
];

/// A file either opens or says why in one line; and one that opens holds what it promises,
/// converted and as stored, from the start and from anywhere.
pub fn wav(data: &[u8]) {
    let mut source = match WavSource::new(Cursor::new(data), "input") {
        Ok(source) => source,
        Err(e) => {
            let text = e.to_string();
            assert!(text.starts_with("input: ") && !text.contains('\n'));
            return;
        }
    };
    let channels = source.format().channels.get();
    let frames = source.frames();
    assert!(frames > 0 && frames <= data.len() as u64);
    assert_eq!(source.frames_left(), Some(frames));

    // Odd, and small enough that several reads are needed.
    let mut piece = vec![f32::NAN; 1_021 * channels];
    let mut samples = Vec::new();
    loop {
        let n = source.read(&mut piece).expect("the file is all there");
        samples.extend_from_slice(&piece[..n * channels]);
        if n == 0 {
            break;
        }
    }
    assert_eq!(samples.len() as u64, frames * channels as u64);
    assert!(samples.iter().all(|x| x.is_finite()));

    let middle = frames / 2;
    source.seek(middle).expect("the file can be sought");
    assert_eq!(source.frames_left(), Some(frames - middle));
    let n = source.read(&mut piece).expect("the file is all there");
    let from = middle as usize * channels;
    assert_eq!(piece[..n * channels], samples[from..][..n * channels]);

    if let Some(pcm) = source.native() {
        source.seek(0).expect("the file can be sought");
        let mut bytes = vec![0; data.len()];
        let n = source.read_native(&mut bytes).expect("stored bytes");
        let mut decoded = vec![f32::NAN; samples.len()];
        assert_eq!(
            convert::decode(pcm, &bytes[..n], &mut decoded),
            samples.len()
        );
        assert_eq!(decoded, samples);
    } else {
        assert!(source.read_native(&mut [0; 8]).is_err());
    }
}

/// An Ogg Opus file either opens or says why in one line; one that opens has the length it tells,
/// from the start and from anywhere, and can be written again.
pub fn ogg(data: &[u8]) {
    let mut reader = match OpusFileReader::new(Cursor::new(data), "input") {
        Ok(reader) => reader,
        Err(e) => {
            let text = e.to_string();
            assert!(text.starts_with("input: ") && !text.contains('\n'));
            return;
        }
    };
    let length = reader.length();
    assert!(length > 0);
    let mut copy = Vec::new();
    let head = reader.head().clone();
    let mut writer = OpusFileWriter::new(&mut copy, "copy", &head, 1).expect("memory takes it");
    let mut heard = 0;
    let mut packets = 0;
    while let Some(event) = reader.next_event().expect("the file is all there") {
        match event {
            OpusEvent::Packet {
                data,
                ticks,
                skip,
                trim,
            } => {
                assert!((1..=5_760).contains(&ticks) && skip + trim <= ticks);
                heard += u64::from(ticks - skip - trim);
                packets += 1;
                writer.write(&data).expect("what was read can be written");
            }
            OpusEvent::Hole { ticks } => {
                assert!(ticks > 0);
                heard += ticks;
                // Long ones are many packets, however small the input.
                writer.gap(ticks.min(48_000)).expect("memory takes it");
            }
            OpusEvent::Chained(head) => assert_eq!(head.mapping, reader.head().mapping),
        }
    }
    assert_eq!(heard, length);
    writer.finish(0).expect("memory takes it");
    if packets > 0 {
        OpusFileReader::new(Cursor::new(copy), "copy").map_or_else(
            // All of it may lie before the pre-skip's end.
            |e| assert!(e.to_string().contains("no audio"), "{e}"),
            |copy| assert!(copy.longest_packet() <= reader.longest_packet().max(2 * 255)),
        );
    }
    let middle = length / 2;
    reader.seek(middle).expect("the file can be sought");
    let mut heard = 0;
    while let Some(event) = reader.next_event().expect("the file is all there") {
        heard += match event {
            OpusEvent::Packet {
                ticks, skip, trim, ..
            } => u64::from(ticks - skip - trim),
            OpusEvent::Hole { ticks } => ticks,
            OpusEvent::Chained(_) => 0,
        };
    }
    assert_eq!(heard, length - middle);
}

/// A Matroska file either opens or says why in one line; its packets lie in order within the
/// length it tells, from the start and from anywhere; and Opus in it is heard for just that time.
pub fn matroska(data: &[u8]) {
    let mut reader = match MatroskaReader::new(Cursor::new(data), "input") {
        Ok(reader) => reader,
        Err(e) => {
            let text = e.to_string();
            assert!(text.starts_with("input: ") && !text.contains('\n'));
            return;
        }
    };
    let all = packets(&mut reader);
    assert!(all.windows(2).all(|p| p[0].0 + p[0].1 <= p[1].0));
    assert!(
        all.last()
            .is_some_and(|(at, frames)| at + frames >= reader.frames())
    );
    let middle = reader.frames() / 2;
    reader.seek(middle).expect("the file can be sought");
    let later = packets(&mut reader);
    assert!(all.ends_with(&later));
    assert!(later.first().is_none_or(|first| first.0 <= middle) || later.len() == all.len());

    let Ok(mut opus) = MatroskaOpus::new(Cursor::new(data), "input") else {
        return;
    };
    let length = OpusPackets::length(&opus);
    for tick in [0, length / 2, length] {
        opus.seek(tick).expect("the file can be sought");
        assert_eq!(heard(&mut opus), length - tick);
    }
}

/// Places of packets, and frames in them.
fn packets(reader: &mut MatroskaReader<Cursor<&[u8]>>) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    while let Some(event) = reader.next_event().expect("the file is all there") {
        if let MatroskaEvent::Packet(packet) = event {
            all.push((packet.at, packet.frames));
        }
    }
    all
}

/// Ticks that are heard from here on.
fn heard(packets: &mut dyn OpusPackets) -> u64 {
    let mut heard = 0;
    while let Some(event) = packets.next_event().expect("the file is all there") {
        heard += match event {
            OpusEvent::Packet {
                ticks, skip, trim, ..
            } => u64::from(ticks - skip - trim),
            OpusEvent::Hole { ticks } => ticks,
            OpusEvent::Chained(_) => 0,
        };
    }
    heard
}

/// Any bytes are judged, honestly: confidences are probabilities, in order.
pub fn guess(data: &[u8]) {
    let format = StreamFormat::new(SampleRate::HZ_44100, Channels::MONO);
    let guess = judge(data, (PcmCoding::S16LE, format));
    assert!(guess.candidates.len() >= 4);
    assert!(
        guess
            .candidates
            .is_sorted_by(|a, b| a.confidence >= b.confidence)
    );
    let is_probability = |p: f32| (0.0..=1.0).contains(&p);
    assert!(
        guess
            .candidates
            .iter()
            .all(|c| is_probability(c.confidence))
    );
    assert!(is_probability(guess.coding_confidence) && is_probability(guess.rate_confidence));
    if guess.content != Content::Audio {
        assert!(guess.coding_confidence < 0.5 && guess.rate_confidence < 0.75);
    }
}

/// Bytes either open or why not is said in one line; what opens is no longer than it says, sought
/// or not, and as a WAV file just as long.
#[cfg(feature = "compressed")]
pub fn sound(data: &[u8]) {
    use std::io::Read;

    use crate::sound::{MAX_SAMPLES, PcmWish, open};
    use crate::wav::{HEADER_LEN, WavBytes};

    let bytes = bytes::Bytes::copy_from_slice(data);
    let decode: crate::sound::DecodeOpus = |packets| Ok(Box::new(Undecoded::new(packets)));
    let mut sound = match open(bytes, &PcmWish::default(), Some(decode)) {
        Ok(sound) => sound,
        Err(e) => {
            assert!(!e.to_string().contains('\n'));
            return;
        }
    };
    let channels = sound.source.format().channels.get();
    let frames = sound
        .source
        .frames_left()
        .expect("what is in memory has an end");
    assert!(frames > 0 && frames * channels as u64 <= MAX_SAMPLES);
    let middle = frames / 2;
    let mut piece = vec![f32::NAN; 4_096 * channels];
    if sound.source.seek(middle).is_ok() {
        assert_eq!(sound.source.frames_left(), Some(frames - middle));
        let mut got = 0;
        // Minutes of silence out of some bytes are no more than that.
        while got < MOST_READ {
            match sound.source.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    assert!(piece[..n * channels].iter().all(|x| x.is_finite()));
                    got += n as u64;
                }
            }
        }
        assert!(got <= frames - middle);
    }
    if sound.source.seek(0).is_ok() && frames < MOST_READ {
        let mut file = Vec::new();
        let mut wav = WavBytes::new(sound.source, sound.sample).expect("it has an end");
        let len = wav.file_len();
        wav.read_to_end(&mut file).expect("memory does not fail");
        assert!(file.len() as u64 == len && file.len() > HEADER_LEN);
    }
}

/// Frames of a sound that are read.
#[cfg(feature = "compressed")]
const MOST_READ: u64 = 400_000;

/// Opus as silence: what decodes it is tested where it is.
#[cfg(feature = "compressed")]
struct Undecoded {
    packets: Box<dyn OpusPackets>,
    length: u64,
    at: u64,
    hole: u64,
}

#[cfg(feature = "compressed")]
impl Undecoded {
    fn new(packets: Box<dyn OpusPackets>) -> Self {
        Self {
            length: packets.length(),
            packets,
            at: 0,
            hole: 0,
        }
    }
}

#[cfg(feature = "compressed")]
impl Source for Undecoded {
    fn format(&self) -> StreamFormat {
        let channels = self.packets.head().mapping.channels();
        let channels = Channels::new(channels.into()).expect("1 to 255 channels");
        StreamFormat::new(SampleRate::HZ_48000, channels)
    }

    fn clock(&self) -> audiox_core::source::SourceClock {
        audiox_core::source::SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(self.length - self.at)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, audiox_core::source::SourceError> {
        let wanted = (out.len() / self.format().channels.get()) as u64;
        while self.hole == 0 {
            self.hole = match self.packets.next_event()? {
                None => return Ok(0),
                Some(OpusEvent::Packet {
                    ticks, skip, trim, ..
                }) => u64::from(ticks - skip - trim),
                Some(OpusEvent::Hole { ticks }) => ticks,
                Some(OpusEvent::Chained(_)) => 0,
            };
        }
        let now = wanted.min(self.hole);
        out[..now as usize * self.format().channels.get()].fill(0.0);
        self.hole -= now;
        self.at += now;
        Ok(now as usize)
    }

    fn native(&self) -> Option<audiox_core::format::PcmFormat> {
        None
    }

    fn read_native(&mut self, _: &mut [u8]) -> Result<usize, audiox_core::source::SourceError> {
        Ok(0)
    }

    fn seek(&mut self, frame: u64) -> Result<(), audiox_core::source::SourceError> {
        self.at = frame.min(self.length);
        self.hole = 0;
        self.packets.seek(self.at)
    }
}
