use proptest::prelude::*;

use super::*;
use crate::codec::EncodingName;
use crate::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use crate::store::{Coding, TimeRange};

fn id() -> StreamId {
    StreamId::parse("s").unwrap()
}

fn stereo() -> StoredFormat {
    StoredFormat::pcm(
        StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO),
        PcmFormat::S16LE,
    )
}

fn segmenter() -> Segmenter {
    Segmenter::new(id(), stereo(), SegmenterConfig::default()).unwrap()
}

fn at(millis: u64) -> (Instant, UnixTime) {
    let nanos = millis * 1_000_000;
    (
        Instant::from_nanos(nanos),
        UnixTime::from_nanos(1_700_000_000_000_000_000 + nanos),
    )
}

fn push(s: &mut Segmenter, millis: u64, data: impl Into<Bytes>) {
    let (now, wall) = at(millis);
    s.push(now, wall, data.into());
}

/// The closed segments with their bytes; checks what must hold of any run of events.
fn drain(s: &mut Segmenter) -> Vec<(SegmentMeta, Vec<u8>)> {
    let mut open: Option<(SegmentMeta, Vec<u8>)> = None;
    let mut closed = Vec::new();
    while let Some(event) = s.poll() {
        match event {
            SegmentEvent::Opened(meta) => {
                assert!(open.is_none() && meta.bytes == 0);
                open = Some((meta, Vec::new()));
            }
            SegmentEvent::Data(data) => {
                assert!(!data.is_empty());
                open.as_mut().unwrap().1.extend_from_slice(&data);
            }
            SegmentEvent::Closed(meta) => {
                let (opened, data) = open.take().unwrap();
                assert_eq!((&opened.key, opened.start), (&meta.key, meta.start));
                assert_eq!(
                    (opened.offset, opened.media_start),
                    (meta.offset, meta.media_start)
                );
                assert!(meta.checksum.is_some() && meta.describes(&data));
                closed.push((meta, data));
            }
        }
    }
    closed
}

#[test]
fn five_seconds_of_audio_close_a_segment_at_the_frame() {
    let mut s = segmenter();
    // 5 s are 160 000 bytes; posts of 4 096 do not divide them.
    let sent: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    for (i, post) in sent.chunks(4_096).enumerate() {
        push(&mut s, i as u64, post.to_vec());
    }
    s.finish(at(60).1);
    let segments = drain(&mut s);
    let lengths: Vec<_> = segments.iter().map(|(m, _)| (m.bytes, m.frames)).collect();
    assert_eq!(lengths, [(160_000, 40_000), (40_000, 10_000)]);
    let (first, second) = (&segments[0].0, &segments[1].0);
    assert_eq!(first.key.to_string(), "s/1700000000.raw");
    assert_eq!(second.key.to_string(), "s/1700000001.raw");
    assert_eq!(second.start, at(39).1);
    assert_eq!((second.media_start.0, second.offset), (40_000, 160_000));
    let kept: Vec<u8> = segments.into_iter().flat_map(|(_, data)| data).collect();
    assert_eq!(kept, sent);
}

#[test]
fn five_seconds_since_the_first_byte_close_a_segment() {
    let mut s = segmenter();
    assert_eq!(s.poll_timeout(), None);
    push(&mut s, 2_000, vec![1; 8]);
    assert_eq!(s.poll_timeout(), Some(at(7_000).0));
    let (now, wall) = at(6_999);
    s.handle_timeout(now, wall);
    assert!(drain_len(&mut s) == 0);
    // A push that comes late closes it, too, and opens the next.
    push(&mut s, 7_500, vec![2; 8]);
    assert_eq!(s.poll_timeout(), Some(at(12_500).0));
    let (now, wall) = at(12_500);
    s.handle_timeout(now, wall);
    assert_eq!(s.poll_timeout(), None);
    s.handle_timeout(now, wall);
    s.finish(wall);
    let mut s2 = segmenter();
    push(&mut s2, 0, Bytes::new());
    assert_eq!(s2.poll(), None);
}

