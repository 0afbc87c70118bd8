//! The system's devices, by cpal. Nothing of it is seen outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Asked;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    FromSample, InputCallbackInfo, OutputCallbackInfo, Sample, SampleFormat, SizedSample,
    SupportedBufferSize, SupportedStreamConfigRange,
};

use super::error::{DeviceError, DeviceErrorKind};
use super::host::{
    BufferRange, Captured, DeviceInfo, Direction, Host, InputCallback, InputMaker, Obtained,
    OpenStream, OutputCallback, OutputMaker, StreamEvent, StreamEvents, TimeSource, Wish,
};

/// The devices of this machine: ALSA on Linux, Core Audio, WASAPI.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemHost;

impl SystemHost {
    /// Nothing is opened before it is asked for.
    pub fn new() -> Self {
        Self
    }
}

impl Host for SystemHost {
    fn devices(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        hush();
        let host = cpal::default_host();
        let all = host.devices().map_err(|e| failed("the sound system", &e))?;
        let mut found = Vec::new();
        for device in all {
            for direction in [Direction::Input, Direction::Output] {
                let default = self.default_id(direction);
                found.extend(info(&device, direction, default.as_deref()));
            }
        }
        found.sort_by_key(|d| !d.is_default);
        Ok(found)
    }

    fn default_id(&self, direction: Direction) -> Option<String> {
        let host = cpal::default_host();
        let device = match direction {
            Direction::Input => host.default_input_device(),
            Direction::Output => host.default_output_device(),
        };
        Some(device?.id().ok()?.id().to_owned())
    }

    fn open_output(
        &self,
        id: &str,
        wish: &Wish,
        time: TimeSource,
        callback: OutputMaker<'_>,
        events: Arc<dyn StreamEvents>,
    ) -> Result<Box<dyn OpenStream>, DeviceError> {
        let plan = Plan::new(id, Direction::Output, wish)?;
        let fill = Fill {
            channels: plan.format.channels.get(),
            scratch: plan.scratch(),
            callback: callback(plan.format),
            time,
        };
        let errors = Errors::new(events);
        match plan.sample {
            SampleFormat::F32 => plan.output(fill, errors, |fill, info, out: &mut [f32]| {
                fill.direct(info, out)
            }),
            SampleFormat::I32 => plan.output(fill, errors, Fill::convert::<i32>),
            SampleFormat::I24 => plan.output(fill, errors, Fill::convert::<cpal::I24>),
            SampleFormat::I16 => plan.output(fill, errors, Fill::convert::<i16>),
            SampleFormat::F64 => plan.output(fill, errors, Fill::convert::<f64>),
            SampleFormat::U8 => plan.output(fill, errors, Fill::convert::<u8>),
            other => Err(unreadable(id, other)),
        }
    }

    fn open_input(
        &self,
        id: &str,
        wish: &Wish,
        time: TimeSource,
        callback: InputMaker<'_>,
        events: Arc<dyn StreamEvents>,
    ) -> Result<Box<dyn OpenStream>, DeviceError> {
        let plan = Plan::new(id, Direction::Input, wish)?;
        let take = Take {
            channels: plan.format.channels.get(),
            rate: plan.format.rate,
            scratch: plan.scratch(),
            callback: callback(plan.format),
            time,
        };
        let errors = Errors::new(events);
        match plan.sample {
            SampleFormat::F32 => plan.input(take, errors, |take, info, samples: &[f32]| {
                take.direct(info, samples)
            }),
            SampleFormat::I32 => plan.input(take, errors, Take::convert::<i32>),
            SampleFormat::I24 => plan.input(take, errors, Take::convert::<cpal::I24>),
            SampleFormat::I16 => plan.input(take, errors, Take::convert::<i16>),
            SampleFormat::F64 => plan.input(take, errors, Take::convert::<f64>),
            SampleFormat::U8 => plan.input(take, errors, Take::convert::<u8>),
            other => Err(unreadable(id, other)),
        }
    }
}

