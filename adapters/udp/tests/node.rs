//! The node over real sockets: datagrams are made by hand, so that order, loss and repetition
//! are exactly what the test says; the WAV files are read back.
#![cfg(test)]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use audiox_core::block::AudioRef;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::packet::rtcp::{CompoundWriter, SenderInfo};
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::source::{Sink, SinkError, Source};
use audiox_core::time::{NtpTime, RtpTimestamp, SeqNum};
use audiox_io::wav::WavSource;
use audiox_net::clock::ntp_of;
use audiox_udp::Error;
use audiox_udp::node::{Alignment, GapCause, Listen, Node, NodeConfig, NodeHandle, Target};

/// One RTP stream of L16 mono at 8 kHz, 80 frames a packet, whose samples count up from `mark`.
struct Stream {
    rtp: UdpSocket,
    rtcp_to: SocketAddr,
    ssrc: u32,
    mark: i16,
    captured: NtpTime,
}

impl Stream {
    fn new(to: SocketAddr, ssrc: u32, mark: i16, captured: NtpTime) -> Self {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        rtp.connect(to).unwrap();
        let rtcp_to = SocketAddr::new(to.ip(), to.port() + 1);
        Self {
            rtp,
            rtcp_to,
            ssrc,
            mark,
            captured,
        }
    }

    fn report(&self, bye: bool) {
        let mut buf = [0; 200];
        let mut w = CompoundWriter::new(&mut buf);
        let info = SenderInfo {
            ntp: self.captured,
            timestamp: RtpTimestamp(1_000),
            packet_count: 0,
            octet_count: 0,
        };
        w.sender_report(self.ssrc, &info, &[]).unwrap();
        w.sdes_cname(self.ssrc, "test@here").unwrap();
        if bye {
            w.bye(&[self.ssrc], None).unwrap();
        }
        let len = w.finish();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&buf[..len], self.rtcp_to).unwrap();
    }

    fn packet(&self, n: u16) {
        let header = RtpHeader::new(
            96,
            SeqNum(65_530u16.wrapping_add(n)),
            RtpTimestamp(1_000 + u32::from(n) * 80),
            self.ssrc,
        )
        .unwrap();
        let payload: Vec<u8> = (0..80)
            .flat_map(|i| (self.mark + (n * 80 + i) as i16).to_be_bytes())
            .collect();
        let mut buf = [0; 200];
        let len = header.write_packet(&payload, 0, &mut buf).unwrap();
        self.rtp.send(&buf[..len]).unwrap();
    }
}

fn node(url: &str, target: Target, change: impl FnOnce(&mut NodeConfig)) -> NodeHandle {
    let listen = Listen::from_endpoint(&url.parse().unwrap()).unwrap();
    let mut config = NodeConfig {
        hold: Duration::from_millis(300),
        stop_when_ended: true,
        idle_after: Duration::from_millis(700),
        ..NodeConfig::new(listen, target)
    };
    change(&mut config);
    Node::start(config).unwrap()
}

fn samples(path: &Path) -> (StreamFormat, Vec<i16>) {
    let mut wav = WavSource::open(path).unwrap();
    assert!(wav.notices().is_empty(), "{:?}", wav.notices());
    assert_eq!(wav.native(), Some(PcmFormat::S16LE));
    let mut bytes = vec![0; 1 << 20];
    let mut len = 0;
    loop {
        let n = wav.read_native(&mut bytes[len..]).unwrap();
        if n == 0 {
            break;
        }
        len += n;
    }
    let (pairs, _) = bytes[..len].as_chunks::<2>();
    (
        wav.format(),
        pairs.iter().map(|b| i16::from_le_bytes(*b)).collect(),
    )
}

