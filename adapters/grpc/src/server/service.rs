//! The three calls, and who may make them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use audiox_net::http::Access;
use futures_util::Stream;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Response, Status, Streaming};

use crate::hub::{Kind, Line, Shared, Slot};
use crate::proto::device_service_server::DeviceService;
use crate::proto::device_status_response::Response as Answer;
use crate::proto::{
    AudioPacket, AudioStreamRequest, DeviceEvent, DeviceEventResponse, DeviceStatusRequest,
    DeviceStatusResponse,
};
use crate::wire;

/// The service.
pub(super) struct Service {
    hub: Arc<Shared>,
}

impl Service {
    pub(super) fn new(hub: Arc<Shared>) -> Self {
        Self { hub }
    }

    /// Opens a stream of the device that calls.
    fn open<T: Conversation>(
        &self,
        metadata: &MetadataMap,
        inbound: Option<Streaming<T::In>>,
        open: impl FnOnce(&Arc<Slot>) -> (u64, Arc<Line<T::Out>>),
    ) -> Result<Response<Talk<T>>, Status> {
        let value = metadata.get("device_id").ok_or_else(|| {
            Status::invalid_argument("the metadata has no device_id: a name for the device")
        })?;
        let id = value.to_str().map(str::trim).unwrap_or_default();
        if !(1..=LONGEST_ID).contains(&id.len()) {
            return Err(Status::invalid_argument(
                "device_id is not 1 to 128 printable ASCII characters",
            ));
        }
        let (slot, (number, line)) = self.hub.open(id, open)?;
        Ok(Response::new(Talk {
            hub: self.hub.clone(),
            slot,
            number,
            line,
            inbound,
        }))
    }
}

#[tonic::async_trait]
impl DeviceService for Service {
    type StatusStreamStream = Talk<StatusTalk>;
    type EventStreamStream = Talk<EventTalk>;
    type ServerAudioStreamStream = Talk<AudioTalk>;

    async fn status_stream(
        &self,
        request: Request<Streaming<DeviceStatusResponse>>,
    ) -> Result<Response<Self::StatusStreamStream>, Status> {
        let (metadata, _, inbound) = request.into_parts();
        self.open(&metadata, Some(inbound), |slot| slot.open_status(&self.hub))
    }

    async fn event_stream(
        &self,
        request: Request<Streaming<DeviceEvent>>,
    ) -> Result<Response<Self::EventStreamStream>, Status> {
        let (metadata, _, inbound) = request.into_parts();
        self.open(&metadata, Some(inbound), |slot| slot.open_events(&self.hub))
    }

    async fn server_audio_stream(
        &self,
        request: Request<AudioStreamRequest>,
    ) -> Result<Response<Self::ServerAudioStreamStream>, Status> {
        self.open(request.metadata(), None, |slot| {
            if request.get_ref().start {
                return slot.open_audio(&self.hub);
            }
            // It asks for no sound: a stream that is over.
            let line = Arc::new(Line::new());
            line.end(None);
            (0, line)
        })
    }
}

/// What is said on a stream.
pub(super) trait Conversation {
    type In: Send + 'static;
    type Out;
    const KIND: Kind;

    /// A message has come; it may be answered.
    fn handle(hub: &Arc<Shared>, slot: &Arc<Slot>, message: Self::In) -> Option<Self::Out>;
}

/// A stream to a device, which reads what the device says while it is read itself: who does not
/// take answers is not heard. When it is dropped the device has gone.
pub(super) struct Talk<T: Conversation> {
    hub: Arc<Shared>,
    slot: Arc<Slot>,
    number: u64,
    line: Arc<Line<T::Out>>,
    inbound: Option<Streaming<T::In>>,
}

impl<T: Conversation> Stream for Talk<T> {
    type Item = Result<T::Out, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(item) = self.line.poll(cx) {
            return Poll::Ready(item);
        }
        for _ in 0..AT_ONCE {
            let Some(inbound) = &mut self.inbound else {
                return Poll::Pending;
            };
            match Pin::new(inbound).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(out) = T::handle(&self.hub, &self.slot, message) {
                        return Poll::Ready(Some(Ok(out)));
                    }
                    // What it led to may have to be said first.
                    if let Poll::Ready(item) = self.line.poll(cx) {
                        return Poll::Ready(item);
                    }
                }
                Poll::Ready(Some(Err(status))) => {
                    self.inbound = None;
                    return Poll::Ready(Some(Err(status)));
                }
                Poll::Ready(None) => {
                    self.inbound = None;
                    if T::KIND == Kind::Events {
                        return Poll::Ready(None);
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Conversation> Unpin for Talk<T> {}

impl<T: Conversation> Drop for Talk<T> {
    fn drop(&mut self) {
        self.slot.closed(&self.hub, T::KIND, self.number);
    }
}

/// LEDs and reports.
pub(super) struct StatusTalk;

impl Conversation for StatusTalk {
    type In = DeviceStatusResponse;
    type Out = DeviceStatusRequest;
    const KIND: Kind = Kind::Status;

    fn handle(
        hub: &Arc<Shared>,
        slot: &Arc<Slot>,
        message: DeviceStatusResponse,
    ) -> Option<DeviceStatusRequest> {
        match message.response {
            Some(Answer::State(state)) => slot.report(hub, wire::report(hub.now(), &state)),
            Some(Answer::Status(text)) => slot.answer(hub, &text),
            None => slot.odd_event(),
        }
        None
    }
}

/// Buttons.
pub(super) struct EventTalk;

impl Conversation for EventTalk {
    type In = DeviceEvent;
    type Out = DeviceEventResponse;
    const KIND: Kind = Kind::Events;

    fn handle(
        hub: &Arc<Shared>,
        slot: &Arc<Slot>,
        message: DeviceEvent,
    ) -> Option<DeviceEventResponse> {
        match wire::button(&message) {
            Some((button, press)) => slot.press(hub, button, press),
            // What a later version of a device may say is no reason to part.
            None => slot.odd_event(),
        }
        Some(DeviceEventResponse { ack: true })
    }
}

/// Sound. The device says nothing.
pub(super) struct AudioTalk;

impl Conversation for AudioTalk {
    type In = ();
    type Out = AudioPacket;
    const KIND: Kind = Kind::Audio;

    fn handle(_: &Arc<Shared>, _: &Arc<Slot>, (): ()) -> Option<AudioPacket> {
        None
    }
}

/// Lets in who has a token.
#[derive(Clone)]
pub(super) struct Guard(Arc<Access>);

impl Guard {
    pub(super) fn new(access: Access) -> Self {
        Self(Arc::new(access))
    }
}

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if !self.0.asks() {
            return Ok(request);
        }
        let given = request
            .metadata()
            .get("authorization")
            .map(|v| v.as_bytes());
        let token = given.and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            let bearer = scheme.eq_ignore_ascii_case(b"bearer ");
            bearer.then(|| token.trim_ascii())
        });
        match token {
            Some(token) if self.0.admits(token) => Ok(request),
            Some(_) => Err(Status::unauthenticated(
                "this is not a token that is known here",
            )),
            None => Err(Status::unauthenticated(
                "this takes a token, in the metadata authorization: Bearer TOKEN",
            )),
        }
    }
}

const LONGEST_ID: usize = 128;
/// Messages that are handled before others have their turn.
const AT_ONCE: usize = 16;
