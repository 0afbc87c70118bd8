//! The device's streams, and coming back when they break.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::{ClientState, Command, Dial, Update, lock};
use crate::device::{Button, Press, Rgba};
use crate::proto::button_event::{ButtonEventType, ButtonId};
use crate::proto::device_event::Event;
use crate::proto::device_service_client::DeviceServiceClient;
use crate::proto::device_status::ButtonStatus;
use crate::proto::device_status_request::Request as Wish;
use crate::proto::device_status_response::Response as Answer;
use crate::proto::{
    AudioPacket, AudioStreamRequest, ButtonEvent, DeviceEvent, DeviceEventResponse, DeviceStatus,
    DeviceStatusRequest, DeviceStatusResponse, DeviceStatusSet, RgbaColor,
};

pub(super) struct Device {
    dial: Dial,
    state: Arc<Mutex<ClientState>>,
    orders: mpsc::UnboundedReceiver<Command>,
    on: Box<dyn FnMut(Update) + Send>,
}

/// Why there is no connection any more.
enum Over {
    Lost(String),
    Asked,
    /// Its owner is gone.
    Owner,
}

impl Device {
    pub(super) fn new(
        dial: Dial,
        state: Arc<Mutex<ClientState>>,
        orders: mpsc::UnboundedReceiver<Command>,
        on: Box<dyn FnMut(Update) + Send>,
    ) -> Self {
        Self {
            dial,
            state,
            orders,
            on,
        }
    }

