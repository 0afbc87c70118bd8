//! Devices that do what a test says.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Asked;

use super::error::{DeviceError, DeviceErrorKind};
use super::host::{
    BufferRange, Captured, DeviceInfo, Direction, Host, InputCallback, InputMaker, Obtained,
    OpenStream, OutputCallback, OutputMaker, StreamEvent, StreamEvents, TimeSource, Wish,
};

/// A device of a [`FakeHost`].
#[derive(Debug, Clone)]
pub struct FakeDevice {
    /// What it says of itself.
    pub info: DeviceInfo,
    /// The buffer size that it claims once open, whatever it does; `None` says nothing.
    pub claims: Option<u32>,
    /// Another program has it.
    pub busy: bool,
}

impl FakeDevice {
    /// A stereo device of 8 to 192 kHz, 48 kHz preferred, that takes one to eight channels.
    pub fn new(id: &str, name: &str, direction: Direction) -> Self {
        Self {
            info: DeviceInfo {
                id: id.to_owned(),
                name: name.to_owned(),
                direction,
                channels: (1..=8).filter_map(|n| Channels::new(n).ok()).collect(),
                rates: (
                    SampleRate::HZ_8000,
                    SampleRate::new(192_000).unwrap_or(SampleRate::HZ_48000),
                ),
                preferred: StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO),
                buffer: Some(BufferRange {
                    min: 16,
                    max: 8_192,
                }),
                is_default: false,
            },
            claims: None,
            busy: false,
        }
    }

    /// It runs in this format and no other.
    pub fn only(mut self, format: StreamFormat) -> Self {
        self.info.preferred = format;
        self.info.rates = (format.rate, format.rate);
        self.info.channels = vec![format.channels];
        self
    }
}

/// A sound system whose devices appear, vanish and call when a test says so. Cloned, it is the
/// same one.
#[derive(Clone, Default)]
pub struct FakeHost {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    devices: Vec<FakeDevice>,
    open: Vec<Open>,
    serial: u64,
    opened: u64,
}

struct Open {
    serial: u64,
    id: String,
    direction: Direction,
    format: StreamFormat,
    slot: Arc<Mutex<Slot>>,
    events: Arc<dyn StreamEvents>,
}

enum Slot {
    Output(Box<dyn OutputCallback>),
    Input(Box<dyn InputCallback>),
    Closed,
}

impl FakeHost {
    /// A host without a device.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a device. The first of a direction is its default until another is made so.
    pub fn plug(&self, mut device: FakeDevice) {
        let mut state = self.state();
        let direction = device.info.direction;
        let first = |d: &FakeDevice| d.info.direction == direction && d.info.is_default;
        device.info.is_default = !state.devices.iter().any(first);
        state.devices.push(device);
    }

    /// Takes a device away, and tells its streams. Another becomes the default in its place.
    pub fn unplug(&self, id: &str, direction: Direction) {
        let gone = self.vanish(id, direction);
        for events in gone {
            events.note(StreamEvent::Gone);
        }
    }

    /// Takes a device away as bad drivers do: its callbacks just stop coming.
    pub fn unplug_silently(&self, id: &str, direction: Direction) {
        self.vanish(id, direction);
    }

    /// Makes a device the default of its direction.
    pub fn set_default(&self, id: &str, direction: Direction) {
        for device in &mut self.state().devices {
            if device.info.direction == direction {
                device.info.is_default = device.info.id == id;
            }
        }
    }

    /// Lets another program have a device, or not any more.
    pub fn set_busy(&self, id: &str, direction: Direction, busy: bool) {
        for device in &mut self.state().devices {
            if device.info.id == id && device.info.direction == direction {
                device.busy = busy;
            }
        }
    }

    /// Tells the streams of a device that something happened.
    pub fn tell(&self, id: &str, direction: Direction, event: StreamEvent) {
        let events: Vec<_> = self
            .state()
            .open
            .iter()
            .filter(|o| o.id == id && o.direction == direction)
            .map(|o| o.events.clone())
            .collect();
        for events in events {
            events.note(event);
        }
    }

    /// The format in which a device is open; `None` where it is not.
    pub fn format(&self, id: &str, direction: Direction) -> Option<StreamFormat> {
        let state = self.state();
        let open = state.open.iter();
        let mut open = open.filter(|o| o.id == id && o.direction == direction);
        open.next().map(|o| o.format)
    }

    /// How often anything was opened.
    pub fn times_opened(&self) -> u64 {
        self.state().opened
    }

    /// Calls as the output `id`, which wants `out` filled; says whether it is open. Allocates
    /// nothing.
    pub fn ask(&self, id: &str, asked: Asked, out: &mut [f32]) -> bool {
        match self.slot(id, Direction::Output) {
            Some(slot) => match &mut *lock(&slot) {
                Slot::Output(callback) => {
                    callback.fill(asked, out);
                    true
                }
                _ => false,
            },
            None => false,
        }
    }

