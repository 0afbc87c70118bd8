//! This crate's own clients.

use std::sync::Arc;
use std::time::Duration;

use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::store::StoredFormat;
use audiox_net::http::Token;
use audiox_websocket::access::Roles;
use audiox_websocket::client::{
    ClientError, Connect, Listener, ListenerConfig, Publisher, PublisherConfig,
};
use audiox_websocket::{RelayConfig, When};
use bytes::Bytes;

use crate::support::{Away, Server, archive, pcm};

fn connect(server: &Server, stream: &str) -> Connect {
    Connect::new(format!("{}{stream}", server.url()).parse().unwrap())
}

fn publish(server: &Server) -> Publisher {
    let config = PublisherConfig::new(connect(server, ""), StoredFormat::default());
    Publisher::start(config).unwrap()
}

fn listen(server: &Server, publisher: &Publisher, from: When) -> Listener {
    let connect = connect(server, &format!("/{}", publisher.stream()));
    Listener::start(ListenerConfig {
        from,
        ..ListenerConfig::new(connect)
    })
    .unwrap()
}

/// All of it, which must be without a hole.
fn heard(mut listener: Listener) -> (i64, Vec<u8>, u64) {
    let mut all = Vec::new();
    let mut first = None;
    while let Some(heard) = listener.hear().unwrap() {
        let first = *first.get_or_insert(heard.at.0);
        assert_eq!(heard.at.0, first + all.len() as i64 / 2);
        all.extend_from_slice(&heard.frames);
    }
    (first.unwrap_or(0), all, listener.reconnects())
}

#[test]
fn what_is_published_is_heard_through_a_relay_that_goes_away() {
    let mut server = Server::start();
    let publisher = publish(&server);
    let sent = pcm(0, 60_000);
    let mut parts = sent.chunks(2_000);
    let mut send = |publisher: &Publisher, count: usize| {
        for part in parts.by_ref().take(count) {
            publisher.send(Bytes::copy_from_slice(part)).unwrap();
        }
    };
    send(&publisher, 20);
    publisher.flush().unwrap();
    let live = listen(&server, &publisher, When::Live);
    let all = listen(&server, &publisher, When::After(Duration::ZERO));
    std::thread::scope(|scope| {
        let live = scope.spawn(|| heard(live));
        let all = scope.spawn(|| heard(all));
        send(&publisher, 10);
        publisher.flush().unwrap();
        server.stop_serving();
        send(&publisher, 10);
        std::thread::sleep(Duration::from_millis(300));
        assert!(publisher.stats().waiting > 0);
        server.serve();
        send(&publisher, 20);
        let stats = publisher.end().unwrap();
        assert_eq!(stats.accepted, sent.len() as u64);
        assert_eq!(stats.left_out, 0);
        assert!(stats.retries > 0);
        let (at, got, _) = live.join().unwrap();
        assert!(
            at >= 20_000 && got == sent[at as usize * 2..],
            "{at} {}",
            got.len()
        );
        let (at, got, reconnects) = all.join().unwrap();
        assert!((at, &got) == (0, &sent) && reconnects > 0);
    });
}

