//! One device as the server knows it: its machine, its streams, what plays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audiox_core::time::Instant;
use tonic::Status;

use super::Shared;
use super::line::Line;
use super::pace::Due;
use super::play::{Next, Play, PlayCounts};
use crate::device::{Button, Device, Output, Press, Report};
use crate::proto::{
    AudioPacket, DeviceEventResponse, DeviceStatusRequest, DeviceStatusSet, RgbaColor,
    device_status_request::Request,
};
use crate::sound::{Found, LiveEvent};

/// A device.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) device: Device,
    pub(super) status: Option<Open<DeviceStatusRequest>>,
    pub(super) events: Option<Open<DeviceEventResponse>>,
    pub(super) audio: Option<Open<AudioPacket>>,
    pub(super) play: Option<Play>,
    pub(super) counts: Counts,
    /// When it connected last, and when it was last seen.
    pub(super) since: Instant,
    pub(super) trouble: Option<String>,
    opened: u64,
    wake_at: Option<Instant>,
}

/// A stream that is open.
#[derive(Debug)]
pub(super) struct Open<T> {
    number: u64,
    pub(super) line: Arc<Line<T>>,
}

/// What a device did and got.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) connects: u64,
    pub(super) presses: u64,
    pub(super) odd_events: u64,
    pub(super) plays: u64,
    pub(super) packets: u64,
    pub(super) stalls: u64,
    pub(super) dropped: u64,
    pub(super) latest: Duration,
}

/// Which of a device's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Status,
    Events,
    Audio,
}

