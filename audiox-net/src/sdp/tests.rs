use std::net::Ipv4Addr;

use super::*;

fn parse(text: &str) -> SessionDescription {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn error(text: &str) -> SdpError {
    text.parse::<SessionDescription>().unwrap_err()
}

fn codec(s: &str) -> CodecSpec {
    s.parse().unwrap()
}

fn ours() -> SessionDescription {
    let to: SocketAddr = "192.0.2.7:5004".parse().unwrap();
    let mut media = MediaDescription::new(to, 96, codec("L24/48000/2"));
    media.ptime = Some(Duration::from_micros(2_500));
    media.ssrcs.push(SsrcDescription {
        ssrc: 0xdead_beef,
        cname: "audiox@studio".into(),
    });
    let origin = Origin::new(3_900_000_000, "192.0.2.1".parse().unwrap());
    SessionDescription::new("Hall", origin, media)
}

#[test]
fn ours_reads_as_the_standard_has_it() {
    let expected = "v=0\r\n\
        o=- 3900000000 3900000000 IN IP4 192.0.2.1\r\n\
        s=Hall\r\n\
        c=IN IP4 192.0.2.7\r\n\
        t=0 0\r\n\
        a=tool:audiox VERSION\r\n\
        m=audio 5004 RTP/AVP 96\r\n\
        a=rtpmap:96 L24/48000/2\r\n\
        a=ptime:2.5\r\n\
        a=ssrc:3735928559 cname:audiox@studio\r\n\
        a=sendonly\r\n";
    let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(ours().to_string(), expected);
    assert_eq!(parse(&expected), ours());
}

/// ffmpeg takes the last rtpmap of a stream for the stream's, whose payload type is the first.
#[test]
fn what_repairs_a_stream_is_described_before_it() {
    let mut s = ours();
    let of = |payload_type, name, fmtp: Option<&str>| PayloadFormat {
        payload_type,
        codec: codec(name),
        fmtp: fmtp.map(str::to_owned),
    };
    let formats = &mut s.media[0].formats;
    formats[0].fmtp = Some("x=1".into());
    formats.push(of(118, "x-audiox-window-fec/48000", None));
    formats.push(of(117, "rtx/48000", Some("apt=96")));
    let text = s.to_string();
    let lines = "m=audio 5004 RTP/AVP 96 118 117\r\n\
        a=rtpmap:117 rtx/48000\r\n\
        a=fmtp:117 apt=96\r\n\
        a=rtpmap:118 x-audiox-window-fec/48000\r\n\
        a=rtpmap:96 L24/48000/2\r\n\
        a=fmtp:96 x=1\r\n";
    assert!(text.contains(lines), "{text}");
    assert_eq!(parse(&text), s);
}

#[test]
fn everything_that_can_be_said_is_read_back() {
    let mut s = ours();
    s.info = Some("Main hall, left and right".into());
    let mut multicast =
        MediaDescription::new("239.69.1.2:5004".parse().unwrap(), 97, codec("L16/44100/8"));
    assert_eq!(multicast.ttl, Some(1));
    multicast.title = Some("drums".into());
    multicast.formats.push(PayloadFormat {
        payload_type: 111,
        codec: codec("opus/48000/2"),
        fmtp: Some("useinbandfec=1; stereo=1".into()),
    });
    multicast.rtcp = RtcpPort::Port(7_001);
    multicast.ttl = Some(32);
    multicast.max_ptime = Some(Duration::from_millis(20));
    multicast.direction = Direction::RecvOnly;
    multicast.sources = vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
    multicast.reference_clock = Some("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0".into());
    multicast.media_clock = Some(MediaClock::Direct {
        offset: 963_214_424,
    });
    let mut six = MediaDescription::new("[ff15::7]:5006".parse().unwrap(), 0, codec("PCMU/8000"));
    six.rtcp = RtcpPort::Mux;
    six.direction = Direction::SendRecv;
    six.media_clock = Some(MediaClock::Sender);
    s.media.extend([multicast, six]);
    let text = s.to_string();
    assert!(text.contains("c=IN IP4 239.69.1.2/32\r\n"), "{text}");
    assert!(text.contains("c=IN IP6 ff15::7\r\n"), "{text}");
    assert!(
        text.contains("a=source-filter:incl IN IP4 239.69.1.2 192.0.2.1 192.0.2.2"),
        "{text}"
    );
    assert_eq!(parse(&text), s);
}

#[test]
fn line_breaks_in_names_cannot_add_lines() {
    let mut s = ours();
    s.name = "a\r\nm=audio 1 RTP/AVP 0".into();
    assert_eq!(parse(&s.to_string()).media.len(), 1);
}

#[test]
fn ffmpeg_is_understood_with_its_heading() {
    let s = parse(
        "SDP:\nv=0\no=- 0 0 IN IP4 127.0.0.1\ns=No Name\nc=IN IP4 127.0.0.1\nt=0 0\n\
         a=tool:libavformat 59.27.100\nm=audio 5004 RTP/AVP 97\nb=AS:128\n\
         a=rtpmap:97 opus/48000/2\na=fmtp:97 sprop-stereo=1\n\n",
    );
    let m = &s.media[0];
    assert_eq!(
        (s.name.as_str(), m.port, m.rtcp),
        ("No Name", 5_004, RtcpPort::Next)
    );
    assert_eq!(m.formats[0].codec, codec("opus/48000/2"));
    assert_eq!(m.formats[0].fmtp.as_deref(), Some("sprop-stereo=1"));
    assert_eq!(m.direction, Direction::SendRecv);
}

#[test]
fn gstreamer_is_understood() {
    let s = parse(
        "v=0\r\no=- 1188340656180883 1 IN IP4 127.0.0.1\r\ns=Session streamed by GStreamer\r\n\
         i=rtsp-server\r\nt=0 0\r\na=tool:GStreamer\r\na=type:broadcast\r\na=control:*\r\n\
         m=audio 5004 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\nb=AS:1536\r\n\
         a=rtpmap:96 L16/48000/2\r\na=ptime:5\r\na=ts-refclk:local\r\n\
         a=mediaclk:sender\r\na=ssrc:12 cname:user@host\r\na=ssrc:12 label:x\r\n",
    );
    let m = &s.media[0];
    assert_eq!(s.info.as_deref(), Some("rtsp-server"));
    assert_eq!(m.ptime, Some(Duration::from_millis(5)));
    assert_eq!(m.reference_clock.as_deref(), Some("local"));
    assert_eq!(m.media_clock, Some(MediaClock::Sender));
    assert_eq!((m.ssrcs.len(), m.ssrcs[0].ssrc), (1, 12));
}

#[test]
fn pulseaudio_is_understood() {
    let s = parse(
        "v=0\no=root 3987000000 0 IN IP4 192.0.2.9\ns=PulseAudio RTP Stream on studio\n\
         c=IN IP4 224.0.0.56\nt=3987000000 0\na=recvonly\nm=audio 46510 RTP/AVP 10\n\
         i=2 channels\na=rtpmap:10 L16/44100/2\na=type:broadcast\n",
    );
    let m = &s.media[0];
    assert_eq!(m.address, IpAddr::from(Ipv4Addr::new(224, 0, 0, 56)));
    assert_eq!((m.ttl, m.direction), (None, Direction::RecvOnly));
    assert_eq!(m.title.as_deref(), Some("2 channels"));
}

#[test]
fn aes67_equipment_is_understood() {
    let s = parse(
        "v=0\r\no=- 1311738121 1311738121 IN IP4 192.0.2.1\r\ns=Stage left I/O\r\n\
         c=IN IP4 239.0.0.1/32\r\nt=0 0\r\nm=audio 5004 RTP/AVP 96\r\n\
         i=Channels 1-8\r\na=rtpmap:96 L24/48000/8\r\na=recvonly\r\na=ptime:0.125\r\n\
         a=source-filter: incl IN IP4 239.0.0.1 192.0.2.1\r\n\
         a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0\r\n\
         a=mediaclk:direct=963214424 rate=48000/1\r\n",
    );
    let m = &s.media[0];
    assert_eq!(
        (m.ttl, m.ptime),
        (Some(32), Some(Duration::from_micros(125)))
    );
    assert_eq!(m.sources, [IpAddr::from(Ipv4Addr::new(192, 0, 2, 1))]);
    let direct = MediaClock::Direct {
        offset: 963_214_424,
    };
    assert_eq!(m.media_clock, Some(direct));

    let socket = m.receiver();
    assert_eq!(socket.groups, [m.address]);
    assert_eq!(socket.sources, [Ipv4Addr::new(192, 0, 2, 1)]);
}

#[test]
fn unicast_streams_are_received_whatever_the_sender_calls_us() {
    let socket = |to: &str| MediaDescription::new(to.parse().unwrap(), 0, codec("PCMU/8000"));
    let far = socket("203.0.113.9:5004").receiver();
    assert!(far.bind.ip().is_unspecified() && far.bind.port() == 5_004);
    let here = socket("127.0.0.1:5004").receiver();
    assert_eq!(here.bind, "127.0.0.1:5004".parse().unwrap());
}

#[test]
fn static_payload_types_need_no_rtpmap() {
    let s =
        parse("v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nc=IN IP4 0.0.0.0\nm=audio 5004 RTP/AVP 8 10 99\n");
    let m = &s.media[0];
    assert_eq!(s.name, "");
    assert_eq!(m.format(8).unwrap().codec, codec("PCMA/8000/1"));
    assert_eq!(m.format(10).unwrap().codec, codec("L16/44100/2"));
    assert_eq!(m.format(99), None);
}

#[test]
fn streams_that_cannot_be_received_are_left_out_with_reasons() {
    let s = parse(
        "v=0\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\nm=audio 0 RTP/AVP 0\n\
         m=audio 5002 RTP/SAVP 0\nm=audio 5004 RTP/AVP 0\nm=audio 5006 RTP/AVP 96\n",
    );
    assert_eq!((s.media.len(), s.media[0].port), (1, 5_004));
    let all = s.skipped.join("\n");
    for part in [
        "line 3: \"video\"",
        "line 4: the stream is switched off",
        "line 5: RTP/SAVP is encrypted",
        "line 7: payload type 96 has no a=rtpmap",
    ] {
        assert!(all.contains(part), "{all}");
    }
}

#[test]
fn faults_name_the_line_and_what_is_expected() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nc=IN IP4 192.0.2.1\nt=0 0\n";
    for (body, line, kind, part) in [
        ("", None, SdpErrorKind::NoAudio, "m=audio"),
        (
            "m=video 1 RTP/AVP 96\n",
            None,
            SdpErrorKind::NoAudio,
            "line 6: \"video\" is not audio",
        ),
        (
            "m=audio 1 RTP/SAVPF 0\n",
            None,
            SdpErrorKind::NoAudio,
            "encrypted",
        ),
        (
            "m=audio 1 udp 0\n",
            None,
            SdpErrorKind::NoAudio,
            "expected RTP/AVP",
        ),
        (
            "m=audio 1/2 RTP/AVP 0\n",
            None,
            SdpErrorKind::NoAudio,
            "layers",
        ),
        (
            "m=audio 1 RTP/AVP 0\nc=IN IP4 host.example\n",
            None,
            SdpErrorKind::NoAudio,
            "numeric",
        ),
        (
            "m=audio 70000 RTP/AVP 0\n",
            Some(6),
            SdpErrorKind::Malformed,
            "port",
        ),
        (
            "m=audio 1 RTP/AVP 128\n",
            Some(6),
            SdpErrorKind::Malformed,
            "0 to 127",
        ),
        (
            "m=audio 1 RTP/AVP\n",
            Some(6),
            SdpErrorKind::Malformed,
            "missing",
        ),
        (
            "m=audio 1 RTP/AVP 96\na=sendonly\na=rtpmap:96 L16/48k/2\n",
            Some(8),
            SdpErrorKind::Malformed,
            "L16/48000/2",
        ),
        (
            "m=audio 1 RTP/AVP 0\na=ptime:0\n",
            Some(7),
            SdpErrorKind::Malformed,
            "milliseconds",
        ),
        (
            "m=audio 1 RTP/AVP 0\na=rtcp:x\n",
            Some(7),
            SdpErrorKind::Malformed,
            "65535",
        ),
        (
            "m=audio 1 RTP/AVP 0\na=ssrc:x\n",
            Some(7),
            SdpErrorKind::Malformed,
            "cname",
        ),
        (
            "a=source-filter:incl\nm=audio 1 RTP/AVP 0\n",
            Some(6),
            SdpErrorKind::Malformed,
            "GROUP",
        ),
        ("nonsense\n", Some(6), SdpErrorKind::Malformed, "KEY=VALUE"),
    ] {
        let e = error(&format!("{head}{body}"));
        assert_eq!((e.line, e.kind), (line, kind), "{e}");
        assert!(e.to_string().contains(part), "{e}");
    }
    let e = error("SDP:\nRIFF\n");
    assert_eq!(e.line, Some(2), "{e}");
    let e = error("v=0\nm=audio 5004 RTP/AVP 0\n");
    assert_eq!(e.line, Some(2));
    assert!(e.to_string().contains("c=IN IP4"), "{e}");
}

#[test]
fn limits_hold() {
    let e = error(&"v=0\n".repeat(20_000));
    assert_eq!(e.kind, SdpErrorKind::Limit);
    let many = |n: usize| {
        format!(
            "v=0\nc=IN IP4 0.0.0.0\n{}",
            "m=audio 1 RTP/AVP 0\n".repeat(n)
        )
    };
    assert_eq!(parse(&many(64)).media.len(), 64);
    assert_eq!(error(&many(65)).kind, SdpErrorKind::Limit);
    let types: Vec<_> = (0..33).map(|n| n.to_string()).collect();
    let e = error(&format!(
        "v=0\nc=IN IP4 0.0.0.0\nm=audio 1 RTP/AVP {}\n",
        types.join(" ")
    ));
    assert_eq!((e.line, e.kind), (Some(3), SdpErrorKind::Limit));
}
