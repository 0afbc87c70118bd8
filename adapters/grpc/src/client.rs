//! A device: connects to a server, comes back by itself, and tells what it is told.
//!
//! A [`Client`] answers the server's requests, sends button events, and hands on LEDs and sound.
//! What it does with these is its owner's affair: `audiox device` draws and plays them.

mod connection;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::ConfigError;
use bytes::Bytes;
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::Error;
use crate::device::{Button, Press, Rgba};

/// Which server, and as which device.
#[derive(Clone)]
pub struct ClientConfig {
    /// The server: `http://host:50051`, or `https://…` where it encrypts.
    pub server: String,
    /// The device's name.
    pub id: String,
    /// Sent as a bearer token, where there is one.
    pub token: Option<String>,
    /// The certificate, in PEM, of whom the server's is to come; the system's authorities by
    /// default.
    pub trust: Option<String>,
    /// What the battery is at first; 1 by default.
    pub battery: f32,
    /// How long to wait before trying again, the first time, give or take a quarter that depends on
    /// the name; twice as long each time after, up to 5 s. 250 ms by default, 60 s at most.
    pub retry: Duration,
}

impl ClientConfig {
    /// The defaults of each field.
    pub fn new(server: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            id: id.into(),
            token: None,
            trust: None,
            battery: 1.0,
            retry: Duration::from_millis(250),
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("server", &self.server)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What happens to a device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// All three streams are open.
    Connected,
    /// They are not. It tries again, unless it was told to disconnect.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// LEDs 0 to 5, after a change or not.
    Leds([Rgba; 6]),
    /// An event was acknowledged, so long after it was sent.
    Acknowledged(Duration),
    /// A sound begins.
    SoundStarted,
    /// One Opus packet of it.
    Packet(Bytes),
    /// It is over.
    SoundEnded,
}

/// Is told what happens to a device.
pub type Listener = Box<dyn FnMut(Update) + Send>;

/// How a device is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientState {
    /// Whether its streams are open.
    pub connected: bool,
    /// LEDs 0 to 5. LED 0 is green while it is connected, as a device's own light may be.
    pub leds: [Rgba; 6],
    /// Buttons that are down.
    pub down: [bool; 4],
    /// What it says of its battery.
    pub battery: f32,
    /// Whether a sound has begun and not ended.
    pub sounding: bool,
    /// Packets of sound that came.
    pub packets: u64,
}

/// A device that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
    state: Arc<Mutex<ClientState>>,
    _thread: Option<Arc<Joins>>,
}

/// Waits for the thread once the last of its devices has been told to end.
#[derive(Debug)]
struct Joins(Option<JoinHandle<()>>);

impl Drop for Joins {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            // A listener may have held the last of them, and is called there.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
enum Command {
    Press(Button, Press),
    Connect(bool),
}

impl Client {
    /// A device on a thread of its own; `on` is called there for all that happens, and must not
    /// block for long.
    ///
    /// # Errors
    /// The server is no URL; the name or the token cannot be sent; the certificate is none; no
    /// thread can be started.
    pub fn spawn(
        config: ClientConfig,
        on: impl FnMut(Update) + Send + 'static,
    ) -> Result<Self, Error> {
        let mut all = Self::spawn_all(vec![config], vec![Box::new(on)])?;
        Ok(all.remove(0))
    }

