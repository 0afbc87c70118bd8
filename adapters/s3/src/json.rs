//! How records and index pages are written: JSON, with every number exact and times in
//! nanoseconds.
//!
//! What is read may have been written by anybody who can write the store, so all of it is checked:
//! lengths before parsing, ranges and order after.

use std::time::Duration;

use audiox_core::codec::EncodingName;
use audiox_core::error::ConfigError;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::store::{
    Coding, Gap, GapKind, Retention, SegmentKey, SegmentMeta, StoredFormat, StreamId, StreamRecord,
};
use audiox_core::time::{MediaTime, UnixTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A stream's record as JSON.
pub(crate) fn write_record(record: &StreamRecord) -> Vec<u8> {
    write(&RecordJson::from(record))
}

/// The record of the stream `id` from JSON.
pub(crate) fn read_record(id: &StreamId, json: &[u8]) -> Result<StreamRecord, BadJson> {
    read::<RecordJson>(json, MAX_RECORD)?.check(id)
}

/// A page of an index as JSON.
pub(crate) fn write_page(metas: &[SegmentMeta]) -> Vec<u8> {
    write(&PageJson {
        version: VERSION,
        segments: metas.iter().map(MetaJson::from).collect(),
    })
}

/// A page of the index of the stream `id` from JSON.
pub(crate) fn read_page(id: &StreamId, json: &[u8]) -> Result<Vec<SegmentMeta>, BadJson> {
    let page = read::<PageJson>(json, MAX_PAGE)?;
    if page.version != VERSION {
        return Err(BadJson::new("it is of another version"));
    }
    let metas = page.segments.into_iter().map(|meta| meta.check(id));
    let metas = metas.collect::<Result<Vec<_>, _>>()?;
    if metas.is_sorted_by(|a, b| a.key.second < b.key.second) {
        Ok(metas)
    } else {
        Err(BadJson::new("its segments are not in order"))
    }
}

/// One entry alone, as the spool keeps it beside a segment.
pub(crate) fn write_meta(meta: &SegmentMeta) -> Vec<u8> {
    write(&MetaJson::from(meta))
}

/// One entry of the stream `id` from JSON.
pub(crate) fn read_meta(id: &StreamId, json: &[u8]) -> Result<SegmentMeta, BadJson> {
    read::<MetaJson>(json, MAX_PAGE)?.check(id)
}

/// What is wrong with JSON that was read.
#[derive(Debug)]
pub(crate) struct BadJson(String);

impl BadJson {
    fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl std::fmt::Display for BadJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ConfigError> for BadJson {
    fn from(e: ConfigError) -> Self {
        Self::new(e)
    }
}

#[derive(Serialize, Deserialize)]
struct RecordJson {
    version: u32,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    rate: u32,
    channels: u16,
    /// One of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pcm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codec: Option<String>,
    started_ns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
}

impl From<&StreamRecord> for RecordJson {
    fn from(r: &StreamRecord) -> Self {
        let (pcm, codec) = match &r.format.coding {
            Coding::Pcm(pcm) => (Some(pcm.to_string()), None),
            Coding::Codec(name) => (None, Some(name.to_string())),
        };
        Self {
            version: VERSION,
            id: r.id.to_string(),
            name: r.name.clone(),
            rate: r.format.stream.rate.get(),
            // At most 1 024 by its type.
            channels: r.format.stream.channels.get() as u16,
            pcm,
            codec,
            started_ns: r.started.as_nanos(),
            ended_ns: r.ended.map(UnixTime::as_nanos),
            max_age_ns: r.retention.max_age.map(|d| UnixTime::from(d).as_nanos()),
            max_bytes: r.retention.max_bytes,
        }
    }
}

impl RecordJson {
    fn check(self, id: &StreamId) -> Result<StreamRecord, BadJson> {
        if self.version != VERSION || self.id != id.as_str() {
            return Err(BadJson::new("it is of another version or stream"));
        }
        let coding = match (self.pcm, self.codec) {
            (Some(pcm), None) => Coding::Pcm(pcm.parse()?),
            (None, Some(codec)) => Coding::Codec(EncodingName::new(codec)?),
            _ => return Err(BadJson::new("it says no coding, or two")),
        };
        let stream = StreamFormat::new(SampleRate::new(self.rate)?, Channels::new(self.channels)?);
        let format = StoredFormat { stream, coding };
        let started = UnixTime::from_nanos(self.started_ns);
        let mut record = StreamRecord::new(id.clone(), format, started);
        if let Some(name) = self.name {
            record = record.named(name)?;
        }
        record.ended = self.ended_ns.map(UnixTime::from_nanos);
        record.retention = Retention {
            max_age: self.max_age_ns.map(Duration::from_nanos),
            max_bytes: self.max_bytes,
        };
        Ok(record)
    }
}

#[derive(Serialize, Deserialize)]
struct PageJson {
    version: u32,
    segments: Vec<MetaJson>,
}

#[derive(Serialize, Deserialize)]
struct MetaJson {
    second: u64,
    start_ns: u64,
    end_ns: u64,
    media_start: u64,
    frames: u64,
    offset: u64,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crc32: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<GapJson>,
}

impl From<&SegmentMeta> for MetaJson {
    fn from(m: &SegmentMeta) -> Self {
        Self {
            second: m.key.second,
            start_ns: m.start.as_nanos(),
            end_ns: m.end.as_nanos(),
            media_start: u64::try_from(m.media_start.0).unwrap_or(0),
            frames: m.frames,
            offset: m.offset,
            bytes: m.bytes,
            crc32: m.checksum,
            gaps: m.gaps.iter().map(GapJson::from).collect(),
        }
    }
}

impl MetaJson {
    fn check(self, id: &StreamId) -> Result<SegmentMeta, BadJson> {
        if self.offset.checked_add(self.bytes).is_none() {
            return Err(BadJson::new("a segment ends nowhere"));
        }
        let meta = SegmentMeta {
            key: SegmentKey::new(id.clone(), self.second),
            start: UnixTime::from_nanos(self.start_ns),
            end: UnixTime::from_nanos(self.end_ns),
            media_start: media(self.media_start, self.frames)?,
            frames: self.frames,
            offset: self.offset,
            bytes: self.bytes,
            checksum: self.crc32,
            gaps: self
                .gaps
                .into_iter()
                .map(|gap| {
                    Ok(Gap {
                        at: media(gap.at, gap.frames)?,
                        frames: gap.frames,
                        kind: match gap.kind {
                            KindJson::Missing => GapKind::Missing,
                            KindJson::Concealed => GapKind::Concealed,
                        },
                    })
                })
                .collect::<Result<_, BadJson>>()?,
        };
        Ok(meta)
    }
}

/// A media time that leaves room for `frames` behind it.
fn media(at: u64, frames: u64) -> Result<MediaTime, BadJson> {
    let end = at
        .checked_add(frames)
        .and_then(|end| i64::try_from(end).ok());
    let start = i64::try_from(at).ok();
    match (start, end) {
        (Some(start), Some(_)) => Ok(MediaTime(start)),
        _ => Err(BadJson::new("a media time is out of range")),
    }
}

#[derive(Serialize, Deserialize)]
struct GapJson {
    at: u64,
    frames: u64,
    kind: KindJson,
}

impl From<&Gap> for GapJson {
    fn from(gap: &Gap) -> Self {
        Self {
            at: u64::try_from(gap.at.0).unwrap_or(0),
            frames: gap.frames,
            kind: match gap.kind {
                GapKind::Missing => KindJson::Missing,
                GapKind::Concealed => KindJson::Concealed,
            },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindJson {
    Missing,
    Concealed,
}

fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data with text keys has a JSON form")
}

fn read<T: DeserializeOwned>(json: &[u8], most: usize) -> Result<T, BadJson> {
    if json.len() > most {
        return Err(BadJson::new(format_args!(
            "{} bytes are more than the {most} it can have",
            json.len()
        )));
    }
    serde_json::from_slice(json).map_err(BadJson::new)
}

const VERSION: u32 = 1;
/// A record with a name of which every byte is escaped.
pub(crate) const MAX_RECORD: usize = 4 << 10;
/// 256 entries with as many gaps as a segmenter lists.
pub(crate) const MAX_PAGE: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> StreamId {
        StreamId::parse("s").unwrap()
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let record = StreamRecord::new(id(), StoredFormat::default(), UnixTime::EPOCH);
        let good = String::from_utf8(write_record(&record)).unwrap();
        assert_eq!(read_record(&id(), good.as_bytes()).unwrap(), record);
        for (from, to) in [
            ("44100", "0"),
            ("\"channels\":1", "\"channels\":0"),
            ("s16le", "s17le"),
            ("\"version\":1", "\"version\":2"),
            ("\"id\":\"s\"", "\"id\":\"t\""),
            ("\"pcm\":\"s16le\",", ""),
            ("\"pcm\"", "\"codec\":\"opus\",\"pcm\""),
            ("\"started_ns\":0", "\"started_ns\":-1"),
        ] {
            assert!(good.contains(from), "{good}");
            let bad = good.replace(from, to);
            assert!(read_record(&id(), bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read_record(&id(), &vec![b' '; MAX_RECORD + 1]).is_err());
        let deep = "[".repeat(4_000);
        assert!(read_record(&id(), deep.as_bytes()).is_err());
    }

    #[test]
    fn pages_are_in_order_and_within_what_numbers_hold() {
        let page = |segments: &str| {
            let json = format!("{{\"version\":1,\"segments\":[{segments}]}}");
            read_page(&id(), json.as_bytes())
        };
        let entry = |second: u64, media: u64, bytes: u64| {
            format!(
                "{{\"second\":{second},\"start_ns\":1,\"end_ns\":2,\"media_start\":{media},\
                 \"frames\":2,\"offset\":1,\"bytes\":{bytes}}}"
            )
        };
        let two = page(&format!("{},{}", entry(1, 0, 4), entry(2, 2, 4))).unwrap();
        assert_eq!(two.len(), 2);
        assert_eq!(two[0].checksum, None);
        for bad in [
            format!("{},{}", entry(2, 0, 4), entry(2, 2, 4)),
            format!("{},{}", entry(2, 0, 4), entry(1, 2, 4)),
            entry(1, u64::MAX, 4),
            entry(1, i64::MAX as u64 - 1, 4),
            entry(1, 0, u64::MAX),
        ] {
            assert!(page(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_record(&id(), &bytes);
            let _ = read_page(&id(), &bytes);
            let _ = read_meta(&id(), &bytes);
        }

        #[test]
        fn entries_survive(second: u64, start: u64, end: u64, media in 0u64..1 << 62, frames in 0u64..1 << 62,
            offset in 0u64..1 << 63, bytes in 0u64..1 << 62, crc: Option<u32>, gap in 0u64..1 << 40) {
            let meta = SegmentMeta {
                key: SegmentKey::new(id(), second),
                start: UnixTime::from_nanos(start),
                end: UnixTime::from_nanos(end),
                media_start: MediaTime(media as i64),
                frames,
                offset,
                bytes,
                checksum: crc,
                gaps: vec![Gap { at: MediaTime(gap as i64), frames: gap, kind: GapKind::Concealed }],
            };
            prop_assert_eq!(&read_meta(&id(), &write_meta(&meta)).unwrap(), &meta);
            let page = read_page(&id(), &write_page(std::slice::from_ref(&meta))).unwrap();
            prop_assert_eq!(page, [meta]);
        }
    }
}
