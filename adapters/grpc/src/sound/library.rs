//! The sounds of a server, by name, and the thread that encodes them and looks after their files.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use audiox_core::ConfigError;
use audiox_core::codec::CodecRegistry;
use audiox_core::source::{Source, SourceError};

use super::encode::Encoding;
use super::{BUILT_IN, BuiltIn, Live, PACKET, SoundKind, Sounds, Track, WavFiles};
use crate::Error;

/// Which sounds there are.
#[derive(Clone)]
pub struct LibraryConfig {
    /// What each name stands for; the built-in sounds are there too, where their names are not
    /// taken.
    pub sounds: BTreeMap<String, String>,
    /// Opens them; WAV files by default.
    pub opener: Arc<dyn Sounds>,
    /// Has the encoding `opus`, of 48 kHz mono.
    pub codecs: CodecRegistry,
    /// The longest sound that is kept encoded, which takes some 30 MB an hour; an hour by
    /// default.
    pub longest: Duration,
    /// A live sound from which nothing comes for so long has failed for those who play it, until
    /// they begin it anew; looked at each second, so at least that; 10 s by default.
    pub stall: Duration,
}

impl LibraryConfig {
    /// The built-in sounds alone.
    pub fn new(codecs: CodecRegistry) -> Self {
        Self {
            sounds: BTreeMap::new(),
            opener: Arc::new(WavFiles),
            codecs,
            longest: Duration::from_secs(3_600),
            stall: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for LibraryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LibraryConfig")
            .field("sounds", &self.sounds)
            .finish_non_exhaustive()
    }
}

/// How a sound is.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SoundInfo {
    /// Its name.
    pub name: String,
    /// What the name stands for; none for built-in sounds.
    pub text: Option<String>,
    /// Whether it has no end.
    pub live: bool,
    /// Whether it runs, where it is live; whether all of it is encoded, where it is not.
    pub ready: bool,
    /// Seconds of it that are encoded.
    pub seconds: f64,
    /// Bytes that these take.
    pub bytes: u64,
    /// Why it cannot be played at the moment.
    pub trouble: Option<String>,
    /// Times that nothing came from it for too long, where it is live.
    pub stalls: u64,
}

/// Sounds by name. Dropping it ends its thread.
pub struct Library {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    entries: BTreeMap<Arc<str>, Entry>,
    opener: Arc<dyn Sounds>,
    codecs: CodecRegistry,
    longest: u64,
    stall: Duration,
    stop: Arc<AtomicBool>,
}

struct Entry {
    text: Option<String>,
    what: What,
}

enum What {
    Live(Arc<Live>),
    Kept(Mutex<Kept>),
}

struct Kept {
    track: Arc<Track>,
    file: Option<PathBuf>,
    stamp: Option<Stamp>,
    trouble: Option<String>,
}

/// By what a file is known to have changed.
type Stamp = (SystemTime, u64);

/// What is under a name.
pub(crate) enum Found {
    Track(Arc<Track>),
    Live(Arc<Live>),
    /// It cannot be played now.
    Trouble(String),
}

/// A track that is being encoded.
struct Job {
    name: Arc<str>,
    track: Arc<Track>,
    encoding: Encoding,
    packets: u64,
}

