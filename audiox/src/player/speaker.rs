//! The server's sound device as the player has it.

use std::fmt;
use std::sync::Arc;

use audiox_core::format::StreamFormat;
use audiox_io::device::{Direction, Host, choose};
use audiox_redis::player::{OpenedSpeaker, Speaker};

use crate::device::{DeviceChoice, open_speaker, system};

/// A speaker of this machine. Each session that plays has a stream of its own on it.
pub struct DeviceSpeaker {
    host: Arc<dyn Host>,
    choice: DeviceChoice,
}

impl DeviceSpeaker {
    /// The device of the system that `choice` names, once it is there.
    pub fn new(choice: DeviceChoice) -> Self {
        Self::on(system(), choice)
    }

    /// The same on another host.
    pub fn on(host: Arc<dyn Host>, choice: DeviceChoice) -> Self {
        Self { host, choice }
    }
}

impl Speaker for DeviceSpeaker {
    fn is_there(&self) -> bool {
        let Ok(devices) = self.host.devices() else {
            return false;
        };
        choose(&devices, Direction::Output, &self.choice.name).is_ok()
    }

    fn open(&self, format: StreamFormat) -> Result<OpenedSpeaker, String> {
        let sink = open_speaker(self.host.clone(), &self.choice, format);
        let sink = sink.map_err(|e| e.to_string())?;
        let (name, watch) = (sink.obtained().name.clone(), sink.watch());
        let away = format!("{name} is away");
        Ok(OpenedSpeaker {
            sink: Box::new(sink),
            name,
            trouble: Box::new(move || (!watch.stats().running).then(|| away.clone())),
        })
    }
}

impl fmt::Debug for DeviceSpeaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSpeaker")
            .field("choice", &self.choice)
            .finish_non_exhaustive()
    }
}
