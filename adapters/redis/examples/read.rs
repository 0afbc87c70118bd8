//! The smallest session reader: lists sessions, and follows one until it is recorded, its bytes
//! on standard output: `read redis://HOST:PORT [ID]`; without arguments one in memory.
#![allow(clippy::print_stderr, reason = "it shows what it does")]
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::registry::{Listed, MemoryRegistry, SessionId, SessionRegistry};
use audiox_redis::{RedisRegistry, RedisTarget, RegistryConfig};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let registry: Arc<dyn SessionRegistry> = match args.next() {
        Some(url) => {
            let target = RedisTarget::parse(&url)?.with_secrets(|name| std::env::var(name).ok());
            Arc::new(RedisRegistry::new(&target, RegistryConfig::default())?)
        }
        None => {
            let memory = MemoryRegistry::new();
            memory.set_buffer(&"in-memory".parse()?, "YXVkaW8K");
            Arc::new(memory)
        }
    };
    let mut first: Option<SessionId> = None;
    let mut cursor = None;
    loop {
        let page = registry.page(cursor.as_ref(), 100).await?;
        for listed in page.sessions {
            match listed {
                Listed::Session(session) => {
                    let name = session.get("user_name").unwrap_or_default();
                    eprintln!("{}: {name}, {} characters", session.id, session.buffer_len);
                    first = first.or(Some(session.id));
                }
                other => eprintln!("{}: broken", other.id()),
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let named = args.next().map(|id| id.parse()).transpose()?;
    let id = named.or(first).ok_or("there is no session")?;
    let mut at = 0;
    loop {
        // Asked before what it has, so that nothing that came in between is left.
        let is_recording = registry.session(&id).await?.is_recording();
        let piece = registry.buffer(&id, at, 4 << 20).await?;
        at += piece.len() as u64;
        std::io::stdout().write_all(&STANDARD.decode(&piece)?)?;
        if piece.is_empty() && !is_recording {
            return Ok(std::io::stdout().flush()?);
        }
        if piece.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