impl Library {
    /// Opens all sounds, and encodes the first second of each; the rest follows on a thread of its
    /// own.
    ///
    /// # Errors
    /// A sound cannot be opened, or is too long; Opus is not among the codecs.
    pub fn open(config: LibraryConfig) -> Result<Self, Error> {
        config.codecs.encoder(&super::spec(), PACKET)?;
        if config.stall < LOOK_EVERY {
            let stall = config.stall.as_secs_f64();
            return Err(ConfigError::new("stall", stall, "1 s and more").into());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut shared = Shared {
            entries: BTreeMap::new(),
            opener: config.opener,
            codecs: config.codecs,
            longest: (config.longest.as_millis() / PTIME.as_millis()) as u64,
            stall: config.stall,
            stop,
        };
        let own = BUILT_IN
            .iter()
            .filter(|name| !config.sounds.contains_key(**name));
        let own = own.map(|name| (Arc::<str>::from(*name), None));
        let given = config.sounds.iter();
        let given = given.map(|(name, text)| (Arc::<str>::from(name.as_str()), Some(text.clone())));
        let mut jobs = Vec::new();
        for (name, text) in own.chain(given) {
            let (entry, job) = shared.entry(&name, text).map_err(|source| Error::Sound {
                name: name.to_string(),
                source,
            })?;
            shared.entries.insert(name, entry);
            jobs.extend(job);
        }
        for job in &mut jobs {
            if let Err(source) = job.step(shared.longest) {
                let name = job.name.to_string();
                return Err(Error::Sound { name, source });
            }
        }
        let shared = Arc::new(shared);
        let working = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("audiox-sounds".to_owned())
            .spawn(move || working.work(jobs))
            .map_err(Error::io("cannot start the thread that encodes sounds"))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Whether there is a sound of this name.
    pub fn has(&self, name: &str) -> bool {
        self.shared.entries.contains_key(name)
    }

    /// All sounds, in the order of their names.
    pub fn sounds(&self) -> Vec<SoundInfo> {
        let all = self.shared.entries.iter();
        all.map(|(name, entry)| entry.info(name)).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Found {
        let Some(entry) = self.shared.entries.get(name) else {
            return Found::Trouble(format!("there is no sound {name:?}"));
        };
        match &entry.what {
            What::Live(live) => Found::Live(live.clone()),
            What::Kept(kept) => {
                let kept = lock(kept);
                match &kept.trouble {
                    None => Found::Track(kept.track.clone()),
                    Some(reason) => Found::Trouble(reason.clone()),
                }
            }
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.shared.entries.keys()).finish()
    }
}

impl Shared {
    fn entry(
        &self,
        name: &Arc<str>,
        text: Option<String>,
    ) -> Result<(Entry, Option<Job>), SourceError> {
        let kind = match &text {
            None => SoundKind::Signal,
            Some(text) => self.opener.look(text)?,
        };
        let file = match kind {
            SoundKind::Live => {
                let shown = text.clone().unwrap_or_default();
                let (opener, codecs) = (self.opener.clone(), self.codecs.clone());
                let live = Live::new(shown, opener, codecs, self.stop.clone(), self.stall);
                let what = What::Live(Arc::new(live));
                return Ok((Entry { text, what }, None));
            }
            SoundKind::File(path) => Some(path),
            SoundKind::Signal => None,
        };
        let stamp = file.as_deref().and_then(|path| stamp(path).ok());
        let job = self.job(name, text.as_deref())?;
        let kept = Kept {
            track: job.track.clone(),
            stamp,
            file,
            trouble: None,
        };
        let what = What::Kept(Mutex::new(kept));
        Ok((Entry { text, what }, Some(job)))
    }

    fn job(&self, name: &Arc<str>, text: Option<&str>) -> Result<Job, SourceError> {
        let source: Box<dyn Source> = match text {
            Some(text) => self.opener.open(text)?,
            None => {
                let missing = || SourceError::Unsupported(format!("no built-in sound {name}"));
                Box::new(BuiltIn::open(name).ok_or_else(missing)?)
            }
        };
        let rate = source.format().rate;
        let length = source.frames_left().map(|frames| rate.duration_of(frames));
        if length.is_some_and(|l| l > PTIME * self.longest.min(u32::MAX.into()) as u32) {
            return Err(too_long(self.longest));
        }
        Ok(Job {
            name: name.clone(),
            track: Arc::default(),
            encoding: Encoding::new(source, &self.codecs)?,
            packets: 0,
        })
    }

    /// Encodes what is there to encode, a second of each in turn, and looks for files that have
    /// changed.
    fn work(&self, mut jobs: Vec<Job>) {
        let mut looked = std::time::Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            self.encode(&mut jobs);
            if jobs.is_empty() {
                thread::park_timeout(LOOK_EVERY.saturating_sub(looked.elapsed()));
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = std::time::Instant::now();
                for entry in self.entries.values() {
                    if let What::Live(live) = &entry.what {
                        live.give_up_stalled();
                    }
                }
                jobs.extend(self.changed().iter().filter_map(|name| self.again(name)));
            }
        }
    }

    /// Encodes a second of each job. Those that are done go, and those that nobody waits for: there
    /// is a newer one of that name, and the older one is not being played.
    fn encode(&self, jobs: &mut Vec<Job>) {
        jobs.retain_mut(|job| {
            let wanted = Arc::strong_count(&job.track) > 1;
            wanted
                && job.step(self.longest).unwrap_or_else(|e| {
                    tracing::warn!(sound = &*job.name, "{e}");
                    self.fail(job, &e);
                    false
                })
        });
    }

    /// Names of sounds whose files are not what they were. Those whose file is gone are in
    /// trouble.
    fn changed(&self) -> Vec<Arc<str>> {
        let mut changed = Vec::new();
        for (name, entry) in &self.entries {
            let What::Kept(kept) = &entry.what else {
                continue;
            };
            let Some(file) = lock(kept).file.clone() else {
                continue;
            };
            // A disk may take its time: whoever plays does not wait for it.
            let found = stamp(&file);
            let mut kept = lock(kept);
            match found {
                Ok(now) if kept.stamp != Some(now) => {
                    kept.stamp = Some(now);
                    changed.push(name.clone());
                }
                Ok(_) => {}
                Err(e) => {
                    if kept.trouble.is_none() {
                        tracing::warn!(sound = &**name, "{}: {e}", file.display());
                    }
                    kept.stamp = None;
                    kept.trouble = Some(format!("{}: {e}", file.display()));
                }
            }
        }
        changed
    }

    /// Opens a sound anew; whoever plays it hears the old one to its end.
    fn again(&self, name: &Arc<str>) -> Option<Job> {
        let entry = self.entries.get(name)?;
        let What::Kept(kept) = &entry.what else {
            return None;
        };
        match self.job(name, entry.text.as_deref()) {
            Ok(job) => {
                let mut kept = lock(kept);
                (kept.track, kept.trouble) = (job.track.clone(), None);
                Some(job)
            }
            Err(e) => {
                tracing::warn!(sound = &**name, "{e}");
                lock(kept).trouble = Some(e.to_string());
                None
            }
        }
    }

    /// What was encoded so far is all; its sound is in trouble, unless there is a newer one.
    fn fail(&self, job: &Job, error: &SourceError) {
        job.track.end(Err(error.to_string()));
        if let Some(What::Kept(kept)) = self.entries.get(&job.name).map(|e| &e.what) {
            let mut kept = lock(kept);
            if Arc::ptr_eq(&kept.track, &job.track) {
                kept.trouble = Some(error.to_string());
            }
        }
    }
}

impl Entry {
    fn info(&self, name: &str) -> SoundInfo {
        let (live, ready, packets, bytes, trouble) = match &self.what {
            What::Live(live) => (true, live.is_running(), 0, 0, None),
            What::Kept(kept) => {
                let kept = lock(kept);
                let (packets, bytes, whole) = kept.track.size();
                (false, whole, packets, bytes, kept.trouble.clone())
            }
        };
        SoundInfo {
            name: name.to_owned(),
            text: self.text.clone(),
            live,
            ready,
            seconds: packets as f64 / 50.0,
            bytes,
            trouble,
            stalls: match &self.what {
                What::Live(live) => live.stalls(),
                What::Kept(_) => 0,
            },
        }
    }
}

impl Job {
    /// Encodes a second; says whether there is more.
    fn step(&mut self, longest: u64) -> Result<bool, SourceError> {
        for _ in 0..50 {
            let Some((data, level)) = self.encoding.next()? else {
                self.track.end(Ok(()));
                return Ok(false);
            };
            self.packets += 1;
            if self.packets > longest + 1 {
                return Err(too_long(longest));
            }
            self.track.push(data, level);
        }
        Ok(true)
    }
}

fn too_long(longest: u64) -> SourceError {
    SourceError::Unsupported(format!(
        "it is longer than the {} s that are kept of a sound",
        longest / 50
    ))
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let meta = std::fs::metadata(path)?;
    // A pipe would be waited for, for ever.
    if !meta.is_file() {
        return Err(std::io::Error::other("it is no file any more"));
    }
    Ok((meta.modified()?, meta.len()))
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // Nothing panics half-way while it is held.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

const PTIME: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_secs(1);
