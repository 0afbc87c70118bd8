//! Audio by HTTP: what is live, and parts of what is kept.

use std::time::Duration;

use audiox_core::format::{Endian, SampleFormat};
use audiox_core::store::{Coding, StoredFormat};
use audiox_net::http::axum::Router;
use audiox_net::http::axum::body::Body;
use audiox_net::http::axum::http::header::CONTENT_TYPE;
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::axum::routing::get;
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};

use super::Api;
use super::listening::Listening;
use crate::feed::{Fed, Feed};
use crate::ogg::{self, OggEncoder, Station};
use crate::when::When;
use crate::{RelayError, wav};

pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/streams/{id}/live.wav", get(live_wav))
        .route("/api/streams/{id}/live.ogg", get(live_ogg))
        .route("/api/streams/{id}/audio.wav", get(stored_wav))
        .route("/api/streams/{id}/audio.ogg", get(stored_ogg))
        .route("/api/streams/{id}/audio.raw", get(stored_raw))
        .with_state(api)
}

type Answer = Result<Response, RelayError>;

async fn live_wav(
    Listening {
        relay,
        stream,
        part,
    }: Listening,
) -> Answer {
    let from = part.from()?.unwrap_or_default();
    let feed = Feed::new(&relay, &stream, from).await?;
    let head = wav::header(&stream.format, None)?;
    Ok(response(
        "audio/wav",
        little_endian(head, feed, &stream.format),
    ))
}

async fn live_ogg(Listening { relay, stream, .. }: Listening) -> Answer {
    if !stream.is_live() {
        return Err(RelayError::Ended);
    }
    let tuned = Station::tune(&relay, &stream).await?;
    let pages = unfold(tuned, async |mut tuned| {
        let page = tuned.next().await?;
        Some((Ok::<_, RelayError>(page), tuned))
    });
    Ok(response("audio/ogg", pages))
}

async fn stored_wav(listening: Listening) -> Answer {
    let (feed, frames) = stored(&listening).await?;
    let format = &listening.stream.format;
    let head = wav::header(format, Some(frames))?;
    Ok(response("audio/wav", little_endian(head, feed, format)))
}

async fn stored_ogg(listening: Listening) -> Answer {
    let encoder = ogg::encoder(&listening.relay, &listening.stream)?;
    let (feed, _) = stored(&listening).await?;
    let head = encoder.head();
    Ok(response(
        "audio/ogg",
        unfold(Some((head, encoder, feed)), encoded),
    ))
}

/// As it was sent, byte for byte.
async fn stored_raw(listening: Listening) -> Answer {
    let (feed, _) = stored(&listening).await?;
    Ok(response(
        "audio/raw",
        all(Bytes::new(), feed, |frames| frames),
    ))
}

/// What there is of a part up to now, and its frames.
async fn stored(listening: &Listening) -> Result<(Feed, u64), RelayError> {
    let Listening {
        relay,
        stream,
        part,
    } = listening;
    let position = stream.position();
    let to = Feed::at(relay, stream, part.to()?.unwrap_or(When::Live)).await?;
    let from = part.from()?.unwrap_or(When::After(Duration::ZERO));
    let to = to.min(position);
    let from = Feed::at(relay, stream, from).await?.min(to);
    let feed = Feed::between(relay, stream, from, to);
    Ok((feed, (to.0 - from.0).unsigned_abs()))
}

/// `head` and then all that there is, with the samples as WAV has them.
fn little_endian(
    head: Bytes,
    feed: Feed,
    format: &StoredFormat,
) -> impl Stream<Item = Result<Bytes, RelayError>> + Send + 'static {
    let width = match format.coding {
        Coding::Pcm(pcm) if pcm.endian == Endian::Big && pcm.sample != SampleFormat::U8 => {
            pcm.sample.bytes()
        }
        _ => 1,
    };
    all(head, feed, move |frames| match width {
        1 => frames,
        width => wav::swapped(&frames, width),
    })
}

/// `head` and then all that there is, changed by `change`. An error cuts the response off, so that
/// nobody takes it for whole.
fn all(
    head: Bytes,
    feed: Feed,
    change: impl Fn(Bytes) -> Bytes + Copy + Send + 'static,
) -> impl Stream<Item = Result<Bytes, RelayError>> + Send + 'static {
    let head = Some(head).filter(|head| !head.is_empty());
    unfold(Some((head, feed)), move |left| async move {
        let (head, mut feed) = left?;
        if let Some(head) = head {
            return Some((Ok(head), Some((None, feed))));
        }
        match frames(&mut feed).await.transpose()? {
            Ok(frames) => Some((Ok(change(frames)), Some((None, feed)))),
            Err(e) => Some((Err(e), None)),
        }
    })
}

/// What is still to be sent of an encoding.
type Encoding = (Bytes, Box<dyn OggEncoder>, Feed);

/// The next pages. An error cuts the response off, so that nobody takes it for whole.
async fn encoded(left: Option<Encoding>) -> Option<(Result<Bytes, RelayError>, Option<Encoding>)> {
    let (mut pages, mut encoder, mut feed) = left?;
    while pages.is_empty() {
        let made = match frames(&mut feed).await {
            Ok(Some(frames)) => encoder.push(&frames).map_err(RelayError::Request),
            Ok(None) => return Some((encoder.finish().map_err(RelayError::Request), None)),
            Err(e) => Err(e),
        };
        pages = match made {
            Ok(pages) => pages,
            Err(e) => return Some((Err(e), None)),
        };
    }
    Some((Ok(pages), Some((Bytes::new(), encoder, feed))))
}

/// The next frames; none at the end.
async fn frames(feed: &mut Feed) -> Result<Option<Bytes>, RelayError> {
    loop {
        return Ok(match feed.next().await? {
            Some(Fed::Live(packet)) => Some(packet.frames.clone()),
            Some(Fed::Frames(_, frames)) => Some(frames),
            Some(Fed::Stored(_)) => continue,
            None => None,
        });
    }
}

fn response(
    kind: &'static str,
    parts: impl Stream<Item = Result<Bytes, RelayError>> + Send + 'static,
) -> Response {
    ([(CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response()
}
