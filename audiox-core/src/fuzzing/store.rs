//! Archives: keys that somebody asked for, and streams cut in any order of calls.

use std::time::Duration;

use bytes::Bytes;

use super::dice::Dice;
use crate::format::{Channels, SampleRate, StreamFormat};
use crate::store::{
    GapKind, SegmentEvent, SegmentKey, Segmenter, SegmenterConfig, StoredFormat, StreamId,
};
use crate::time::{Instant, UnixTime};

/// Any text is a key or id that reads the same and leads nowhere else, or is refused in one line.
pub fn segment_key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<SegmentKey>() {
        Ok(key) => {
            assert_eq!(key.to_string(), text);
            assert_eq!(text.split('/').count(), 2);
        }
        Err(e) => assert!(!e.to_string().contains('\n') && e.to_string().len() < 2_000),
    }
    match StreamId::parse(text) {
        Ok(id) => {
            assert_eq!(id.as_str(), text);
            assert!(!text.contains(['/', '\\', '.', '%', '\0']) && text.len() <= 64);
        }
        Err(e) => assert!(!e.to_string().contains('\n') && e.to_string().len() < 2_000),
    }
}

/// Whatever is pushed, and whenever segments are closed: they are in order and described truly,
/// and together they are what was pushed.
pub fn segmenter_ops(data: &[u8]) {
    let mut dice = Dice(data);
    let channels = Channels::new(u16::from(dice.byte() % 4) + 1).expect("1 to 4");
    let stream = StreamFormat::new(SampleRate::HZ_8000, channels);
    let format = StoredFormat {
        stream,
        ..StoredFormat::default()
    };
    let frame = format.frame_bytes().map_or(1, |n| n as u64);
    let config = SegmenterConfig {
        max_media: Duration::from_millis(100),
        max_elapsed: Duration::from_millis(300),
        ..SegmenterConfig::default()
    };
    let id = StreamId::parse("fuzzed").expect("it is valid");
    let mut segmenter = Segmenter::new(id, format.clone(), config).expect("it is in range");
    let (mut now, mut n, mut sent) = (Instant::EPOCH, 0u8, Vec::new());
    let mut check = Check::default();
    while !dice.is_used_up() {
        let what = dice.byte();
        let len = usize::from(dice.word() % 5_000);
        now += Duration::from_millis(u64::from(what >> 3) * 10);
        // The wall clock goes its own ways.
        let wall = UnixTime::from_secs(u64::from(dice.byte()));
        let bytes: Bytes = (0..len)
            .map(|_| {
                n = n.wrapping_add(37);
                n
            })
            .collect();
        match what & 7 {
            0..=3 => {
                sent.extend_from_slice(&bytes);
                segmenter.push(now, wall, bytes);
            }
            4 => {
                sent.extend_from_slice(&bytes);
                segmenter.push_gap(now, wall, bytes, 0, GapKind::Missing);
            }
            5 => segmenter.handle_timeout(now, wall),
            6 => segmenter.finish(wall),
            _ => {
                // A process ends, and the next one goes on.
                segmenter.finish(wall);
                check.drain(&mut segmenter, frame);
                if let Some(last) = &check.last {
                    segmenter = Segmenter::resume(last, format.clone(), config).expect("as before");
                }
            }
        }
        assert!(segmenter.poll_timeout().is_none_or(|due| due > now));
        check.drain(&mut segmenter, frame);
    }
    segmenter.finish(UnixTime::EPOCH);
    check.drain(&mut segmenter, frame);
    assert!(check.all == sent && check.open.is_none());
}

/// What came out so far.
#[derive(Default)]
struct Check {
    all: Vec<u8>,
    /// Where the open segment begins in it.
    open: Option<usize>,
    last: Option<crate::store::SegmentMeta>,
}

impl Check {
    fn drain(&mut self, segmenter: &mut Segmenter, frame: u64) {
        while let Some(event) = segmenter.poll() {
            match event {
                SegmentEvent::Opened(meta) => {
                    assert_eq!(meta.offset, self.all.len() as u64);
                    assert!(self.open.replace(self.all.len()).is_none());
                }
                SegmentEvent::Data(data) => self.all.extend_from_slice(&data),
                SegmentEvent::Closed(meta) => {
                    let start = self.open.take().expect("it was opened");
                    assert!(meta.describes(&self.all[start..]));
                    assert!(meta.bytes > 0 && meta.frames <= 800);
                    assert_eq!(meta.media_end().0 as u64, self.all.len() as u64 / frame);
                    if let Some(last) = &self.last {
                        assert!(meta.key > last.key && meta.media_start == last.media_end());
                    }
                    self.last = Some(meta);
                }
            }
        }
    }
}
