//! What all pages are told: which sessions came, changed and went. Looked up once for all of them,
//! while there are any.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Inner, Player, Role};

/// Whether somebody looks.
#[derive(Debug, Default)]
pub(super) struct Board {
    runs: AtomicBool,
}

impl Player {
    /// Has pages told of changes from now on.
    pub(super) fn look(&self) {
        if !self.inner.board.runs.swap(true, Relaxed) {
            tokio::spawn(run(std::sync::Arc::downgrade(&self.inner)));
        }
    }
}

/// What was last told.
#[derive(Default)]
struct Told {
    /// A digest of each session's row, and the look that it was last seen in.
    rows: HashMap<String, (u64, u64)>,
    looks: u64,
    state: Option<(bool, bool)>,
}

async fn run(player: Weak<Inner>) {
    let mut told = Told::default();
    loop {
        let began = Instant::now();
        let Some(inner) = player.upgrade() else {
            return;
        };
        let player_now = Player { inner };
        look(&player_now, &mut told).await;
        // A registry with very many sessions is left alone for most of the time.
        let pause = (began.elapsed() * SHARE).max(LOOK_EVERY);
        drop(player_now);
        tokio::time::sleep(pause).await;
        let Some(inner) = player.upgrade() else {
            return;
        };
        if inner.listeners.is_empty() {
            inner.board.runs.store(false, Relaxed);
            // Somebody may have come before that was said.
            if inner.listeners.is_empty() || inner.board.runs.swap(true, Relaxed) {
                return;
            }
        }
    }
}

/// Looks once, and tells what is new.
async fn look(player: &Player, told: &mut Told) {
    told.looks += 1;
    let is_first = told.looks == 1;
    let audio = player.has_speaker().await;
    let (mut changed, mut cursor, mut is_there) = (Vec::new(), None, true);
    loop {
        let Ok((rows, next)) = player.page(cursor.as_ref(), PAGE).await else {
            is_there = false;
            break;
        };
        for row in rows {
            let id = row["session_id"].as_str().unwrap_or_default();
            let digest = digest(&row);
            if let Some((last, seen)) = told.rows.get_mut(id) {
                *seen = told.looks;
                if std::mem::replace(last, digest) != digest {
                    changed.push(row);
                }
            } else if told.rows.len() < MOST {
                told.rows.insert(id.to_owned(), (digest, told.looks));
                changed.push(row);
            }
        }
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let mut gone = Vec::new();
    if is_there {
        let looks = told.looks;
        told.rows.retain(|id, (_, seen)| {
            let is_here = *seen == looks;
            if !is_here {
                gone.push(Value::from(id.as_str()));
            }
            is_here
        });
    }
    let state = (is_there, audio);
    let is_new = told.state.replace(state) != Some(state);
    // Who comes reads the list itself.
    if is_first {
        changed.clear();
    }
    if !is_new && changed.is_empty() && gone.is_empty() {
        return;
    }
    for (n, part) in parts(changed).into_iter().enumerate() {
        let data = json!({
            "changed": part,
            "gone": if n == 0 { std::mem::take(&mut gone) } else { Vec::new() },
            "redis_available": is_there,
            "audio_available": audio,
        });
        player.tell(Role::View, "sessions", data);
    }
}

/// In messages of a size that everybody takes; one at least.
fn parts(mut rows: Vec<Value>) -> Vec<Vec<Value>> {
    let mut parts = Vec::new();
    while rows.len() > PAGE {
        let rest = rows.split_off(PAGE);
        parts.push(std::mem::replace(&mut rows, rest));
    }
    parts.push(rows);
    parts
}

/// Of what is worth telling: the time that is left is not.
fn digest(row: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, value) in row.as_object().into_iter().flatten() {
        if name != "ttl" {
            value.to_string().hash(&mut hasher);
        }
    }
    hasher.finish()
}

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Of the time, one part in so many is spent on looking.
const SHARE: u32 = 20;
const PAGE: usize = 500;
/// Sessions whose changes are told.
const MOST: usize = 50_000;
