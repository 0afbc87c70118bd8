//! A stream as Ogg Opus, encoded once for all who listen to it so.
//!
//! The encoder is the program's to bring ([`OggFactory`]): this crate knows no codec. It runs
//! while anybody listens. Who comes later gets the headers first, and then the pages as they are
//! made, so granule positions do not begin at zero, as with any station.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use audiox_core::store::StoredFormat;
use audiox_net::fanout::{Fanout, Outbox, OutboxConfig};
use bytes::Bytes;
use tokio::time::timeout;

use crate::feed::{Fed, Feed};
use crate::stream::Stream;
use crate::{Relay, RelayError, When};

/// Makes Ogg Opus of a stream's bytes.
pub trait OggEncoder: Send {
    /// The pages that every listener needs first.
    fn head(&self) -> Bytes;

    /// Takes whole frames, as the stream's format has them, and gives the pages that are complete
    /// with them.
    ///
    /// # Errors
    /// Why it cannot go on.
    fn push(&mut self, frames: &[u8]) -> Result<Bytes, String>;

    /// Ends the stream, and gives its last pages.
    ///
    /// # Errors
    /// Why it cannot.
    fn finish(self: Box<Self>) -> Result<Bytes, String>;
}

/// Makes an encoder for a stream's format, or says why there is none.
pub type OggFactory =
    Arc<dyn Fn(&StoredFormat) -> Result<Box<dyn OggEncoder>, String> + Send + Sync>;

/// A stream's encoding, while somebody listens to it.
#[derive(Default)]
pub(crate) struct Station {
    now: Mutex<Option<Weak<OnAir>>>,
}

/// An encoder at work.
pub(crate) struct OnAir {
    head: Bytes,
    pages: Fanout<Bytes>,
    /// No more pages come.
    is_over: AtomicBool,
}

impl OnAir {
    fn close(&self) {
        self.is_over.store(true, SeqCst);
        self.pages.close();
    }
}

/// A listener's place.
pub(crate) struct Tuned {
    on_air: Arc<OnAir>,
    outbox: Arc<Outbox<Bytes>>,
    head: Option<Bytes>,
}

impl Station {
    /// Listens to `stream`; begins to encode it where nobody else does.
    pub(crate) async fn tune(relay: &Relay, stream: &Arc<Stream>) -> Result<Tuned, RelayError> {
        let there = stream.station.now().as_ref().and_then(Weak::upgrade);
        let there = there.filter(|on_air| !on_air.is_over.load(SeqCst));
        let on_air = match there {
            Some(on_air) => on_air,
            None => {
                let encoder = encoder(relay, stream)?;
                let feed = Feed::new(relay, stream, When::Live).await?;
                let on_air = Arc::new(OnAir {
                    head: encoder.head(),
                    pages: Fanout::new(),
                    is_over: AtomicBool::new(false),
                });
                *stream.station.now() = Some(Arc::downgrade(&on_air));
                tokio::spawn(encode(Arc::downgrade(&on_air), encoder, feed));
                on_air
            }
        };
        let outbox = Arc::new(Outbox::new(OutboxConfig {
            bytes: relay.config().listener_bytes,
            ..OutboxConfig::default()
        }));
        on_air.pages.join(&outbox);
        if on_air.is_over.load(SeqCst) {
            outbox.close();
        }
        Ok(Tuned {
            head: Some(on_air.head.clone()),
            on_air,
            outbox,
        })
    }

    fn now(&self) -> MutexGuard<'_, Option<Weak<OnAir>>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tuned {
    /// The next bytes; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        match self.head.take() {
            Some(head) => Some(head),
            None => self.outbox.next().await,
        }
    }
}

impl Drop for Tuned {
    fn drop(&mut self) {
        self.on_air.pages.leave(&self.outbox);
    }
}

/// An encoder for a stream.
pub(crate) fn encoder(relay: &Relay, stream: &Stream) -> Result<Box<dyn OggEncoder>, RelayError> {
    let factory =
        relay.config().ogg.as_ref().ok_or_else(|| {
            RelayError::Request("this relay has no Opus; take the WAV".to_owned())
        })?;
    factory(&stream.format).map_err(RelayError::Request)
}

/// Encodes until nobody listens any more, or the stream ends.
async fn encode(on_air: Weak<OnAir>, mut encoder: Box<dyn OggEncoder>, mut feed: Feed) {
    loop {
        let fed = timeout(LOOK_EVERY, feed.next()).await;
        let Some(on_air) = on_air.upgrade() else {
            return;
        };
        let frames = match fed {
            Err(_) => continue,
            Ok(Ok(Some(Fed::Live(packet)))) => packet.frames.clone(),
            Ok(Ok(Some(Fed::Frames(_, frames)))) => frames,
            Ok(Ok(Some(Fed::Stored(_)))) => continue,
            Ok(Ok(None) | Err(_)) => {
                if let Ok(last) = encoder.finish() {
                    let len = last.len();
                    on_air.pages.publish(&last, len);
                }
                on_air.close();
                return;
            }
        };
        match encoder.push(&frames) {
            Ok(pages) if pages.is_empty() => {}
            Ok(pages) => {
                let len = pages.len();
                on_air.pages.publish(&pages, len);
            }
            Err(e) => {
                tracing::warn!("a stream cannot be encoded any further: {e}");
                on_air.close();
                return;
            }
        }
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Station")
    }
}

/// How soon it is noticed that nobody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
