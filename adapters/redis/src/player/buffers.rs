//! Buffers: read in pieces, bounded, decoded, and kept for a while. Of one that has grown only the
//! new part is read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audiox_core::registry::{SessionId, SessionRecord, SessionRegistry};
use audiox_core::store::StoreError;
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::base64::{Decoder, MAX_PREFIX};
use super::error::PlayerError;
use super::facts::Facts;

/// What a session's buffer decodes to.
#[derive(Debug)]
pub(super) struct Buffer {
    /// What was encoded.
    pub(super) bytes: Bytes,
    /// Characters of the text.
    pub(super) chars: u64,
    /// The text stops inside a byte.
    pub(super) is_cut: bool,
    /// What was worked out of it.
    pub(super) facts: Facts,
    /// Where decoding can go on: what stands before the last characters.
    mark: Mark,
    /// What it takes of all that may be held.
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Clone)]
struct Mark {
    decoder: Decoder,
    /// Characters before it, and the bytes that they are.
    chars: u64,
    bytes: usize,
    /// The characters behind it, and the first of all.
    tail: Bytes,
    head: Bytes,
}

impl Buffer {
    fn empty() -> Self {
        Self {
            bytes: Bytes::new(),
            chars: 0,
            is_cut: false,
            facts: Facts::default(),
            mark: Mark {
                decoder: Decoder::default(),
                chars: 0,
                bytes: 0,
                tail: Bytes::new(),
                head: Bytes::new(),
            },
            _room: None,
        }
    }

    /// Whether `text`, which stands behind the mark now, goes on where this buffer ended. Who
    /// encodes all anew changes the last group, and nothing before it.
    fn goes_on_with(&self, text: &[u8]) -> bool {
        let sure = self.mark.tail.len().saturating_sub(4);
        self.chars > 0 && text.starts_with(&self.mark.tail[..sure])
    }
}

/// All of a player's buffers.
#[derive(Debug)]
pub(super) struct Buffers {
    registry: Arc<dyn SessionRegistry>,
    limits: BufferLimits,
    slots: Mutex<Slots>,
    loads: Semaphore,
    /// KiB that all buffers may take which somebody has or which are kept.
    room: Arc<Semaphore>,
    /// Characters read.
    pub(super) chars_read: AtomicU64,
}

/// Bounds on what buffers take.
#[derive(Debug, Clone, Copy)]
pub(super) struct BufferLimits {
    /// Characters of one.
    pub(super) chars: u64,
    /// Decoded bytes of all that are kept.
    pub(super) kept: usize,
}

impl BufferLimits {
    /// KiB of all that are held, by whomever.
    fn room(self) -> usize {
        let longest = usize::try_from(self.chars / 4 * 3).unwrap_or(usize::MAX);
        let all = longest.saturating_mul(IN_USE).saturating_add(self.kept);
        (all / KIB + 1).min(u32::MAX as usize >> 3)
    }
}

#[derive(Debug, Default)]
struct Slots {
    by_id: HashMap<SessionId, Slot>,
    uses: u64,
}

impl Slots {
    /// Takes out what was not used for the longest time, except for what is being loaded.
    fn take_oldest(&mut self) -> Option<Slot> {
        let all = self.by_id.iter();
        let idle = all.filter(|(_, s)| s.bytes > 0 || Arc::strong_count(&s.cell) == 1);
        let oldest = idle.min_by_key(|(_, s)| s.used).map(|(id, _)| id.clone());
        self.by_id.remove(&oldest?)
    }
}

/// The buffer of one session; who loads it holds the lock, so that it is loaded once.
type Cell = Arc<tokio::sync::Mutex<Arc<Buffer>>>;

#[derive(Debug)]
struct Slot {
    cell: Cell,
    used: u64,
    bytes: usize,
}

impl Buffers {
    pub(super) fn new(registry: Arc<dyn SessionRegistry>, limits: BufferLimits) -> Self {
        Self {
            registry,
            limits,
            slots: Mutex::default(),
            loads: Semaphore::new(LOADS),
            room: Arc::new(Semaphore::new(limits.room())),
            chars_read: AtomicU64::new(0),
        }
    }

