//! Where Redis is.

mod percent;
#[cfg(test)]
mod tests;

pub(crate) use percent::decode;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use audiox_core::ConfigError;

/// Where Redis is and as whom we come there, by a URL or the environment:
///
/// | URL | |
/// | --- | --- |
/// | `redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]` | a single server, port 6379, database 0 |
/// | `redis+sentinel://[…@]HOST[:PORT][,HOST…]/SERVICE[/DB]` | the master that Sentinels (port 26379) name, also after a failover |
/// | `redis+cluster://[…@]HOST[:PORT][,HOST…]` | a cluster, by some of its nodes |
/// | `rediss…://…[?ca=FILE]` | any of these by TLS; certificates are checked against the system's authorities, or those in a PEM file |
///
/// Letters with a meaning in URLs are percent-encoded. `:PASSWORD@` alone is the default user's.
/// `Display` and `Debug` never show passwords; nor do errors.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisTarget {
    pub(crate) place: Place,
    pub(crate) tls: Option<Tls>,
    pub(crate) user: Account,
    pub(crate) sentinel_user: Account,
    pub(crate) db: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Single(Node),
    Sentinel { nodes: Vec<Node>, service: String },
    Cluster(Vec<Node>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca: Option<PathBuf>,
}

/// A name and a secret, either of which may be missing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: Option<String>,
    pub(crate) password: Option<String>,
}

impl RedisTarget {
    /// A target from its URL.
    ///
    /// # Errors
    /// What is wrong with it, without what may be a password.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let (start, query) = url.split_once('?').unwrap_or((url, ""));
        let mut target = Self::parse_start(url, start)?;
        for (key, value) in pairs(query) {
            let value = value.ok_or_else(|| refuse(url, ENCODING))?;
            if !target.set(key, &value) {
                return Err(refuse(
                    url,
                    "the only option of a Redis URL is ca, with rediss://",
                ));
            }
        }
        Ok(target)
    }

    /// A target by the environment: `REDIS_HOST` (localhost), `REDIS_PORT` (6379), `REDIS_DB` (0),
    /// and the secrets of [`with_secrets`](Self::with_secrets). `var` looks a variable up; an
    /// empty one counts as none.
    ///
    /// # Errors
    /// A variable that cannot be used.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name| var(name).filter(|value| !value.is_empty());
        let host = get("REDIS_HOST").unwrap_or_else(|| "localhost".to_owned());
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bare.unwrap_or(&host);
        if !is_host(host) {
            let allowed = "it is a host's name or address";
            return Err(ConfigError::new("REDIS_HOST", shown(host), allowed));
        }
        let port = match get("REDIS_PORT") {
            None => PORT,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                ConfigError::new("REDIS_PORT", shown(&port), "a port is 1 to 65535")
            })?,
        };
        let db = match get("REDIS_DB") {
            None => 0,
            Some(db) => number(&db).ok_or_else(|| {
                ConfigError::new("REDIS_DB", shown(&db), "a database is a whole number")
            })?,
        };
        let node = Node {
            host: host.to_owned(),
            port,
        };
        Ok(Self::at(Place::Single(node), db).with_secrets(var))
    }

    /// The same with what the URL does not say taken from the environment: `REDIS_USERNAME`,
    /// `REDIS_PASSWORD`, and for Sentinels that want some `REDIS_SENTINEL_USERNAME`,
    /// `REDIS_SENTINEL_PASSWORD`. A password is never combined with another one's name.
    #[must_use]
    pub fn with_secrets(mut self, var: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| var(name).filter(|value: &String| !value.is_empty());
        if self.user.password.is_none() {
            let named = self.user.name.take();
            self.user.name = named.or_else(|| get("REDIS_USERNAME"));
            self.user.password = get("REDIS_PASSWORD");
        }
        self.sentinel_user = Account {
            name: get("REDIS_SENTINEL_USERNAME"),
            password: get("REDIS_SENTINEL_PASSWORD"),
        };
        self
    }

    /// Whether a password is known. One in a command's arguments is seen by everybody on the
    /// machine.
    pub const fn has_password(&self) -> bool {
        self.user.password.is_some()
    }

    /// The same with the authorities in a PEM file in place of the system's; only by TLS.
    #[must_use]
    pub fn with_ca(mut self, file: &Path) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.ca = Some(file.to_owned());
        }
        self
    }

    /// Takes an option of the URL. Whether there is such a one.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> bool {
        match (key, &mut self.tls) {
            ("ca", Some(tls)) if !value.is_empty() => tls.ca = Some(value.into()),
            _ => return false,
        }
        true
    }

    /// All of the URL but its options. `url` is what errors are about.
    pub(crate) fn parse_start(url: &str, start: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = start.split_once("://").ok_or_else(|| refuse(url, FORMS))?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" => None,
            "rediss" => Some(Tls::default()),
            _ => return Err(refuse(url, FORMS)),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (account, hosts) = match authority.rsplit_once('@') {
            Some((account, hosts)) => (self::account(url, account)?, hosts),
            None => (Account::default(), authority),
        };
        let nodes = |port| -> Result<Vec<Node>, ConfigError> {
            let nodes = hosts.split(',').take(MAX_NODES + 1);
            let nodes = nodes.map(|node| self::node(node, port));
            let nodes: Option<Vec<_>> = nodes.collect();
            let nodes = nodes.filter(|nodes| nodes.len() <= MAX_NODES);
            nodes.ok_or_else(|| refuse(url, "a host is a name or address, and a port 1 to 65535"))
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let db = |text: &str| match text {
            "" => Ok(0),
            text => number(text).ok_or_else(|| refuse(url, "a database is a whole number")),
        };
        let (place, db) = match kind {
            "" if scheme.contains('+') => return Err(refuse(url, FORMS)),
            "" => {
                let mut nodes = nodes(PORT)?;
                let (Some(node), true) = (nodes.pop(), nodes.is_empty()) else {
                    let allowed = "several hosts are for redis+sentinel:// and redis+cluster://";
                    return Err(refuse(url, allowed));
                };
                (Place::Single(node), db(path)?)
            }
            "sentinel" => {
                let (service, number) = path.split_once('/').unwrap_or((path, ""));
                let service = decode(service).ok_or_else(|| refuse(url, ENCODING))?;
                if service.is_empty() || service.chars().any(char::is_control) {
                    let allowed =
                        "Sentinels are asked for a service: redis+sentinel://HOST/SERVICE";
                    return Err(refuse(url, allowed));
                }
                let nodes = nodes(SENTINEL_PORT)?;
                (Place::Sentinel { nodes, service }, db(number)?)
            }
            "cluster" => match db(path)? {
                0 => (Place::Cluster(nodes(PORT)?), 0),
                _ => return Err(refuse(url, "a cluster has database 0 alone")),
            },
            _ => return Err(refuse(url, FORMS)),
        };
        let mut target = Self::at(place, db);
        target.tls = tls;
        target.user = account;
        Ok(target)
    }

    fn at(place: Place, db: u32) -> Self {
        Self {
            place,
            tls: None,
            user: Account::default(),
            sentinel_user: Account::default(),
            db,
        }
    }
}

