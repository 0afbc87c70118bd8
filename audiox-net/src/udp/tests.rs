//! Real sockets on the loopback interface, on ports that the system picks.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::*;

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

fn open(config: &UdpSocketConfig) -> UdpTransport {
    UdpTransport::open(config).unwrap()
}

/// Receives the next datagram, waiting for seconds rather than for one read timeout.
fn receive(socket: &UdpTransport, buf: &mut PacketBuf) -> RecvOutcome {
    let clock = Clock::new();
    for _ in 0..50 {
        match socket.recv(&clock, buf).unwrap() {
            RecvOutcome::Nothing => {}
            outcome => return outcome,
        }
    }
    panic!("nothing arrived")
}

fn with_port(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into(), port)
}

fn exchange(at: SocketAddr) {
    let receiver = open(&UdpSocketConfig::receiver(at));
    let sender = open(&UdpSocketConfig::sender(receiver.local_addr()));
    let mut buf = PacketBuf::with_capacity(2_048);
    let before = Clock::new().now();
    assert_eq!(sender.send(b"hello").unwrap(), SendOutcome::Sent);
    let outcome = receive(&receiver, &mut buf);
    let from = with_port(at.ip(), sender.local_addr().port());
    assert_eq!(outcome, RecvOutcome::Datagram { from, len: 5 });
    assert_eq!(buf.bytes(), b"hello");
    assert!(buf.meta.arrival >= before && buf.meta.arrival <= Clock::new().now());

    assert_eq!(receiver.send_to(b"", from).unwrap(), SendOutcome::Sent);
    assert!(matches!(
        receive(&sender, &mut buf),
        RecvOutcome::Datagram { len: 0, .. }
    ));
    assert!(sender.report().dscp_set);
}

#[test]
fn ipv4_goes_both_ways() {
    exchange(V4);
}

#[test]
fn ipv6_goes_both_ways() {
    exchange(V6);
}

#[test]
fn a_dual_stack_socket_hears_and_answers_both() {
    let receiver = open(&UdpSocketConfig::receiver_any(0));
    let port = receiver.local_addr().port();
    let mut buf = PacketBuf::with_capacity(64);
    for ip in [V4.ip(), V6.ip()] {
        let sender = open(&UdpSocketConfig::sender(with_port(ip, port)));
        sender.send(b"x").unwrap();
        let RecvOutcome::Datagram { from, .. } = receive(&receiver, &mut buf) else {
            panic!("no datagram");
        };
        assert_eq!(from, with_port(ip, sender.local_addr().port()));
        receiver.send_to(b"y", from).unwrap();
        receive(&sender, &mut buf);
        assert_eq!(buf.bytes(), b"y");
    }
}

#[test]
fn waiting_ends_with_nothing() {
    let receiver = open(&UdpSocketConfig {
        read_timeout: Duration::from_millis(5),
        ..UdpSocketConfig::receiver(V4)
    });
    let outcome = receiver.recv(&Clock::new(), &mut PacketBuf::with_capacity(64));
    assert_eq!(outcome.unwrap(), RecvOutcome::Nothing);
}

#[test]
fn a_datagram_longer_than_the_buffer_is_told_apart() {
    let receiver = open(&UdpSocketConfig::receiver(V4));
    let sender = open(&UdpSocketConfig::sender(receiver.local_addr()));
    let mut counts = UdpCounts::default();
    let mut buf = PacketBuf::with_capacity(100);
    for len in [100, 101, 3] {
        sender.send(&vec![1; len]).unwrap();
        counts.count_recv(receive(&receiver, &mut buf));
    }
    assert_eq!((counts.received, counts.received_bytes), (2, 103));
    assert_eq!((counts.truncated, buf.bytes().len()), (1, 3));
}

#[test]
fn a_refusing_port_is_counted_and_nothing_is_lost_once_it_listens() {
    let port = open(&UdpSocketConfig::receiver(V4)).local_addr().port();
    let to = with_port(Ipv4Addr::LOCALHOST, port);
    let sender = open(&UdpSocketConfig::sender(to));
    let mut counts = UdpCounts::default();
    for _ in 0..10 {
        counts.count_send(sender.send(b"anybody?").unwrap(), 8);
    }
    assert_eq!(
        (counts.sent, counts.sent_bytes, counts.dropped()),
        (10, 80, 0)
    );
    assert!(counts.refused > 0, "{counts:?}");

    let receiver = open(&UdpSocketConfig::receiver(to));
    counts.count_send(sender.send(b"first").unwrap(), 5);
    let mut buf = PacketBuf::with_capacity(64);
    receive(&receiver, &mut buf);
    assert_eq!(buf.bytes(), b"first");
}