#[test]
fn rtp_streams_line_up_in_one_file_whatever_the_order_of_arrival() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.wav");
    let url = "rtp://127.0.0.1:0?codec=L16&rate=8000&channels=1";
    let node = node(url, Target::File(path.clone()), |_| {});
    let to = node.local_addrs()[0];
    let start = ntp_of(SystemTime::now());
    let first = Stream::new(to, 5, 100, start);
    // 25 frames later: 3.125 ms.
    let second = Stream::new(to, 6, 5_000, start.offset_nanos(3_125_000));
    first.report(false);
    second.report(false);
    // Wait until the reports are in, so that they precede the first packet; not needed for
    // correctness, but then the outcome is the same every time.
    std::thread::sleep(Duration::from_millis(50));
    for n in [1, 0, 2, 3, 5, 4, 4, 6, 9, 8, 7] {
        first.packet(n);
        if n != 5 {
            second.packet(n);
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    first.report(true);
    second.report(true);
    let report = node.wait().unwrap();
    let (format, got) = samples(&path);
    assert_eq!(format.channels.get(), 2);
    assert_eq!(got.len() / 2, 825);
    for (i, frame) in got.chunks(2).enumerate() {
        let i = i as i16;
        let expect_first = if i < 800 { 100 + i } else { 0 };
        let lost = (425..505).contains(&i);
        let expect_second = if i < 25 || lost { 0 } else { 5_000 + i - 25 };
        assert_eq!(frame, [expect_first, expect_second], "frame {i}");
    }
    let second = &report.streams.iter().find(|s| s.ssrc == Some(6)).unwrap();
    assert_eq!(second.alignment, Some(Alignment::Timestamps));
    assert_eq!(
        (second.start, second.end, second.first_channel),
        (25, 825, 1)
    );
    assert_eq!(second.gaps.len(), 1);
    assert_eq!(
        (
            second.gaps[0].start,
            second.gaps[0].frames,
            second.gaps[0].cause
        ),
        (425, 80, GapCause::Lost)
    );
    assert_eq!(second.cname.as_deref(), Some("test@here"));
    let first = &report.streams.iter().find(|s| s.ssrc == Some(5)).unwrap();
    assert_eq!((first.lane.duplicate_frames, first.gap_count), (80, 0));
    let sidecar: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("both.json")).unwrap()).unwrap();
    let gaps = &sidecar["streams"][1]["gaps"][0];
    assert_eq!(
        (gaps["start_frame"].as_u64(), gaps["frames"].as_u64()),
        (Some(425), Some(80))
    );
    assert_eq!(gaps["cause"], "lost");
    assert_eq!(sidecar["streams"][1]["aligned_by"], "timestamps");
}

#[test]
fn raw_streams_are_told_apart_by_their_source_ports() {
    let dir = tempfile::tempdir().unwrap();
    let url = "udp://127.0.0.1:0?format=s16le&rate=8000&channels=2";
    let node = node(url, Target::Folder(dir.path().join("new/deep")), |_| {});
    let senders: Vec<UdpSocket> = (0..3)
        .map(|_| {
            let s = UdpSocket::bind("127.0.0.1:0").unwrap();
            s.connect(node.local_addrs()[0]).unwrap();
            s
        })
        .collect();
    for n in 0..20i16 {
        for (k, s) in senders.iter().enumerate() {
            // 40 stereo frames, the last datagram short.
            let frames = if n == 19 { 7 } else { 40 };
            let data: Vec<u8> = (0..frames * 2)
                .flat_map(|i| (1_000 * k as i16 + n * 80 + i + 1).to_le_bytes())
                .collect();
            s.send(&data).unwrap();
        }
    }
    let report = node.wait().unwrap();
    assert_eq!(report.streams.len(), 3);
    for stream in &report.streams {
        let k = senders
            .iter()
            .position(|s| s.local_addr().ok() == stream.from)
            .unwrap();
        let (format, got) = samples(stream.file.as_deref().unwrap());
        assert_eq!(format.channels.get(), 2);
        let start = stream.start as usize * 2;
        assert!(got[..start].iter().all(|s| *s == 0));
        let expected: Vec<i16> = (0..19 * 80 + 14)
            .map(|i| 1_000 * k as i16 + i + 1)
            .collect();
        assert_eq!(got[start..], expected);
        assert_eq!(stream.alignment, Some(Alignment::Arrival));
    }
}

