//! The smallest program with a session player in it: a page, calls and events, for this machine.
//! `session_player [redis://HOST:PORT] [ADDRESS:PORT]`; without arguments over a session in memory,
//! which it lists.
#![allow(clippy::print_stdout, reason = "it shows what it does")]
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use audiox_core::registry::{MemoryRegistry, SessionFields, SessionRegistry, field};
use audiox_net::http::{HttpConfig, HttpServer};
use audiox_redis::player::{Player, PlayerConfig, Roles, app};
use audiox_redis::{RedisRegistry, RedisTarget, RegistryConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next();
    let shows_itself = url.is_none();
    let registry: Arc<dyn SessionRegistry> = match url {
        Some(url) => {
            let target = RedisTarget::parse(&url)?.with_secrets(|name| std::env::var(name).ok());
            Arc::new(RedisRegistry::new(&target, RegistryConfig::default())?)
        }
        None => {
            let (memory, id) = (MemoryRegistry::new(), "in-memory".parse()?);
            let known = SessionFields::new().with_mark(field::AUTHENTICATED, true)?;
            memory.put(&id, &known, None).await?;
            memory.set_buffer(&id, "AAAQ".repeat(8_000));
            Arc::new(memory)
        }
    };
    // Opus takes a decoder (`PlayerConfig::opus`); a `Speaker` plays on this machine.
    let player = Player::new(PlayerConfig::default(), registry, None)?;
    let (app, _io) = app(&player, Arc::new(Roles::default()));
    let address = args.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let server = HttpServer::bind(HttpConfig::new(address.parse()?), app)?;
    println!("{}", server.url());
    let at = server.local_addr();
    let over = async move {
        if !shows_itself {
            return std::future::pending().await;
        }
        let listed = tokio::task::spawn_blocking(move || {
            let mut call = TcpStream::connect(at)?;
            write!(call, "GET /api/sessions HTTP/1.0\r\nHost: {at}\r\n\r\n")?;
            let mut answer = String::new();
            call.read_to_string(&mut answer).map(|_| answer)
        });
        println!("{}", listed.await.expect("no panic").expect("an answer"));
    };
    Ok(server.run(over).await?)
}