#[test]
fn more_than_udp_can_carry_is_an_outcome() {
    let receiver = open(&UdpSocketConfig::receiver(V4));
    let sender = open(&UdpSocketConfig::sender(receiver.local_addr()));
    assert_eq!(sender.send(&[0; 65_535]).unwrap(), SendOutcome::TooLong);
}

#[test]
fn fragmentation_and_buffers_can_be_chosen() {
    for fragmentation in [
        Fragmentation::System,
        Fragmentation::Never,
        Fragmentation::Allow,
    ] {
        for at in [V4, V6] {
            let socket = open(&UdpSocketConfig {
                fragmentation,
                receive_buffer: Some(65_536),
                send_buffer: Some(1 << 40),
                ttl: Some(3),
                dscp: Dscp::AF41,
                ..UdpSocketConfig::new(at)
            });
            let report = socket.report();
            assert_eq!(report.receive_buffer.asked, Some(65_536));
            assert!(!report.receive_buffer.is_short(), "{report:?}");
            assert!(report.send_buffer.is_short(), "{report:?}");
        }
    }
}

#[test]
fn multicast_reaches_every_receiver_of_the_group_and_no_other() {
    let group = Ipv4Addr::new(239, 255, 77, 1);
    let other = Ipv4Addr::new(239, 255, 77, 2);
    let lo = Interface::Address(Ipv4Addr::LOCALHOST);
    let receiver = |group: Ipv4Addr, port| {
        open(&UdpSocketConfig {
            interface: lo.clone(),
            ..UdpSocketConfig::receiver(with_port(group, port))
        })
    };
    let first = receiver(group, 0);
    let port = first.local_addr().port();
    let second = receiver(group, port);
    let stranger = receiver(other, port);
    let sender = open(&UdpSocketConfig {
        interface: lo.clone(),
        ttl: Some(0),
        ..UdpSocketConfig::sender(with_port(group, port))
    });
    sender.send(b"to all").unwrap();
    let mut buf = PacketBuf::with_capacity(64);
    for socket in [&first, &second] {
        receive(socket, &mut buf);
        assert_eq!(buf.bytes(), b"to all");
    }
    let outcome = stranger.recv(&Clock::new(), &mut buf).unwrap();
    assert_eq!(outcome, RecvOutcome::Nothing);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interface_has_a_name_and_an_index() {
    let group = Ipv4Addr::new(239, 255, 77, 3);
    let mut buf = PacketBuf::with_capacity(64);
    for interface in [Interface::from("lo"), Interface::from("1")] {
        let receiver = open(&UdpSocketConfig {
            interface: interface.clone(),
            ..UdpSocketConfig::receiver(with_port(group, 0))
        });
        let to = with_port(group, receiver.local_addr().port());
        let sender = open(&UdpSocketConfig {
            interface,
            ..UdpSocketConfig::sender(to)
        });
        sender.send(b"x").unwrap();
        receive(&receiver, &mut buf);
        assert_eq!(buf.bytes(), b"x");
    }
    let err = UdpTransport::open(&UdpSocketConfig {
        interface: Interface::from("nonesuch0"),
        ..UdpSocketConfig::receiver(with_port(group, 0))
    });
    let err = err.unwrap_err().to_string();
    assert!(
        err.contains("nonesuch0") && err.contains("ip link"),
        "{err}"
    );
}

/// The loopback interface has no route for IPv6 groups on most systems, so every interface is
/// tried; with an interface-local group and no hop to go nothing leaves the machine.
#[cfg(target_os = "linux")]
#[test]
fn ipv6_multicast_goes_by_interface() {
    let group: Ipv6Addr = "ff01::77:1".parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    for name in table.lines().filter_map(|l| l.split_whitespace().last()) {
        let on_interface = |config: UdpSocketConfig| UdpSocketConfig {
            interface: Interface::from(name),
            ttl: Some(0),
            ..config
        };
        let receiver = open(&on_interface(UdpSocketConfig {
            bind: (Ipv6Addr::UNSPECIFIED, 0).into(),
            ..UdpSocketConfig::receiver(with_port(group, 0))
        }));
        let to = with_port(group, receiver.local_addr().port());
        let sender = match UdpTransport::open(&on_interface(UdpSocketConfig::sender(to))) {
            Ok(sender) => sender,
            Err(e) => {
                assert!(matches!(e, UdpError::NoRoute { .. }), "{e}");
                continue;
            }
        };
        sender.send(b"six").unwrap();
        let mut buf = PacketBuf::with_capacity(64);
        receive(&receiver, &mut buf);
        assert_eq!(buf.bytes(), b"six");
    }
}

#[test]
fn only_chosen_senders_are_heard_where_sources_are_named() {
    let group = Ipv4Addr::new(232, 77, 0, 1);
    let receiver = open(&UdpSocketConfig {
        interface: Interface::Address(Ipv4Addr::LOCALHOST),
        sources: vec![Ipv4Addr::new(127, 0, 0, 2)],
        ..UdpSocketConfig::receiver(with_port(group, 0))
    });
    let to = with_port(group, receiver.local_addr().port());
    let mut buf = PacketBuf::with_capacity(64);
    for last in [3, 2] {
        let sender = open(&UdpSocketConfig {
            interface: Interface::Address(Ipv4Addr::LOCALHOST),
            bind: with_port(Ipv4Addr::new(127, 0, 0, last), 0),
            ..UdpSocketConfig::sender(to)
        });
        sender.send(&[last]).unwrap();
    }
    receive(&receiver, &mut buf);
    assert_eq!(buf.bytes(), [2]);
}

#[test]
fn broadcast_must_be_asked_for() {
    let to = with_port(Ipv4Addr::new(127, 255, 255, 255), 9);
    let err = UdpTransport::open(&UdpSocketConfig::sender(to)).unwrap_err();
    assert!(matches!(err, UdpError::Broadcast { .. }), "{err}");

    let receiver = open(&UdpSocketConfig::receiver_any(0));
    let sender = open(&UdpSocketConfig {
        broadcast: true,
        ..UdpSocketConfig::sender(with_port(to.ip(), receiver.local_addr().port()))
    });
    sender.send(b"everybody").unwrap();
    let mut buf = PacketBuf::with_capacity(64);
    receive(&receiver, &mut buf);
    assert_eq!(buf.bytes(), b"everybody");
}

#[test]
fn a_taken_port_says_which_and_what_to_do() {
    let holder = open(&UdpSocketConfig::receiver(V4));
    let port = holder.local_addr().port();
    let err = UdpTransport::open(&UdpSocketConfig::receiver(holder.local_addr())).unwrap_err();
    let text = err.to_string();
    assert!(matches!(err, UdpError::AddressInUse { .. }));
    for part in [&port.to_string(), "127.0.0.1", "ss -ulpn", "another port"] {
        assert!(text.contains(part), "{text}");
    }
    let err = UdpTransport::open(&UdpSocketConfig::receiver_any(port)).unwrap_err();
    assert!(err.to_string().contains("all addresses"), "{err}");
}

#[test]
fn an_address_of_another_machine_cannot_be_bound() {
    let at = with_port(Ipv4Addr::new(198, 51, 100, 77), 0);
    let err = UdpTransport::open(&UdpSocketConfig::receiver(at)).unwrap_err();
    assert!(
        err.to_string()
            .contains("198.51.100.77 is not an address of this machine")
    );
}

#[test]
fn a_destination_without_a_route_is_reported_at_once() {
    assert_eq!(check_route(with_port(V4.ip(), 5_004)).unwrap(), V4.ip());
    // Nothing can be sent to 240.0.0.0/4, and ::/96 addresses are never routed.
    for ip in ["240.0.0.1", "::7f00:5"] {
        let to = with_port(ip.parse::<IpAddr>().unwrap(), 5_004);
        if let Err(e) = check_route(to) {
            assert!(matches!(e, UdpError::NoRoute { .. }), "{e}");
            assert!(e.to_string().contains(ip), "{e}");
        }
    }
    let mapped = UdpError::connect(with_port(Ipv4Addr::new(239, 1, 1, 1), 1), false);
    let text = mapped(io::ErrorKind::NetworkUnreachable.into()).to_string();
    assert!(
        text.contains("239.1.1.1") && text.contains("interface"),
        "{text}"
    );
}

#[test]
fn contradictions_are_refused_before_any_socket_is_made() {
    let cases = [
        UdpSocketConfig {
            read_timeout: Duration::ZERO,
            ..UdpSocketConfig::new(V4)
        },
        UdpSocketConfig {
            connect: Some(with_port(V6.ip(), 1)),
            ..UdpSocketConfig::new(V4)
        },
        UdpSocketConfig::sender(V4),
        UdpSocketConfig {
            groups: vec![V4.ip()],
            ..UdpSocketConfig::new(V4)
        },
        UdpSocketConfig {
            groups: vec!["ff02::1".parse().unwrap()],
            ..UdpSocketConfig::new(V4)
        },
    ];
    for config in cases {
        let err = UdpTransport::open(&config).unwrap_err();
        assert!(matches!(err, UdpError::Config(_)), "{err}");
    }
    assert!(Dscp::new(64).is_err());
}

#[test]
fn rtp_and_rtcp_take_neighbouring_ports_or_share_one() {
    let pair = RtpSockets::open(&UdpSocketConfig::receiver(V4), RtcpPort::Next).unwrap();
    let port = pair.rtp.local_addr().port();
    assert_eq!(pair.control().local_addr().port(), port + 1);

    let one = RtpSockets::open(&UdpSocketConfig::receiver(V4), RtcpPort::Mux).unwrap();
    assert!(one.rtcp.is_none());
    assert_eq!(one.control().local_addr(), one.rtp.local_addr());

    let sender = RtpSockets::open(
        &UdpSocketConfig::sender(pair.rtp.local_addr()),
        RtcpPort::Next,
    )
    .unwrap();
    assert_eq!(sender.control().report().peer, None);

    let taken = UdpSocketConfig::receiver(pair.rtp.local_addr());
    assert!(RtpSockets::open(&taken, RtcpPort::Next).is_err());
    assert!(RtcpPort::Next.beside(65_535).is_err());
    assert_eq!(RtcpPort::Port(7_000).beside(5_004).unwrap(), 7_000);
}

#[test]
fn a_set_tells_which_sockets_have_something_to_read() {
    let sockets: Vec<_> = (0..3)
        .map(|_| open(&UdpSocketConfig::receiver(V4)))
        .collect();
    sockets.iter().for_each(|s| s.set_nonblocking().unwrap());
    let mut set = ReadSet::new(&sockets);
    let mut buf = PacketBuf::with_capacity(64);
    let mut heard = Vec::new();
    let clock = Clock::new();
    let sender = open(&UdpSocketConfig::new(V4));
    for (i, socket) in sockets.iter().enumerate().rev() {
        sender.send_to(&[i as u8], socket.local_addr()).unwrap();
        // Where sockets cannot be waited for, the datagram may take its time.
        for _ in 0..500 {
            set.wait(Duration::from_secs(5)).unwrap();
            let before = heard.len();
            for at in set.ready() {
                while let RecvOutcome::Datagram { len: 1, .. } =
                    sockets[at].recv(&clock, &mut buf).unwrap()
                {
                    heard.push((at, usize::from(buf.bytes()[0])));
                }
            }
            if heard.len() > before {
                break;
            }
        }
    }
    assert_eq!(heard, [(2, 2), (1, 1), (0, 0)]);
    assert_eq!(
        sockets[0].recv(&clock, &mut buf).unwrap(),
        RecvOutcome::Nothing
    );
}

#[test]
fn a_sender_to_a_group_hears_the_reports_of_its_receivers() {
    let on_lo = |config: UdpSocketConfig| UdpSocketConfig {
        interface: Interface::Address(Ipv4Addr::LOCALHOST),
        ttl: Some(0),
        ..config
    };
    let group = Ipv4Addr::new(239, 255, 77, 4);
    let receiver = on_lo(UdpSocketConfig::receiver(with_port(group, 0)));
    let receiver = RtpSockets::open(&receiver, RtcpPort::Next).unwrap();
    let to = with_port(group, receiver.rtp.local_addr().port());
    let sender = RtpSockets::open(&on_lo(UdpSocketConfig::sender(to)), RtcpPort::Next).unwrap();
    assert_eq!(sender.control().local_addr().port(), to.port() + 1);

    let rtcp = with_port(group, to.port() + 1);
    let mut buf = PacketBuf::with_capacity(64);
    receiver.control().send_to(b"report", rtcp).unwrap();
    receive(sender.control(), &mut buf);
    assert_eq!(buf.bytes(), b"report");

    receive(receiver.control(), &mut buf);
    sender.rtp.send(b"media").unwrap();
    sender.control().send_to(b"sender report", rtcp).unwrap();
    receive(&receiver.rtp, &mut buf);
    assert_eq!(buf.bytes(), b"media");
    receive(receiver.control(), &mut buf);
    assert_eq!(buf.bytes(), b"sender report");
}