impl Slot {
    pub(super) fn new(id: Arc<str>, hub: &Shared, now: Instant) -> Self {
        Self {
            id,
            state: Mutex::new(State {
                device: Device::new(hub.behaviour.clone()),
                status: None,
                events: None,
                audio: None,
                play: None,
                counts: Counts::default(),
                since: now,
                trouble: None,
                opened: 0,
                wake_at: None,
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics half-way while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open_status(
        self: &Arc<Self>,
        hub: &Arc<Shared>,
    ) -> (u64, Arc<Line<DeviceStatusRequest>>) {
        let now = hub.now();
        let mut state = self.state();
        let opened = state.open(now, |state| &mut state.status);
        state.device.handle_status_open(now);
        self.settle(hub, state, now);
        opened
    }

    pub(crate) fn open_events(
        self: &Arc<Self>,
        hub: &Arc<Shared>,
    ) -> (u64, Arc<Line<DeviceEventResponse>>) {
        let now = hub.now();
        let mut state = self.state();
        let opened = state.open(now, |state| &mut state.events);
        state.device.handle_events_closed();
        self.settle(hub, state, now);
        opened
    }

    pub(crate) fn open_audio(self: &Arc<Self>, hub: &Arc<Shared>) -> (u64, Arc<Line<AudioPacket>>) {
        let now = hub.now();
        let mut state = self.state();
        if state.audio.is_some() {
            state.close_audio(now);
            self.drain(hub, &mut state, now);
        }
        let opened = state.open(now, |state| &mut state.audio);
        state.device.handle_audio_open(now);
        self.settle(hub, state, now);
        opened
    }

    /// The stream with this number is gone; one that was replaced is no longer missed.
    pub(crate) fn closed(self: &Arc<Self>, hub: &Arc<Shared>, kind: Kind, number: u64) {
        let now = hub.now();
        let mut state = self.state();
        match kind {
            Kind::Status if is(&state.status, number) => {
                state.status = None;
                state.device.handle_status_closed();
            }
            Kind::Events if is(&state.events, number) => {
                state.events = None;
                state.device.handle_events_closed();
            }
            Kind::Audio if is(&state.audio, number) => {
                state.close_audio(now);
                state.audio = None;
            }
            _ => return,
        }
        if !state.is_connected() {
            state.since = now;
        }
        self.settle(hub, state, now);
    }

    pub(crate) fn press(self: &Arc<Self>, hub: &Arc<Shared>, button: Button, press: Press) {
        let now = hub.now();
        let mut state = self.state();
        state.counts.presses += u64::from(press == Press::Press);
        state.device.handle_button(now, button, press);
        self.settle(hub, state, now);
    }

    pub(crate) fn odd_event(&self) {
        self.state().counts.odd_events += 1;
    }

    pub(crate) fn report(&self, hub: &Shared, report: Report) {
        self.state().device.handle_report(report);
        hub.touch();
    }

    pub(crate) fn answer(&self, hub: &Shared, answer: &str) {
        self.state().device.handle_answer(answer);
        hub.touch();
    }

    pub(super) fn announce(self: &Arc<Self>, hub: &Arc<Shared>, sound: Arc<str>) {
        let now = hub.now();
        let mut state = self.state();
        let sent = state.sent();
        state.device.handle_announcement(now, sound, sent);
        self.settle(hub, state, now);
    }

    pub(super) fn stop(self: &Arc<Self>, hub: &Arc<Shared>) {
        let now = hub.now();
        let mut state = self.state();
        state.device.handle_stop();
        self.settle(hub, state, now);
    }

    pub(super) fn ask(self: &Arc<Self>, hub: &Arc<Shared>) {
        let now = hub.now();
        let mut state = self.state();
        state.device.handle_ask();
        self.settle(hub, state, now);
    }

    /// Ends what plays and all streams, in that order.
    pub(super) fn end(&self) {
        let mut state = self.state();
        if let (Some(play), Some(audio)) = (&state.play, &state.audio) {
            audio.line.cut(play.begun);
        }
        state.play = None;
        let State {
            status,
            events,
            audio,
            ..
        } = &*state;
        status.iter().for_each(|open| open.line.end(None));
        events.iter().for_each(|open| open.line.end(None));
        audio.iter().for_each(|open| open.line.end(None));
    }

    pub(super) fn handle_due(self: &Arc<Self>, hub: &Arc<Shared>, now: Instant, due: Due) {
        let mut state = self.state();
        match due {
            Due::Timeout(at) => {
                // One that was brought forward is asked for again by whoever came first.
                if state.wake_at != Some(at) {
                    return;
                }
                state.wake_at = None;
                state.device.handle_timeout(now);
                self.settle(hub, state, now);
            }
            Due::Packets(number) => {
                if state.play.as_ref().is_none_or(|p| p.number != number) {
                    return;
                }
                if self.advance(hub, &mut state, now) {
                    self.settle(hub, state, now);
                }
            }
        }
    }

    /// A live sound has something for the playing of this number; says whether more is wanted.
    fn handle_live(self: &Arc<Self>, hub: &Arc<Shared>, number: u64, event: LiveEvent) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let (Some(play), Some(audio)) = (&mut state.play, &state.audio) else {
            return false;
        };
        if play.number != number {
            return false;
        }
        match event {
            LiveEvent::Packet(data, level) => {
                play.send_live(data, level, &audio.line);
                true
            }
            LiveEvent::End => {
                play.finish(&audio.line);
                let now = hub.now();
                state.over(now, None);
                self.settle(hub, guard, now);
                false
            }
            LiveEvent::Failed(reason) => {
                play.finish(&audio.line);
                let now = hub.now();
                state.over(now, Some(reason));
                self.settle(hub, guard, now);
                false
            }
        }
    }

    /// Does all that the machine wants, and sees that it is woken.
    fn settle(self: &Arc<Self>, hub: &Arc<Shared>, mut state: MutexGuard<'_, State>, now: Instant) {
        self.drain(hub, &mut state, now);
        let wanted = state.device.poll_timeout();
        if let Some(at) = wanted
            && state.wake_at.is_none_or(|already| at < already)
        {
            state.wake_at = wanted;
            hub.agenda.add(at, self.clone(), Due::Timeout(at));
        }
        drop(state);
        hub.touch();
    }

    fn drain(self: &Arc<Self>, hub: &Arc<Shared>, state: &mut State, now: Instant) {
        while let Some(output) = state.device.poll_output() {
            match output {
                Output::Stop { play } => {
                    if state.play.as_ref().is_some_and(|p| p.number == play) {
                        state.cut();
                    }
                }
                Output::Start { play, sound, from } => {
                    self.start(hub, state, now, play, sound, from)
                }
                Output::Light(leds) => {
                    let [one, two, three, four, five] =
                        leds.0.map(|led| Some(RgbaColor { rgba: led.0 }));
                    // LED 0 is the device's own.
                    state.tell(Request::Set(DeviceStatusSet {
                        led_0: None,
                        led_1: one,
                        led_2: two,
                        led_3: three,
                        led_4: four,
                        led_5: five,
                    }));
                }
                Output::Ask => state.tell(Request::Get(true)),
            }
        }
    }

    fn start(
        self: &Arc<Self>,
        hub: &Arc<Shared>,
        state: &mut State,
        now: Instant,
        number: u64,
        sound: Arc<str>,
        from: u64,
    ) {
        state.counts.plays += 1;
        state.trouble = None;
        match hub.library.find(&sound) {
            Found::Trouble(reason) => {
                tracing::warn!(device = &*self.id, sound = &*sound, "{reason}");
                state.trouble = Some(reason);
                state.device.handle_failed(now, number);
            }
            Found::Track(track) => {
                state.play = Some(Play::track(number, track, from, now));
                self.advance(hub, state, now);
            }
            Found::Live(live) => {
                state.play = Some(Play::live(number, now));
                let (slot, shared) = (Arc::downgrade(self), Arc::downgrade(hub));
                let tell = move |event| match (slot.upgrade(), shared.upgrade()) {
                    (Some(slot), Some(hub)) => slot.handle_live(&hub, number, event),
                    _ => false,
                };
                let joined = live.join(self.id.clone(), Box::new(tell));
                if let Err(e) = joined {
                    state.over(now, Some(e.to_string()));
                }
            }
        }
    }

    /// Sends what is due; says whether it came to an end.
    fn advance(self: &Arc<Self>, hub: &Arc<Shared>, state: &mut State, now: Instant) -> bool {
        let (Some(play), Some(audio)) = (&mut state.play, &state.audio) else {
            return false;
        };
        match play.advance(now, hub.lead, &audio.line) {
            None => false,
            Some(Next::At(at)) => {
                hub.agenda.add(at, self.clone(), Due::Packets(play.number));
                false
            }
            Some(Next::Ended) => {
                state.over(now, None);
                true
            }
            Some(Next::Failed(reason)) => {
                state.over(now, Some(reason));
                true
            }
        }
    }
}

impl State {
    pub(super) fn is_connected(&self) -> bool {
        self.status.is_some() || self.events.is_some() || self.audio.is_some()
    }

    /// Counts of what has been played and what plays.
    pub(super) fn totals(&self) -> Counts {
        let mut counts = self.counts;
        if let Some(play) = &self.play {
            counts.add(&play.counts);
        }
        counts
    }

    fn open<T>(
        &mut self,
        now: Instant,
        which: impl Fn(&mut Self) -> &mut Option<Open<T>>,
    ) -> (u64, Arc<Line<T>>) {
        if !self.is_connected() {
            self.counts.connects += 1;
            self.since = now;
        }
        self.opened += 1;
        let (number, line) = (self.opened, Arc::new(Line::new()));
        let open = Open {
            number,
            line: line.clone(),
        };
        if let Some(old) = which(self).replace(open) {
            let why = "the device opened this stream anew";
            old.line.end(Some(Status::aborted(why)));
        }
        (number, line)
    }

    fn close_audio(&mut self, now: Instant) {
        let sent = self.sent();
        self.device.handle_audio_closed(now, sent);
    }

    /// Packets of what plays that have left.
    fn sent(&self) -> u64 {
        match (&self.play, &self.audio) {
            (Some(play), Some(audio)) => play.next.saturating_sub(audio.line.waiting() as u64),
            _ => 0,
        }
    }

    /// Ends what plays, at once.
    fn cut(&mut self) {
        if let Some(play) = self.play.take() {
            self.counts.add(&play.counts);
            if let Some(audio) = &self.audio {
                audio.line.cut(play.begun);
            }
        }
    }

    /// What plays has come to its end, or cannot go on.
    fn over(&mut self, now: Instant, trouble: Option<String>) {
        let Some(play) = self.play.take() else {
            return;
        };
        self.counts.add(&play.counts);
        match trouble {
            None => self.device.handle_ended(play.number),
            Some(reason) => {
                self.trouble = Some(reason);
                self.device.handle_failed(now, play.number);
            }
        }
    }

    fn tell(&self, request: Request) {
        if let Some(status) = &self.status {
            let request = Some(request);
            status
                .line
                .push_within(MOST_TOLD, DeviceStatusRequest { request });
        }
    }
}

impl Counts {
    fn add(&mut self, play: &PlayCounts) {
        self.packets += play.packets;
        self.stalls += play.stalls;
        self.dropped += play.dropped;
        self.latest = self.latest.max(play.latest);
    }
}

fn is<T>(open: &Option<Open<T>>, number: u64) -> bool {
    open.as_ref().is_some_and(|open| open.number == number)
}

/// Requests that wait for a device that does not take them; the newest of them matter.
const MOST_TOLD: usize = 16;
