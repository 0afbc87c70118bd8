//! The server: a registry, a player of it, and HTTP.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::registry::{MemoryRegistry, SessionRegistry};
use audiox_net::http::{Access, HttpConfig, HttpError, HttpServer};
use audiox_redis::player::{self, Player, PlayerConfig, PlayerStats, Roles, Speaker};
use audiox_redis::{RedisRegistry, RedisTarget, RegistryConfig};
use tokio::sync::oneshot;

use super::demo::{demo_sessions, keep_recording};
use crate::Error;

/// What a player is made with.
#[derive(Debug)]
pub struct PlayerOptions {
    /// Where it is served. Tokens are in [`roles`](Self::roles).
    pub http: HttpConfig,
    /// Who may look at sessions, and who at all of them.
    pub roles: Roles,
    /// Where the sessions are.
    pub sessions: Sessions,
    /// The server's own sound device; none by default.
    pub speaker: Option<Arc<dyn Speaker>>,
    /// Limits, and what headerless PCM usually is.
    pub player: PlayerConfig,
}

/// Where sessions are.
#[derive(Debug)]
pub enum Sessions {
    /// In Redis. It need not be there at the start.
    Redis(RedisTarget),
    /// Made at the start, to be looked at: real encodings, and one that records.
    Demo,
    /// In a registry of the program's own.
    Own(Arc<dyn SessionRegistry>),
}

impl PlayerOptions {
    /// A player at `http`, for this machine, without a sound device.
    pub fn new(http: HttpConfig, sessions: Sessions) -> Self {
        Self {
            http,
            roles: Roles::default(),
            sessions,
            speaker: None,
            player: PlayerConfig {
                opus: crate::sound::OPUS,
                ..PlayerConfig::default()
            },
        }
    }
}

/// A player that runs on threads of its own. Dropping it stops it.
pub struct PlayerServer {
    player: Player,
    registry: Arc<dyn SessionRegistry>,
    local: SocketAddr,
    url: String,
    certificate: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl PlayerServer {
    /// Serves what the registry has. One that is away is waited for while it serves.
    ///
    /// # Errors
    /// A limit is not possible, or the address cannot be served.
    pub fn start(options: PlayerOptions) -> Result<Self, Error> {
        let failed = |what: &str, source| HttpError::Io {
            what: format!("cannot start the player's {what}"),
            source,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("audiox-player")
            .enable_all()
            .build()
            .map_err(|e| failed("threads", e))?;
        let access = match (options.http.access.is_open(), options.roles.ask()) {
            (_, true) => options.roles.access(),
            (true, false) => options.http.access,
            (false, false) => Access::default(),
        };
        let http = HttpConfig {
            access,
            ..options.http
        };
        let registry: Arc<dyn SessionRegistry> = match options.sessions {
            Sessions::Own(registry) => registry,
            Sessions::Redis(target) => {
                let _entered = runtime.enter();
                Arc::new(RedisRegistry::new(&target, RegistryConfig::default())?)
            }
            Sessions::Demo => {
                let registry = Arc::new(MemoryRegistry::new());
                runtime.block_on(demo_sessions(&registry))?;
                runtime.spawn(keep_recording(registry.clone()));
                registry
            }
        };
        let player = Player::new(options.player, registry.clone(), options.speaker)?;
        let (app, io) = player::app(&player, Arc::new(options.roles));
        let server = HttpServer::bind(http, app)?;
        let local = server.local_addr();
        let (url, certificate) = (server.url(), server.certificate().map(str::to_owned));
        let (stop, stopped) = oneshot::channel::<()>();
        let plays = player.clone();
        let thread = std::thread::Builder::new()
            .name("audiox-player".to_owned())
            .spawn(move || {
                let served = runtime.block_on(async move {
                    let stop = async {
                        let _ = stopped.await;
                        io.close().await;
                    };
                    server.run(stop).await
                });
                plays.stop_all();
                runtime.shutdown_timeout(Duration::from_secs(1));
                Ok(served?)
            })
            .map_err(|e| failed("thread", e))?;
        Ok(Self {
            player,
            registry,
            local,
            url,
            certificate,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What it does and has done.
    pub fn stats(&self) -> PlayerStats {
        self.player.stats()
    }

    /// Where the sessions are.
    pub fn registry(&self) -> &Arc<dyn SessionRegistry> {
        &self.registry
    }

    /// The address and port that are served.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What to open in a browser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate made at the start, in PEM.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Whether it serves still.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|t| !t.is_finished())
    }

    /// Serves no more, and silences what plays.
    ///
    /// # Errors
    /// It had failed to serve.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(served)) => served,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for PlayerServer {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for PlayerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayerServer")
            .field("url", &self.url)
            .field("player", &self.player)
            .finish_non_exhaustive()
    }
}