    /// Calls as the input `id`, which has captured `samples`; says whether it is open. Allocates
    /// nothing.
    pub fn capture(&self, id: &str, captured: Captured, samples: &[f32]) -> bool {
        match self.slot(id, Direction::Input) {
            Some(slot) => match &mut *lock(&slot) {
                Slot::Input(callback) => {
                    callback.take(captured, samples);
                    true
                }
                _ => false,
            },
            None => false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn slot(&self, id: &str, direction: Direction) -> Option<Arc<Mutex<Slot>>> {
        let state = self.state();
        let there = |d: &FakeDevice| d.info.id == id && d.info.direction == direction;
        if !state.devices.iter().any(there) {
            return None;
        }
        let open = state.open.iter();
        let mut open = open.filter(|o| o.id == id && o.direction == direction);
        open.next().map(|o| o.slot.clone())
    }

    fn vanish(&self, id: &str, direction: Direction) -> Vec<Arc<dyn StreamEvents>> {
        let mut state = self.state();
        let is = |d: &FakeDevice| d.info.id == id && d.info.direction == direction;
        let was_default = state.devices.iter().any(|d| is(d) && d.info.is_default);
        state.devices.retain(|d| !is(d));
        if was_default {
            let next = state.devices.iter_mut();
            let mut next = next.filter(|d| d.info.direction == direction);
            if let Some(next) = next.next() {
                next.info.is_default = true;
            }
        }
        let open = state.open.iter();
        open.filter(|o| o.id == id && o.direction == direction)
            .map(|o| o.events.clone())
            .collect()
    }

    fn device(&self, id: &str, direction: Direction) -> Result<FakeDevice, DeviceError> {
        let state = self.state();
        let mut devices = state.devices.iter();
        match devices.find(|d| d.info.id == id && d.info.direction == direction) {
            None => Err(DeviceError::new(
                DeviceErrorKind::Gone,
                id,
                "it is not there any more",
            )),
            Some(d) if d.busy => Err(DeviceError::new(
                DeviceErrorKind::Busy,
                id,
                "another program has it",
            )),
            Some(d) => Ok(d.clone()),
        }
    }

    fn open(
        &self,
        device: &FakeDevice,
        wish: &Wish,
        slot: Slot,
        events: Arc<dyn StreamEvents>,
    ) -> Box<dyn OpenStream> {
        let format = device.info.nearest(wish);
        let mut state = self.state();
        state.serial += 1;
        state.opened += 1;
        let serial = state.serial;
        state.open.push(Open {
            serial,
            id: device.info.id.clone(),
            direction: device.info.direction,
            format,
            slot: Arc::new(Mutex::new(slot)),
            events,
        });
        Box::new(FakeStream {
            host: self.clone(),
            serial,
            obtained: Obtained {
                id: device.info.id.clone(),
                name: device.info.name.clone(),
                format,
                asked_buffer: wish.buffer_at(format.rate),
                buffer: device.claims,
            },
        })
    }
}

impl Host for FakeHost {
    fn devices(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let mut devices: Vec<_> = self
            .state()
            .devices
            .iter()
            .map(|d| d.info.clone())
            .collect();
        devices.sort_by_key(|d| !d.is_default);
        Ok(devices)
    }

    fn default_id(&self, direction: Direction) -> Option<String> {
        let state = self.state();
        let is = |d: &&FakeDevice| d.info.direction == direction && d.info.is_default;
        state.devices.iter().find(is).map(|d| d.info.id.clone())
    }

    fn open_output(
        &self,
        id: &str,
        wish: &Wish,
        _time: TimeSource,
        callback: OutputMaker<'_>,
        events: Arc<dyn StreamEvents>,
    ) -> Result<Box<dyn OpenStream>, DeviceError> {
        let device = self.device(id, Direction::Output)?;
        let slot = Slot::Output(callback(device.info.nearest(wish)));
        Ok(self.open(&device, wish, slot, events))
    }

    fn open_input(
        &self,
        id: &str,
        wish: &Wish,
        _time: TimeSource,
        callback: InputMaker<'_>,
        events: Arc<dyn StreamEvents>,
    ) -> Result<Box<dyn OpenStream>, DeviceError> {
        let device = self.device(id, Direction::Input)?;
        let slot = Slot::Input(callback(device.info.nearest(wish)));
        Ok(self.open(&device, wish, slot, events))
    }
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost")
            .field("devices", &self.state().devices)
            .finish_non_exhaustive()
    }
}

struct FakeStream {
    host: FakeHost,
    serial: u64,
    obtained: Obtained,
}

impl OpenStream for FakeStream {
    fn obtained(&self) -> &Obtained {
        &self.obtained
    }
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        let mut state = self.host.state();
        let at = state.open.iter().position(|o| o.serial == self.serial);
        let open = at.map(|at| state.open.remove(at));
        drop(state);
        if let Some(open) = open {
            // Waits for a callback that is under way, as systems do.
            *lock(&open.slot) = Slot::Closed;
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
