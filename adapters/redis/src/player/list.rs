//! Lists of sessions, which never read buffers.

use std::collections::HashSet;

use audiox_core::registry::{Listed, SessionCursor, SessionRecord, field};
use audiox_net::http::axum::body::Body;
use audiox_net::http::axum::http::header::CONTENT_TYPE;
use audiox_net::http::axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;

use super::error::PlayerError;
use super::http::answer;
use super::{Player, Role};

/// A session as lists have it. What is broken has empty fields, and says so in one of ours.
pub(super) fn row(listed: &Listed) -> Value {
    match listed {
        Listed::Session(record) => described(record),
        Listed::Broken { id, why } => json!({
            "session_id": id,
            "user_name": Value::Null,
            "authenticated": false,
            "is_recording": false,
            "audio_buffer_length": 0,
            "has_audio": false,
            "connected_at": Value::Null,
            "authenticated_at": Value::Null,
            "ttl": Value::Null,
            "error": why,
        }),
        _ => Value::Null,
    }
}

fn described(record: &SessionRecord) -> Value {
    json!({
        "session_id": record.id.as_str(),
        "user_name": record.get(field::USER_NAME),
        "authenticated": record.authenticated(),
        "is_recording": record.is_recording(),
        "audio_buffer_length": record.buffer_len,
        "has_audio": record.buffer_len > 0,
        "connected_at": record.get(field::CONNECTED_AT),
        "authenticated_at": record.get(field::AUTHENTICATED_AT),
        "ttl": record.ttl.map(|t| t.as_secs()),
    })
}

/// A page of the list.
pub(super) async fn page(
    player: &Player,
    role: Role,
    cursor: Option<SessionCursor>,
    limit: usize,
) -> Result<Response, PlayerError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let audio_available = player.has_speaker().await;
    let found = player.page(cursor.as_ref(), limit).await;
    let role = match role {
        Role::View => "view",
        Role::Operate => "operate",
    };
    let (sessions, next, why) = match found {
        Ok((rows, next)) => (rows, next, None),
        Err(PlayerError::Registry(e)) => (Vec::new(), None, Some(e.message)),
        Err(e) => return Err(e),
    };
    let mut told = json!({
        "success": true,
        "sessions": sessions,
        "redis_available": why.is_none(),
        "audio_available": audio_available,
        "next": next.as_ref().map(SessionCursor::as_str),
        "role": role,
    });
    if let Some(why) = why {
        told["message"] = why.into();
    }
    Ok(answer(&told))
}

/// The whole list, sent page by page as it is read. Where the registry is away, it ends there and
/// says so.
pub(super) fn whole(player: &Player) -> Response {
    let listing = Listing {
        player: player.clone(),
        seen: HashSet::new(),
        step: Step::Start,
    };
    let parts = unfold(listing, |mut listing| async {
        let part = listing.next().await?;
        Some((Ok::<_, Infallible>(part), listing))
    });
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, Body::from_stream(parts)).into_response()
}

struct Listing {
    player: Player,
    /// Registries may list one twice.
    seen: HashSet<Box<str>>,
    step: Step,
}

enum Step {
    Start,
    Page(Option<SessionCursor>),
    End { is_available: bool },
    Over,
}

impl Listing {
    async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Start => {
                self.step = Step::Page(None);
                Some(Bytes::from_static(b"{\"success\":true,\"sessions\":["))
            }
            Step::Page(cursor) => {
                let found = self.player.page(cursor.as_ref(), PAGE).await;
                let Ok((rows, next)) = found else {
                    self.step = Step::End {
                        is_available: false,
                    };
                    return Some(Bytes::new());
                };
                let mut text = String::new();
                for row in rows {
                    let id = row["session_id"].as_str().unwrap_or_default();
                    let is_new = self.seen.len() < MOST && self.seen.insert(id.into());
                    if is_new {
                        if self.seen.len() > 1 {
                            text.push(',');
                        }
                        text += &row.to_string();
                    }
                }
                self.step = match next {
                    Some(next) if self.seen.len() < MOST => Step::Page(Some(next)),
                    _ => Step::End { is_available: true },
                };
                Some(text.into())
            }
            Step::End { is_available } => {
                let audio = self.player.has_speaker().await;
                let end =
                    format!("],\"redis_available\":{is_available},\"audio_available\":{audio}}}");
                Some(end.into())
            }
            Step::Over => None,
        }
    }
}

impl Player {
    /// Rows from `cursor` on. Notes whether the registry answers.
    pub(super) async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<SessionCursor>), PlayerError> {
        let page = self.inner.registry.page(cursor, limit).await;
        let is_away = matches!(&page, Err(e) if e.is_transient());
        if page.is_ok() || is_away {
            self.inner.is_available.store(!is_away, Relaxed);
        }
        let page = page?;
        Ok((page.sessions.iter().map(row).collect(), page.next))
    }
}

/// Sessions of a page that is asked for, and of one that is not.
pub(super) const MAX_PAGE: usize = 1_000;
const PAGE: usize = 500;
/// Sessions of the whole list; who has more asks for pages.
const MOST: usize = 200_000;
