//! The server: access, encryption, limits, and the service itself.

mod accept;
mod service;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_net::http::{Access, Identity, Tls};
use tokio::sync::oneshot;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Server, ServerTlsConfig};

use crate::device::Behaviour;
use crate::proto::SCHEMA;
use crate::proto::device_service_server::DeviceServiceServer;
use crate::sound::{Library, LibraryConfig};
use crate::{Error, Hub};
use accept::Incoming;
use service::{Guard, Service};

/// Where and how to serve devices.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address and port; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Encryption; off by default.
    pub tls: Tls,
    /// Which devices are served: those with a token in the metadata `authorization`, as `Bearer
    /// TOKEN`; all on this machine by default.
    pub access: Access,
    /// What buttons do, and what modes look and sound like.
    pub behaviour: Behaviour,
    /// The sounds.
    pub library: LibraryConfig,
    /// How far ahead of time packets are sent; 20 ms by default, which lets a device play on while
    /// the next one is on its way, and lets stop be heard within 40 ms.
    pub lead: Duration,
    /// Bounds on what devices may take.
    pub limits: DeviceLimits,
}

impl ServerConfig {
    /// The defaults of each field.
    pub fn new(bind: SocketAddr, library: LibraryConfig) -> Self {
        Self {
            bind,
            tls: Tls::Off,
            access: Access::default(),
            behaviour: Behaviour::default(),
            library,
            lead: Duration::from_millis(20),
            limits: DeviceLimits::default(),
        }
    }
}

/// Bounds on what devices may take of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Devices known at once; 10 000 by default. Of more, those that have been away for longest
    /// are forgotten; where all are connected, new ones are refused.
    pub devices: usize,
    /// Connections open at once, 1 and more; 10 000 by default. Further ones are closed at once.
    pub connections: usize,
    /// How often a quiet connection is tried, and how long it may take to answer, 100 ms to 1 h;
    /// 20 s by default. So a device that vanishes without a word is known to be away after twice
    /// this time, and a connection on which nothing is ever said is closed then.
    pub keep_alive: Duration,
    /// How long streams may take to end when the server does; 2 s by default.
    pub grace: Duration,
}

impl Default for DeviceLimits {
    /// For some thousands of devices.
    fn default() -> Self {
        Self {
            devices: 10_000,
            connections: 10_000,
            keep_alive: Duration::from_secs(20),
            grace: Duration::from_secs(2),
        }
    }
}

impl DeviceLimits {
    fn check(&self) -> Result<(), ConfigError> {
        if self.connections == 0 {
            return Err(ConfigError::new("connections", 0, "1 and more"));
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&self.keep_alive) {
            let given = format!("{} ms", self.keep_alive.as_millis());
            return Err(ConfigError::new("keep_alive", given, "100 ms to 1 h"));
        }
        Ok(())
    }
}

/// A server that is bound and not yet serving.
pub struct DeviceServer {
    listener: TcpListener,
    local: SocketAddr,
    identity: Option<Identity>,
    made: Option<String>,
    access: Access,
    limits: DeviceLimits,
    hub: Hub,
}

impl DeviceServer {
    /// Checks the configuration, opens the sounds, reads certificates and binds the address.
    ///
    /// # Errors
    /// A value is not possible; a sound cannot be played; other machines could use it without a
    /// token; the address is taken or not this machine's.
    pub fn bind(config: ServerConfig) -> Result<Self, Error> {
        config.access.check(config.bind)?;
        config.limits.check()?;
        let identity = config.tls.identity()?;
        let made = match (&config.tls, &identity) {
            (Tls::SelfSigned { .. }, Some(i)) => Some(i.certificate.clone()),
            _ => None,
        };
        let library = Library::open(config.library)?;
        let hub = Hub::new(
            config.behaviour,
            library,
            config.lead,
            config.limits.devices,
        )?;
        let cannot = format!("cannot listen on {}", config.bind);
        let listener = accept::listen(config.bind).map_err(Error::io(&cannot))?;
        Ok(Self {
            local: listener.local_addr().unwrap_or(config.bind),
            listener,
            identity,
            made,
            access: config.access,
            limits: config.limits,
            hub,
        })
    }

