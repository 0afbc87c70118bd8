//! The list of clients, and the file it is kept in.
//!
//! The file is the original's: one JSON object keyed by the clients' names. What is not known here
//! is kept, and so are order and layout, so that a list that was loaded is saved as it stood.

mod layout;

use std::io::{Read, Write};
use std::path::Path;

use audiox_core::ConfigError;
use serde::Serialize;
use serde_json::ser::Serializer;
use serde_json::{Map, Value};

use super::client::ClientSpec;
use super::error::FanoutError;
use layout::Layout;

/// Clients by name, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientList {
    clients: Map<String, Value>,
    layout: Layout,
}

impl ClientList {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a list: the object of the original, or the list of channels and addresses of its
    /// older form (`[{"ch": 0, "ip": "192.168.1.3"}, …]` or `[[0, "192.168.1.3"], …]`), whose
    /// clients listen on port 50007.
    ///
    /// # Errors
    /// It is not JSON, of another form, or too long. A client whose fields are wrong is no error
    /// of the list: it is there, and says what is wrong when it is [read](Self::spec).
    pub fn parse(text: &str) -> Result<Self, FanoutError> {
        if text.len() > MAX_TEXT {
            return Err(FanoutError::Form(format!("longer than {MAX_TEXT} bytes")));
        }
        let value = serde_json::from_str(text).map_err(|e| FanoutError::Json {
            line: e.line(),
            column: e.column(),
            reason: reason(&e),
        })?;
        let (clients, layout) = match value {
            Value::Object(clients) => (clients, Layout::of(text)),
            Value::Array(pairs) => (import(pairs)?, Layout::default()),
            _ => {
                let form =
                    "an object is expected, {\"name\": {\"ip\": …, \"port\": …, \"channel\": …}}";
                return Err(FanoutError::Form(form.to_owned()));
            }
        };
        if clients.len() > MAX_CLIENTS {
            return Err(FanoutError::Form(format!(
                "{} clients where at most {MAX_CLIENTS} are possible",
                clients.len()
            )));
        }
        for (name, fields) in &clients {
            check_name(name)?;
            if !fields.is_object() {
                return Err(FanoutError::Form(format!(
                    "client {name:?}: an object is expected, with ip, port and channel"
                )));
            }
        }
        Ok(Self { clients, layout })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or as [`parse`](Self::parse) says.
    pub fn load(path: &Path) -> Result<Self, FanoutError> {
        let text = read(path).map_err(FanoutError::io("cannot read", path))?;
        Self::parse(&text)
    }

    /// The list as text.
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut out, self.layout.clone());
        // Writing to memory cannot fail, nor can a map whose keys are text.
        let _ = self.clients.serialize(&mut serializer);
        if self.layout.newline {
            out.push(b'\n');
        }
        String::from_utf8(out).unwrap_or_default()
    }

    /// Writes the file: beside it first, then in its place, so that no reader sees half of it.
    ///
    /// # Errors
    /// The system refuses; the file is as it was then.
    pub fn save(&self, path: &Path) -> Result<(), FanoutError> {
        let failed = |source| FanoutError::io("cannot write", path)(source);
        // Behind a link stands the file that is meant.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut beside = target.clone().into_os_string();
        beside.push(".new");
        let mut file = std::fs::File::create(&beside).map_err(failed)?;
        if let Ok(before) = std::fs::metadata(&target) {
            // Who may read it stays as it was, where the system lets us.
            let _ = file.set_permissions(before.permissions());
        }
        file.write_all(self.to_text().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&beside, &target))
            .map_err(|source| {
                let _ = std::fs::remove_file(&beside);
                failed(source)
            })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.clients.keys().map(String::as_str)
    }

    /// All fields of a client, known here or not.
    pub fn fields(&self, name: &str) -> Option<&Map<String, Value>> {
        self.clients.get(name).and_then(Value::as_object)
    }

    /// What a client's fields say.
    ///
    /// # Errors
    /// There is no such client, or a field is wrong.
    pub fn spec(&self, name: &str) -> Result<ClientSpec, FanoutError> {
        let fields = self
            .fields(name)
            .ok_or_else(|| FanoutError::unknown(name))?;
        Ok(ClientSpec::from_fields(fields)?)
    }

    /// Adds a client behind the others.
    ///
    /// # Errors
    /// The name is taken or none, a field is wrong, or there are too many.
    pub fn add(&mut self, name: &str, fields: Map<String, Value>) -> Result<(), FanoutError> {
        check_name(name)?;
        if self.clients.contains_key(name) {
            return Err(FanoutError::Exists(name.to_owned()));
        }
        if self.clients.len() >= MAX_CLIENTS {
            let allowed = "remove some first";
            return Err(ConfigError::new("clients", self.clients.len() + 1, allowed).into());
        }
        ClientSpec::from_fields(&fields)?;
        self.clients.insert(name.to_owned(), Value::Object(fields));
        Ok(())
    }

    /// Changes these fields of a client and leaves its others; a field that is null is removed.
    /// A `channel` takes the place of `channels`, and the other way round. A name stays.
    ///
    /// # Errors
    /// There is no such client, or a field would be wrong; nothing was changed then.
    pub fn change(&mut self, name: &str, change: Map<String, Value>) -> Result<(), FanoutError> {
        let present = self
            .fields(name)
            .ok_or_else(|| FanoutError::unknown(name))?;
        let mut fields = present.clone();
        let given = |field: &str| change.get(field).is_some_and(|v| !v.is_null());
        if given("name") && change.get("name") != fields.get("name") {
            let allowed = "names stay; remove the client and add it under the other one";
            return Err(ConfigError::new("name", "another", allowed).into());
        }
        match (given("channel"), given("channels")) {
            (true, false) => drop(fields.shift_remove("channels")),
            (false, true) => drop(fields.shift_remove("channel")),
            _ => {}
        }
        for (field, value) in change {
            match value {
                Value::Null => drop(fields.shift_remove(&field)),
                value => drop(fields.insert(field, value)),
            }
        }
        ClientSpec::from_fields(&fields)?;
        self.clients.insert(name.to_owned(), Value::Object(fields));
        Ok(())
    }

    /// Removes a client.
    ///
    /// # Errors
    /// There is no such client.
    pub fn remove(&mut self, name: &str) -> Result<(), FanoutError> {
        match self.clients.shift_remove(name) {
            Some(_) => Ok(()),
            None => Err(FanoutError::unknown(name)),
        }
    }
}

