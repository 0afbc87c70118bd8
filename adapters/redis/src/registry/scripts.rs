//! Scripts, of which each runs as one step and moves no more than it has to.

use std::sync::OnceLock;

use redis::{Cmd, FromRedisValue, RedisResult};

use crate::link::Conn;

/// A script of one key.
pub(super) struct Script {
    code: &'static str,
    made: OnceLock<redis::Script>,
}

impl Script {
    const fn new(code: &'static str) -> Self {
        Self {
            code,
            made: OnceLock::new(),
        }
    }

    /// Runs it with the key and arguments that `fill` adds, by its digest where Redis has it.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        conn: &mut Conn,
        fill: impl Fn(&mut Cmd) + Send + Sync,
    ) -> RedisResult<T> {
        let script = self.made.get_or_init(|| redis::Script::new(self.code));
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(script.get_hash()).arg(1);
        fill(&mut cmd);
        match cmd.query_async(conn).await {
            Err(e) if e.code() == Some("NOSCRIPT") => {
                let mut cmd = redis::cmd("EVAL");
                cmd.arg(self.code).arg(1);
                fill(&mut cmd);
                cmd.query_async(conn).await
            }
            result => result,
        }
    }
}

/// Key; first character, most characters. The piece, or nil where there is no session. Length
/// first: to look for something new must not copy the whole.
pub(super) static READ: Script = Script::new(
    "local n = redis.call('HSTRLEN', KEYS[1], 'audio_buffer')
if n == 0 and redis.call('EXISTS', KEYS[1]) == 0 then return false end
local from = tonumber(ARGV[1])
local max = tonumber(ARGV[2])
if from >= n or max == 0 then return '' end
return string.sub(redis.call('HGET', KEYS[1], 'audio_buffer'), from + 1, from + max)",
);

/// Key; text, longest buffer. The new length, or what is in the way.
pub(super) static APPEND: Script = Script::new(
    "if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local n = redis.call('HSTRLEN', KEYS[1], 'audio_buffer')
if n + #ARGV[1] > tonumber(ARGV[2]) then return -2 end
if #ARGV[1] == 0 then return n end
local old = ''
if n > 0 then old = redis.call('HGET', KEYS[1], 'audio_buffer') end
if string.sub(old, -1) == '=' then return -3 end
redis.call('HSET', KEYS[1], 'audio_buffer', old .. ARGV[1])
return n + #ARGV[1]",
);

pub(super) const MISSING: i64 = -1;
pub(super) const FULL: i64 = -2;
pub(super) const ENDED: i64 = -3;

/// Key; milliseconds to keep it or 0, milliseconds to keep a new one, names and values.
pub(super) static PUT: Script = Script::new(
    "local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
local ttl = tonumber(ARGV[1])
if ttl == 0 and new then ttl = tonumber(ARGV[2]) end
if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
return 1",
);
