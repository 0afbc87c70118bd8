//! The connection to Redis: made when it is needed, shared, and made again when it is of no more
//! use.

use std::fmt;
use std::time::{Duration, Instant};

use audiox_core::ConfigError;
use audiox_core::store::{StoreError, StoreErrorKind};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, RedisFuture, RedisResult,
    TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;

use crate::RedisTarget;
use crate::error::{ends_connection, from_redis};
use crate::target::{Node, Place};

/// How long Redis is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// Until a connection is there. 3 s by default.
    pub connect_timeout: Duration,
    /// Until a call is answered, a new connection included where one is needed. 10 s by default:
    /// enough for a large buffer from afar.
    pub timeout: Duration,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}

impl LinkConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let hour = Duration::from_secs(3_600);
        for (field, value) in [
            ("connect_timeout", self.connect_timeout),
            ("timeout", self.timeout),
        ] {
            if value < Duration::from_millis(1) || value > hour {
                let allowed = "it is a millisecond to an hour";
                return Err(ConfigError::new(field, format_args!("{value:?}"), allowed));
            }
        }
        Ok(())
    }
}

/// A connection that is made when needed. Callers share it; whoever finds it broken says so.
pub(crate) struct Link {
    config: LinkConfig,
    name: String,
    way: Way,
    state: Mutex<State>,
}

