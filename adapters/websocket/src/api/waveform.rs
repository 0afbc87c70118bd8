//! `GET /api/streams/<id>/waveform?from&to&points`: how a stream looks, from what is archived.
//!
//! `from` and `to` are times as everywhere, the start and the present where they are not given;
//! `points`, 1 to 4 000, is how many there are at most, 1 000 where nothing is said. The answer is
//! `{"from": seconds, "step": seconds, "min": […], "max": […], "complete", "seconds"}`: the least
//! and the greatest sample of all channels in each step, of ±32 767, null where the archive has
//! nothing. A step is a multiple of a hundredth of a second.
//!
//! Closed segments are read once and their outlines kept. One request reads a bounded number of
//! them: where `complete` is false, the next one fills in more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::convert::decode;
use audiox_core::format::PcmFormat;
use audiox_core::store::{
    Coding, SegmentKey, SegmentMeta, StoreErrorKind, StoredFormat, TimeRange,
};
use audiox_core::time::MediaTime;
use audiox_net::http::axum::Router;
use audiox_net::http::axum::extract::{Path, Query, State};
use audiox_net::http::axum::http::HeaderMap;
use audiox_net::http::axum::response::Response;
use audiox_net::http::axum::routing::get;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::Semaphore;

use super::Api;
use super::http::{answer, stream_id};
use crate::RelayError;
use crate::access::Role;
use crate::feed::Feed;
use crate::when::When;

pub(super) fn routes(api: Api) -> Router {
    let outlines = Arc::new(Outlines {
        api,
        kept: Mutex::default(),
        working: Semaphore::new(AT_ONCE),
    });
    Router::new()
        .route("/api/streams/{id}/waveform", get(waveform))
        .with_state(outlines)
}

struct Outlines {
    api: Api,
    kept: Mutex<Kept>,
    working: Semaphore,
}

/// Outlines of closed segments, the oldest first.
#[derive(Default)]
struct Kept {
    by_key: HashMap<SegmentKey, Arc<Outline>>,
    order: VecDeque<SegmentKey>,
    steps: usize,
}

/// The least and the greatest sample of each hundredth of a second.
#[derive(Debug, PartialEq)]
struct Outline {
    /// The first of them, counted from the stream's start.
    first: u64,
    steps: Box<[(i16, i16)]>,
}

/// What was asked for.
struct Asked {
    from: Option<When>,
    to: Option<When>,
    points: Option<u64>,
}

async fn waveform(
    State(outlines): State<Arc<Outlines>>,
    Path(id): Path<String>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    let (id, api) = (stream_id(&id)?, &outlines.api);
    api.check(Role::Listen, Some(&id), &headers)?;
    let stream = api.relay.stream(&id)?;
    let Coding::Pcm(pcm) = stream.format.coding else {
        let reason = "a stream of PCM can be drawn; this one is of another codec".to_owned();
        return Err(RelayError::Request(reason));
    };
    let asked = Asked::parse(&asked)?;
    let (rate, position) = (stream.format.stream.rate, stream.position());
    let at = async |when| Feed::at(&api.relay, &stream, when).await;
    let to = match asked.to {
        None | Some(When::Live) => position,
        Some(to) => at(to).await?.min(position),
    };
    let from = at(asked.from.unwrap_or(When::After(Duration::ZERO))).await?;
    let frames = |t: MediaTime| u64::try_from(t.0).unwrap_or(0);
    let fine = step_frames(&stream.format);
    let view = View::new(frames(from), frames(to), fine, asked.points);

    let _turn = outlines.working.acquire().await;
    let archive = api.relay.archive();
    let mut drawn = Drawn::new(&view);
    let (mut reads, mut bytes, mut is_complete) = (0, 0, true);
    for meta in archive.list(&id, TimeRange::new(from, to)).await? {
        let known = outlines.kept().by_key.get(&meta.key).cloned();
        let outline = match known {
            Some(outline) => outline,
            None if reads == MAX_READS || bytes > MAX_BYTES => {
                is_complete = false;
                continue;
            }
            None => {
                reads += 1;
                bytes += meta.bytes;
                let data = match archive.get(&meta.key).await {
                    Ok(data) => data,
                    // It has been removed meanwhile.
                    Err(e) if e.kind == StoreErrorKind::NotFound => continue,
                    Err(e) => return Err(e.into()),
                };
                let outline = Arc::new(outline(data, &meta, pcm, &stream.format).await);
                outlines.kept().keep(meta.key, outline.clone());
                outline
            }
        };
        drawn.add(&outline, &view);
    }
    if let Some((meta, data)) = archive.open_segment(&id).await? {
        drawn.add(&outline(data, &meta, pcm, &stream.format).await, &view);
    }
    let seconds = |frames: u64| rate.duration_of(frames).as_secs_f64();
    Ok(answer(&json!({
        "from": seconds(view.first * fine),
        "step": seconds(view.width * fine),
        "min": drawn.side(|(min, _)| min),
        "max": drawn.side(|(_, max)| max),
        "complete": is_complete,
        "seconds": seconds(frames(position)),
    })))
}