#[test]
fn formats_names_and_tokens_go_along() {
    let token = "a-token-to-publish-with";
    let roles = Roles::new(vec![], vec![Token::new(token).unwrap()], vec![], false);
    let server = Server::with(RelayConfig::default(), roles, archive());
    let format = StoredFormat::pcm(
        StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO),
        "s24be".parse::<PcmFormat>().unwrap(),
    );
    let with = |token: Option<&str>, stream: &str| Connect {
        token: token.map(str::to_owned),
        ..connect(&server, stream)
    };
    let config = PublisherConfig {
        name: Some("Stage".to_owned()),
        ..PublisherConfig::new(with(None, ""), format.clone())
    };
    let refused = Publisher::start(config.clone()).unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { reason, .. } if reason.contains("token")));
    let publisher = Publisher::start(PublisherConfig {
        connect: with(Some(token), ""),
        ..config
    })
    .unwrap();
    let info = server.relay.info(publisher.stream()).unwrap();
    assert_eq!(info.record.name.as_deref(), Some("Stage"));
    let stream = format!("/{}", publisher.stream());
    assert!(Listener::start(ListenerConfig::new(with(None, &stream))).is_err());
    let listener = Listener::start(ListenerConfig::new(with(Some(token), &stream))).unwrap();
    assert_eq!(listener.format(), &format);
    // It goes on where another publisher was.
    publisher.send(Bytes::from(vec![1; 600])).unwrap();
    publisher.flush().unwrap();
    drop(publisher);
    let again = PublisherConfig::new(with(Some(token), &stream), format);
    let publisher = Publisher::start(again).unwrap();
    publisher.send(Bytes::from(vec![2; 60])).unwrap();
    publisher.end().unwrap();
    let info = server.relay.info(listener.stream()).unwrap();
    assert_eq!((info.offset, info.is_live), (660, false));
    assert!(format!("{:?}", with(Some(token), "")).find(token).is_none());
}

#[test]
fn an_encrypted_relay_is_trusted_by_its_certificate() {
    let mut server = Server::start();
    server.encrypt();
    let url = server.url().replace("http", "https");
    let with = |stream: &str, trust: Option<&String>| Connect {
        trust: trust.cloned(),
        ..Connect::new(format!("{url}{stream}").parse().unwrap())
    };
    let publish = |trust| {
        Publisher::start(PublisherConfig::new(
            with("", trust),
            StoredFormat::default(),
        ))
    };
    assert!(publish(None).is_err());
    let publisher = publish(server.certificate.as_ref()).unwrap();
    let stream = format!("/{}", publisher.stream());
    let listen = |trust| Listener::start(ListenerConfig::new(with(&stream, trust)));
    assert!(listen(None).is_err());
    let listener = listen(server.certificate.as_ref()).unwrap();
    let sent = pcm(0, 5_000);
    publisher.send(Bytes::from(sent.clone())).unwrap();
    publisher.end().unwrap();
    assert!(heard(listener) == (0, sent, 0));
}

#[test]
fn what_cannot_be_is_told() {
    let server = Server::start();
    let wrong = Listener::start(ListenerConfig::new(connect(&server, ""))).unwrap_err();
    assert!(wrong.to_string().contains("/STREAM"), "{wrong}");
    let wrong = Listener::start(ListenerConfig::new(connect(&server, "/nothing"))).unwrap_err();
    assert!(wrong.to_string().contains("Stream not found"), "{wrong}");
    let nobody = Connect::new("http://127.0.0.1:9".parse().unwrap());
    let config = PublisherConfig::new(nobody, StoredFormat::default());
    let wrong = Publisher::start(config).unwrap_err();
    assert!(wrong.is_transient(), "{wrong}");
    // It was ended by somebody else.
    let publisher = publish(&server);
    server.end(publisher.stream());
    publisher.send(Bytes::from(vec![0; 100])).unwrap();
    let wrong = publisher.flush().unwrap_err();
    assert!(wrong.to_string().contains("ended"), "{wrong}");
}

#[test]
fn a_listener_does_not_storm_a_relay_whose_archive_is_away() {
    let archive = Arc::new(Away {
        archive: archive(),
        does_list: false,
    });
    let server = Server::with(RelayConfig::default(), Roles::default(), archive);
    let publisher = publish(&server);
    publisher.send(pcm(0, 1_000).into()).unwrap();
    publisher.flush().unwrap();
    let mut listener = Listener::start(ListenerConfig {
        from: When::After(Duration::ZERO),
        patience: Duration::from_millis(250),
        ..ListenerConfig::new(connect(&server, &format!("/{}", publisher.stream())))
    })
    .unwrap();
    let error = listener.hear().unwrap_err();
    assert!(error.to_string().contains("it is away"), "{error}");
    assert!((1..=3).contains(&listener.reconnects()));
}
