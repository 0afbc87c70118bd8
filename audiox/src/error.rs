//! What can go wrong, from a mistyped source to a full disk.

use audiox_core::ConfigError;
use audiox_core::source::{SinkError, SourceError};
use audiox_net::endpoint::EndpointError;

/// Something could not be opened, started or finished. Each prints as one line that says what to
/// do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A URL cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A source cannot be opened, or failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A sink cannot be opened, or failed. What it took before is kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A microphone or a speaker cannot be used.
    #[cfg(feature = "devices")]
    #[error(transparent)]
    Device(#[from] audiox_io::device::DeviceError),
    /// Sending or receiving could not start, or had to stop.
    #[error(transparent)]
    Udp(#[from] audiox_udp::Error),
    /// A server of devices cannot start, or a device.
    #[cfg(feature = "grpc")]
    #[error(transparent)]
    Grpc(#[from] audiox_grpc::Error),
    /// A server cannot start.
    #[cfg(any(feature = "player", feature = "relay"))]
    #[error(transparent)]
    Http(#[from] audiox_net::http::HttpError),
    /// An archive or a registry of sessions cannot be used.
    #[cfg(any(feature = "redis", feature = "relay"))]
    #[error(transparent)]
    Store(#[from] audiox_core::store::StoreError),
    /// A relay cannot be used.
    #[cfg(feature = "relay")]
    #[error(transparent)]
    Relay(#[from] audiox_websocket::RelayError),
    /// A relay refuses, or cannot be reached.
    #[cfg(feature = "relay")]
    #[error(transparent)]
    Client(#[from] audiox_websocket::client::ClientError),
}

impl Error {
    /// Whether the request itself is at fault (a value, a URL, a combination), so that trying
    /// again cannot help.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Config(_) => true,
            Self::Endpoint(e) | Self::Udp(audiox_udp::Error::Endpoint(e)) => is_usage(e),
            Self::Udp(e) => matches!(
                e,
                audiox_udp::Error::Config(_)
                    | audiox_udp::Error::Net(audiox_net::udp::UdpError::Config(_))
                    | audiox_udp::Error::StartPassed { .. }
            ),
            #[cfg(feature = "devices")]
            Self::Device(e) => e.is_usage(),
            #[cfg(feature = "grpc")]
            Self::Grpc(e) => e.is_usage(),
            #[cfg(any(feature = "player", feature = "relay"))]
            Self::Http(e) => matches!(e, audiox_net::http::HttpError::Config(_)),
            #[cfg(any(feature = "redis", feature = "relay"))]
            Self::Store(e) => e.kind == audiox_core::store::StoreErrorKind::Invalid,
            #[cfg(feature = "relay")]
            Self::Relay(e) => matches!(e, audiox_websocket::RelayError::Config(_)),
            #[cfg(feature = "relay")]
            Self::Client(_) => false,
            Self::Source(_) | Self::Sink(_) => false,
        }
    }
}

fn is_usage(error: &EndpointError) -> bool {
    !matches!(error, EndpointError::Resolve { .. } | EndpointError::Udp(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_another_request_can_mend_is_told_from_what_the_world_did() {
        let wrong: ConfigError = ConfigError::new("ptime", "0 ms", "above 0");
        assert!(Error::from(wrong.clone()).is_usage());
        assert!(Error::from(audiox_udp::Error::from(wrong)).is_usage());
        let net = audiox_net::udp::UdpError::from(ConfigError::new("to", 1, "above 1"));
        assert!(Error::from(audiox_udp::Error::from(net)).is_usage());
        let url = "udp://host:1?colour=red".parse::<audiox_net::Endpoint>();
        assert!(Error::from(url.unwrap_err()).is_usage());
        let full = SinkError::Io {
            what: "a.wav".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
        assert!(!Error::from(full).is_usage());
    }
}