    /// The address and port bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What devices connect to.
    pub fn url(&self) -> String {
        let scheme = if self.identity.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.local)
    }

    /// The certificate made at the start, in PEM, for devices that are to trust it.
    pub fn certificate(&self) -> Option<&str> {
        self.made.as_deref()
    }

    /// Its devices.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Serves until `stop` completes, then ends all sounds and streams. For programs that have a
    /// tokio runtime; others [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// Certificate or key cannot be used, or the system gives no asynchronous socket.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let refused = |what: &str, e: &dyn fmt::Display| Error::Grpc {
            what: what.to_owned(),
            reason: e.to_string(),
        };
        let patience = 2 * self.limits.keep_alive;
        let incoming = Incoming::new(self.listener, self.limits.connections, patience)
            .map_err(Error::io(format!("cannot serve on {}", self.local)))?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let service = Service::new(self.hub.shared().clone());
        let service = DeviceServiceServer::new(service).max_decoding_message_size(MOST_BYTES);
        let schema = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(SCHEMA)
        };
        let no_schema = |e| refused("cannot describe the service", &e);
        let guard = Guard::new(self.access);
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(self.limits.keep_alive))
            .http2_keepalive_timeout(Some(self.limits.keep_alive))
            .max_concurrent_streams(MOST_STREAMS)
            .http2_max_header_list_size(MOST_HEADERS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if let Some(Identity { certificate, key }) = &self.identity {
            let identity = tonic::transport::Identity::from_pem(certificate, key);
            let tls = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE);
            server = server
                .tls_config(tls)
                .map_err(|e| refused("cannot use the certificate", &e))?;
        }
        let router = server
            .add_service(InterceptedService::new(service, guard.clone()))
            .add_service(InterceptedService::new(
                schema().build_v1().map_err(no_schema)?,
                guard.clone(),
            ))
            .add_service(InterceptedService::new(
                schema().build_v1alpha().map_err(no_schema)?,
                guard,
            ))
            .add_service(health_service);
        health.set_serving::<DeviceServiceServer<Service>>().await;
        let (end, ended) = oneshot::channel::<()>();
        let serving = router.serve_with_incoming_shutdown(incoming, async {
            let _ = ended.await;
        });
        tokio::pin!(serving);
        let failed = |e| refused("serving failed", &e);
        tokio::select! {
            served = &mut serving => return served.map_err(failed),
            () = stop => {}
        }
        health
            .set_not_serving::<DeviceServiceServer<Service>>()
            .await;
        self.hub.end();
        drop(end);
        match tokio::time::timeout(self.limits.grace, serving).await {
            Ok(served) => served.map_err(failed),
            // Who does not let go is left.
            Err(_) => Ok(()),
        }
    }

    /// Serves on threads of its own.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn spawn(self) -> Result<ServerHandle, Error> {
        let cannot = "cannot start the device server's threads";
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("audiox-grpc")
            .enable_all()
            .build()
            .map_err(Error::io(cannot))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (local, url, certificate) = (self.local, self.url(), self.made.clone());
        let hub = self.hub.clone();
        let thread = std::thread::Builder::new()
            .name("audiox-grpc".to_owned())
            .spawn(move || {
                let served = runtime.block_on(self.run(async {
                    let _ = stopped.await;
                }));
                runtime.shutdown_background();
                served
            })
            .map_err(Error::io(cannot))?;
        Ok(ServerHandle {
            local,
            url,
            certificate,
            hub,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl fmt::Debug for DeviceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceServer")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct ServerHandle {
    local: SocketAddr,
    url: String,
    certificate: Option<String>,
    hub: Hub,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl ServerHandle {
    /// The address and port bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What devices connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate made at the start, in PEM.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Its devices.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Ends all sounds and streams, waits for them, at most [`DeviceLimits::grace`], and stops.
    ///
    /// # Errors
    /// As [`DeviceServer::run`].
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(served)) => served,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }

    /// Whether it has stopped by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop = None;
    }
}

/// Bytes of a message from a device.
const MOST_BYTES: usize = 16 * 1024;
/// Streams of a connection: a device has three, a gateway may speak for some.
const MOST_STREAMS: u32 = 64;
/// Bytes of a request's headers.
const MOST_HEADERS: u32 = 16 * 1024;
/// Bytes that a device may send on a stream ahead of what is handled.
const STREAM_WINDOW: u32 = 16 * 1024;
/// Half of it bounds what small messages may weigh while they wait, each counted as 256 bytes; who
/// exceeds that is cut off. A stream full of the smallest events stays below.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(10);
