//! The server against plain gRPC clients: access, health, reflection, limits, slow devices, live
//! sounds.
#![cfg(test)]

#[path = "server/silence.rs"]
mod silence;
#[path = "support/sounding.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceError};
use audiox_grpc::device::{Button, Press};
use audiox_grpc::hub::Batch;
use audiox_grpc::proto::device_service_client::DeviceServiceClient;
use audiox_grpc::proto::{AudioPacket, AudioStreamRequest};
use audiox_grpc::server::{DeviceLimits, ServerConfig};
use audiox_grpc::sound::{SoundKind, Sounds};
use audiox_grpc::{DeviceServer, ServerHandle};
use audiox_io::Signal;
use audiox_net::http::{Access, Tls, Token};
use support::Sounding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

const TOKEN: &str = "only-for-this-test-0123456789";

fn start(config: ServerConfig) -> ServerHandle {
    DeviceServer::bind(config).unwrap().spawn().unwrap()
}

async fn channel(server: &ServerHandle) -> Channel {
    let endpoint = Endpoint::from_shared(server.url().to_owned()).unwrap();
    endpoint.connect().await.unwrap()
}

fn request<T>(message: T, id: &str) -> Request<T> {
    let mut request = Request::new(message);
    let id = id.parse().unwrap();
    request.metadata_mut().insert("device_id", id);
    request
}

async fn sound(channel: Channel, id: &str) -> Result<Streaming<AudioPacket>, Status> {
    let request = request(AudioStreamRequest { start: true }, id);
    let opened = DeviceServiceClient::new(channel)
        .server_audio_stream(request)
        .await;
    opened.map(tonic::Response::into_inner)
}

/// Packets of one sound, its end left out.
async fn whole(stream: &mut Streaming<AudioPacket>) -> Vec<AudioPacket> {
    let mut packets = Vec::new();
    loop {
        let packet = stream.message().await.unwrap().unwrap();
        if packet.is_end {
            return packets;
        }
        packets.push(packet);
    }
}

