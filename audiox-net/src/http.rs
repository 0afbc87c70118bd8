//! The HTTP shell that control pages and adapters share.
//!
//! An [`HttpApp`] is what is served: routes that ask for a token, routes that do not (a page's
//! own files), and figures for `/metrics`. An [`HttpServer`] serves it over plain HTTP/1.1 or TLS,
//! within [`Limits`], and ends gracefully.
//!
//! What every response and request goes through, in this order:
//!
//! | step | refused with |
//! | --- | --- |
//! | a token in the URL, where it would end in logs and histories | 400 |
//! | a page of another site, by `Origin`, unless [`Origins`] lets it in; without tokens also a name that is not this machine's, by `Host` (DNS rebinding) | 403 |
//! | `/healthz`, which needs no token | |
//! | a body longer than [`Limits::body`] | 413 |
//! | routes with a token, by `Authorization: Bearer` | 401 |
//!
//! Refusals are JSON: `{"error": "…"}`, a sentence that says what to do.
//!
//! The routes are an [`axum::Router`], the one foreign type of this crate's API: a router of our
//! own would be the same thing over again.

mod access;
mod console;
mod error;
mod events;
mod guard;
mod limits;
mod metrics;
mod origins;
mod server;
mod tls;

pub use access::{Access, Token};
pub use axum;
pub use console::{PageFile, page};
pub use error::HttpError;
pub use events::{Ending, Events, events};
pub use guard::refusal;
pub use limits::Limits;
pub use metrics::{MetricKind, MetricsSource, MetricsText, Samples};
pub use origins::Origins;
#[cfg(feature = "websocket")]
pub(crate) use server::Place;
pub use server::{HttpHandle, HttpServer};
pub use tls::{Identity, Tls};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address and port; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Encryption; off by default.
    pub tls: Tls,
    /// Who may use it; everybody on this machine by default.
    pub access: Access,
    /// Other sites whose pages may use it; none by default.
    pub origins: Origins,
    /// Bounds on what clients may take.
    pub limits: Limits,
}

impl HttpConfig {
    /// Plain HTTP at `bind` with the defaults of each field.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            tls: Tls::Off,
            access: Access::default(),
            origins: Origins::default(),
            limits: Limits::default(),
        }
    }
}

/// What is served.
pub struct HttpApp {
    /// Routes for everybody: a page's files, which hold no secrets.
    pub public: Router,
    /// Routes that take a token, where there are tokens.
    pub guarded: Router,
    /// Routes for everybody whose requests may be of any length, and which bound what they take
    /// of one themselves.
    pub endless: Router,
    /// Figures for `/metrics`, which takes a token too.
    pub metrics: Option<Arc<dyn MetricsSource>>,
}

impl HttpApp {
    /// Serves `guarded` to those with a token.
    pub fn new(guarded: Router) -> Self {
        Self {
            public: Router::new(),
            guarded,
            endless: Router::new(),
            metrics: None,
        }
    }
}

impl fmt::Debug for HttpApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApp").finish_non_exhaustive()
    }
}