    /// The buffer of `record` as long as that says it is.
    ///
    /// # Errors
    /// There is none, it is too long, it is not Base64, or the registry fails.
    pub(super) async fn get(&self, record: &SessionRecord) -> Result<Arc<Buffer>, PlayerError> {
        let chars = record.buffer_len;
        if chars == 0 {
            return Err(PlayerError::NoAudio);
        }
        if chars > self.limits.chars {
            return Err(PlayerError::Decode(format!(
                "the buffer has {chars} characters; at most {} are read (--max-buffer)",
                self.limits.chars
            )));
        }
        let cell = self.cell(&record.id);
        let mut kept = cell.lock().await;
        let _load = self.loads.acquire().await;
        let loaded = self.load(&record.id, chars, &kept).await;
        let Ok(Some(buffer)) = loaded else {
            self.forget(&record.id);
            return Err(loaded.err().unwrap_or(PlayerError::NoAudio));
        };
        *kept = buffer.clone();
        drop(kept);
        self.keep(&record.id, buffer.bytes.len());
        Ok(buffer)
    }

    /// Reads what is not known yet. None where it is gone meanwhile.
    async fn load(
        &self,
        id: &SessionId,
        chars: u64,
        known: &Arc<Buffer>,
    ) -> Result<Option<Arc<Buffer>>, PlayerError> {
        if known.chars > 0 && known.chars <= chars {
            let mark = &known.mark;
            let first = self.read(id, mark.chars, chars).await?;
            if known.chars == chars && first == mark.tail {
                // Two recordings may end in the same silence.
                let head = self.read(id, 0, HEAD).await?;
                if head == known.mark.head {
                    return Ok(Some(known.clone()));
                }
            }
            if known.goes_on_with(&first) {
                return self.decode(id, chars, known, first).await;
            }
        }
        let none = Buffer::empty();
        let first = self.read(id, 0, chars).await?;
        self.decode(id, chars, &none, first).await
    }

    /// Goes on from the mark of `known` with `text`, and what stands behind it.
    async fn decode(
        &self,
        id: &SessionId,
        chars: u64,
        known: &Buffer,
        mut text: Bytes,
    ) -> Result<Option<Arc<Buffer>>, PlayerError> {
        let (mut decoder, mut at) = (known.mark.decoder.clone(), known.mark.chars);
        let head = match at {
            0 => Bytes::copy_from_slice(&text[..text.len().min(HEAD as usize)]),
            _ => known.mark.head.clone(),
        };
        let room = self.room(chars)?;
        let mut bytes = Vec::with_capacity((chars / 4 * 3) as usize + 3);
        bytes.extend_from_slice(&known.bytes[..known.mark.bytes]);
        // Pieces are whole but for the last, which has all of the tail.
        let piece = piece(chars);
        while text.len() == piece && at + (piece as u64) < chars {
            let end = at + piece as u64;
            let sure = (end.min(chars - TAIL) - at) as usize;
            decoder.push(&text[..sure], &mut bytes)?;
            at += sure as u64;
            text = self.read(id, at, chars).await?;
        }
        // It may be shorter than it was said to be.
        let chars = at + text.len() as u64;
        if chars == 0 {
            return Ok(None);
        }
        let is_short = chars <= TAIL + MAX_PREFIX as u64;
        let sure = if is_short {
            at
        } else {
            chars.saturating_sub(TAIL).max(at)
        };
        let (before, tail) = text.split_at((sure - at) as usize);
        decoder.push(before, &mut bytes)?;
        let mark = Mark {
            decoder: decoder.clone(),
            chars: sure,
            bytes: bytes.len(),
            tail: Bytes::copy_from_slice(tail),
            head,
        };
        decoder.push(tail, &mut bytes)?;
        let is_cut = decoder.finish(&mut bytes);
        Ok(Some(Arc::new(Buffer {
            bytes: bytes.into(),
            chars,
            is_cut,
            facts: Facts::default(),
            mark,
            _room: Some(room),
        })))
    }

    /// Characters from `at` on, as they stand; fewer than `most` perhaps, none at the end.
    pub(super) async fn text(
        &self,
        id: &SessionId,
        at: u64,
        most: usize,
    ) -> Result<Bytes, StoreError> {
        let mut text = self.registry.buffer(id, at, most).await?;
        text.truncate(most);
        self.chars_read.fetch_add(text.len() as u64, Relaxed);
        Ok(text)
    }

    /// A piece from `at` on, of a text of `chars` characters. It is shorter at the end only.
    async fn read(&self, id: &SessionId, at: u64, chars: u64) -> Result<Bytes, PlayerError> {
        let piece = piece(chars);
        let most = usize::try_from(chars - at).unwrap_or(piece).min(piece);
        let mut text = self.text(id, at, most).await?;
        if text.is_empty() || text.len() == most {
            return Ok(text);
        }
        let mut whole = BytesMut::from(text);
        while whole.len() < most {
            text = self
                .text(id, at + whole.len() as u64, most - whole.len())
                .await?;
            if text.is_empty() {
                break;
            }
            whole.extend_from_slice(&text);
        }
        Ok(whole.freeze())
    }

