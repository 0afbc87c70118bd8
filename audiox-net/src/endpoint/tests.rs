use audiox_core::format::SampleFormat;

use super::*;
use crate::udp::{Dscp, Interface, Stack};

fn parse(url: &str) -> Endpoint {
    url.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn udp(url: &str) -> UdpEndpoint {
    match parse(url) {
        Endpoint::Udp(e) => e,
        other => panic!("{other:?}"),
    }
}

fn rtp(url: &str) -> RtpEndpoint {
    match parse(url) {
        Endpoint::Rtp(e) => e,
        other => panic!("{other:?}"),
    }
}

fn error(url: &str) -> String {
    url.parse::<Endpoint>().unwrap_err().to_string()
}

#[test]
fn a_datagram_is_so_long_or_has_so_many_frames() {
    let e = udp("udp://:57001?rate=44100&channels=1&chunk=1024");
    assert_eq!((e.chunk, e.ptime), (Some(1_024), None));
    for wrong in ["chunk=0", "chunk=65537", "chunk=10ms", "chunk=480&ptime=10"] {
        let error = format!("udp://:1?{wrong}").parse::<Endpoint>().unwrap_err();
        assert!(error.to_string().contains("chunk"), "{error}");
    }
}

#[test]
fn a_bare_url_leaves_everything_open() {
    let e = udp("udp://192.0.2.7:12345");
    assert_eq!((e.at.host.as_str(), e.at.port), ("192.0.2.7", 12_345));
    assert_eq!(
        (e.format, e.rate, e.channels, e.ptime),
        (None, None, None, None)
    );
    assert_eq!(e.at.options, NetOptions::default());
    let e = rtp("RTP://studio.example:5004/");
    assert_eq!(
        (e.at.host.as_str(), e.rtcp),
        ("studio.example", RtcpPort::Next)
    );
}

#[test]
fn every_key_arrives_in_its_field() {
    let e = udp(
        "udp://239.1.2.3:5000?format=s24be&rate=44100&channels=2&ptime=2.5&ttl=4&iface=eth0\
         &dscp=af41&mtu=9000&broadcast=0&rcvbuf=4096&source=192.0.2.1,192.0.2.2",
    );
    assert_eq!(e.format.unwrap().sample, SampleFormat::S24);
    assert_eq!(e.rate, Some(SampleRate::HZ_44100));
    assert_eq!(e.channels, Some(Channels::STEREO));
    assert_eq!(e.ptime, Some(Duration::from_micros(2_500)));
    let o = &e.at.options;
    assert_eq!((o.ttl, o.mtu, o.broadcast), (Some(4), Some(9_000), false));
    assert_eq!(o.interface, Interface::Name("eth0".into()));
    assert_eq!((o.dscp, o.receive_buffer), (Some(Dscp::AF41), Some(4_096)));
    assert_eq!(o.sources.len(), 2);
    assert_eq!(o.max_datagram("239.1.2.3".parse().unwrap()), 8_972);

    let e =
        rtp("rtp://h:1?pt=97&codec=l24&rate=96000&channels=8&ptime=125us&ssrc=0xDEADBEEF&rtcp-mux");
    assert_eq!(
        (e.payload_type, e.codec),
        (Some(97), Some(EncodingName::L24))
    );
    assert_eq!((e.ssrc, e.rtcp), (Some(0xdead_beef), RtcpPort::Mux));
    assert_eq!(e.ptime, Some(Duration::from_micros(125)));
    assert_eq!(rtp("rtp://h:1?rtcp=7000").rtcp, RtcpPort::Port(7_000));
    assert_eq!(rtp("rtp://h:1?rtcp-mux=0").rtcp, RtcpPort::Next);
}

#[test]
fn encoders_are_told_how_to_encode() {
    let e = rtp("rtp://h:1?codec=opus&bitrate=64k&application=voip&complexity=5&dtx&history=500ms");
    let expected = EncodingOptions {
        bitrate: Some(64_000),
        purpose: Some(Purpose::Voip),
        complexity: Some(5),
        dtx: Some(true),
        history: Some(Duration::from_millis(500)),
    };
    assert_eq!(e.encoding, expected);
    let none = EncodingOptions::default();
    assert_eq!(rtp("rtp://h:1?codec=opus").encoding, none);
    assert_eq!((none.or(expected), expected.or(none)), (expected, expected));
    for (wrong, part) in [
        ("bitrate=loud", "64k"),
        ("bitrate=0", "64k"),
        ("application=music", "lowdelay"),
        ("complexity=11", "0 to 10"),
        ("dtx=maybe", "dtx"),
        ("history=long", "history"),
    ] {
        let said = error(&format!("rtp://h:1?{wrong}"));
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn repair_packets_have_the_port_of_their_scheme() {
    let port = |query: &str| {
        let e = rtp(&format!("rtp://h:10001?{query}"));
        e.repair.port_beside(10_001, e.rtcp)
    };
    assert_eq!(port("fec=20%"), Ok(None));
    assert_eq!(port("fec=20%&fec-scheme=rs8m"), Ok(Some(10_003)));
    let roc = "fec=20%&fec-scheme=rs8m&fec-port=10002&rtcp=10003";
    assert_eq!(port(roc), Ok(Some(10_002)));
    for taken in ["fec-port=10001", "fec-port=10002", "rtcp=10003"] {
        let e = port(&format!("fec-scheme=rs8m&{taken}")).unwrap_err();
        assert_eq!(e.field, "fec-port");
    }
    let amount = |query: &str| rtp(&format!("rtp://h:1?{query}")).repair.amount;
    assert_eq!(amount("fec-scheme=rs8m"), RepairAmount::Auto);
    assert_eq!(amount("fec-scheme=rs8m&fec=off"), RepairAmount::Off);
    assert_eq!(
        amount("fec-scheme=RS8M&fec=20%"),
        RepairAmount::PerThousand(200)
    );
    assert!(error("rtp://h:1?fec-scheme=ldpc").contains("rs8m"));
}

#[test]
fn hosts_of_all_kinds_become_socket_configurations() {
    let any = udp("udp://:5004").at.receiver().unwrap();
    assert_eq!((any.bind.port(), any.stack), (5_004, Stack::Dual));

    let group = rtp("rtp://239.255.1.1:5004?iface=127.0.0.1&ttl=9").at;
    let receiver = group.receiver().unwrap();
    assert_eq!(receiver.groups.len(), 1);
    assert!(receiver.reuse);
    let sender = group.sender().unwrap();
    assert_eq!(sender.connect, Some("239.255.1.1:5004".parse().unwrap()));
    assert_eq!(sender.ttl, Some(9));
    assert_eq!(sender.interface, Interface::Address([127, 0, 0, 1].into()));

    let six = udp("udp://[::1]:9").at;
    assert_eq!(
        six.sender().unwrap().connect,
        Some("[::1]:9".parse().unwrap())
    );
    assert_eq!(six.to_string(), "[::1]:9");
    let zone = udp("udp://[fe80::1%253]:9").at.resolve().unwrap();
    assert_eq!(zone, Some("[fe80::1%3]:9".parse().unwrap()));

    let named = udp("udp://localhost:9").at.resolve().unwrap().unwrap();
    assert!(named.ip().is_loopback());
    let all = udp("udp://255.255.255.255:9").at.sender().unwrap();
    assert!(all.broadcast);
}

#[test]
fn session_descriptions_are_told_by_their_name() {
    assert_eq!(parse("a/b.SDP"), Endpoint::Sdp("a/b.SDP".into()));
    assert!(error("a.wav").contains("udp://host:port"));
    assert!(error("tcp://h:1").contains("rtp://host:port"));
}

#[test]
fn mistakes_are_named() {
    for (url, parts) in [
        ("udp://h:1?ratee=8000", &["\"ratee\"", "rate, channels"][..]),
        ("udp://h:1?codec=L16", &["\"codec\"", "format"]),
        ("udp://h:1?rate=0", &["rate", "\"0\"", "1 to 768000"]),
        ("udp://h:1?rate=48k", &["rate", "\"48k\""]),
        ("udp://h:1?channels=2&channels=2", &["channels", "twice"]),
        ("udp://h:1?format=s17le", &["format", "s17le", "s16le"]),
        ("udp://h:1?ttl=256", &["ttl", "\"256\"", "0 to 255"]),
        ("udp://h:1?dscp=64", &["dscp", "0 to 63"]),
        ("udp://h:1?mtu=10", &["mtu", "68"]),
        ("udp://h:1?ptime=0", &["ptime", "2.5"]),
        ("udp://h:1?broadcast=maybe", &["broadcast", "maybe"]),
        ("udp://h:1?source=::1", &["source", "::1"]),
        ("udp://h:1?iface=%ff", &["iface", "escape"]),
        ("rtp://h:1?pt=128", &["pt", "0 to 127"]),
        ("rtp://h:1?ssrc=-1", &["ssrc", "0x1234abcd"]),
        ("rtp://h:1?codec=", &["codec"]),
        ("rtp://h:1?rtcp-mux&rtcp=5", &["rtcp", "one or the other"]),
        ("rtp://h", &["host:port"]),
        ("rtp://::1:5", &["[v6]:port"]),
        ("rtp://h:99999", &["65535"]),
        ("rtp://user@h:1", &["nothing but host:port"]),
        ("rtp://h/path:1", &["nothing but host:port"]),
    ] {
        let text = error(url);
        for part in parts.iter().chain([&url]) {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }
}

#[test]
fn a_destination_must_be_there() {
    let err = udp("udp://:5004").at.sender().unwrap_err();
    assert!(err.to_string().contains("needs a host"), "{err}");
    let err = udp("udp://no-such-host.invalid:5004")
        .at
        .sender()
        .unwrap_err();
    assert!(err.to_string().contains("no-such-host.invalid"), "{err}");
}

#[test]
fn packet_times_are_exact() {
    let ns = |s: &str| parse_ptime(s).map(|d| d.as_nanos()).ok();
    assert_eq!(ns("10"), Some(10_000_000));
    assert_eq!(ns("0.125"), Some(125_000));
    assert_eq!(ns(".5ms"), Some(500_000));
    assert_eq!(ns("125us"), Some(125_000));
    assert_eq!(ns("125µs"), Some(125_000));
    assert_eq!(ns("0.333333"), Some(333_333));
    assert_eq!(ns("10s"), Some(10_000_000_000));
    for bad in [
        "",
        ".",
        "0",
        "-1",
        "1e3",
        "10.1s",
        "0.0000001",
        "ten",
        "10 ms",
    ] {
        assert_eq!(ns(bad), None, "{bad}");
    }
    assert_eq!(ns("18446744073709551616"), None);
}