/// Segments that were closed, whether or not they began in the same drain.
fn drain_len(s: &mut Segmenter) -> usize {
    let mut closed = 0;
    while let Some(event) = s.poll() {
        closed += usize::from(matches!(event, SegmentEvent::Closed(_)));
    }
    closed
}

#[test]
fn keys_increase_within_a_second_and_when_the_clock_jumps_back() {
    let mut s = segmenter();
    for (millis, wall) in [(0, 50), (1, 50), (2, 20), (3, 51), (4, 60)] {
        s.push(at(millis).0, UnixTime::from_secs(wall), vec![0; 16].into());
        s.finish(UnixTime::from_secs(wall));
    }
    let segments = drain(&mut s);
    let seconds: Vec<_> = segments.iter().map(|(m, _)| m.key.second).collect();
    assert_eq!(seconds, [50, 51, 52, 53, 60]);
    let starts: Vec<_> = segments.iter().map(|(m, _)| m.start.as_secs()).collect();
    assert_eq!(starts, [50, 50, 20, 51, 60]);
}

#[test]
fn a_sender_that_stops_inside_a_frame_loses_nothing() {
    let mut s = segmenter();
    push(&mut s, 0, vec![1, 2, 3, 4, 5, 6, 7]);
    let (now, wall) = at(5_000);
    s.handle_timeout(now, wall);
    push(&mut s, 6_000, vec![8, 9, 10, 11, 12]);
    s.finish(at(7_000).1);
    let segments = drain(&mut s);
    let told: Vec<_> = segments
        .iter()
        .map(|(m, d)| (m.offset, m.media_start.0, m.frames, d.len()))
        .collect();
    assert_eq!(told, [(0, 0, 1, 7), (7, 1, 2, 5)]);
    assert!(TimeRange::since(MediaTime(1)).holds(&segments[1].0));
}

#[test]
fn a_segmenter_goes_on_where_another_ended() {
    let mut s = segmenter();
    push(&mut s, 0, vec![1; 9]);
    s.finish(at(10).1);
    let (last, _) = drain(&mut s).remove(0);
    let mut s = Segmenter::resume(&last, stereo(), SegmenterConfig::default()).unwrap();
    assert_eq!(s.media_end(), MediaTime(2));
    push(&mut s, 20, vec![2; 3]);
    s.finish(at(30).1);
    let (next, _) = drain(&mut s).remove(0);
    assert_eq!(next.key.second, last.key.second + 1);
    assert_eq!((next.offset, next.media_start.0, next.frames), (9, 2, 1));
}

#[test]
fn what_was_made_up_is_listed_and_joined() {
    let mut s = segmenter();
    let gap = |s: &mut Segmenter, bytes: usize, kind| {
        let (now, wall) = at(0);
        s.push_gap(now, wall, vec![0; bytes].into(), 0, kind);
    };
    push(&mut s, 0, vec![1; 40]);
    gap(&mut s, 8, GapKind::Missing);
    gap(&mut s, 8, GapKind::Missing);
    gap(&mut s, 8, GapKind::Concealed);
    push(&mut s, 0, vec![1; 40]);
    // Across the end of the segment at 160 000 bytes.
    gap(&mut s, 160_000, GapKind::Missing);
    s.finish(at(1).1);
    let segments = drain(&mut s);
    let listed: Vec<_> = segments
        .iter()
        .flat_map(|(m, _)| &m.gaps)
        .map(|g| (g.at.0, g.frames, g.kind))
        .collect();
    assert_eq!(
        listed,
        [
            (10, 4, GapKind::Missing),
            (14, 2, GapKind::Concealed),
            (26, 39_974, GapKind::Missing),
            (40_000, 26, GapKind::Missing)
        ]
    );
}

#[test]
fn a_flood_of_gaps_keeps_the_index_small() {
    let mut s = segmenter();
    for _ in 0..5_000 {
        let (now, wall) = at(0);
        s.push_gap(now, wall, vec![0; 4].into(), 0, GapKind::Missing);
        push(&mut s, 0, vec![1; 4]);
    }
    s.finish(at(1).1);
    let (meta, _) = drain(&mut s).remove(0);
    assert_eq!(meta.gaps.len(), MAX_GAPS);
    let last = meta.gaps.last().unwrap();
    assert_eq!(last.at.0 + last.frames as i64, 9_999);
}