/// A device and how it is to be opened.
struct Plan {
    device: cpal::Device,
    id: String,
    name: String,
    format: StreamFormat,
    sample: SampleFormat,
    buffer: u32,
    asked: u32,
}

impl Plan {
    fn new(id: &str, direction: Direction, wish: &Wish) -> Result<Self, DeviceError> {
        hush();
        let host = cpal::default_host();
        let by_id = cpal::DeviceId::new(host.id(), id);
        let default = match direction {
            Direction::Input => host.default_input_device(),
            Direction::Output => host.default_output_device(),
        };
        let is = |d: &cpal::Device| d.id().is_ok_and(|own| own.id() == id);
        let device = default.filter(is).or_else(|| host.device_by_id(&by_id));
        let Some(device) = device else {
            let kind = DeviceErrorKind::Gone;
            return Err(DeviceError::new(kind, id, "it is not there"));
        };
        let ranges = ranges(&device, direction).map_err(|e| failed(id, &e))?;
        let info = describe(&device, direction, &ranges).ok_or_else(|| {
            let message = format!("it has no {direction} that can be used");
            DeviceError::new(DeviceErrorKind::Unsupported, id, message)
        })?;
        let format = info.nearest(wish);
        let (sample, limits) = ranges
            .iter()
            .filter(|r| usize::from(r.channels()) == format.channels.get())
            .filter(|r| r.contains_rate(format.rate.get()))
            .filter_map(|r| Some((rank(r.sample_format())?, r)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, r)| (r.sample_format(), *r.buffer_size()))
            .ok_or_else(|| {
                let message = format!(
                    "it does not run at {format}; it offers {}",
                    StreamFormats(&info)
                );
                DeviceError::new(DeviceErrorKind::Unsupported, id, message)
            })?;
        let asked = wish.buffer_at(format.rate);
        let buffer = match limits {
            SupportedBufferSize::Range { min, max } if min <= max => asked.clamp(min, max),
            _ => asked,
        };
        Ok(Self {
            device,
            id: id.to_owned(),
            name: info.name,
            format,
            sample,
            buffer,
            asked,
        })
    }

    fn config(&self, buffer: cpal::BufferSize) -> cpal::StreamConfig {
        cpal::StreamConfig {
            channels: self.format.channels.get() as u16,
            sample_rate: self.format.rate.get(),
            buffer_size: buffer,
        }
    }

    /// For samples to convert; longer slices are converted part by part.
    fn scratch(&self) -> Box<[f32]> {
        vec![0.0; SCRATCH * self.format.channels.get()].into()
    }

    fn output<T: SizedSample>(
        self,
        mut fill: Fill,
        errors: Errors,
        mut each: impl FnMut(&mut Fill, &OutputCallbackInfo, &mut [T]) + Send + 'static,
    ) -> Result<Box<dyn OpenStream>, DeviceError> {
        let calls = errors.calls.clone();
        errors.tell_of(&self.id);
        let stream = self
            .device
            .build_output_stream(
                self.config(cpal::BufferSize::Fixed(self.buffer)),
                move |out: &mut [T], info: &OutputCallbackInfo| {
                    calls.store(0, Ordering::Relaxed);
                    each(&mut fill, info, out);
                },
                errors.handler(),
                Some(POLL),
            )
            .map_err(|e| failed(&self.id, &e))?;
        self.start(stream)
    }

    fn input<T: SizedSample>(
        self,
        mut take: Take,
        errors: Errors,
        mut each: impl FnMut(&mut Take, &InputCallbackInfo, &[T]) + Send + 'static,
    ) -> Result<Box<dyn OpenStream>, DeviceError> {
        let calls = errors.calls.clone();
        errors.tell_of(&self.id);
        let stream = self
            .device
            .build_input_stream(
                self.config(cpal::BufferSize::Fixed(self.buffer)),
                move |samples: &[T], info: &InputCallbackInfo| {
                    calls.store(0, Ordering::Relaxed);
                    each(&mut take, info, samples);
                },
                errors.handler(),
                Some(POLL),
            )
            .map_err(|e| failed(&self.id, &e))?;
        self.start(stream)
    }

