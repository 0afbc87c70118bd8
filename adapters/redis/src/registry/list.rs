//! What is told of sessions without their buffers.

use std::collections::HashSet;
use std::time::Duration;

use audiox_core::registry::{
    Listed, SessionCursor, SessionField, SessionFields, SessionId, SessionPage, SessionRecord,
    field,
};
use audiox_core::store::StoreErrorKind;
use futures_util::{StreamExt, TryStreamExt, stream};
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Value, from_redis_value};

use super::{GONE, PREFIX, key};
use crate::error::{ends_connection, kind, reason};
use crate::link::Conn;
use crate::target::Node;

/// Where a list goes on: a cluster's node, and Redis' own cursor there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    node: Option<Node>,
    scan: u64,
}

impl Position {
    /// Reads what [`cursor`](Self::cursor) wrote.
    pub(crate) fn parse(cursor: &SessionCursor) -> Option<Self> {
        let mut parts = cursor.as_str().split('.');
        let scan = plain(parts.next()?)?;
        let node = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(host), Some(port), None) => Some(Node {
                host: unhex(host)?,
                port: u16::try_from(plain(port)?).ok()?,
            }),
            _ => return None,
        };
        Some(Self { node, scan })
    }

    pub(crate) fn cursor(&self) -> Option<SessionCursor> {
        let text = match &self.node {
            None => self.scan.to_string(),
            Some(Node { host, port }) => {
                let hex: String = host.bytes().map(|b| format!("{b:02x}")).collect();
                format!("{}.{hex}.{port}", self.scan)
            }
        };
        // A host of more than 220 characters is no cluster's.
        SessionCursor::parse(&text).ok()
    }
}

