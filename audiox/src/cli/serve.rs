//! Options of commands that serve HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use audiox::net::http::{Access, HttpConfig, HttpError, Tls, Token};
use clap::Args;

use super::failure::Failure;

/// Where HTTP is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Off,
    At(SocketAddr),
}

impl FromStr for Control {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "off" => Ok(Self::Off),
            s => s
                .parse()
                .map(Self::At)
                .map_err(|_| "an address and a port, as 127.0.0.1:8057, or off"),
        }
    }
}

/// Who may use what is served, and how it is encrypted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct ServeArgs {
    /// Ask for one of the tokens in this file, one a line. The one in the environment's
    /// AUDIOX_TOKEN is taken too
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Let everybody in without a token, on any address
    #[arg(long, conflicts_with = "token_file")]
    open: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

/// How what is served is encrypted.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// Encrypt with this certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Encrypt with a certificate made at the start, for these names or addresses of this machine
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "tls_cert"
    )]
    tls_self_signed: Vec<String>,
}

impl ServeArgs {
    pub(super) fn config(&self, bind: SocketAddr) -> Result<HttpConfig, Failure> {
        Ok(HttpConfig {
            tls: self.tls.choice(),
            access: self.access()?,
            ..HttpConfig::new(bind)
        })
    }

    pub(super) fn access(&self) -> Result<Access, Failure> {
        if self.open {
            return Ok(Access::open());
        }
        let mut tokens = match &self.token_file {
            Some(file) => Token::from_file(file).map_err(failure)?,
            None => Vec::new(),
        };
        tokens.extend(Token::from_env("AUDIOX_TOKEN").map_err(audiox::Error::from)?);
        Ok(Access::tokens(tokens))
    }

    #[cfg(feature = "grpc")]
    pub(super) fn tls(&self) -> Tls {
        self.tls.choice()
    }
}

impl TlsArgs {
    pub(super) fn choice(&self) -> Tls {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Tls::Files {
                certificate: certificate.clone(),
                key: key.clone(),
            },
            _ if !self.tls_self_signed.is_empty() => Tls::SelfSigned {
                names: self.tls_self_signed.clone(),
            },
            _ => Tls::Off,
        }
    }
}

/// Says what keeps a server from starting.
pub(super) fn failure(error: HttpError) -> Failure {
    match error {
        HttpError::Config(e) => audiox::Error::from(e).into(),
        other => Failure::Failed(other.to_string()),
    }
}