#[test]
fn hostile_datagrams_are_counted_and_the_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("safe.wav");
    let url = "rtp://127.0.0.1:0?codec=L16&rate=8000&channels=1";
    let node = node(url, Target::File(path.clone()), |c| {
        c.max_streams = 4;
    });
    let to = node.local_addrs()[0];
    let stream = Stream::new(to, 5, 1, ntp_of(SystemTime::now()));
    stream.report(false);
    std::thread::sleep(Duration::from_millis(50));
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..20u16 {
        stream.packet(n);
        for k in 0..20u32 {
            let mut junk = vec![(n as u8).wrapping_mul(37) ^ k as u8; (k as usize * 13) % 300];
            if k % 4 == 0 && junk.len() >= 12 {
                // A sound header of a stream that does not exist.
                junk[0] = 0x80;
                junk[1] = 96;
            }
            noise.send_to(&junk, to).unwrap();
            noise.send_to(&junk, stream.rtcp_to).unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(50));
    stream.report(true);
    let report = node.wait().unwrap();
    assert!(report.malformed > 100, "{report:?}");
    let kept = report.streams.iter().find(|s| s.ssrc == Some(5)).unwrap();
    assert_eq!((kept.lane.frames, kept.gap_count), (1_600, 0));
    // Streams that were heard of only once are no tracks.
    let (format, got) = samples(&path);
    assert!(format.channels.get() <= 4);
    let channel: Vec<i16> = got
        .chunks(format.channels.get())
        .map(|f| f[kept.first_channel])
        .skip(kept.start as usize)
        .take(1_600)
        .collect();
    assert_eq!(channel, (1..=1_600).collect::<Vec<i16>>());
}

#[test]
fn a_format_that_is_not_the_senders_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let record = |query| {
        let url = format!("rtp://127.0.0.1:0?{query}");
        let node = node(&url, Target::File(dir.path().join("wrong.wav")), |_| {});
        let stream = Stream::new(node.local_addrs()[0], 5, 1, ntp_of(SystemTime::now()));
        for n in 0..20 {
            stream.packet(n);
        }
        node.wait().unwrap()
    };
    let report = record("codec=L16&rate=8000&channels=2");
    let mismatch = report.streams[0].mismatch.unwrap();
    assert_eq!((mismatch.payload_frames, mismatch.timestamp_step), (40, 80));
    // 160 bytes are no whole frames of 24 bits: nothing can be recorded, and it is said.
    let report = record("codec=L24&rate=8000&channels=1");
    assert_eq!((report.streams.len(), report.undecodable), (0, 20));
}

/// Takes some blocks, then refuses like a full disk.
struct FullDisk {
    format: StreamFormat,
    room: usize,
}

impl Sink for FullDisk {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        if block.frames() > self.room {
            return Err(SinkError::Io {
                what: "out.wav".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.room -= block.frames();
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported("no".into()))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_recording_with_one_clear_line() {
    let url = "udp://127.0.0.1:0?rate=8000";
    let sinks = Target::Sinks(Box::new(|_, format, _| {
        Ok(Box::new(FullDisk { format, room: 100 }))
    }));
    let node = node(url, sinks, |_| {});
    let s = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silence = vec![0; 1_000];
    for _ in 0..10 {
        s.send_to(&silence, node.local_addrs()[0]).unwrap();
    }
    let error = node.wait().unwrap_err().to_string();
    assert!(
        error.starts_with("out.wav: ") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn a_port_in_use_and_an_unknown_format_are_refused_at_the_start() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", taken.local_addr().unwrap());
    let listen = Listen::from_endpoint(&url.parse().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error =
        Node::start(NodeConfig::new(listen, Target::Folder(dir.path().into()))).unwrap_err();
    assert!(matches!(error, Error::Net(_)), "{error}");
    let bare = Listen::from_endpoint(&"rtp://127.0.0.1:0".parse().unwrap()).unwrap_err();
    assert!(bare.to_string().contains("codec"), "{bare}");
    let wrong = "rtp://127.0.0.1:0?pt=10&rate=48000".parse().unwrap();
    let wrong = Listen::from_endpoint(&wrong).unwrap_err().to_string();
    assert!(wrong.contains("44100"), "{wrong}");
}