impl Asked {
    fn parse(query: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let when = |field| query.get(field).map(|text| text.parse()).transpose();
        let points = query.get("points").map(|text| {
            let points = text.parse().ok().filter(|n| (1..=MAX_POINTS).contains(n));
            let shown: String = text.chars().take(40).collect();
            points.ok_or_else(|| ConfigError::new("points", shown, "1 to 4000"))
        });
        Ok(Self {
            from: when("from")?,
            to: when("to")?,
            points: points.transpose()?,
        })
    }
}

/// What is shown, in hundredths of a second.
#[derive(Debug, PartialEq)]
struct View {
    first: u64,
    /// Of these in each point.
    width: u64,
    points: u64,
}

impl View {
    /// The frames from `from` to `to`, `fine` of them a hundredth of a second.
    fn new(from: u64, to: u64, fine: u64, points: Option<u64>) -> Self {
        let (first, end) = (from / fine, to.div_ceil(fine));
        let steps = if from < to { end - first } else { 0 };
        let most = points.unwrap_or(POINTS);
        let width = steps.div_ceil(most).max(1);
        Self {
            first,
            width,
            points: steps.div_ceil(width),
        }
    }
}

struct Drawn(Vec<Option<(i16, i16)>>);

impl Drawn {
    fn new(view: &View) -> Self {
        Self(vec![None; view.points as usize])
    }

    fn add(&mut self, outline: &Outline, view: &View) {
        for (n, &(min, max)) in (0..).zip(&outline.steps) {
            let Some(step) = outline.first.saturating_add(n).checked_sub(view.first) else {
                continue;
            };
            let Some(point) = self.0.get_mut((step / view.width) as usize) else {
                return;
            };
            let (low, high) = point.unwrap_or((min, max));
            *point = Some((low.min(min), high.max(max)));
        }
    }

    fn side(&self, side: fn((i16, i16)) -> i16) -> Vec<Option<i16>> {
        self.0.iter().map(|point| point.map(side)).collect()
    }
}

impl Outlines {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: SegmentKey, outline: Arc<Outline>) {
        self.steps += outline.steps.len();
        self.order.push_back(key.clone());
        if let Some(before) = self.by_key.insert(key, outline) {
            self.steps -= before.steps.len();
        }
        while self.steps > MAX_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.by_key.remove(&oldest);
            self.steps -= gone.map_or(0, |o| o.steps.len());
        }
    }
}

/// The outline of a segment's bytes, made where it holds nobody up.
async fn outline(
    data: Bytes,
    meta: &SegmentMeta,
    pcm: PcmFormat,
    format: &StoredFormat,
) -> Outline {
    let (offset, format) = (meta.offset, format.clone());
    let drawn = tokio::task::spawn_blocking(move || draw(&data, offset, pcm, &format));
    drawn.await.unwrap_or_else(|_| Outline {
        first: 0,
        steps: Box::default(),
    })
}

/// The outline of bytes that begin `offset` bytes into a stream.
fn draw(data: &[u8], offset: u64, pcm: PcmFormat, format: &StoredFormat) -> Outline {
    let frame = pcm.frame_bytes(format.stream.channels);
    let fine = step_frames(format);
    let start = offset.div_ceil(frame as u64);
    // What belongs to a frame that began before.
    let skip = (start * frame as u64 - offset) as usize;
    let mut rest = data.get(skip..).unwrap_or_default();
    let mut samples = vec![0.0; fine as usize * format.stream.channels.get()];
    let mut steps = Vec::with_capacity(rest.len() / frame / fine as usize + 2);
    let mut due = fine - start % fine;
    while rest.len() >= frame {
        let take = (due as usize * frame).min(rest.len() - rest.len() % frame);
        let (now, after) = rest.split_at(take);
        let count = decode(pcm, now, &mut samples);
        let bounds = samples[..count]
            .iter()
            .fold((1.0f32, -1.0f32), |(min, max), x| {
                (min.min(*x), max.max(*x))
            });
        steps.push((to_i16(bounds.0), to_i16(bounds.1)));
        (rest, due) = (after, fine);
    }
    Outline {
        first: start / fine,
        steps: steps.into(),
    }
}

fn to_i16(x: f32) -> i16 {
    (x.clamp(-1.0, 1.0) * 32_767.0).round() as i16
}

fn step_frames(format: &StoredFormat) -> u64 {
    u64::from(format.stream.rate.get() / 100).max(1)
}