#[tokio::test]
async fn a_token_is_asked_for_but_not_for_its_health() {
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

    let sounds = Sounding::new();
    let server = start(ServerConfig {
        access: Access::tokens(vec![Token::new(TOKEN).unwrap()]),
        ..sounds.config("127.0.0.1:0")
    });
    let channel = channel(&server).await;
    let refused = sound(channel.clone(), "a").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("Bearer TOKEN"));

    let service = "com.opalcamera.test.DeviceService".to_owned();
    let ask = HealthCheckRequest { service };
    let health = HealthClient::new(channel.clone()).check(ask).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);

    let bearer = |wrong: &str| {
        let value = format!("Bearer {TOKEN}{wrong}").parse().unwrap();
        move |mut request: Request<()>| {
            let value: tonic::metadata::MetadataValue<tonic::metadata::Ascii> =
                Clone::clone(&value);
            request.metadata_mut().insert("authorization", value);
            Ok::<_, Status>(request)
        }
    };
    let list = || {
        let message_request = Some(MessageRequest::ListServices(String::new()));
        futures_util::stream::iter([ServerReflectionRequest {
            host: String::new(),
            message_request,
        }])
    };
    let mut reflection = ServerReflectionClient::with_interceptor(channel.clone(), bearer(""));
    let mut answers = reflection
        .server_reflection_info(list())
        .await
        .unwrap()
        .into_inner();
    let answer: ServerReflectionResponse = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<String> = services.service.into_iter().map(|s| s.name).collect();
    assert!(
        names.contains(&"com.opalcamera.test.DeviceService".to_owned()),
        "{names:?}"
    );
    let mut wrong = ServerReflectionClient::with_interceptor(channel.clone(), bearer("x"));
    let refused = wrong.server_reflection_info(list()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    let request = request(AudioStreamRequest { start: true }, "a");
    let mut device = DeviceServiceClient::with_interceptor(channel, bearer(""));
    let mut stream = device
        .server_audio_stream(request)
        .await
        .unwrap()
        .into_inner();
    server.hub().announce(&Batch::All, "a").unwrap();
    assert!(stream.message().await.unwrap().unwrap().is_start);
    // What was begun is ended, then the stream, without an error.
    let handle = tokio::task::spawn_blocking(move || server.stop());
    let mut last = None;
    while let Some(packet) = stream.message().await.unwrap() {
        last = Some(packet);
    }
    assert!(last.unwrap().is_end);
    handle.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_made_certificate_is_trusted_by_those_who_are_told() {
    let sounds = Sounding::new();
    let names = vec!["localhost".to_owned()];
    let server = start(ServerConfig {
        tls: Tls::SelfSigned { names },
        ..sounds.config("127.0.0.1:0")
    });
    let url = format!("https://localhost:{}", server.local_addr().port());
    let certificate = tonic::transport::Certificate::from_pem(server.certificate().unwrap());
    let tls = tonic::transport::ClientTlsConfig::new().ca_certificate(certificate);
    let endpoint = Endpoint::from_shared(url).unwrap();
    let trusting = endpoint
        .clone()
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap();
    assert!(sound(trusting, "a").await.is_ok());
    let plain = Endpoint::from_shared(format!("http://{}", server.local_addr())).unwrap();
    let refused = match plain.connect().await {
        Ok(channel) => sound(channel, "b").await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    assert_eq!(server.hub().snapshot().devices.len(), 1);
}

#[tokio::test]
async fn devices_and_connections_are_as_many_as_allowed() {
    let sounds = Sounding::new();
    let server = start(ServerConfig {
        limits: DeviceLimits {
            devices: 2,
            connections: 2,
            ..DeviceLimits::default()
        },
        ..sounds.config("127.0.0.1:0")
    });
    let (one, two) = (channel(&server).await, channel(&server).await);
    let first = sound(one.clone(), "first").await.unwrap();
    let second = sound(two.clone(), "second").await.unwrap();
    let refused = sound(one.clone(), "third").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // A third connection is closed before anything is said on it.
    let third = Endpoint::from_shared(server.url().to_owned()).unwrap();
    let refused = match third.connect().await {
        Ok(channel) => sound(channel, "first").await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    // Whoever has gone makes room.
    drop(second);
    while server.hub().snapshot().connected > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let third = sound(one, "third").await.unwrap();
    let names: Vec<String> = server
        .hub()
        .snapshot()
        .devices
        .into_iter()
        .map(|d| d.id)
        .collect();
    assert_eq!(names, ["first", "third"]);
    drop((first, third));
}

#[tokio::test]
async fn a_device_that_does_not_read_waits_alone_and_loses_nothing() {
    let sounds = Sounding::new();
    let server = start(sounds.config("127.0.0.1:0"));
    let endpoint = Endpoint::from_shared(server.url().to_owned()).unwrap();
    let small = endpoint
        .initial_stream_window_size(1_024)
        .connect()
        .await
        .unwrap();
    let mut slow = sound(small, "slow").await.unwrap();
    let mut quick = sound(channel(&server).await, "quick").await.unwrap();
    assert_eq!(server.hub().announce(&Batch::All, "a").unwrap(), 2);
    assert_eq!(whole(&mut quick).await.len(), 101);
    let of = |id: &str| {
        let now = server.hub().snapshot().devices;
        now.into_iter().find(|d| d.id == id).unwrap()
    };
    let waiting = of("slow");
    assert!(waiting.stalls > 0 && waiting.packets < 90, "{waiting:?}");
    assert_eq!((of("quick").stalls, of("quick").packets), (0, 101));
    let all = whole(&mut slow).await;
    assert_eq!(all.len(), 101);
    assert!(all[0].is_start && all[1..].iter().all(|p| !p.is_start));
}

/// Counts how often it is opened; a tone without end.
struct Endless(AtomicU64);

impl Sounds for Endless {
    fn look(&self, _text: &str) -> Result<SoundKind, SourceError> {
        Ok(SoundKind::Live)
    }

    fn open(&self, text: &str) -> Result<Box<dyn Source>, SourceError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if text == "broken" {
            return Err(SourceError::Unsupported(
                "nothing comes from there".to_owned(),
            ));
        }
        let format = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
        Ok(Box::new(Signal::tone(format, 440.0, Gain::UNITY).unwrap()))
    }
}

#[tokio::test]
async fn a_live_sound_runs_once_for_all_who_hear_it_and_only_then() {
    let sounds = Sounding::new();
    let endless = Arc::new(Endless(AtomicU64::new(0)));
    let mut config = ServerConfig::new(
        "127.0.0.1:0".parse().unwrap(),
        sounds.config("127.0.0.1:0").library,
    );
    config.library.sounds.clear();
    for name in ["live", "broken"] {
        config
            .library
            .sounds
            .insert(name.to_owned(), name.to_owned());
    }
    config.library.opener = endless.clone();
    let server = start(config);
    let hub = server.hub();
    let runs = || {
        hub.library()
            .sounds()
            .iter()
            .any(|s| s.name == "live" && s.ready)
    };
    assert!(!runs() && endless.0.load(Ordering::SeqCst) == 0);
    let channel = channel(&server).await;
    let mut one = sound(channel.clone(), "one").await.unwrap();
    let mut two = sound(channel, "two").await.unwrap();
    assert_eq!(hub.announce(&Batch::All, "live").unwrap(), 2);
    let mut heard = [Vec::new(), Vec::new()];
    for _ in 0..20 {
        heard[0].push(one.message().await.unwrap().unwrap());
        heard[1].push(two.message().await.unwrap().unwrap());
    }
    assert!(
        heard
            .iter()
            .all(|h| h[0].is_start && h[1..].iter().all(|p| !p.is_start))
    );
    // Who came second hears what the first one hears.
    let at = heard[0]
        .iter()
        .position(|p| p.data == heard[1][5].data)
        .unwrap();
    assert!((0..10).all(|n| heard[0][at + n].data == heard[1][5 + n].data));
    assert_eq!(endless.0.load(Ordering::SeqCst), 1);
    assert_eq!(hub.levels().len(), 2);
    assert!(hub.levels().iter().all(|l| l.peak > 0.9));
    assert_eq!(hub.stop(&Batch::These(vec!["one".to_owned()])), 1);
    whole(&mut one).await;
    assert!(runs());
    hub.stop(&Batch::All);
    whole(&mut two).await;
    while runs() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What cannot be opened is told, and harms nothing.
    hub.announce(&Batch::All, "broken").unwrap();
    while hub.snapshot().devices.iter().any(|d| d.trouble.is_none()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        hub.snapshot().devices[0]
            .trouble
            .as_ref()
            .unwrap()
            .contains("nothing comes")
    );
    // It is still told when the button comes up, until another sound begins.
    hub.press("one", Button::Four, Press::Release).unwrap();
    assert!(hub.snapshot().devices[0].trouble.is_some());
    hub.announce(&Batch::All, "bells").unwrap();
    assert!(hub.snapshot().devices[0].trouble.is_none());
    assert!(one.message().await.unwrap().unwrap().is_start);
    assert!(hub.announce(&Batch::All, "nowhere").is_err());
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let sounds = Sounding::new();
    let error = |config: ServerConfig| DeviceServer::bind(config).unwrap_err().to_string();
    let usual = || sounds.config("127.0.0.1:0");
    sounds.remove("a.wav");
    let text = error(usual());
    assert!(
        text.contains("sound \"a\"") && text.contains("a.wav"),
        "{text}"
    );
    let mut config = usual();
    config.library.sounds.remove("a");
    let text = error(config);
    assert!(
        text.contains("\"a\"") && text.contains("known are b, bells"),
        "{text}"
    );
    let mut config = usual();
    config
        .library
        .sounds
        .insert("a".to_owned(), sounds.path("b.wav").display().to_string());
    config.library.longest = Duration::from_secs(1);
    let text = error(config.clone());
    assert!(text.contains("longer than the 1 s"), "{text}");
    config.library.longest = Duration::from_secs(60);
    config.bind = "0.0.0.0:0".parse().unwrap();
    assert!(error(config.clone()).contains("token"));
    config.bind = "127.0.0.1:0".parse().unwrap();
    config.lead = Duration::from_secs(60);
    assert!(error(config.clone()).contains("lead"));
    config.lead = Duration::from_millis(20);
    for (change, part) in [
        (
            DeviceLimits {
                devices: 0,
                ..DeviceLimits::default()
            },
            "devices",
        ),
        (
            DeviceLimits {
                connections: 0,
                ..DeviceLimits::default()
            },
            "connections",
        ),
        (
            DeviceLimits {
                keep_alive: Duration::ZERO,
                ..DeviceLimits::default()
            },
            "keep_alive",
        ),
    ] {
        config.limits = change;
        let text = error(config.clone());
        assert!(text.contains(part), "{text}");
    }
    config.limits = DeviceLimits::default();
    config.library.codecs = audiox_core::codec::CodecRegistry::pcm();
    assert!(error(config).contains("opus"));
}