    /// Many devices on one thread, each with a function of its own that is told what happens.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), for any of them.
    pub fn spawn_all(configs: Vec<ClientConfig>, on: Vec<Listener>) -> Result<Vec<Self>, Error> {
        let cannot = "cannot start the devices' thread";
        let mut clients = Vec::with_capacity(configs.len());
        let mut running = Vec::with_capacity(configs.len());
        for (config, on) in configs.into_iter().zip(on) {
            let (client, run) = Self::new(config, on)?;
            clients.push(client);
            running.push(run);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io(cannot))?;
        let thread = std::thread::Builder::new()
            .name("audiox-device".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut all = tokio::task::JoinSet::new();
                    for run in running {
                        all.spawn(run);
                    }
                    all.join_all().await;
                })
            })
            .map_err(Error::io(cannot))?;
        let joins = Arc::new(Joins(Some(thread)));
        for client in &mut clients {
            client._thread = Some(joins.clone());
        }
        Ok(clients)
    }

    /// A device, and the future that it runs in; for programs that have a tokio runtime, and many
    /// devices in it.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), but for the thread.
    pub fn new(
        config: ClientConfig,
        on: impl FnMut(Update) + Send + 'static,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Error> {
        let dial = Dial::new(&config)?;
        let state = Arc::new(Mutex::new(ClientState {
            connected: false,
            leds: [Rgba::OFF; 6],
            down: [false; 4],
            battery: config.battery,
            sounding: false,
            packets: 0,
        }));
        let (commands, orders) = mpsc::unbounded_channel();
        let client = Self {
            commands,
            state: state.clone(),
            _thread: None,
        };
        let device = connection::Device::new(dial, state, orders, Box::new(on));
        Ok((client, device.run()))
    }

    /// Does something to a button. Without a connection nothing comes of it, but that button 1
    /// connects when pressed.
    pub fn press(&self, button: Button, press: Press) {
        let connected = self.state().connected;
        if (button, press) == (Button::One, Press::Press) && !connected {
            self.connect(true);
        }
        // Only fails once the device has ended.
        let _ = self.commands.send(Command::Press(button, press));
    }

    /// Presses a button and lets it go.
    pub fn tap(&self, button: Button) {
        self.press(button, Press::Press);
        self.press(button, Press::Release);
    }

    /// Connects, which it does by itself at the start, or disconnects and stays away.
    pub fn connect(&self, wanted: bool) {
        let _ = self.commands.send(Command::Connect(wanted));
    }

    /// Sets what it says of its battery when it is asked.
    pub fn set_battery(&self, level: f32) {
        lock(&self.state).battery = level;
    }

    /// How it is.
    pub fn state(&self) -> ClientState {
        *lock(&self.state)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The device ends when nobody can tell it anything any more.
        self.commands = mpsc::unbounded_channel().0;
    }
}

/// How to reach the server.
#[derive(Clone)]
struct Dial {
    endpoint: Endpoint,
    id: MetadataValue<Ascii>,
    token: Option<MetadataValue<Ascii>>,
    retry: Duration,
}

impl Dial {
    fn new(config: &ClientConfig) -> Result<Self, Error> {
        let wrong = || {
            let allowed = "http://HOST:PORT or https://HOST:PORT";
            ConfigError::new("server", format_args!("{:?}", config.server), allowed)
        };
        let endpoint = Endpoint::from_shared(config.server.clone()).map_err(|_| wrong())?;
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let endpoint = match endpoint.uri().scheme_str() {
            Some("http") => endpoint,
            Some("https") => {
                let tls = match &config.trust {
                    Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                    None => ClientTlsConfig::new().with_native_roots(),
                };
                endpoint.tls_config(tls).map_err(|e| Error::Grpc {
                    what: "cannot use the certificate to trust".to_owned(),
                    reason: e.to_string(),
                })?
            }
            _ => return Err(wrong().into()),
        };
        let bad_id = |_| {
            ConfigError::new(
                "id",
                format_args!("{:?}", config.id),
                "1 to 128 printable ASCII characters",
            )
        };
        let token = config.token.as_ref().map(|token| {
            format!("Bearer {token}")
                .parse()
                .map_err(|_| ConfigError::new("token", "(not shown)", "printable ASCII characters"))
        });
        Ok(Self {
            endpoint,
            id: config.id.parse().map_err(bad_id)?,
            token: token.transpose()?,
            retry: config.retry.min(LONGEST_RETRY),
        })
    }
}

fn lock(state: &Mutex<ClientState>) -> std::sync::MutexGuard<'_, ClientState> {
    // Nothing panics while it is held.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

const CONNECT: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let url = "http://127.0.0.1:50051";
        for (server, id, part) in [
            ("127.0.0.1:50051", "a", "http://HOST:PORT"),
            ("ftp://a", "a", "http://HOST:PORT"),
            ("", "a", "http://HOST:PORT"),
            (url, "a\nb", "printable"),
        ] {
            let config = ClientConfig::new(server, id);
            let error = Client::new(config, |_| ()).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let mut config = ClientConfig::new(url, "a");
        config.token = Some("a\nb".to_owned());
        let error = Client::new(config, |_| ()).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains("a\nb"), "{error}");
    }
}
