//! Playing on the server's device: a thread a session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audiox_core::block::AudioRef;
use audiox_core::registry::{SessionId, SessionRecord};
use audiox_io::sound::PcmWish;
use serde_json::json;
use tokio::sync::oneshot;

use super::buffers::Buffer;
use super::error::PlayerError;
use super::{Player, Role, Speaker};

/// What plays.
#[derive(Debug, Default)]
pub(super) struct Playbacks {
    by_id: Mutex<HashMap<SessionId, Playing>>,
    pub(super) begun: AtomicU64,
    pub(super) failed: AtomicU64,
}

#[derive(Debug)]
struct Playing {
    number: u64,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Playbacks {
    pub(super) fn len(&self) -> usize {
        self.by_id().len()
    }

    pub(super) fn stop_all(&self) {
        let all: Vec<_> = self.by_id().drain().map(|(_, playing)| playing).collect();
        for playing in &all {
            playing.stop.store(true, Relaxed);
        }
        for playing in all {
            let _ = playing.thread.join();
        }
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<SessionId, Playing>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Player {
    /// Plays a session from `from` on; one that plays already begins anew.
    pub(super) async fn play(
        &self,
        record: &SessionRecord,
        wish: PcmWish,
        from: Duration,
    ) -> Result<(), PlayerError> {
        let buffer = self.buffer(record).await?;
        let speaker = self.inner.speaker.clone().ok_or_else(|| {
            PlayerError::Speaker("this server was not given a sound device".to_owned())
        })?;
        let (tell, told) = oneshot::channel();
        let playbacks = &self.inner.playbacks;
        {
            let mut by_id = playbacks.by_id();
            let most = self.inner.config.at_once;
            if !by_id.contains_key(&record.id) && by_id.len() >= most {
                return Err(PlayerError::Busy(format!(
                    "{most} sessions play already, which is the limit; stop one (--at-once)"
                )));
            }
            let former = by_id.remove(&record.id);
            if let Some(former) = &former {
                former.stop.store(true, Relaxed);
            }
            let (stop, number) = (Arc::default(), playbacks.begun.fetch_add(1, Relaxed));
            let run = Run {
                player: self.clone(),
                id: record.id.clone(),
                to: match record.authenticated() {
                    true => Role::View,
                    false => Role::Operate,
                },
                buffer,
                wish,
                from,
                number,
                stop: Arc::clone(&stop),
            };
            let thread = std::thread::Builder::new()
                .name("audiox-play".to_owned())
                .spawn(move || {
                    // The device may be one that plays a single stream.
                    if let Some(former) = former {
                        let _ = former.thread.join();
                    }
                    run.run(&*speaker, tell);
                })
                .map_err(|e| PlayerError::Speaker(format!("no thread: {e}")))?;
            let playing = Playing {
                number,
                stop,
                thread,
            };
            by_id.insert(record.id.clone(), playing);
        }
        told.await
            .unwrap_or_else(|_| Err(PlayerError::Speaker("playing was given up".to_owned())))
    }

    /// Silences a session. Says whether it played.
    pub(super) fn stop(&self, id: &SessionId) -> bool {
        let playing = self.inner.playbacks.by_id().remove(id);
        if let Some(playing) = &playing {
            playing.stop.store(true, Relaxed);
        }
        playing.is_some()
    }
}

/// How a playback ended.
enum End {
    Heard,
    Stopped,
}

struct Run {
    player: Player,
    id: SessionId,
    /// Who is told of it: those who may have the session.
    to: Role,
    buffer: Arc<Buffer>,
    wish: PcmWish,
    from: Duration,
    number: u64,
    stop: Arc<AtomicBool>,
}

impl Run {
    fn run(self, speaker: &dyn Speaker, tell: oneshot::Sender<Result<(), PlayerError>>) {
        let mut tell = Some(tell);
        let ended = self.play(speaker, &mut tell);
        let playbacks = &self.player.inner.playbacks;
        {
            // Another may play the same session by now.
            let mut by_id = playbacks.by_id();
            let is_own = by_id.get(&self.id).is_some_and(|p| p.number == self.number);
            if is_own {
                by_id.remove(&self.id);
            } else if by_id.contains_key(&self.id) {
                return;
            }
        }
        let id = self.id.as_str();
        let (success, message) = match ended {
            Ok(End::Heard) => (true, "Playback completed"),
            Ok(End::Stopped) => (false, "Playback stopped"),
            Err(e) => {
                playbacks.failed.fetch_add(1, Relaxed);
                match tell {
                    // Who asked for it is answered so.
                    Some(tell) => drop(tell.send(Err(e))),
                    None => {
                        let error = json!({ "session_id": id, "error": e.to_string() });
                        self.player.tell(self.to, "playback_error", error);
                    }
                }
                return;
            }
        };
        let data = json!({ "session_id": id, "success": success, "message": message });
        self.player.tell(self.to, "playback_complete", data);
    }

    fn play(
        &self,
        speaker: &dyn Speaker,
        tell: &mut Option<oneshot::Sender<Result<(), PlayerError>>>,
    ) -> Result<End, PlayerError> {
        if self.stop.load(Relaxed) {
            // Another begins already.
            return Ok(End::Stopped);
        }
        let mut source = self.player.open_now(&self.buffer, &self.wish)?.source;
        let format = source.format();
        let from = format.rate.frames_in(self.from);
        let all = source.frames_left();
        if from > 0 {
            source.seek(from)?;
        }
        let mut opened = speaker.open(format).map_err(PlayerError::Speaker)?;
        if let Some(tell) = tell.take() {
            let _ = tell.send(Ok(()));
        }
        let channels = format.channels;
        let mut block = vec![0.0; self.player.inner.config.block * channels.get()];
        let (mut at, mut told) = (from, None::<Instant>);
        loop {
            if self.stop.load(Relaxed) {
                return Ok(End::Stopped);
            }
            if told.is_none_or(|t| t.elapsed() >= PROGRESS_EVERY) {
                told = Some(Instant::now());
                let seconds = |frames: u64| format.rate.duration_of(frames).as_secs_f64();
                let data = json!({
                    "session_id": self.id.as_str(),
                    "position": seconds(at),
                    "duration": all.map(seconds),
                    "speaker": opened.name,
                    "trouble": (opened.trouble)(),
                });
                self.player.mention(self.to, "playback_progress", data);
            }
            let frames = source.read(&mut block)?;
            if frames == 0 {
                break;
            }
            let heard = AudioRef::new(&block[..frames * channels.get()], channels);
            let written = opened.sink.write(heard);
            written.map_err(|e| PlayerError::Speaker(e.to_string()))?;
            at += frames as u64;
        }
        let flushed = opened.sink.flush();
        flushed.map_err(|e| PlayerError::Speaker(e.to_string()))?;
        match self.stop.load(Relaxed) {
            true => Ok(End::Stopped),
            false => Ok(End::Heard),
        }
    }
}

const PROGRESS_EVERY: Duration = Duration::from_millis(250);
