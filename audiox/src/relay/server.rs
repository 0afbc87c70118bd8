//! A relay with its archive, ready to run.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use audiox_core::playout::PlayoutConfig;
use audiox_core::store::SegmentStore;
use audiox_net::http::{HttpConfig, HttpServer, MetricKind, MetricsSource, MetricsText};
use audiox_s3::{RetentionPolicy, Spool, SpoolConfig, SpooledArchive, StoreOptions, sweep};
use audiox_udp::node::Listen;
use audiox_udp::player::PlayerConfig;
use audiox_websocket::access::Roles;
use audiox_websocket::{Relay, RelayConfig, api};
use tokio::sync::oneshot;

use super::Ingest;
use crate::Error;

/// What a relay is made with.
#[derive(Debug)]
pub struct RelayOptions {
    /// Where it is served. Tokens are in [`roles`](Self::roles).
    pub http: HttpConfig,
    /// Who may publish, listen and administer.
    pub roles: Roles,
    /// Where streams are kept: a folder, or `s3://bucket/prefix`.
    pub store: String,
    /// How the store is reached.
    pub store_options: StoreOptions,
    /// Where they are until the store has them.
    pub spool: PathBuf,
    /// How that works.
    pub spool_config: SpoolConfig,
    /// Limits.
    pub relay: RelayConfig,
    /// How long streams are kept; for good by default.
    pub retention: RetentionPolicy,
}

impl RelayOptions {
    /// A relay at `http` over the store at `store`, with its spool beside the program.
    pub fn new(http: HttpConfig, store: impl Into<String>) -> Self {
        Self {
            http,
            roles: Roles::default(),
            store: store.into(),
            store_options: StoreOptions::from_env(),
            spool: "audiox-spool".into(),
            spool_config: SpoolConfig::default(),
            relay: RelayConfig::default(),
            retention: RetentionPolicy::default(),
        }
    }
}

/// A relay that runs on threads of its own. Dropping it stops it.
pub struct RelayServer {
    relay: Relay,
    archive: Arc<SpooledArchive>,
    local: SocketAddr,
    url: String,
    certificate: Option<String>,
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl RelayServer {
    /// Opens the store, takes up what the spool and the store hold, and serves.
    ///
    /// # Errors
    /// The store cannot be used, another process uses the spool, the address cannot be served.
    pub fn start(options: RelayOptions) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("audiox-relay")
            .enable_all()
            .build()
            .map_err(|source| audiox_net::http::HttpError::Io {
                what: "cannot start the relay's threads".to_owned(),
                source,
            })?;
        let http = HttpConfig {
            access: match (options.http.access.is_open(), options.roles.ask()) {
                (_, true) => options.roles.access(),
                (true, false) => options.http.access,
                (false, false) => audiox_net::http::Access::default(),
            },
            ..options.http
        };
        let open = async {
            let store = audiox_s3::open(&options.store, &options.store_options).await?;
            let store: Arc<dyn SegmentStore> = Arc::new(store);
            let spool = Spool::open(&options.spool, store.clone(), options.spool_config).await?;
            let archive = Arc::new(SpooledArchive::new(spool, store.clone()));
            let relay = Relay::new(options.relay, archive.clone()).await?;
            Ok::<_, Error>((store, archive, relay))
        };
        let (store, archive, relay) = runtime.block_on(open)?;
        let (mut app, io) = api::app(&relay, Arc::new(options.roles));
        app.metrics = Some(Arc::new(Figures(relay.clone(), archive.clone())));
        let server = HttpServer::bind(http, app)?;
        let local = server.local_addr();
        let (url, certificate) = (server.url(), server.certificate().map(str::to_owned));
        let (stop, stopped) = oneshot::channel::<()>();
        if options.retention != RetentionPolicy::default() {
            runtime.spawn(make_room(store, options.retention, relay.clone()));
        }
        let spool = archive.spool().clone();
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name("audiox-relay".to_owned())
            .spawn(move || {
                let served = runtime.block_on(async move {
                    let served = server
                        .run(async {
                            let _ = stopped.await;
                            io.close().await;
                        })
                        .await;
                    spool.close().await;
                    served
                });
                runtime.shutdown_timeout(Duration::from_secs(1));
                Ok(served?)
            })
            .map_err(|source| audiox_net::http::HttpError::Io {
                what: "cannot start the relay's thread".to_owned(),
                source,
            })?;
        Ok(Self {
            relay,
            archive,
            local,
            url,
            certificate,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What it relays.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Relays what comes there (see [`Listen::from_endpoint`]) as a listener hears it, as 16-bit
    /// samples in a stream called `name`: a new one, or the one that is live under that name and of
    /// that format. Not to be called from a task.
    ///
    /// # Errors
    /// An address is taken, there are too many streams, or the archive fails.
    pub fn ingest(&self, listen: Vec<Listen>, name: &str) -> Result<Ingest, Error> {
        let config = PlayerConfig {
            codecs: crate::codecs(),
            ..PlayerConfig::new(listen, PlayoutConfig::default())?
        };
        Ingest::start(&self.relay, &self.runtime, config, name)
    }

    /// What it keeps.
    pub fn archive(&self) -> &SpooledArchive {
        &self.archive
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

    /// Takes no more, and has what was accepted on the disk. Live streams go on when it is
    /// started again.
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

impl Drop for RelayServer {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for RelayServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayServer")
            .field("url", &self.url)
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}

/// Removes what is too old, now and every so often.
async fn make_room(store: Arc<dyn SegmentStore>, policy: RetentionPolicy, relay: Relay) {
    loop {
        match sweep(&*store, &policy, SystemTime::now().into()).await {
            Ok(swept) if swept.segments > 0 => {
                tracing::debug!(?swept, "removed what was too old");
                if let Err(e) = relay.refresh().await {
                    tracing::warn!("what was removed is still listed: {e}");
                }
            }
            Ok(_) => {}
            Err(e) => tracing::warn!("could not remove what is too old: {e}"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Figures of the relay and of its spool.
struct Figures(Relay, Arc<SpooledArchive>);

impl MetricsSource for Figures {
    fn collect(&self, out: &mut MetricsText) {
        self.0.collect(out);
        let s = self.1.spool().stats();
        let oldest = s.oldest_waiting.unwrap_or_default();
        for (name, kind, help, value) in [
            (
                "audiox_archive_waiting_segments",
                MetricKind::Gauge,
                "Segments that the store does not have yet",
                s.waiting_segments as f64,
            ),
            (
                "audiox_archive_oldest_waiting_seconds",
                MetricKind::Gauge,
                "How long the oldest of them has waited",
                oldest.as_secs_f64(),
            ),
            (
                "audiox_archive_spool_bytes",
                MetricKind::Gauge,
                "Bytes of the spool on its disk",
                s.disk_bytes as f64,
            ),
            (
                "audiox_archive_memory_bytes",
                MetricKind::Gauge,
                "Bytes of the spool in memory, for want of room on the disk",
                s.memory_bytes as f64,
            ),
            (
                "audiox_archive_stored_segments_total",
                MetricKind::Counter,
                "Segments that the store has taken",
                s.stored_segments as f64,
            ),
            (
                "audiox_archive_retries_total",
                MetricKind::Counter,
                "Tries of the store that failed and were repeated",
                s.retries as f64,
            ),
            (
                "audiox_archive_disk_errors_total",
                MetricKind::Counter,
                "Times that the disk did not take what it was given",
                s.disk_errors as f64,
            ),
        ] {
            out.metric(name, kind, help).sample(&[], value);
        }
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(60);
