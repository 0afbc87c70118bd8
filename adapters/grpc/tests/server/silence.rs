//! Devices of which nothing is heard any more, and connections on which nothing is ever said.

use std::net::SocketAddr;
use std::time::Duration;

use audiox_grpc::hub::Batch;
use audiox_grpc::proto::device_service_client::DeviceServiceClient;
use audiox_grpc::proto::{AudioPacket, AudioStreamRequest};
use audiox_grpc::server::{DeviceLimits, ServerConfig};
use audiox_grpc::{DeviceServer, ServerHandle};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};

use super::support::Sounding;

fn start(sounds: &Sounding, lead: Duration) -> ServerHandle {
    let config = ServerConfig {
        lead,
        limits: DeviceLimits {
            keep_alive: Duration::from_millis(250),
            connections: 1,
            ..DeviceLimits::default()
        },
        ..sounds.config("127.0.0.1:0")
    };
    DeviceServer::bind(config).unwrap().spawn().unwrap()
}

/// A way to the server that can be cut: nothing goes through any more, and nobody is told.
struct Way {
    address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Way {
    async fn to(server: &ServerHandle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, is_cut) = watch::channel(false);
        let server = server.local_addr();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    let far = TcpSocket::new_v4().unwrap();
                    // So that little is kept for who does not read.
                    far.set_recv_buffer_size(4_096).unwrap();
                    let mut far = far.connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.changed() => {}
                    }
                    // Who closes closes both ends; who cuts keeps them.
                    if is_cut.has_changed().is_ok() && *is_cut.borrow() {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Devices on one connection, each of which listens.
    async fn devices(&self, count: usize) -> Vec<Streaming<AudioPacket>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut streams = Vec::new();
        for n in 0..count {
            let mut request = Request::new(AudioStreamRequest { start: true });
            let id = format!("device-{n}").parse().unwrap();
            request.metadata_mut().insert("device_id", id);
            let mut client = DeviceServiceClient::new(channel.clone());
            let opened = client.server_audio_stream(request).await.unwrap();
            streams.push(opened.into_inner());
        }
        streams
    }
}

/// Waits until nobody is connected, for as long as only a server that waits for ever would take.
async fn all_are_away(server: &ServerHandle, mut meanwhile: impl FnMut()) {
    let away = async {
        while server.hub().snapshot().connected > 0 {
            meanwhile();
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, away)
        .await
        .expect("the server thinks that they are there");
}

#[tokio::test]
async fn a_device_that_vanishes_is_away_and_finds_its_sound_when_it_comes_back() {
    let sounds = Sounding::new();
    let server = start(&sounds, LEAD);
    let way = Way::to(&server).await;
    let mut streams = way.devices(1).await;
    // Quiet, it is asked whether it is there, and says so.
    sleep(Duration::from_millis(1_200)).await;
    let now = server.hub().snapshot();
    assert_eq!((now.connected, now.devices[0].connects), (1, 1));
    server.hub().announce(&Batch::All, "a").unwrap();
    assert!(streams[0].message().await.unwrap().unwrap().is_start);
    way.cut.send(true).unwrap();
    all_are_away(&server, || ()).await;
    assert_eq!(server.hub().snapshot().devices[0].state, "held");
    let way = Way::to(&server).await;
    let mut streams = way.devices(1).await;
    assert!(streams[0].message().await.unwrap().unwrap().is_start);
    let device = &server.hub().snapshot().devices[0];
    assert_eq!((device.state, device.connects), ("playing", 2));
}

#[tokio::test]
async fn who_vanishes_with_much_on_its_way_to_him_is_away_too() {
    let sounds = Sounding::new();
    // Megabytes, more than the system keeps for a connection that takes nothing.
    let server = start(&sounds, Duration::from_secs(2));
    let way = Way::to(&server).await;
    let streams = way.devices(60).await;
    way.cut.send(true).unwrap();
    let announce = || drop(server.hub().announce(&Batch::All, "a"));
    all_are_away(&server, announce).await;
    // And his place is free.
    let somebody_else = async {
        let endpoint = Endpoint::from_shared(server.url().to_owned()).unwrap();
        loop {
            if let Ok(channel) = endpoint.connect().await {
                let mut client = DeviceServiceClient::new(channel);
                let mut request = Request::new(AudioStreamRequest { start: true });
                let id = "somebody".parse().unwrap();
                request.metadata_mut().insert("device_id", id);
                if client.server_audio_stream(request).await.is_ok() {
                    break;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, somebody_else)
        .await
        .expect("the connection is still there");
    drop(streams);
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_said_is_closed() {
    let sounds = Sounding::new();
    let server = start(&sounds, LEAD);
    let mut silent = TcpStream::connect(server.local_addr()).await.unwrap();
    let mut said = Vec::new();
    let closed = timeout(PATIENCE, silent.read_to_end(&mut said)).await;
    closed.expect("the server waits for ever").ok();
}

const LEAD: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
