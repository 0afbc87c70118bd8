//! Who may use a server: bearer tokens.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use audiox_core::ConfigError;
use subtle::{Choice, ConstantTimeEq};

use super::HttpError;

/// Who may use a server.
#[derive(Debug, Clone, Default)]
pub struct Access {
    tokens: Vec<Token>,
    open: bool,
}

impl Access {
    /// Whoever has one of these tokens. Without any it is everybody who can connect, which is why
    /// only this machine's own addresses can then be served.
    pub fn tokens(tokens: Vec<Token>) -> Self {
        Self {
            tokens,
            open: false,
        }
    }

    /// Everybody, on any address: for networks that are closed by other means.
    pub fn open() -> Self {
        Self {
            tokens: Vec::new(),
            open: true,
        }
    }

    /// Whether a token is asked for.
    pub fn asks(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether anybody on any address was let in on purpose.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether `token` is one of them. Takes the same time for every token of one length, right
    /// or wrong.
    pub fn admits(&self, token: &[u8]) -> bool {
        let mut found = Choice::from(u8::from(self.tokens.is_empty()));
        for known in &self.tokens {
            found |= known.0.ct_eq(token);
        }
        found.into()
    }

    /// Refuses to serve other machines without a token.
    ///
    /// # Errors
    /// `bind` is not one of this machine's own addresses, no token is asked for, and nobody said
    /// that this is meant.
    pub fn check(&self, bind: SocketAddr) -> Result<(), ConfigError> {
        if bind.ip().to_canonical().is_loopback() || self.asks() || self.open {
            return Ok(());
        }
        Err(ConfigError::new(
            "address",
            bind,
            "an address that other machines reach takes a token (--token-file FILE, or the \
             environment's AUDIOX_TOKEN), or --open to let everybody in; 127.0.0.1 takes neither",
        ))
    }
}

/// A secret that admits whoever knows it. It is never printed.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

impl Token {
    /// A token of 16 to 512 printable ASCII characters, without blanks.
    ///
    /// # Errors
    /// Another length or other characters. The message does not repeat the token.
    pub fn new(text: &str) -> Result<Self, ConfigError> {
        let fits = (MIN..=MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits {
            Ok(Self(text.as_bytes().into()))
        } else {
            Err(ConfigError::new(
                "token",
                format_args!("(of {} bytes)", text.len()),
                "16 to 512 printable ASCII characters without blanks, as `openssl rand -hex 32` gives",
            ))
        }
    }

    /// The tokens of a file, one a line; empty lines and those that begin with `#` are passed
    /// over.
    ///
    /// # Errors
    /// The file cannot be read, has no token, or a line is none (its number is told, never its
    /// text).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Vec<Self>, HttpError> {
        let expected = "one a line is expected";
        read(path.as_ref(), expected, |line| {
            Self::new(line).map_err(|e| e.to_string())
        })
    }

    /// The tokens of a file by what they are for: one of `roles` and a token a line. A token alone
    /// is of the last role. Empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The file cannot be read, has no token, or a line is not of this form (its number is told,
    /// never its text).
    pub fn by_role<const N: usize>(
        path: impl AsRef<Path>,
        roles: [&str; N],
    ) -> Result<[Vec<Self>; N], HttpError> {
        let expected = "a role and a token a line are expected";
        let all = read(path.as_ref(), expected, |line| {
            let (role, token) = match line.split_once(char::is_whitespace) {
                None => (N.checked_sub(1), line),
                Some((role, token)) => (roles.iter().position(|r| *r == role), token),
            };
            let role = role.ok_or_else(|| {
                let (last, others) = roles.split_last().unwrap_or((&"none", &[]));
                let others = others.join(", ");
                format!("a role is {others} or {last}; a token stands behind it")
            })?;
            let token = Self::new(token.trim()).map_err(|e| e.to_string())?;
            Ok((role, token))
        })?;
        let mut tokens = [const { Vec::new() }; N];
        for (role, token) in all {
            tokens[role].push(token);
        }
        Ok(tokens)
    }

    /// The token in environment variable `name`; `None` where it is not set or empty.
    ///
    /// # Errors
    /// It is set to something that is no token.
    pub fn from_env(name: &str) -> Result<Option<Self>, ConfigError> {
        match std::env::var_os(name) {
            Some(value) if !value.is_empty() => Self::new(&value.to_string_lossy()).map(Some),
            _ => Ok(None),
        }
    }
}

/// What `one` makes of each line of a token file that says something.
fn read<T>(
    path: &Path,
    expected: &str,
    one: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, HttpError> {
    let text = std::fs::read_to_string(path).map_err(|source| HttpError::Io {
        what: format!("cannot read the token file {}", path.display()),
        source,
    })?;
    let wrong = |line, reason| HttpError::TokenFile {
        file: path.display().to_string(),
        line,
        reason,
    };
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            all.push(one(line).map_err(|reason| wrong(number + 1, reason))?);
        }
    }
    if all.is_empty() {
        let reason = format!("there is no token in it; {expected}");
        return Err(wrong(1, reason));
    }
    Ok(all)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

const MIN: usize = 16;
const MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef";

    #[test]
    fn tokens_are_compared_whole_and_never_printed() {
        let access = Access::tokens(vec![
            Token::new(GOOD).unwrap(),
            Token::new("another-token-of-ours").unwrap(),
        ]);
        assert!(access.admits(GOOD.as_bytes()) && access.admits(b"another-token-of-ours"));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdeF",
            "0123456789abcdef0",
        ] {
            assert!(!access.admits(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{access:?}").contains(GOOD));
        assert!(Access::default().admits(b"anything") && !Access::default().asks());
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        for bad in ["short", "with a blank in it", "ümlaut-ümlaut-ümlaut"] {
            let text = Token::new(bad).unwrap_err().to_string();
            assert!(!text.contains(bad) && text.contains("16 to 512"), "{text}");
        }
    }

    #[test]
    fn a_token_file_has_one_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(
            &path,
            format!("# ours\n\n  {GOOD}  \nsecond-token-of-ours\n"),
        )
        .unwrap();
        let access = Access::tokens(Token::from_file(&path).unwrap());
        assert!(access.admits(GOOD.as_bytes()) && access.admits(b"second-token-of-ours"));
        std::fs::write(&path, format!("{GOOD}\nhush\n")).unwrap();
        let text = Token::from_file(&path).unwrap_err().to_string();
        assert!(text.contains("line 2") && !text.contains("hush"), "{text}");
        std::fs::write(&path, "# nothing\n").unwrap();
        assert!(
            Token::from_file(&path)
                .unwrap_err()
                .to_string()
                .contains("no token")
        );
    }

    #[test]
    fn other_machines_are_served_with_a_token_or_on_purpose() {
        let any = "0.0.0.0:80".parse().unwrap();
        let text = Access::default().check(any).unwrap_err().to_string();
        assert!(text.contains("--open") && text.contains("token"), "{text}");
        assert!(Access::open().check(any).is_ok());
        assert!(
            Access::tokens(vec![Token::new(GOOD).unwrap()])
                .check(any)
                .is_ok()
        );
        for own in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(Access::default().check(own.parse().unwrap()).is_ok());
        }
    }
}