const POINTS: u64 = 1_000;
const MAX_POINTS: u64 = 4_000;
/// Requests that are worked on at a time.
const AT_ONCE: usize = 2;
/// Segments, and bytes of them, that one request reads.
const MAX_READS: usize = 64;
const MAX_BYTES: u64 = 64 << 20;
/// Steps kept, of 4 bytes: 23 hours.
const MAX_KEPT: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::store::StreamId;

    fn format() -> StoredFormat {
        StoredFormat::default()
    }

    fn bytes(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
        samples.into_iter().flat_map(i16::to_le_bytes).collect()
    }

    #[test]
    fn an_outline_has_the_extremes_of_each_hundredth() {
        let data = bytes((0..900).map(|n| if n < 441 { n } else { -n }));
        let drawn = draw(&data, 0, PcmFormat::S16LE, &format());
        assert_eq!(drawn.first, 0);
        assert_eq!(*drawn.steps, [(0, 440), (-881, -441), (-899, -882)]);
    }

    #[test]
    fn an_outline_that_begins_inside_a_frame_and_a_step_keeps_its_place() {
        let data = bytes((0..900).map(|n| n * 10));
        // From the second byte of frame 400 on.
        let drawn = draw(&data[801..], 801, PcmFormat::S16LE, &format());
        assert_eq!(drawn.first, 0);
        assert_eq!(drawn.steps[0], (4_010, 4_400));
        assert_eq!(drawn.steps[1], (4_410, 8_810));
        let none = draw(&data[..1], 1, PcmFormat::S16LE, &format());
        assert!(none.steps.is_empty());
    }

    #[test]
    fn an_outline_is_made_of_any_bytes() {
        let wanted = r#"{"rate": 8000, "channels": 3, "format": "s24be"}"#;
        let wanted: crate::format::Wanted = serde_json::from_str(wanted).unwrap();
        let format = wanted.format().unwrap();
        let Coding::Pcm(pcm) = format.coding else {
            panic!("it is PCM");
        };
        let data: Vec<u8> = (0..2_000u32).map(|n| (n * 89) as u8).collect();
        for len in [0, 1, 8, 9, 10, 720, 1_999, 2_000] {
            for offset in (0..30).chain([700, 719, 720, 721, u64::MAX / 2]) {
                let drawn = draw(&data[..len], offset, pcm, &format);
                let start = offset.div_ceil(9);
                let skipped = (start * 9 - offset) as usize;
                let frames = len.saturating_sub(skipped) as u64 / 9;
                let steps = (start % 80 + frames).div_ceil(80);
                let steps = if frames == 0 { 0 } else { steps };
                assert_eq!(drawn.steps.len() as u64, steps, "{len} bytes at {offset}");
                assert_eq!(drawn.first, start / 80);
            }
        }
    }

    #[test]
    fn a_view_has_no_more_points_than_asked_for_and_no_finer_ones_than_there_are() {
        let view = |from, to, points| View::new(from, to, 441, points);
        let all = view(0, 441 * 5_000, Some(1_000));
        assert_eq!((all.width, all.points), (5, 1_000));
        let more = view(0, 441 * 5_001, Some(1_000));
        assert_eq!((more.width, more.points), (6, 834));
        let close = view(441 * 10 + 5, 441 * 20 + 5, None);
        assert_eq!((close.first, close.width, close.points), (10, 1, 11));
        assert_eq!(view(9, 9, None).points, 0);
        assert_eq!(view(99, 9, None).points, 0);
    }

    #[test]
    fn what_is_drawn_is_placed_by_its_time() {
        let view = View::new(441 * 10, 441 * 20, 441, Some(5));
        let mut drawn = Drawn::new(&view);
        let steps = [(-1, 1), (-2, 2), (-3, 3), (-4, 4)].into();
        drawn.add(&Outline { first: 9, steps }, &view);
        let steps = [(-9, 0); 9].into();
        drawn.add(&Outline { first: 17, steps }, &view);
        drawn.add(
            &Outline {
                first: u64::MAX,
                steps: [(5, 5); 3].into(),
            },
            &view,
        );
        let side = drawn.side(|(min, _)| min);
        assert_eq!(side, [Some(-3), Some(-4), None, Some(-9), Some(-9)]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        for second in 0..20 {
            let key = SegmentKey::new(StreamId::parse("s").unwrap(), second);
            let steps = vec![(0, 0); MAX_KEPT / 10].into();
            kept.keep(key, Arc::new(Outline { first: 0, steps }));
        }
        assert!(kept.steps <= MAX_KEPT && kept.by_key.len() == 10);
        assert!(kept.by_key.keys().all(|key| key.second >= 10));
    }
}