    fn start(self, stream: cpal::Stream) -> Result<Box<dyn OpenStream>, DeviceError> {
        stream.play().map_err(|e| failed(&self.id, &e))?;
        Ok(Box::new(SystemStream {
            obtained: Obtained {
                id: self.id,
                name: self.name,
                format: self.format,
                asked_buffer: self.asked,
                buffer: stream.buffer_size().ok().filter(|n| *n > 0),
            },
            _stream: stream,
        }))
    }
}

struct SystemStream {
    obtained: Obtained,
    _stream: cpal::Stream,
}

impl OpenStream for SystemStream {
    fn obtained(&self) -> &Obtained {
        &self.obtained
    }
}

struct Fill {
    channels: usize,
    scratch: Box<[f32]>,
    callback: Box<dyn OutputCallback>,
    time: TimeSource,
}

impl Fill {
    fn direct(&mut self, info: &OutputCallbackInfo, out: &mut [f32]) {
        let asked = self.asked(info);
        self.callback.fill(asked, out);
    }

    fn convert<T: Sample + FromSample<f32>>(&mut self, info: &OutputCallbackInfo, out: &mut [T]) {
        let asked = self.asked(info);
        for part in out.chunks_mut(SCRATCH * self.channels) {
            let scratch = &mut self.scratch[..part.len()];
            self.callback.fill(asked, scratch);
            for (o, s) in part.iter_mut().zip(scratch) {
                *o = T::from_sample(s.clamp(-1.0, 1.0));
            }
        }
    }

    fn asked(&self, info: &OutputCallbackInfo) -> Asked {
        let stamp = info.timestamp();
        Asked {
            now: (self.time)(),
            until_heard: believed(stamp.playback.saturating_duration_since(stamp.callback)),
        }
    }
}

struct Take {
    channels: usize,
    rate: SampleRate,
    scratch: Box<[f32]>,
    callback: Box<dyn InputCallback>,
    time: TimeSource,
}

impl Take {
    fn direct(&mut self, info: &InputCallbackInfo, samples: &[f32]) {
        let frames = samples.len() / self.channels;
        let captured = self.captured(info, frames);
        self.callback.take(captured, samples);
    }

    fn convert<T: Sample>(&mut self, info: &InputCallbackInfo, samples: &[T])
    where
        f32: FromSample<T>,
    {
        let mut captured = self.captured(info, samples.len() / self.channels);
        for part in samples.chunks(SCRATCH * self.channels) {
            let scratch = &mut self.scratch[..part.len()];
            for (s, i) in scratch.iter_mut().zip(part) {
                *s = f32::from_sample(*i);
            }
            self.callback.take(captured, scratch);
            let done = self.rate.duration_of((part.len() / self.channels) as u64);
            captured.age = captured.age.saturating_sub(done);
        }
    }

    fn captured(&self, info: &InputCallbackInfo, frames: usize) -> Captured {
        let stamp = info.timestamp();
        // The slice itself took its time, whatever the host says.
        let least = self.rate.duration_of(frames as u64);
        let age = stamp.callback.saturating_duration_since(stamp.capture);
        Captured {
            now: (self.time)(),
            age: believed(age).max(least),
        }
    }
}

/// Drivers have been seen to tell of hours.
fn believed(delay: Duration) -> Duration {
    if delay > LONGEST {
        Duration::ZERO
    } else {
        delay
    }
}

/// Sorts what is told between callbacks.
struct Errors {
    events: Arc<dyn StreamEvents>,
    /// Errors since the last callback.
    calls: Arc<AtomicU32>,
}