fn plain(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn unhex(text: &str) -> Option<String> {
    let pair = |pair: &[u8]| match pair {
        [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
        }
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    String::from_utf8(bytes?)
        .ok()
        .filter(|host| !host.is_empty())
}

/// Keys of about `limit` sessions, and what is told of them.
pub(super) async fn page(
    mut conn: Conn,
    from: &Position,
    limit: usize,
) -> RedisResult<SessionPage> {
    let limit = limit.clamp(1, MAX_PAGE);
    let (keys, next) = scan(&mut conn, from, limit).await?;
    let mut page = SessionPage {
        sessions: Vec::with_capacity(keys.len()),
        next: next.and_then(|next| next.cursor()),
    };
    let mut ids = Vec::with_capacity(keys.len());
    for key in keys {
        let name = key.strip_prefix(PREFIX.as_bytes()).unwrap_or_default();
        let text = std::str::from_utf8(name).map_err(|_| "its name is no text");
        let id = text.and_then(|text| {
            SessionId::parse(text)
                .map_err(|_| "its name is empty, too long or has control characters")
        });
        match id {
            Ok(id) => ids.push(id),
            Err(why) => page.sessions.push(Listed::broken(name, why)),
        }
    }
    // A cluster's pipelines are of one slot each.
    let group = match conn {
        Conn::One(_) => GROUP,
        Conn::Cluster(_) => 1,
    };
    let groups: Vec<_> = ids.chunks(group).map(<[_]>::to_vec).collect();
    let groups = groups.into_iter().map(|ids| listed(conn.clone(), ids));
    let groups: Vec<_> = stream::iter(groups).buffered(AT_ONCE).try_collect().await?;
    page.sessions.extend(groups.into_iter().flatten());
    Ok(page)
}

/// Keys by `SCAN`, each once, and where it goes on.
async fn scan(
    conn: &mut Conn,
    from: &Position,
    limit: usize,
) -> RedisResult<(Vec<Vec<u8>>, Option<Position>)> {
    let nodes = masters(conn).await?;
    let mut at = match (&from.node, nodes.first()) {
        // Of a node that has gone meanwhile, others have the keys.
        (Some(node), Some(_)) if !nodes.contains(node) => match nodes.iter().find(|n| *n > node) {
            Some(next) => Position {
                node: Some(next.clone()),
                scan: 0,
            },
            None => return Ok((Vec::new(), None)),
        },
        (None, Some(first)) => Position {
            node: Some(first.clone()),
            scan: 0,
        },
        (_, None) => Position {
            node: None,
            scan: from.scan,
        },
        _ => from.clone(),
    };
    let (mut keys, mut seen) = (Vec::new(), HashSet::new());
    let mut count = limit;
    for _ in 0..MAX_SCANS {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(at.scan)
            .arg("MATCH")
            .arg(format!("{PREFIX}*"))
            .arg("COUNT")
            .arg(count);
        let answer = match (&mut *conn, &at.node) {
            (Conn::Cluster(conn), Some(node)) => {
                let (host, port) = (node.host.clone(), node.port);
                let node = SingleNodeRoutingInfo::ByAddress { host, port };
                conn.route_command(cmd, RoutingInfo::SingleNode(node))
                    .await?
            }
            (conn, _) => cmd.query_async(conn).await?,
        };
        let (scan, found): (u64, Vec<Vec<u8>>) = from_redis_value(answer)?;
        let found_now = found.len();
        keys.extend(found.into_iter().filter(|key| seen.insert(key.clone())));
        at.scan = scan;
        if scan == 0 {
            let Some(node) = at.node.take() else {
                return Ok((keys, None));
            };
            let Some(next) = nodes.iter().find(|n| **n > node) else {
                return Ok((keys, None));
            };
            at.node = Some(next.clone());
        }
        let wanted = limit.saturating_sub(keys.len());
        if wanted == 0 {
            break;
        }
        // Keys lie where their hashes say, so sessions are spread evenly among the others. What a
        // few of them tell may still be far off, hence no more than twice as many each time.
        let for_wanted = match found_now {
            _ if scan == 0 => wanted,
            0 => usize::MAX,
            found => count.saturating_mul(wanted) / found,
        };
        count = for_wanted.min(count * 2).max(wanted).min(MAX_COUNT);
    }
    Ok((keys, Some(at)))
}

/// A cluster's masters in order; none where there is no cluster.
async fn masters(conn: &mut Conn) -> RedisResult<Vec<Node>> {
    let Conn::Cluster(conn) = conn else {
        return Ok(Vec::new());
    };
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg("SLOTS");
    let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let slots = from_redis_value::<Vec<Vec<Value>>>(conn.route_command(cmd, any).await?)?;
    let mut nodes = Vec::new();
    for range in slots {
        // First slot, last slot, the master, its replicas.
        let master = range.into_iter().nth(2).unwrap_or(Value::Nil);
        let master: Vec<Value> = from_redis_value(master)?;
        let mut parts = master.into_iter();
        let (host, port) = (parts.next(), parts.next());
        let (Some(host), Some(port)) = (host, port) else {
            continue;
        };
        nodes.push(Node {
            host: from_redis_value(host)?,
            port: from_redis_value(port)?,
        });
    }
    nodes.sort();
    nodes.dedup();
    match nodes.is_empty() {
        true => Err(RedisError::from((
            ErrorKind::ClusterConnectionNotFound,
            "the cluster has no masters",
        ))),
        false => Ok(nodes),
    }
}

/// What a list tells of some sessions; those that are gone are left out. Lengths come first, so
/// that nothing large is ever asked for.
async fn listed(mut conn: Conn, ids: Vec<SessionId>) -> RedisResult<Vec<Listed>> {
    let mut lengths = redis::pipe();
    lengths.ignore_errors();
    for id in &ids {
        let key = key(id);
        lengths.cmd("PTTL").arg(&key);
        for name in [field::AUDIO_BUFFER].iter().chain(&field::LISTED) {
            lengths.cmd("HSTRLEN").arg(&key).arg(name);
        }
    }
    let answers: Vec<RedisResult<i64>> = lengths.query_async(&mut conn).await?;
    let mut values = redis::pipe();
    values.ignore_errors();
    let mut found = Vec::with_capacity(ids.len());
    for (id, answers) in ids.iter().zip(answers.chunks(2 + field::LISTED.len())) {
        let numbers: Result<Vec<i64>, &RedisError> =
            answers.iter().map(|a| a.as_ref().copied()).collect();
        let numbers = match numbers {
            Ok(numbers) => numbers,
            Err(e) => {
                if ends_connection(e) || kind(e) == StoreErrorKind::Transient {
                    return Err(e.clone());
                }
                found.push(Err(Listed::broken(id.as_str().as_bytes(), reason(e))));
                continue;
            }
        };
        let [ttl, buffer, lengths @ ..] = numbers.as_slice() else {
            continue;
        };
        if *ttl == GONE {
            continue;
        }
        let asks = ask(&mut values, id, field::LISTED.iter().zip(lengths));
        found.push(Ok((id, *ttl, *buffer, lengths.to_vec(), asks)));
    }
    let values: Vec<RedisResult<Vec<Option<Vec<u8>>>>> = match values.is_empty() {
        true => Vec::new(),
        false => values.query_async(&mut conn).await?,
    };
    let mut values = values.into_iter();
    let mut listed = Vec::with_capacity(found.len());
    for found in found {
        let (id, ttl, buffer, lengths, asks) = match found {
            Ok(found) => found,
            Err(broken) => {
                listed.push(broken);
                continue;
            }
        };
        let values = if asks {
            values.next()
        } else {
            Some(Ok(Vec::new()))
        };
        listed.push(match values.unwrap_or_else(|| Ok(Vec::new())) {
            Ok(values) => Listed::Session(SessionRecord {
                id: id.clone(),
                fields: fields(field::LISTED.iter().zip(&lengths), values),
                more_fields: 0,
                buffer_len: buffer.unsigned_abs(),
                ttl: duration(ttl),
            }),
            Err(e) => Listed::broken(id.as_str().as_bytes(), reason(&e)),
        });
    }
    Ok(listed)
}

/// Adds a command for the fields that are short enough. Whether there are any.
fn ask<'a, N: AsRef<str> + 'a>(
    to: &mut Pipeline,
    id: &SessionId,
    fields: impl Iterator<Item = (&'a N, &'a i64)>,
) -> bool {
    let mut small = fields.filter(|(_, length)| is_small(**length)).peekable();
    if small.peek().is_none() {
        return false;
    }
    let get = to.cmd("HMGET").arg(key(id));
    for (name, _) in small {
        get.arg(name.as_ref());
    }
    true
}

/// The fields that are there, of which those that are short enough have these values.
fn fields<'a, N: AsRef<str> + 'a>(
    fields: impl Iterator<Item = (&'a N, &'a i64)>,
    values: Vec<Option<Vec<u8>>>,
) -> Vec<SessionField> {
    let mut values = values.into_iter();
    fields
        .filter_map(|(name, length)| match is_small(*length) {
            true => Some(SessionField::new(name.as_ref(), &values.next()??)),
            false => Some(SessionField::too_long(name.as_ref(), length.unsigned_abs())),
        })
        .collect()
}

/// Everything about a session but its buffer; `None` where there is none.
pub(super) async fn record(mut conn: Conn, id: &SessionId) -> RedisResult<Option<SessionRecord>> {
    let key = key(id);
    let (ttl, count, buffer_len): (i64, u64, u64) = redis::pipe()
        .cmd("PTTL")
        .arg(&key)
        .cmd("HLEN")
        .arg(&key)
        .cmd("HSTRLEN")
        .arg(&key)
        .arg(field::AUDIO_BUFFER)
        .query_async(&mut conn)
        .await?;
    if ttl == GONE || count == 0 {
        return Ok(None);
    }
    let mut names: Vec<String> = field::LISTED.map(str::to_owned).into();
    if count <= MAX_NAMES {
        let mut keys = redis::cmd("HKEYS");
        let there: Vec<Vec<u8>> = keys.arg(&key).query_async(&mut conn).await?;
        let there = there
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok());
        let mut there: Vec<_> = there.filter(|name| is_shown(name)).collect();
        // Redis keeps small hashes in order, and large ones in none.
        there.sort();
        names.retain(|name| there.contains(name));
        there.retain(|name| !names.contains(name));
        names.append(&mut there);
    }
    names.truncate(SessionFields::MAX);
    let mut lengths = redis::pipe();
    for name in &names {
        lengths.cmd("HSTRLEN").arg(&key).arg(name);
    }
    let lengths: Vec<i64> = lengths.query_async(&mut conn).await?;
    let mut get = redis::pipe();
    let mut values = Vec::new();
    if ask(&mut get, id, names.iter().zip(&lengths)) {
        (values,) = get.query_async(&mut conn).await?;
    }
    let fields = fields(names.iter().zip(&lengths), values);
    let shown = fields.len() as u64 + u64::from(buffer_len > 0);
    Ok(Some(SessionRecord {
        id: id.clone(),
        more_fields: count.saturating_sub(shown),
        fields,
        buffer_len,
        ttl: duration(ttl),
    }))
}

/// Whether a field of this name is told of.
fn is_shown(name: &str) -> bool {
    (1..=SessionFields::MAX_NAME).contains(&name.len())
        && !name.chars().any(char::is_control)
        && name != field::AUDIO_BUFFER
}

fn is_small(length: i64) -> bool {
    length <= SessionFields::MAX_VALUE as i64
}

/// What PTTL says: nothing of a key that is kept for good.
fn duration(ttl: i64) -> Option<Duration> {
    u64::try_from(ttl).ok().map(Duration::from_millis)
}

/// The most sessions of a page.
const MAX_PAGE: usize = 10_000;
/// Keys that Redis looks at in one step: some milliseconds in which it does nothing else.
const MAX_COUNT: usize = 10_000;
/// Steps for one page: where there are no sessions, a page ends without any.
const MAX_SCANS: usize = 64;
/// Sessions asked about at once, and how many times so many.
const GROUP: usize = 50;
const AT_ONCE: usize = 16;
/// Fields of a hash whose names are read.
const MAX_NAMES: u64 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_survive_their_text() {
        for node in [
            None,
            Some(("127.0.0.1", 7_000)),
            Some(("::1", 1)),
            Some(("redis-0.example.com", 65_535)),
        ] {
            let node = node.map(|(host, port)| Node {
                host: host.to_owned(),
                port,
            });
            for scan in [0, 17, u64::MAX] {
                let position = Position {
                    node: node.clone(),
                    scan,
                };
                let cursor = position.cursor().unwrap();
                assert_eq!(Position::parse(&cursor), Some(position));
            }
        }
    }

    proptest! {
        #[test]
        fn any_cursor_is_a_position_or_none(text in "[0-9a-f.]{1,40}|[A-Za-z0-9_.~-]{1,80}") {
            let cursor = SessionCursor::parse(&text).unwrap();
            if let Some(position) = Position::parse(&cursor) {
                let again = position.cursor().unwrap();
                prop_assert_eq!(Position::parse(&again), Some(position));
            }
        }
    }
}
