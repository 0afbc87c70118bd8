//! The server itself: accepting, handshakes, connections, the end.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::TcpKeepalive;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::guard::{self, Shared};
use super::{Ending, HttpApp, HttpConfig, HttpError, Limits};

/// A server that is bound and not yet serving.
pub struct HttpServer {
    listener: TcpListener,
    local: SocketAddr,
    tls: Option<TlsAcceptor>,
    certificate: Option<String>,
    limits: Limits,
    shared: Arc<Shared>,
    router: Router,
    end: watch::Sender<bool>,
}

impl HttpServer {
    /// Checks the configuration, reads certificates and binds the address.
    ///
    /// # Errors
    /// Other machines could use it without a token; certificate or key cannot be used; the
    /// address is taken or not this machine's.
    pub fn bind(config: HttpConfig, app: HttpApp) -> Result<Self, HttpError> {
        config.access.check(config.bind)?;
        let material = config.tls.material()?;
        let listener = TcpListener::bind(config.bind).map_err(|source| HttpError::Io {
            what: format!("cannot listen on {}", config.bind),
            source,
        })?;
        let local = listener.local_addr().unwrap_or(config.bind);
        let shared = Arc::new(Shared::new(
            config.access,
            config.origins,
            config.limits,
            app.metrics,
        ));
        let guarded = app
            .guarded
            .merge(metrics_route(shared.clone()))
            .layer(from_fn_with_state(shared.clone(), guard::token));
        let (end, ending) = Ending::new();
        let router = Router::new()
            .merge(app.public)
            .merge(guarded)
            .fallback(not_found)
            .layer(from_fn_with_state(shared.clone(), guard::limited))
            .merge(app.endless)
            .layer(Extension(ending))
            // The guard has a limit for bodies, streamed ones too.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(shared.clone(), guard::around));
        let (tls, certificate) = match material {
            Some(m) => (Some(TlsAcceptor::from(m.config)), m.made),
            None => (None, None),
        };
        Ok(Self {
            listener,
            local,
            tls,
            certificate,
            limits: config.limits,
            shared,
            router,
            end,
        })
    }

    /// The address and port bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What to open in a browser.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.local)
    }

    /// The certificate made at the start, in PEM, for clients that are to trust it.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Serves until `stop` completes, then until requests under way have finished or
    /// [`Limits::grace`] has passed. For programs that have a tokio runtime; others
    /// [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// The system gives no asynchronous socket.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), HttpError> {
        let no_socket = |source| HttpError::Io {
            what: format!("cannot serve on {}", self.local),
            source,
        };
        self.listener.set_nonblocking(true).map_err(no_socket)?;
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(no_socket)?;
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let (ending, _) = watch::channel(());
        tokio::pin!(stop);
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => {
                        // Out of descriptors, mostly: some must close first.
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = &mut stop => break,
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                self.shared.refused_connections.fetch_add(1, Relaxed);
                continue;
            };
            self.shared.connections.fetch_add(1, Relaxed);
            let _ = stream.set_nodelay(true);
            let alive = socket2::SockRef::from(&stream);
            let _ = alive.set_tcp_keepalive(&keepalive());
            let connection = Connection {
                router: self.router.clone(),
                tls: self.tls.clone(),
                head: self.limits.head,
                ending: ending.subscribe(),
            };
            tokio::spawn(connection.serve(stream, Place(Arc::new(place))));
        }
        drop(listener);
        let _ = self.end.send(true);
        let _ = ending.send(());
        let _ = timeout(self.limits.grace, ending.closed()).await;
        Ok(())
    }

    /// Serves on a thread of its own, which has a runtime of its own.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn spawn(self) -> Result<HttpHandle, HttpError> {
        let failed = |source| HttpError::Io {
            what: "cannot start the HTTP server's thread".to_owned(),
            source,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (local, url, certificate) = (self.local, self.url(), self.certificate.clone());
        let thread = std::thread::Builder::new()
            .name("audiox-http".to_owned())
            .spawn(move || {
                let served = runtime.block_on(self.run(async {
                    let _ = stopped.await;
                }));
                // A handler that blocks does not hold the end up.
                runtime.shutdown_background();
                served
            })
            .map_err(failed)?;
        Ok(HttpHandle {
            local,
            url,
            certificate,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct HttpHandle {
    local: SocketAddr,
    url: String,
    certificate: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), HttpError>>>,
}

impl HttpHandle {
    /// The address and port bound.
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

    /// Takes no more connections, and waits for requests under way, at most [`Limits::grace`].
    ///
    /// # Errors
    /// As [`HttpServer::run`].
    pub fn stop(mut self) -> Result<(), HttpError> {
        self.stop = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(served)) => served,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for HttpHandle {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop = None;
    }
}

struct Connection {
    router: Router,
    tls: Option<TlsAcceptor>,
    head: Duration,
    ending: watch::Receiver<()>,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, place: Place) {
        match self.tls.take() {
            None => self.http(stream, place).await,
            // What fails here is the client's affair: no certificate it trusts, or no TLS at all.
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(self.head, tls.accept(stream)).await {
                    self.http(stream, place).await;
                }
            }
        }
    }

    async fn http<S>(&mut self, stream: S, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = Placed {
            inner: TowerToHyperService::new(self.router.clone()),
            place,
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        // Clients may go at any time; that is no error of anybody's.
        tokio::select! {
            _ = connection.as_mut() => {}
            _ = self.ending.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// A place among the connections, for as long as anybody holds it: a WebSocket does when HTTP
/// has done its part.
#[derive(Debug, Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not used")] Arc<OwnedSemaphorePermit>);

/// Tells requests of their connection's place.
struct Placed {
    inner: TowerToHyperService<Router>,
    place: Place,
}

impl Service<Request<Incoming>> for Placed {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.place.clone());
        self.inner.call(request)
    }
}

/// Who is gone without a word is noticed within two minutes, though nothing is sent to him.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
}

fn metrics_route(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(guard::metrics))
        .with_state(shared)
}

async fn not_found() -> axum::response::Response {
    guard::refusal(axum::http::StatusCode::NOT_FOUND, "there is nothing here")
}

/// Bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