impl Errors {
    fn new(events: Arc<dyn StreamEvents>) -> Self {
        Self {
            events,
            calls: Arc::default(),
        }
    }

    /// Before the first callback: what is behind the device.
    fn tell_of(&self, id: &str) {
        if is_software(id) {
            self.events.note(StreamEvent::Software);
        }
    }

    fn handler(self) -> impl FnMut(cpal::Error) + Send + 'static {
        move |error| {
            self.events.note(match error.kind() {
                cpal::ErrorKind::Xrun => StreamEvent::Xrun,
                cpal::ErrorKind::DeviceNotAvailable
                | cpal::ErrorKind::StreamInvalidated
                | cpal::ErrorKind::HostUnavailable => StreamEvent::Gone,
                cpal::ErrorKind::DeviceChanged => StreamEvent::Rerouted,
                cpal::ErrorKind::RealtimeDenied => StreamEvent::RealtimeDenied,
                _ => StreamEvent::Trouble,
            });
            // A device that is lost can say so without end, on a thread ahead of all others.
            if self.calls.fetch_add(1, Ordering::Relaxed) >= PATIENCE {
                std::thread::sleep(REST);
            }
        }
    }
}

/// Whether something other than the kernel is behind a device. Of ALSA's names only those of the
/// kernel's devices, with or without a conversion, surely do not lead to a sound server.
fn is_software(id: &str) -> bool {
    let is_alsa = cfg!(any(
        target_os = "linux",
        target_os = "freebsd",
        target_os = "netbsd"
    ));
    is_alsa
        && !["hw:", "plughw:"]
            .iter()
            .any(|kernel| id.starts_with(kernel))
}

fn ranges(
    device: &cpal::Device,
    direction: Direction,
) -> Result<Vec<SupportedStreamConfigRange>, cpal::Error> {
    let mut ranges: Vec<_> = match direction {
        Direction::Input => device.supported_input_configs()?.collect(),
        Direction::Output => device.supported_output_configs()?.collect(),
    };
    ranges.retain(|r| r.channels() > 0 && rank(r.sample_format()).is_some());
    Ok(ranges)
}

fn info(device: &cpal::Device, direction: Direction, default: Option<&str>) -> Option<DeviceInfo> {
    let supports = match direction {
        Direction::Input => device.supports_input(),
        Direction::Output => device.supports_output(),
    };
    if !supports {
        return None;
    }
    let mut info = describe(device, direction, &ranges(device, direction).ok()?)?;
    info.is_default = default == Some(info.id.as_str());
    Some(info)
}

fn describe(
    device: &cpal::Device,
    direction: Direction,
    ranges: &[SupportedStreamConfigRange],
) -> Option<DeviceInfo> {
    let id = device.id().ok()?.id().to_owned();
    let name = device.description().ok();
    let name = name.map_or_else(|| id.clone(), |d| d.name().trim().to_owned());
    let mut channels: Vec<_> = ranges
        .iter()
        .filter_map(|r| Channels::new(r.channels()).ok())
        .collect();
    channels.sort_unstable();
    channels.dedup();
    let rate = |hz: u32| SampleRate::new(hz.clamp(LOWEST, HIGHEST)).ok();
    let lowest = ranges.iter().map(|r| r.min_sample_rate()).min()?;
    let highest = ranges.iter().map(|r| r.max_sample_rate()).max()?;
    let rates = (rate(lowest)?, rate(highest)?);
    let told = match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    };
    let stereo = channels.iter().copied().find(|c| *c >= Channels::STEREO);
    let usual = StreamFormat::new(
        SampleRate::HZ_48000.clamp(rates.0, rates.1),
        stereo.or_else(|| channels.last().copied())?,
    );
    let preferred = told.ok().and_then(|c| {
        let channels = Channels::new(c.channels()).ok()?;
        Some(StreamFormat::new(rate(c.sample_rate())?, channels))
    });
    // ALSA's plugins take anything and prefer nonsense.
    let preferred = preferred.filter(|f| f.channels.get() <= 2 || channels.len() < 8);
    let sizes = ranges.iter().filter_map(|r| match *r.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => Some((min, max)),
        _ => None,
    });
    let buffer = sizes.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    Some(DeviceInfo {
        id,
        name,
        direction,
        channels,
        rates,
        preferred: preferred.unwrap_or(usual),
        buffer: buffer.map(|(min, max)| BufferRange { min, max }),
        is_default: false,
    })
}

