//! The devices known to a server.

mod line;
mod pace;
mod play;
mod slot;
mod snapshot;
#[cfg(test)]
mod tests;

pub(crate) use line::Line;
pub(crate) use slot::{Kind, Slot};
pub use snapshot::{Batch, DeviceSnapshot, HubSnapshot, LevelSnapshot, Streams};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::time::Instant;
use audiox_net::Clock;
use tonic::Status;

use crate::Error;
use crate::device::{Behaviour, Button, Press};
use crate::sound::Library;
use pace::Agenda;

/// The devices of a server: how they do, and what can be done to them. Cloning is cheap.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    _thread: Arc<Ends>,
}

pub(crate) struct Shared {
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) library: Library,
    pub(crate) lead: Duration,
    devices: usize,
    clock: Clock,
    agenda: Arc<Agenda>,
    slots: Mutex<BTreeMap<Arc<str>, Arc<Slot>>>,
    revision: AtomicU64,
    ending: AtomicBool,
}

/// Ends the pacing thread with the last hub.
struct Ends(Arc<Agenda>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Hub {
    /// A hub without devices.
    ///
    /// # Errors
    /// A mode's sound is not in the library; the lead is above 10 s; no thread can be started.
    pub fn new(
        behaviour: Behaviour,
        library: Library,
        lead: Duration,
        devices: usize,
    ) -> Result<Self, Error> {
        if lead > Duration::from_secs(10) {
            let lead = format!("{} ms", lead.as_millis());
            return Err(ConfigError::new("lead", lead, "0 to 10 s").into());
        }
        if devices == 0 {
            return Err(ConfigError::new("devices", 0, "1 and more").into());
        }
        for sound in behaviour.modes.iter().filter_map(|m| m.sound.as_deref()) {
            if !library.has(sound) {
                let names: Vec<String> = library.sounds().into_iter().map(|s| s.name).collect();
                let known = format!("known are {}", names.join(", "));
                return Err(ConfigError::new("sound", format_args!("{sound:?}"), known).into());
            }
        }
        let agenda = Arc::new(Agenda::default());
        let shared = Arc::new(Shared {
            behaviour: Arc::new(behaviour),
            library,
            lead,
            devices,
            clock: Clock::new(),
            agenda: agenda.clone(),
            slots: Mutex::default(),
            revision: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        pace::start(Arc::downgrade(&shared), agenda.clone())?;
        Ok(Self {
            shared,
            _thread: Arc::new(Ends(agenda)),
        })
    }

    /// How all devices do, in the order of their names.
    pub fn snapshot(&self) -> HubSnapshot {
        snapshot::of(&self.shared, &self.shared.all())
    }

    /// Levels of what plays, by device.
    pub fn levels(&self) -> Vec<LevelSnapshot> {
        snapshot::levels(&self.shared.all())
    }

    /// Grows whenever something has changed.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Relaxed)
    }

    /// The sounds.
    pub fn library(&self) -> &Library {
        &self.shared.library
    }

    /// Does something to a device's button on its behalf.
    ///
    /// # Errors
    /// There is no such device.
    pub fn press(&self, device: &str, button: Button, press: Press) -> Result<(), NoSuchDevice> {
        self.shared
            .known(device)?
            .press(&self.shared, button, press);
        Ok(())
    }

    /// Asks a device for a report.
    ///
    /// # Errors
    /// There is no such device.
    pub fn ask(&self, device: &str) -> Result<(), NoSuchDevice> {
        self.shared.known(device)?.ask(&self.shared);
        Ok(())
    }

    /// Plays a sound on these devices, now; what it interrupts goes on afterwards. Devices that
    /// are not connected hear it if they come within [`Behaviour::resume`].
    ///
    /// # Errors
    /// There is no such sound.
    pub fn announce(&self, to: &Batch, sound: &str) -> Result<usize, ConfigError> {
        if !self.shared.library.has(sound) {
            let names: Vec<String> = self
                .library()
                .sounds()
                .into_iter()
                .map(|s| s.name)
                .collect();
            let known = format!("known are {}", names.join(", "));
            return Err(ConfigError::new("sound", format_args!("{sound:?}"), known));
        }
        let sound: Arc<str> = sound.into();
        let slots = self.shared.those(to);
        for slot in &slots {
            slot.announce(&self.shared, sound.clone());
        }
        Ok(slots.len())
    }

    /// Stops these devices, as their button does; how many there are.
    pub fn stop(&self, these: &Batch) -> usize {
        let slots = self.shared.those(these);
        slots.iter().for_each(|slot| slot.stop(&self.shared));
        slots.len()
    }

    /// Ends all sounds and streams, and takes no new ones.
    pub fn end(&self) {
        // Streams that were being opened are among them: see `Shared::open`.
        self.shared.ending.store(true, Ordering::SeqCst);
        self.shared.all().iter().for_each(|slot| slot.end());
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("devices", &self.shared.slots().len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn touch(&self) {
        self.revision.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens a stream of the device of this name, which is known from now on. Under the lock of all
    /// devices: none is forgotten, and no end of the server missed, between the two.
    ///
    /// # Errors
    /// The server is about to end, or has too many devices.
    pub(crate) fn open<T>(
        &self,
        id: &str,
        open: impl FnOnce(&Arc<Slot>) -> T,
    ) -> Result<(Arc<Slot>, T), Status> {
        let mut slots = self.slots();
        if self.ending.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the server is about to end"));
        }
        let slot = match slots.get(id) {
            Some(slot) => slot.clone(),
            None => {
                if slots.len() >= self.devices {
                    let oldest = longest_away(&slots);
                    let full = || Status::resource_exhausted("there are too many devices");
                    slots.remove(&oldest.ok_or_else(full)?);
                }
                let slot = Arc::new(Slot::new(id.into(), self, self.now()));
                slots.insert(slot.id.clone(), slot.clone());
                slot
            }
        };
        let opened = open(&slot);
        Ok((slot, opened))
    }

    fn known(&self, id: &str) -> Result<Arc<Slot>, NoSuchDevice> {
        let found = self.slots().get(id).cloned();
        found.ok_or_else(|| NoSuchDevice(id.to_owned()))
    }

    fn all(&self) -> Vec<Arc<Slot>> {
        self.slots().values().cloned().collect()
    }

    fn those(&self, these: &Batch) -> Vec<Arc<Slot>> {
        match these {
            Batch::All => self.all(),
            Batch::These(ids) => {
                let slots = self.slots();
                // Each once, however often it is named.
                let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
                let found = ids.into_iter().filter_map(|id| slots.get(id).cloned());
                found.collect()
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Slot>>> {
        // Nothing panics half-way while it is held.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is not connected, and has not been for longest.
fn longest_away(slots: &BTreeMap<Arc<str>, Arc<Slot>>) -> Option<Arc<str>> {
    let away = slots.values().filter_map(|slot| {
        let state = slot.state();
        (!state.is_connected()).then(|| (state.since, slot.id.clone()))
    });
    away.min().map(|(_, id)| id)
}

/// No device of this name was ever seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no device {0:?}")]
pub struct NoSuchDevice(String);