/// A list's file as text. Of one that is longer than any list no more is read than shows it.
///
/// # Errors
/// The system refuses, or it is no file: a pipe would be waited for, and a device has no end.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut text = String::new();
    let most = MAX_TEXT as u64 + 1;
    std::fs::File::open(path)?
        .take(most)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn check_name(name: &str) -> Result<(), FanoutError> {
    let fits = !name.trim().is_empty() && name.len() <= MAX_NAME;
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    let allowed = "a text of 1 to 200 bytes in one line";
    Err(ConfigError::new("name", format_args!("{shown:?}"), allowed).into())
}

/// The older form: pairs of channel and address, to which a name is given.
fn import(pairs: Vec<Value>) -> Result<Map<String, Value>, FanoutError> {
    let mut clients = Map::new();
    for (at, pair) in pairs.into_iter().enumerate() {
        let mut fields = Map::new();
        let (channel, ip, port) = match pair {
            Value::Object(mut pair) => {
                let channel = pair
                    .shift_remove("ch")
                    .or_else(|| pair.shift_remove("channel"));
                let (ip, port) = (pair.shift_remove("ip"), pair.shift_remove("port"));
                fields = pair;
                (channel, ip, port)
            }
            Value::Array(pair) => {
                let mut pair = pair.into_iter();
                (pair.next(), pair.next(), pair.next())
            }
            _ => (None, None, None),
        };
        let (Some(channel), Some(Value::String(ip))) = (channel, ip) else {
            return Err(FanoutError::Form(format!(
                "entry {} of the list: a channel and an address are expected, {{\"ch\": 0, \"ip\": \"192.168.1.3\"}}",
                at + 1
            )));
        };
        let mut name = ip.clone();
        let mut number = 1;
        while clients.contains_key(&name) {
            number += 1;
            name = format!("{ip} ({number})");
        }
        fields.insert("ip".to_owned(), Value::String(ip));
        fields.insert("port".to_owned(), port.unwrap_or_else(|| OLD_PORT.into()));
        fields.insert("channel".to_owned(), channel);
        clients.insert(name, Value::Object(fields));
    }
    Ok(clients)
}

/// The reason without the place, which is told beside it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// Clients in a list.
pub(super) const MAX_CLIENTS: usize = 1_024;
const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 1 << 20;
const OLD_PORT: u16 = 50_007;

#[cfg(test)]
mod tests;
