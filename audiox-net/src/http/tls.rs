//! Certificates, and what rustls makes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::HttpError;

/// Encryption of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tls {
    /// None: for this machine alone, or behind a proxy that encrypts.
    #[default]
    Off,
    /// By PEM files.
    Files {
        /// The certificate, and those that lead from it to an authority.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// By a certificate made at the start, for these names and addresses, which a client has to
    /// be told to trust. It is valid for 397 days, the longest that browsers take.
    SelfSigned {
        /// Names and addresses that clients use for this machine.
        names: Vec<String>,
    },
}

/// Certificate and key of a server that does its TLS itself.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, and those that lead from it to an authority, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// A server's side of TLS.
pub(super) struct Material {
    pub(super) config: Arc<ServerConfig>,
    /// The certificate, where it was made here.
    pub(super) made: Option<String>,
}

impl Tls {
    /// Reads or makes certificate and key, for servers of other protocols; none where there is no
    /// encryption.
    ///
    /// # Errors
    /// A file cannot be read or holds something else; key and certificate do not belong together;
    /// a name cannot stand in a certificate.
    pub fn identity(&self) -> Result<Option<Identity>, HttpError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| HttpError::Io {
                what: format!("cannot read {}", path.display()),
                source,
            })
        };
        match self {
            Self::Off => Ok(None),
            Self::Files { certificate, key } => {
                self.material()?;
                Ok(Some(Identity {
                    certificate: read(certificate)?,
                    key: read(key)?,
                }))
            }
            Self::SelfSigned { names } => {
                let made = self_signed(names).map_err(cannot_make(names))?;
                Ok(Some(Identity {
                    certificate: made.pem,
                    key: made.key_pem,
                }))
            }
        }
    }

    /// Reads or makes key and certificate.
    ///
    /// # Errors
    /// A file cannot be read or holds something else; key and certificate do not belong together;
    /// a name cannot stand in a certificate.
    pub(super) fn material(&self) -> Result<Option<Material>, HttpError> {
        match self {
            Self::Off => Ok(None),
            Self::Files { certificate, key } => {
                let what = format!(
                    "cannot use {} with {}",
                    certificate.display(),
                    key.display()
                );
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(bad("private key", key))?;
                Ok(Some(Material {
                    config: server(chain, key, what)?,
                    made: None,
                }))
            }
            Self::SelfSigned { names } => {
                let made = self_signed(names).map_err(cannot_make(names))?;
                let what = "cannot use the certificate made here".to_owned();
                Ok(Some(Material {
                    config: server(made.chain, made.key, what)?,
                    made: Some(made.pem),
                }))
            }
        }
    }
}

struct Made {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: String,
    key_pem: String,
}

fn cannot_make(names: &[String]) -> impl Fn(rcgen::Error) -> HttpError + '_ {
    |e| HttpError::Tls {
        what: format!("cannot make a certificate for {}", names.join(", ")),
        reason: e.to_string(),
    }
}

fn self_signed(names: &[String]) -> Result<Made, rcgen::Error> {
    let mut params = rcgen::CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "audiox, self-signed");
    let now = SystemTime::now();
    // Clocks of clients may be behind.
    params.not_before = (now - DAY).into();
    params.not_after = (now + 396 * DAY).into();
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let pem = certificate.pem();
    Ok(Made {
        chain: vec![certificate.into()],
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        key_pem: key.serialize_pem(),
        pem,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let bad = bad("certificate", path);
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(&bad)?;
    match found.is_empty() {
        true => Err(bad(rustls::pki_types::pem::Error::NoItemsFound)),
        false => Ok(found),
    }
}

fn bad<'a>(
    what: &'a str,
    path: &'a Path,
) -> impl Fn(rustls::pki_types::pem::Error) -> HttpError + 'a {
    move |e| HttpError::Tls {
        what: format!("cannot read a {what} from {}", path.display()),
        reason: match e {
            rustls::pki_types::pem::Error::NoItemsFound => {
                "there is none in it; PEM is expected, as `-----BEGIN …`".to_owned()
            }
            rustls::pki_types::pem::Error::Io(e) => e.to_string(),
            other => other.to_string(),
        },
    }
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    what: String,
) -> Result<Arc<ServerConfig>, HttpError> {
    let refused = |e: rustls::Error| HttpError::Tls {
        what: what.clone(),
        reason: e.to_string(),
    };
    // Named here rather than left to a process-wide default, which another library may have set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(&refused)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(&refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let tls = Tls::Files {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let error = || tls.material().err().unwrap().to_string();
        assert!(error().contains("cert.pem"), "{}", error());
        std::fs::write(&certificate, "not PEM").unwrap();
        assert!(error().contains("-----BEGIN"), "{}", error());
        let mine = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, mine.cert.pem()).unwrap();
        std::fs::write(&key, "").unwrap();
        assert!(error().contains("key.pem"), "{}", error());
        std::fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(error().contains("cannot use"), "{}", error());
        std::fs::write(&key, mine.signing_key.serialize_pem()).unwrap();
        assert!(tls.material().unwrap().unwrap().made.is_none());
    }
}
