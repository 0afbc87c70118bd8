//! Senders and a receiver on real sockets of the loopback interface, with a relay between them
//! on a thread of its own. What is lost is known from the seed.

use std::net::UdpSocket;
use std::thread::JoinHandle;

use super::*;

struct Relay {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    monitor: RelayMonitor,
    stop: StopFlag,
    thread: JoinHandle<Result<RelayStats, UdpError>>,
}

impl Relay {
    fn start(to: SocketAddr, change: impl FnOnce(&mut RelayConfig)) -> Self {
        let mut config = RelayConfig::new(LOCAL.into(), to, LinkConfig::default());
        change(&mut config);
        let relay = LinkRelay::open(config).unwrap();
        let (rtp, rtcp) = (relay.local_addr(), relay.local_rtcp_addr());
        let (monitor, stop) = (relay.monitor(), StopFlag::new());
        let flag = stop.clone();
        let thread = std::thread::spawn(move || relay.run(&flag));
        Self {
            rtp,
            rtcp,
            monitor,
            stop,
            thread,
        }
    }

    fn finish(self) -> RelayStats {
        self.stop.stop();
        self.thread.join().unwrap().unwrap()
    }

    fn until(&self, reached: impl Fn(&RelayStats) -> bool) {
        for _ in 0..1_000 {
            if reached(&self.monitor.stats()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not reached: {:?}", self.monitor.stats());
    }
}

const LOCAL: (std::net::Ipv4Addr, u16) = (std::net::Ipv4Addr::LOCALHOST, 0);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(LOCAL).unwrap();
    let patience = Duration::from_secs(10);
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

/// Two sockets on neighbouring ports.
fn pair() -> (UdpSocket, UdpSocket) {
    let config = UdpSocketConfig::new(LOCAL.into());
    for _ in 0..100 {
        let found = RtpSockets::open(&config, RtcpPort::Next).unwrap();
        let ports = [found.rtp.local_addr(), found.control().local_addr()];
        drop(found);
        if let [Ok(rtp), Ok(rtcp)] = ports.map(UdpSocket::bind) {
            let patience = Some(Duration::from_secs(10));
            rtp.set_read_timeout(patience).unwrap();
            rtcp.set_read_timeout(patience).unwrap();
            return (rtp, rtcp);
        }
    }
    panic!("no pair of ports is free");
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buf = [0; 65_535];
    let (len, from) = socket.recv_from(&mut buf).unwrap();
    (buf[..len].to_vec(), from)
}

#[test]
fn what_the_seed_loses_is_lost_and_the_rest_arrives_in_order() {
    let model = LinkConfig {
        loss: "ge:10%,30%".parse().unwrap(),
        duplicate: "5%".parse().unwrap(),
        seed: 42,
        ..LinkConfig::default()
    };
    let mut twin = Link::new(model.clone()).unwrap();
    let (receiver, _rtcp) = pair();
    let relay = Relay::start(receiver.local_addr().unwrap(), |c| c.forward = model);
    let sender = socket();
    // In small lots, which no socket's buffer is too short for.
    for lot in 0..20u32 {
        for n in lot * 20..lot * 20 + 20 {
            twin.handle(Instant::EPOCH, 0, &n.to_be_bytes());
            sender.send_to(&n.to_be_bytes(), relay.rtp).unwrap();
        }
        while let Some(d) = twin.poll_output(Instant::EPOCH) {
            assert_eq!(receive(&receiver).0, d.bytes);
        }
    }
    relay.until(|s| s.forward.in_flight == 0 && s.forward.handled == 400);
    let stats = relay.finish();
    assert_eq!(stats.forward, twin_stats(&twin, &stats));
    assert_eq!((stats.front.received, stats.sessions_opened), (400, 1));
}

/// The twin's counts, with the delays that only the real one has.
fn twin_stats(twin: &Link, real: &RelayStats) -> LinkStats {
    LinkStats {
        delay_min: real.forward.delay_min,
        delay_max: real.forward.delay_max,
        delay_total_nanos: real.forward.delay_total_nanos,
        ..twin.stats()
    }
}

#[test]
fn nothing_arrives_before_its_latency() {
    let (receiver, _rtcp) = pair();
    let latency = Duration::from_millis(30);
    let relay = Relay::start(receiver.local_addr().unwrap(), |c| {
        c.forward.latency = latency
    });
    let sender = socket();
    for _ in 0..5 {
        let sent = std::time::Instant::now();
        sender.send_to(b"x", relay.rtp).unwrap();
        receive(&receiver);
        assert!(sent.elapsed() >= latency);
    }
    assert!(relay.finish().forward.delay_min >= latency);
}

#[test]
fn senders_keep_apart_and_answers_find_them() {
    let (media, reports) = pair();
    let relay = Relay::start(media.local_addr().unwrap(), |_| {});
    let (a, a_reports) = pair();
    let b = socket();
    a.send_to(b"a", relay.rtp).unwrap();
    let (bytes, from_a) = receive(&media);
    assert_eq!(bytes, b"a");
    b.send_to(b"b", relay.rtp).unwrap();
    let (bytes, from_b) = receive(&media);
    assert_eq!(bytes, b"b");
    assert_ne!(from_a, from_b);

    a_reports.send_to(b"sender report", relay.rtcp).unwrap();
    let (bytes, from_a_reports) = receive(&reports);
    assert_eq!(bytes, b"sender report");
    assert_eq!(from_a_reports.port(), from_a.port() + 1);

    reports.send_to(b"receiver report", from_a_reports).unwrap();
    assert_eq!(
        receive(&a_reports),
        (b"receiver report".to_vec(), relay.rtcp)
    );
    media.send_to(b"to b", from_b).unwrap();
    assert_eq!(receive(&b), (b"to b".to_vec(), relay.rtp));

    let stats = relay.finish();
    assert_eq!((stats.sessions, stats.back.delivered), (2, 2));
}

#[test]
fn the_way_back_has_a_link_of_its_own() {
    let (media, _reports) = pair();
    let relay = Relay::start(media.local_addr().unwrap(), |c| {
        c.back.loss = "list:0".parse().unwrap();
    });
    let sender = socket();
    sender.send_to(b"hello", relay.rtp).unwrap();
    let (_, from) = receive(&media);
    media.send_to(b"lost", from).unwrap();
    media.send_to(b"heard", from).unwrap();
    assert_eq!(receive(&sender).0, b"heard");
    assert_eq!(relay.finish().back.lost, 1);
}

#[test]
fn one_port_carries_both_flows_where_multiplexed() {
    let receiver = socket();
    let relay = Relay::start(receiver.local_addr().unwrap(), |c| c.rtcp = RtcpPort::Mux);
    assert_eq!(relay.rtp, relay.rtcp);
    let sender = socket();
    sender.send_to(&[7; 40_000], relay.rtp).unwrap();
    let (bytes, from) = receive(&receiver);
    assert_eq!(bytes, [7; 40_000]);
    receiver.send_to(b"report", from).unwrap();
    assert_eq!(receive(&sender).0, b"report");
    relay.finish();
}

#[test]
fn senders_are_bounded_and_forgotten() {
    let (receiver, _rtcp) = pair();
    let relay = Relay::start(receiver.local_addr().unwrap(), |c| {
        c.max_sessions = 1;
        c.idle_after = Duration::from_millis(200);
    });
    let (first, second) = (socket(), socket());
    first.send_to(b"1", relay.rtp).unwrap();
    relay.until(|s| s.sessions == 1);
    // The first may be forgotten meanwhile on a machine that is held up: then it is tried again.
    relay.until(|s| {
        first.send_to(b"1", relay.rtp).unwrap();
        second.send_to(b"2", relay.rtp).unwrap();
        s.sessions_refused > 0
    });
    relay.until(|s| s.sessions == 0);
    second.send_to(b"3", relay.rtp).unwrap();
    relay.until(|s| s.sessions == 1);
    assert!(relay.finish().sessions_opened >= 2);
}

#[test]
fn what_cannot_be_is_refused_at_the_start() {
    let to = SocketAddr::from(([127, 0, 0, 1], 9));
    let open = |change: &dyn Fn(&mut RelayConfig)| {
        let mut config = RelayConfig::new(LOCAL.into(), to, LinkConfig::default());
        change(&mut config);
        LinkRelay::open(config).unwrap_err().to_string()
    };
    assert!(open(&|c| c.max_sessions = 0).contains("1 to 256"));
    assert!(open(&|c| c.to.set_port(65_535)).contains("65534"));
    assert!(open(&|c| c.forward.capacity = 0).contains("capacity"));
    let taken = socket();
    let at = taken.local_addr().unwrap();
    assert!(open(&|c| c.listen.bind = at).contains(&at.port().to_string()));
}

#[test]
fn a_link_to_itself_is_refused() {
    let any = std::net::Ipv4Addr::UNSPECIFIED;
    for listen in [std::net::Ipv4Addr::LOCALHOST, any] {
        // A port that is free, as is the next one.
        let port = loop {
            let free = socket().local_addr().unwrap().port();
            if free < u16::MAX && UdpSocket::bind((listen, free + 1)).is_ok() {
                break free;
            }
        };
        for (to, refused) in [(port, true), (port + 1, true), (port + 2, false)] {
            let to = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, to));
            let config = RelayConfig::new((listen, port).into(), to, LinkConfig::default());
            let told = LinkRelay::open(config)
                .map(|_| ())
                .map_err(|e| e.to_string());
            let round = told.as_ref().is_err_and(|e| e.contains("round and round"));
            assert_eq!(round, refused, "{listen} to {to}: {told:?}");
        }
    }
}
