//! The server itself: accepting, handshakes, connections, the end.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};
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
            config.limits.body,
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
            let connection = Connection {
                router: self.router.clone(),
                tls: self.tls.clone(),
                head: self.limits.head,
                ending: ending.subscribe(),
            };
            tokio::spawn(async move {
                connection.serve(stream).await;
                drop(place);
            });
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
    async fn serve(mut self, stream: TcpStream) {
        match self.tls.take() {
            None => self.http(stream).await,
            // What fails here is the client's affair: no certificate it trusts, or no TLS at all.
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(self.head, tls.accept(stream)).await {
                    self.http(stream).await;
                }
            }
        }
    }

    async fn http(&mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = TowerToHyperService::new(self.router.clone());
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