impl FromStr for RedisTarget {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::parse(s)
    }
}

impl fmt::Display for RedisTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.tls.is_some() { "s" } else { "" };
        let (kind, nodes) = match &self.place {
            Place::Single(node) => ("", std::slice::from_ref(node)),
            Place::Sentinel { nodes, .. } => ("+sentinel", nodes.as_slice()),
            Place::Cluster(nodes) => ("+cluster", nodes.as_slice()),
        };
        write!(f, "redis{s}{kind}://")?;
        if let Some(name) = &self.user.name {
            write!(f, "{}@", percent::encode(name))?;
        }
        for (i, node) in nodes.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match node.host.contains(':') {
                true => write!(f, "{comma}[{}]:{}", node.host, node.port)?,
                false => write!(f, "{comma}{}:{}", node.host, node.port)?,
            }
        }
        if let Place::Sentinel { service, .. } = &self.place {
            write!(f, "/{}", percent::encode(service))?;
        }
        if self.db > 0 {
            write!(f, "/{}", self.db)?;
        }
        if let Some(ca) = self.tls.as_ref().and_then(|tls| tls.ca.as_ref()) {
            write!(f, "?ca={}", percent::encode(&ca.to_string_lossy()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisTarget({self})")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn account(url: &str, text: &str) -> Result<Account, ConfigError> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (text, None),
    };
    let decode = |text: &str| decode(text).ok_or_else(|| refuse(url, ENCODING));
    let some = |text: String| (!text.is_empty()).then_some(text);
    Ok(Account {
        name: some(decode(name)?),
        password: some(decode(password.unwrap_or_default())?),
    })
}

fn node(text: &str, usual: u16) -> Option<Node> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            match port {
                "" => (host, None),
                port => (host, Some(port.strip_prefix(':')?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => number(port).and_then(|port| u16::try_from(port).ok())?,
        None => usual,
    };
    let host = host.to_owned();
    (is_host(&host) && port > 0).then_some(Node { host, port })
}

fn is_host(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    (1..=253).contains(&text.len()) && text.bytes().all(known)
}

/// Plain decimal digits.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The options of a URL: keys, and values decoded, where that is possible.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, Option<String>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key, decode(value)),
        None => (pair, Some(String::new())),
    })
}

/// An error about `url` that shows nothing of what stands where passwords do.
pub(crate) fn refuse(url: &str, allowed: impl Into<std::borrow::Cow<'static, str>>) -> ConfigError {
    let text = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => shown(&format!("{scheme}://…@{rest}")),
        (None, Some((_, rest))) => shown(&format!("…@{rest}")),
        (_, None) => shown(url),
    };
    ConfigError::new("Redis URL", text, allowed)
}

/// A text from anywhere, bounded and in one line.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(200).collect();
    format!("{text:?}")
}

const FORMS: &str = "it is redis://HOST:PORT/DB, redis+sentinel://HOST,…/SERVICE or \
                     redis+cluster://HOST,…, and rediss for TLS";
const ENCODING: &str = "after % there are two hexadecimal digits, and the text is UTF-8";
const PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;
const MAX_NODES: usize = 64;