/// Which samples are taken first; `None` is never.
fn rank(sample: SampleFormat) -> Option<u8> {
    match sample {
        SampleFormat::F32 => Some(0),
        SampleFormat::I32 => Some(1),
        SampleFormat::I24 => Some(2),
        SampleFormat::I16 => Some(3),
        SampleFormat::F64 => Some(4),
        SampleFormat::U8 => Some(5),
        _ => None,
    }
}

struct StreamFormats<'a>(&'a DeviceInfo);

impl std::fmt::Display for StreamFormats<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let channels: Vec<String> = self.0.channels.iter().map(ToString::to_string).collect();
        let (low, high) = self.0.rates;
        write!(f, "{low} to {high} with {} channels", channels.join(", "))
    }
}

fn unreadable(id: &str, sample: SampleFormat) -> DeviceError {
    let message = format!("it has samples of {sample}, which are not known here");
    DeviceError::new(DeviceErrorKind::Unsupported, id, message)
}

fn failed(device: &str, error: &cpal::Error) -> DeviceError {
    let (kind, advice) = match error.kind() {
        cpal::ErrorKind::DeviceBusy => (
            DeviceErrorKind::Busy,
            "; another program has it: end that one, or take another device",
        ),
        cpal::ErrorKind::DeviceNotAvailable | cpal::ErrorKind::StreamInvalidated => (
            DeviceErrorKind::Gone,
            "; plug it in, or list what there is with `audiox devices`",
        ),
        cpal::ErrorKind::PermissionDenied => (
            DeviceErrorKind::Denied,
            "; allow this program to use it (on Linux: the group audio)",
        ),
        cpal::ErrorKind::HostUnavailable => {
            (DeviceErrorKind::NoHost, "; is the sound server running?")
        }
        cpal::ErrorKind::UnsupportedConfig
        | cpal::ErrorKind::UnsupportedOperation
        | cpal::ErrorKind::InvalidInput => (DeviceErrorKind::Unsupported, ""),
        _ => (DeviceErrorKind::Other, ""),
    };
    let text = error.to_string();
    let text = text.trim_end_matches('.');
    DeviceError::new(kind, device, format!("{text}{advice}"))
}

/// ALSA's library tells standard error of every device that it tries and that is not there. What
/// matters of it comes as an error as well. Of this thread, what it said before is forgotten.
fn hush() {
    #[cfg(target_os = "linux")]
    {
        let _ = alsa::Output::local_error_handler();
    }
}

/// Frames converted at once.
const SCRATCH: usize = 1_024;
/// Longest wait of a device's thread: it looks whether it is to end.
const POLL: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
const LOWEST: u32 = 8_000;
const HIGHEST: u32 = 384_000;
/// Errors in a row before each takes its time.
const PATIENCE: u32 = 8;
const REST: Duration = Duration::from_millis(2);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::is_software;

    #[test]
    fn only_the_kernels_devices_are_not_software() {
        for kernel in ["hw:CARD=PCH,DEV=0", "plughw:CARD=PCH,DEV=0"] {
            assert!(!is_software(kernel), "{kernel}");
        }
        for other in [
            "default",
            "pulse",
            "pipewire",
            "null",
            "dmix:CARD=PCH",
            "hwmon",
        ] {
            assert!(is_software(other), "{other}");
        }
    }
}
