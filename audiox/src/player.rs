//! A player of the voice sessions that applications leave in Redis, ready to run.
//!
//! ```no_run
//! use audiox::net::http::HttpConfig;
//! use audiox::player::{PlayerOptions, PlayerServer, Sessions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let http = HttpConfig::new("127.0.0.1:5001".parse()?);
//! let player = PlayerServer::start(PlayerOptions::new(http, Sessions::Demo))?;
//! println!("{}", player.url());
//! # player.stop()?;
//! # Ok(())
//! # }
//! ```

mod demo;
mod server;
#[cfg(feature = "devices")]
mod speaker;

pub use demo::demo_sessions;
pub use server::{PlayerOptions, PlayerServer, Sessions};
#[cfg(feature = "devices")]
pub use speaker::DeviceSpeaker;