#[test]
fn codings_without_a_frame_length_are_cut_between_pushes() {
    let format = StoredFormat {
        coding: Coding::Codec(EncodingName::OPUS),
        ..stereo()
    };
    let mut s = Segmenter::new(id(), format, SegmenterConfig::default()).unwrap();
    for i in 0..300 {
        let (now, wall) = at(i);
        s.push_frames(now, wall, vec![7; 33].into(), 160);
    }
    s.finish(at(400).1);
    let told: Vec<_> = drain(&mut s)
        .iter()
        .map(|(m, _)| (m.frames, m.bytes, m.media_start.0))
        .collect();
    assert_eq!(told, [(40_000, 8_250, 0), (8_000, 1_650, 40_000)]);
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let refused = |config: SegmenterConfig, field: &str| {
        let e = Segmenter::new(id(), stereo(), config).unwrap_err();
        assert_eq!(e.field, field);
    };
    let good = SegmenterConfig::default();
    let (short, long) = (Duration::from_millis(99), Duration::from_secs(3_601));
    refused(
        SegmenterConfig {
            max_elapsed: short,
            ..good
        },
        "max_elapsed",
    );
    refused(
        SegmenterConfig {
            max_media: long,
            ..good
        },
        "max_media",
    );
    refused(
        SegmenterConfig {
            max_bytes: 1,
            ..good
        },
        "max_bytes",
    );
}

proptest! {
    /// Whatever is called in whatever order: nothing is lost, and order and arithmetic hold.
    #[test]
    fn any_order_of_calls_keeps_every_byte(
        calls in prop::collection::vec((0u8..6, 0usize..3_000, 0u64..3_000), 0..60),
        channels in 1u16..5,
    ) {
        let stream = StreamFormat::new(SampleRate::HZ_8000, Channels::new(channels).unwrap());
        let format = StoredFormat::pcm(stream, "s24le".parse().unwrap());
        let frame = format.frame_bytes().unwrap() as u64;
        let config = SegmenterConfig { max_media: Duration::from_millis(100), ..SegmenterConfig::default() };
        let mut s = Segmenter::new(id(), format, config).unwrap();
        let (mut millis, mut sent, mut n) = (0u64, Vec::new(), 0u8);
        for (what, len, step) in calls {
            millis += step;
            let (now, wall) = at(millis);
            // The wall clock jumps about.
            let wall = if step % 7 == 0 { wall.saturating_sub(Duration::from_secs(step)) } else { wall };
            let data: Vec<u8> = (0..len).map(|_| { n = n.wrapping_add(1); n }).collect();
            match what {
                0..=2 => { sent.extend_from_slice(&data); s.push(now, wall, data.into()); }
                3 => { sent.extend_from_slice(&data); s.push_gap(now, wall, data.into(), 9, GapKind::Missing); }
                4 => s.handle_timeout(now, wall),
                _ => s.finish(wall),
            }
        }
        s.finish(at(millis).1);
        let segments = drain(&mut s);
        let kept: Vec<u8> = segments.iter().flat_map(|(_, data)| data.clone()).collect();
        prop_assert_eq!(&kept, &sent);
        let (mut offset, mut media, mut second) = (0, 0, 0);
        for (meta, _) in &segments {
            prop_assert!(meta.key.second > second && meta.frames <= 800);
            prop_assert_eq!((meta.offset, meta.media_start.0), (offset, media));
            second = meta.key.second;
            offset += meta.bytes;
            media += meta.frames as i64;
            prop_assert_eq!(media as u64, offset / frame);
            for gap in &meta.gaps {
                prop_assert!(gap.at >= meta.media_start && gap.at + gap.frames as i64 <= meta.media_end());
            }
        }
        prop_assert_eq!(s.media_end().0 as u64, sent.len() as u64 / frame);
    }
}