/// How a connection is made.
enum Way {
    Single(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

#[derive(Default)]
struct State {
    /// The connection, and which one it is.
    there: Option<(u64, Conn)>,
    made: u64,
    /// Why the last one could not be made, and when that was.
    failed: Option<(Instant, RedisError)>,
}

/// A connection.
#[derive(Clone)]
pub(crate) enum Conn {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    pub(crate) fn new(target: &RedisTarget, config: LinkConfig) -> Result<Self, StoreError> {
        // One provider of cryptography serves the whole process; whoever chose one before is right.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let name = target.to_string();
        let invalid =
            |why: &dyn fmt::Display| StoreError::new(StoreErrorKind::Invalid, name.clone(), why);
        config.validate().map_err(|e| invalid(&e))?;
        let certificates = certificates(target).map_err(|e| invalid(&e))?;
        let way = way(target, &config, certificates);
        Ok(Self {
            way: way.map_err(|e| from_redis(&name, "settings", e))?,
            config,
            name,
            state: Mutex::default(),
        })
    }

    /// As errors call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Calls Redis for `what`; once more by a new connection where the old one turns out to be
    /// broken, so `op` must be one that may be repeated.
    pub(crate) async fn call<T, F>(
        &self,
        what: String,
        op: impl Fn(Conn) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        T: Send,
        F: Future<Output = RedisResult<T>> + Send,
    {
        self.limited(what, async {
            let (which, conn) = self.connection().await?;
            match op(conn).await {
                Err(e) if ends_connection(&e) => {
                    self.drop_connection(which).await;
                    let (which, conn) = self.connection().await?;
                    let again = op(conn).await;
                    if again.as_ref().is_err_and(ends_connection) {
                        self.drop_connection(which).await;
                    }
                    again
                }
                result => result,
            }
        })
        .await
    }

    /// Calls Redis for `what`, and never twice.
    pub(crate) async fn call_once<T, F>(
        &self,
        what: String,
        op: impl FnOnce(Conn) -> F + Send,
    ) -> Result<T, StoreError>
    where
        T: Send,
        F: Future<Output = RedisResult<T>> + Send,
    {
        self.limited(what, async {
            let (which, conn) = self.connection().await?;
            let result = op(conn).await;
            if result.as_ref().is_err_and(ends_connection) {
                self.drop_connection(which).await;
            }
            result
        })
        .await
    }

    /// A connection of the caller's own, on which commands may block.
    pub(crate) async fn own_connection(&self) -> Result<Conn, StoreError> {
        self.limited("connect".to_owned(), self.connect(None)).await
    }

    async fn limited<T>(
        &self,
        what: String,
        call: impl Future<Output = RedisResult<T>> + Send,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.config.timeout, call).await {
            Ok(result) => result.map_err(|e| from_redis(&self.name, what, e)),
            Err(_) => {
                // It may lead nowhere by now, without anybody to say so. Whoever is about to make
                // a new one has seen to that already.
                if let Ok(mut state) = self.state.try_lock() {
                    state.there = None;
                }
                let why = format!("{what}: no answer within {:?}", self.config.timeout);
                Err(StoreError::new(
                    StoreErrorKind::Transient,
                    self.name.clone(),
                    why,
                ))
            }
        }
    }

    async fn connection(&self) -> RedisResult<(u64, Conn)> {
        // Whoever waits here waits for the same connection.
        let mut state = self.state.lock().await;
        if let Some((which, conn)) = &state.there {
            return Ok((*which, conn.clone()));
        }
        // Those who waited while it could not be made need not try one after another.
        if let Some((when, why)) = &state.failed
            && when.elapsed() < TRY_EVERY
        {
            return Err(why.clone());
        }
        match self.connect(Some(self.config.timeout)).await {
            Ok(conn) => {
                state.made += 1;
                tracing::debug!(redis = self.name, connection = state.made, "connected");
                let which = state.made;
                state.there = Some((which, conn.clone()));
                state.failed = None;
                Ok((which, conn))
            }
            Err(e) => {
                tracing::debug!(redis = self.name, error = %e, "no connection");
                state.failed = Some((Instant::now(), e.clone()));
                Err(e)
            }
        }
    }

    async fn drop_connection(&self, which: u64) {
        let mut state = self.state.lock().await;
        if state
            .there
            .as_ref()
            .is_some_and(|(there, _)| *there == which)
        {
            tracing::debug!(redis = self.name, connection = which, "connection lost");
            state.there = None;
        }
    }

    async fn connect(&self, response: Option<Duration>) -> RedisResult<Conn> {
        let connect = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(self.config.connect_timeout))
                .set_response_timeout(response);
            Ok(match &self.way {
                Way::Single(client) => Conn::One(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                ),
                Way::Sentinel(client) => {
                    let mut client = client.lock().await;
                    Conn::One(client.get_async_connection_with_config(&config).await?)
                }
                Way::Cluster(client) => Conn::Cluster(client.get_async_connection().await?),
            })
        };
        let timed = tokio::time::timeout(self.config.connect_timeout, connect).await;
        timed.unwrap_or_else(|_| {
            let after = format!("no connection within {:?}", self.config.connect_timeout);
            Err(RedisError::from((ErrorKind::Io, "timed out", after)))
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(conn) => conn.req_packed_command(cmd),
            Self::Cluster(conn) => conn.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(conn) => conn.req_packed_commands(cmd, offset, count),
            Self::Cluster(conn) => conn.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(conn) => conn.get_db(),
            Self::Cluster(conn) => conn.get_db(),
        }
    }
}

fn way(
    target: &RedisTarget,
    config: &LinkConfig,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Way> {
    let mode = target.tls.as_ref().map(|_| TlsMode::Secure);
    Ok(match &target.place {
        Place::Single(node) => {
            let info = info(node, target)?;
            Way::Single(Box::new(match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            }))
        }
        Place::Sentinel { nodes, service } => {
            let addresses = nodes.iter().map(|node| address(node, target));
            let mut builder =
                SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
                    .set_client_to_redis_db(target.db.into());
            if let Some(mode) = mode {
                builder = builder
                    .set_client_to_redis_tls_mode(mode)
                    .set_client_to_sentinel_tls_mode(mode);
            }
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
            for (account, is_sentinels) in [(&target.user, false), (&target.sentinel_user, true)] {
                if let Some(name) = &account.name {
                    builder = match is_sentinels {
                        true => builder.set_client_to_sentinel_username(name),
                        false => builder.set_client_to_redis_username(name),
                    };
                }
                if let Some(password) = &account.password {
                    builder = match is_sentinels {
                        true => builder.set_client_to_sentinel_password(password),
                        false => builder.set_client_to_redis_password(password),
                    };
                }
            }
            Way::Sentinel(Box::new(Mutex::new(builder.build()?)))
        }
        Place::Cluster(nodes) => {
            let infos: RedisResult<Vec<_>> = nodes.iter().map(|node| info(node, target)).collect();
            let mut builder = ClusterClientBuilder::new(infos?)
                .connection_timeout(config.connect_timeout)
                .response_timeout(config.timeout)
                .overall_response_timeout(Some(config.timeout))
                .retries(3);
            if let Some(name) = &target.user.name {
                builder = builder.username(name);
            }
            if let Some(password) = &target.user.password {
                builder = builder.password(password);
            }
            if let Some(mode) = mode {
                builder = builder.tls(mode);
            }
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Way::Cluster(Box::new(builder.build()?))
        }
    })
}

fn info(node: &Node, target: &RedisTarget) -> RedisResult<ConnectionInfo> {
    let mut settings = RedisConnectionInfo::default().set_db(target.db.into());
    if let Some(name) = &target.user.name {
        settings = settings.set_username(name);
    }
    if let Some(password) = &target.user.password {
        settings = settings.set_password(password);
    }
    let info = address(node, target).into_connection_info()?;
    Ok(info.set_redis_settings(settings))
}

fn address(node: &Node, target: &RedisTarget) -> ConnectionAddr {
    match target.tls {
        None => ConnectionAddr::Tcp(node.host.clone(), node.port),
        Some(_) => ConnectionAddr::TcpTls {
            host: node.host.clone(),
            port: node.port,
            insecure: false,
            tls_params: None,
        },
    }
}

/// The authorities of the target's own, where it names some.
fn certificates(target: &RedisTarget) -> Result<Option<TlsCertificates>, String> {
    let Some(file) = target.tls.as_ref().and_then(|tls| tls.ca.as_ref()) else {
        return Ok(None);
    };
    let pem = std::fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    }))
}

/// So often a connection is tried for at most.
const TRY_EVERY: Duration = Duration::from_millis(100);
