//! The smallest session writer: three seconds of a tone, as if they came from a microphone.
//! `write [redis://HOST:PORT] [ID]`; without arguments into a registry in memory.
#![allow(clippy::print_stdout, reason = "it shows what it does")]
use std::sync::Arc;
use std::time::Duration;

use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::registry::{MemoryRegistry, SessionRegistry};
use audiox_core::store::StoredFormat;
use audiox_redis::{RedisRegistry, RedisTarget, RegistryConfig, SessionWriter, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let registry: Arc<dyn SessionRegistry> = match args.next() {
        None => Arc::new(MemoryRegistry::new()),
        Some(url) => {
            let target = RedisTarget::parse(&url)?.with_secrets(|name| std::env::var(name).ok());
            Arc::new(RedisRegistry::new(&target, RegistryConfig::default())?)
        }
    };
    let id: String = args.next().unwrap_or_else(|| "tone".to_owned());
    let format = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let config = WriterConfig {
        user_name: Some("440 Hz".to_owned()),
        ..WriterConfig::new(StoredFormat::pcm(format, PcmFormat::S16LE))
    };
    let writer = SessionWriter::start(registry.clone(), id.parse()?, config).await?;
    for block in 0..30 {
        let frames = block * 800..(block + 1) * 800;
        let sine = |n| (f64::from(n) * 440.0 / 8_000.0 * std::f64::consts::TAU).sin();
        let samples = frames.flat_map(|n| ((sine(n) * 9_000.0) as i16).to_le_bytes());
        writer.push(samples.collect())?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stats = writer.finish().await?;
    let there = registry.session(&id.parse()?).await?;
    assert!(!there.is_recording() && there.buffer_len == 64_000);
    println!(
        "session {id} in {registry}: {} bytes in {} appends",
        stats.written, stats.appends
    );
    Ok(())
}