    fn cell(&self, id: &SessionId) -> Cell {
        let mut slots = self.slots();
        slots.uses += 1;
        let used = slots.uses;
        let slot = slots.by_id.entry(id.clone()).or_insert_with(|| Slot {
            cell: Arc::new(tokio::sync::Mutex::new(Arc::new(Buffer::empty()))),
            used,
            bytes: 0,
        });
        slot.used = used;
        slot.cell.clone()
    }

    /// Notes what one takes, and lets go of those that were not used for the longest time.
    fn keep(&self, id: &SessionId, bytes: usize) {
        let mut slots = self.slots();
        if let Some(slot) = slots.by_id.get_mut(id) {
            slot.bytes = bytes;
        }
        let mut all: usize = slots.by_id.values().map(|s| s.bytes).sum();
        while all > self.limits.kept || slots.by_id.len() > MOST_KEPT {
            let Some(slot) = slots.take_oldest() else {
                break;
            };
            all -= slot.bytes;
        }
    }

    /// A place for what so many characters decode to. What is only kept makes way for it.
    fn room(&self, chars: u64) -> Result<OwnedSemaphorePermit, PlayerError> {
        let size = usize::try_from(chars / 4 * 3).unwrap_or(usize::MAX) / KIB + 1;
        let size = u32::try_from(size.min(self.limits.room())).unwrap_or(u32::MAX);
        loop {
            if let Ok(room) = self.room.clone().try_acquire_many_owned(size) {
                return Ok(room);
            }
            if self.slots().take_oldest().is_none() {
                return Err(PlayerError::Busy(
                    "as much audio is played and downloaded as fits into memory; try again later"
                        .to_owned(),
                ));
            }
        }
    }

    fn forget(&self, id: &SessionId) {
        self.slots().by_id.remove(id);
    }

    /// Decoded bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.slots().by_id.values().map(|s| s.bytes).sum()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Characters read at once of so many. Redis takes the whole in hand for each piece, so a large
/// one is read in few.
fn piece(chars: u64) -> usize {
    (chars / PIECES).clamp(1 << 20, 16 << 20) as usize
}

const PIECES: u64 = 8;
/// Characters behind the mark: more than a writer that encodes all anew may change.
const TAIL: u64 = 64;
/// Characters that tell one buffer from another that is as long.
const HEAD: u64 = 64;
/// Buffers that are loaded at once.
const LOADS: usize = 4;
const MOST_KEPT: usize = 256;
/// Longest buffers that may be in use beside those that are kept.
const IN_USE: usize = 8;
const KIB: usize = 1_024;

#[cfg(test)]
mod tests {
    use audiox_core::registry::{MemoryRegistry, SessionFields};

    use super::*;

    #[tokio::test]
    async fn what_is_in_use_is_bounded_and_what_is_only_kept_makes_way() {
        let registry = Arc::new(MemoryRegistry::new());
        let limits = BufferLimits {
            chars: 4_096,
            kept: 4_096,
        };
        let buffers = Buffers::new(registry.clone(), limits);
        // 28 KiB and a bit, of which each takes four.
        let mut held = Vec::new();
        for n in 0..7 {
            held.push(get(&buffers, &registry, &format!("{n}")).await.unwrap());
        }
        let refused = get(&buffers, &registry, "more").await.unwrap_err();
        assert!(matches!(refused, PlayerError::Busy(_)), "{refused}");
        held.pop();
        held.push(get(&buffers, &registry, "more").await.unwrap());
        assert!(get(&buffers, &registry, "again").await.is_err());
        drop(held);
        for n in 0..30 {
            get(&buffers, &registry, &format!("{n}")).await.unwrap();
        }
        assert!(buffers.kept() <= 4_096);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind() {
        let registry = Arc::new(MemoryRegistry::new());
        let limits = BufferLimits {
            chars: 4_096,
            kept: 1 << 20,
        };
        let buffers = Buffers::new(registry.clone(), limits);
        for n in 0..1_000 {
            drop(buffers.cell(&format!("{n}").parse().unwrap()));
        }
        get(&buffers, &registry, "one").await.unwrap();
        assert!(buffers.slots().by_id.len() <= MOST_KEPT);
        assert_eq!(buffers.kept(), 3_072);
    }

    async fn get(
        buffers: &Buffers,
        registry: &MemoryRegistry,
        id: &str,
    ) -> Result<Arc<Buffer>, PlayerError> {
        let id: SessionId = id.parse().unwrap();
        registry.put(&id, &SessionFields::new(), None).await?;
        registry.set_buffer(&id, "AAAA".repeat(1_024));
        buffers.get(&registry.session(&id).await?).await
    }
}