    pub(super) async fn run(mut self) {
        // A fleet that lost its server does not come back all at once.
        let first = self
            .dial
            .retry
            .mul_f64(0.75 + 0.5 * share(self.dial.id.as_bytes()));
        let mut pause = first;
        loop {
            let began = Instant::now();
            let over = self.connected().await;
            self.lost();
            match over {
                Over::Owner => return,
                Over::Asked => {
                    let reason = "as was asked for".to_owned();
                    (self.on)(Update::Disconnected { reason });
                    if !self.away(None).await {
                        return;
                    }
                }
                Over::Lost(reason) => {
                    (self.on)(Update::Disconnected { reason });
                    if began.elapsed() > STEADY {
                        pause = first;
                    }
                    if !self.away(Some(pause)).await {
                        return;
                    }
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Waits, at most so long, until it is told to connect; false once nobody can tell it.
    async fn away(&mut self, longest: Option<Duration>) -> bool {
        let until = longest.map(|l| tokio::time::Instant::now() + l);
        loop {
            let order = match until {
                Some(until) => match tokio::time::timeout_at(until, self.orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => return true,
                },
                None => self.orders.recv().await,
            };
            match order {
                None => return false,
                Some(Command::Connect(true)) => return true,
                Some(Command::Connect(false)) => return Box::pin(self.away(None)).await,
                Some(Command::Press(..)) => {}
            }
        }
    }

    async fn connected(&mut self) -> Over {
        let opening = tokio::select! {
            streams = Streams::open(&self.dial) => streams,
            over = refused(&mut self.orders) => return over,
        };
        let mut streams = match opening {
            Ok(streams) => streams,
            Err(reason) => return Over::Lost(reason),
        };
        {
            let mut state = lock(&self.state);
            state.connected = true;
            state.leds[0] = CONNECTED;
        }
        (self.on)(Update::Connected);
        (self.on)(Update::Leds(lock(&self.state).leds));
        loop {
            let lost = tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Over::Owner,
                    Some(Command::Connect(true)) => None,
                    Some(Command::Connect(false)) => return Over::Asked,
                    Some(Command::Press(button, press)) => self.pressed(&mut streams, button, press),
                },
                wish = streams.wishes.message() => match wish {
                    Ok(Some(wish)) => self.wished(&streams, wish),
                    end => Some(reason(end.map(|_| ()))),
                },
                ack = streams.acks.message() => match ack {
                    Ok(Some(_)) => {
                        let sent = streams.sent.pop_front();
                        sent.into_iter().for_each(|at| (self.on)(Update::Acknowledged(at.elapsed())));
                        None
                    }
                    end => Some(reason(end.map(|_| ()))),
                },
                packet = streams.sound.message() => match packet {
                    Ok(Some(packet)) => {
                        self.heard(packet);
                        None
                    }
                    end => Some(reason(end.map(|_| ()))),
                },
            };
            if let Some(reason) = lost {
                return Over::Lost(reason);
            }
        }
    }

    fn pressed(&mut self, streams: &mut Streams, button: Button, press: Press) -> Option<String> {
        lock(&self.state).down[button as usize] = press != Press::Release;
        let event = ButtonEvent {
            button_id: match button {
                Button::One => ButtonId::Button1,
                Button::Two => ButtonId::Button2,
                Button::Three => ButtonId::Button3,
                Button::Four => ButtonId::Button4,
            }
            .into(),
            event: match press {
                Press::Press => ButtonEventType::Press,
                Press::Hold => ButtonEventType::Hold,
                Press::Release => ButtonEventType::Release,
            }
            .into(),
        };
        let event = Some(Event::ButtonEvent(event));
        streams.sent.push_back(Instant::now());
        let sent = streams.events.try_send(DeviceEvent { event });
        sent.is_err()
            .then(|| "the server takes no events".to_owned())
    }

    fn wished(&mut self, streams: &Streams, wish: DeviceStatusRequest) -> Option<String> {
        let answer = match wish.request {
            Some(Wish::Set(set)) => {
                let leds = {
                    let mut state = lock(&self.state);
                    light(&mut state.leds, &set);
                    state.leds
                };
                (self.on)(Update::Leds(leds));
                Answer::Status("success".to_owned())
            }
            Some(Wish::Get(_)) => Answer::State(status(&lock(&self.state))),
            None => Answer::Status("this request is not known here".to_owned()),
        };
        let response = Some(answer);
        let sent = streams.answers.try_send(DeviceStatusResponse { response });
        sent.is_err()
            .then(|| "the server takes no answers".to_owned())
    }

    fn heard(&mut self, packet: AudioPacket) {
        if packet.is_start {
            lock(&self.state).sounding = true;
            (self.on)(Update::SoundStarted);
        }
        if !packet.data.is_empty() {
            lock(&self.state).packets += 1;
            (self.on)(Update::Packet(packet.data));
        }
        if packet.is_end {
            lock(&self.state).sounding = false;
            (self.on)(Update::SoundEnded);
        }
    }

    fn lost(&mut self) {
        let (leds, sounding) = {
            let mut state = lock(&self.state);
            state.connected = false;
            state.leds[0] = Rgba::OFF;
            (state.leds, std::mem::take(&mut state.sounding))
        };
        if sounding {
            (self.on)(Update::SoundEnded);
        }
        (self.on)(Update::Leds(leds));
    }
}

/// The three calls.
struct Streams {
    wishes: Streaming<DeviceStatusRequest>,
    answers: mpsc::Sender<DeviceStatusResponse>,
    acks: Streaming<DeviceEventResponse>,
    events: mpsc::Sender<DeviceEvent>,
    /// When events that are not acknowledged were sent.
    sent: VecDeque<Instant>,
    sound: Streaming<AudioPacket>,
}

impl Streams {
    async fn open(dial: &Dial) -> Result<Self, String> {
        let channel = dial.endpoint.connect().await.map_err(|e| plain(&e))?;
        let mut client = DeviceServiceClient::new(channel);
        let (answers, said) = mpsc::channel(MOST_WAITING);
        let (events, happened) = mpsc::channel(MOST_WAITING);
        let mut twin = client.clone();
        let mut third = client.clone();
        let (wishes, acks, sound) = tokio::try_join!(
            client.status_stream(dial.request(ReceiverStream::new(said))),
            twin.event_stream(dial.request(ReceiverStream::new(happened))),
            third.server_audio_stream(dial.request(AudioStreamRequest { start: true })),
        )
        .map_err(|status| explain(&status))?;
        Ok(Self {
            wishes: wishes.into_inner(),
            answers,
            acks: acks.into_inner(),
            events,
            sent: VecDeque::new(),
            sound: sound.into_inner(),
        })
    }
}

impl Dial {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("device_id", self.id.clone());
        if let Some(token) = &self.token {
            metadata.insert("authorization", token.clone());
        }
        request
    }
}

/// Completes when it is told not to connect.
async fn refused(orders: &mut mpsc::UnboundedReceiver<Command>) -> Over {
    loop {
        match orders.recv().await {
            None => return Over::Owner,
            Some(Command::Connect(false)) => return Over::Asked,
            Some(_) => {}
        }
    }
}

fn light(leds: &mut [Rgba; 6], set: &DeviceStatusSet) {
    let set = [
        &set.led_0, &set.led_1, &set.led_2, &set.led_3, &set.led_4, &set.led_5,
    ];
    for (led, set) in leds.iter_mut().zip(set) {
        if let Some(colour) = set {
            *led = Rgba(colour.rgba);
        }
    }
}

fn status(state: &ClientState) -> DeviceStatus {
    let [led_0, led_1, led_2, led_3, led_4, led_5] =
        state.leds.map(|led| Some(RgbaColor { rgba: led.0 }));
    let [button_1, button_2, button_3, button_4] = state.down.map(|down| match down {
        true => ButtonStatus::Pressed as i32,
        false => ButtonStatus::Released as i32,
    });
    DeviceStatus {
        led_0,
        led_1,
        led_2,
        led_3,
        led_4,
        led_5,
        button_1,
        button_2,
        button_3,
        button_4,
        battery_level: state.battery,
    }
}

fn reason(end: Result<(), Status>) -> String {
    match end {
        Ok(()) => "the server ended it".to_owned(),
        Err(status) => explain(&status),
    }
}

fn explain(status: &Status) -> String {
    match status.message() {
        "" => status.code().to_string(),
        message => message.to_owned(),
    }
}

/// Where between 0 and 1 a name falls, by its hash.
fn share(name: &[u8]) -> f64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(name);
    hasher.finish() as f64 / u64::MAX as f64
}

/// What an error comes from, which says more than it does itself.
fn plain(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// Messages that wait to be sent.
const MOST_WAITING: usize = 256;
/// A connection that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const CONNECTED: Rgba = Rgba(0x00FF_00FF);
