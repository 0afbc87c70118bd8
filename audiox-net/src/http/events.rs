//! Events that a server tells as they happen: one response that does not end.
//!
//! The form is that of server-sent events, which pages read by `fetch`, since an `EventSource`
//! cannot send a token.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

/// Ends when the server does. Routes that answer without end take it as an
/// `axum::Extension<Ending>`.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    pub(super) fn new() -> (watch::Sender<bool>, Self) {
        let (end, ending) = watch::channel(false);
        (end, Self(ending))
    }

    /// Completes when the server takes no more requests.
    pub async fn ended(&mut self) {
        // Without its sender the server is gone already.
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

/// Events on their way to one client.
#[derive(Debug, Default)]
pub struct Events(String);

impl Events {
    /// Adds an event: its name, and its data in one line, as JSON is.
    pub fn push(&mut self, name: &str, data: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "event: {name}\ndata: {data}\n\n");
    }
}

/// A response that asks `poll` for events `every` so often, until the client goes or the server
/// ends. A client that reads too slowly misses what it had no time for.
pub fn events(
    mut ending: Ending,
    every: Duration,
    mut poll: impl FnMut(&mut Events) + Send + 'static,
) -> Response {
    // One on its way, so that events are asked for when there is room for them.
    let (tell, told) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let room = tokio::select! {
                room = tell.reserve() => room,
                () = ending.ended() => return,
            };
            let Ok(room) = room else {
                return;
            };
            tokio::select! {
                _ = ticks.tick() => {}
                () = ending.ended() => return,
                () = tell.closed() => return,
            }
            let mut events = Events::default();
            poll(&mut events);
            if !events.0.is_empty() {
                room.send(events.0.into());
            }
        }
    });
    let kind = [(CONTENT_TYPE, "text/event-stream")];
    (kind, Body::new(Told(told))).into_response()
}

struct Told(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let told = self.0.poll_recv(cx);
        told.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
