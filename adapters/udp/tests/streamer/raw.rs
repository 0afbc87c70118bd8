//! Raw streams into plain UDP sockets on loopback, and what is refused before a byte is sent.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::{Ear, Heard, Wav, config, from, send, spec, start, wav};
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_io::raw::RawSource;
use audiox_net::udp::{Interface, UdpSocketConfig, UdpTransport};
use audiox_udp::Error;
use audiox_udp::streamer::{Start, StreamEnd, StreamState, Streamer, StreamerConfig};

use SampleFormat::{F32, S16, S24, S32, U8};

/// Checks that each file came back byte for byte from its own port, in datagrams that hold
/// whole frames and fit, all but the last of one length.
fn check_bytes(heard: &[Heard], senders: &[std::net::SocketAddr], files: &[(Vec<u8>, usize)]) {
    let total: usize = senders.iter().map(|s| from(heard, *s).len()).sum();
    assert_eq!(total, heard.len(), "datagrams of a stranger");
    for (sender, (data, frame_bytes)) in senders.iter().zip(files) {
        let datagrams = from(heard, *sender);
        assert_eq!(datagrams.concat(), *data);
        let (last, full) = datagrams.split_last().unwrap();
        for d in full {
            assert_eq!(d.len(), datagrams[0].len());
        }
        assert!(last.len() <= datagrams[0].len() && datagrams[0].len() <= 1_472);
        assert_eq!(datagrams[0].len() % frame_bytes, 0);
    }
}

#[test]
fn files_come_back_byte_for_byte_each_from_its_own_port() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<Wav> = [
        ("a", S16, 44_100, 1, 22_051),
        ("b", S16, 44_100, 2, 20_000),
        ("c", S24, 48_000, 1, 24_100),
        ("d", S24, 48_000, 2, 23_999),
        ("e", U8, 8_000, 1, 4_001),
        ("f", S32, 48_000, 3, 10_007),
        ("g", F32, 96_000, 8, 9_001),
        ("h", S16, 8_000, 1, 7),
    ]
    .into_iter()
    .map(|(name, sample, rate, channels, frames)| {
        wav(dir.path(), name, sample, rate, channels, frames)
    })
    .collect();
    let expected: Vec<_> = files
        .iter()
        .map(|f| {
            let frame = f.source.native().unwrap().frame_bytes(f.format.channels);
            (f.data.clone(), frame)
        })
        .collect();
    let frames: Vec<_> = files.iter().map(|f| f.source.frames()).collect();

    let ear = Ear::at("127.0.0.1:0");
    let url = format!("udp://127.0.0.1:{}", ear.port());
    let (senders, report) = send(config(&url), files.into_iter().map(|f| f.source));
    check_bytes(&ear.heard(), &senders, &expected);

    assert_eq!(report.failures().count(), 0);
    for ((stream, (data, _)), frames) in report.streams.iter().zip(&expected).zip(frames) {
        assert!(matches!(stream.end, StreamEnd::Complete), "{stream:?}");
        assert_eq!((stream.bytes, stream.frames), (data.len() as u64, frames));
        assert_eq!(stream.packets, stream.schedule.count);
        assert_eq!(stream.dropped + stream.refused + stream.frames_skipped, 0);
        assert_eq!(stream.ssrc, None);
    }
    assert!(report.first_packet_spread.is_some());
}

#[test]
fn ten_milliseconds_a_datagram_make_a_hundred_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let file = wav(dir.path(), "a", S16, 44_100, 1, 44_100);
    let ear = Ear::at("127.0.0.1:0");
    let url = format!("udp://127.0.0.1:{}", ear.port());
    let (_, report) = send(config(&url), [file.source]);
    let heard = ear.heard();
    assert_eq!(heard.len(), 100);
    assert!(heard.iter().all(|(_, d)| d.len() == 882));
    let stream = &report.streams[0];
    assert_eq!(
        (stream.packets, stream.ptime),
        (100, Duration::from_millis(10))
    );
    assert_eq!(stream.format, "s16le/44100/1");
    // Never early, and 99 intervals take at least their time less the first one's lateness.
    let mean = stream.schedule.mean_interval_nanos.unwrap();
    assert!(mean > 5e6, "{mean}");
}

#[test]
fn datagrams_fit_the_mtu_and_the_user_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let run = |change: fn(&mut StreamerConfig)| {
        let file = wav(dir.path(), "a", S24, 48_000, 2, 4_800);
        let ear = Ear::at("127.0.0.1:0");
        let mut config = config(&format!("udp://127.0.0.1:{}?ptime=20", ear.port()));
        change(&mut config);
        let handle = start(config, [file.source]);
        let notices = handle.notices().to_vec();
        handle.wait().unwrap();
        let heard = ear.heard();
        (heard[0].1.len(), notices)
    };
    // 960 frames of 6 bytes are divided by four.
    let (len, notices) = run(|_| {});
    assert_eq!(len, 240 * 6);
    assert_eq!(
        notices,
        [
            "ptime shortened from 20 ms to 5 ms so that a datagram of s24le/48000/2 stays within \
          1472 bytes"
        ]
    );
    let (len, notices) = run(|c| c.max_datagram = Some(9_000));
    assert_eq!((len, notices.len()), (960 * 6, 0));
    let (len, notices) = run(|c| c.ptime = Some(Duration::from_millis(5)));
    assert_eq!((len, notices.len()), (240 * 6, 0));
}

#[test]
fn a_port_that_refuses_is_counted_and_sending_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = wav(dir.path(), "a", S16, 8_000, 1, 2_000);
    let port = {
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
        nobody.local_addr().unwrap().port()
    };
    let (_, report) = send(config(&format!("udp://127.0.0.1:{port}")), [file.source]);
    let stream = &report.streams[0];
    assert!(stream.refused > 0, "{stream:?}");
    assert_eq!((stream.packets, stream.frames), (25, 2_000));
    assert!(matches!(stream.end, StreamEnd::Complete));
}

#[test]
fn ipv6_carries_less_a_datagram() {
    let dir = tempfile::tempdir().unwrap();
    let file = wav(dir.path(), "a", S16, 48_000, 2, 3_000);
    let ear = Ear::at("[::1]:0");
    let (senders, _) = send(
        config(&format!("udp://[::1]:{}", ear.port())),
        [file.source],
    );
    let heard = ear.heard();
    // 480 frames of 4 bytes are too many for 1 452 bytes.
    assert_eq!(heard[0].1.len(), 240 * 4);
    assert_eq!(from(&heard, senders[0]).concat(), file.data);
}

#[test]
fn a_multicast_group_hears_every_stream() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<Wav> = ["a", "b"]
        .map(|name| wav(dir.path(), name, S16, 8_000, 1, 1_000))
        .into();
    let expected: Vec<_> = files.iter().map(|f| (f.data.clone(), 2)).collect();
    let group = UdpTransport::open(&UdpSocketConfig {
        interface: Interface::from("127.0.0.1"),
        ..UdpSocketConfig::receiver("239.255.77.1:0".parse().unwrap())
    })
    .unwrap();
    let clock = audiox_net::Clock::new();
    let port = group.local_addr().port();
    let url = format!("udp://239.255.77.1:{port}?iface=127.0.0.1");
    let (senders, report) = send(config(&url), files.into_iter().map(|f| f.source));
    assert_eq!(report.failures().count(), 0);
    let mut heard = Vec::new();
    let mut buf = audiox_core::packet::PacketBuf::with_capacity(2_048);
    while let audiox_net::udp::RecvOutcome::Datagram { from, .. } =
        group.recv(&clock, &mut buf).unwrap()
    {
        heard.push((from, buf.bytes().to_vec()));
    }
    check_bytes(&heard, &senders, &expected);
}

#[test]
fn a_start_in_the_future_is_kept_and_can_be_called_off() {
    let dir = tempfile::tempdir().unwrap();
    let ear = Ear::at("127.0.0.1:0");
    let url = format!("udp://127.0.0.1:{}", ear.port());
    let at = SystemTime::now() + Duration::from_millis(1_500);
    let handle = start(
        StreamerConfig {
            start: Start::At(at),
            ..config(&url)
        },
        [wav(dir.path(), "a", S16, 8_000, 1, 800).source],
    );
    assert_eq!(handle.start_time(), at);
    let early = handle.snapshot();
    assert!(early.until_start > Duration::ZERO && early.elapsed == Duration::ZERO);
    assert_eq!(early.streams[0].state, StreamState::Waiting);
    assert_eq!(handle.wait().unwrap().packets(), 10);
    assert!(SystemTime::now() > at);

    let handle = start(
        StreamerConfig {
            start: Start::At(at + Duration::from_secs(30 * 3_600)),
            ..config(&url)
        },
        [wav(dir.path(), "a", S16, 8_000, 1, 800).source],
    );
    assert!(
        handle.notices()[0].contains("hours ahead"),
        "{:?}",
        handle.notices()
    );
    handle.stop();
    let report = handle.wait().unwrap();
    assert!(matches!(report.streams[0].end, StreamEnd::Stopped));
    assert_eq!((report.packets(), ear.heard().len()), (0, 10));
}

#[test]
fn what_cannot_be_is_refused_before_a_byte_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let ear = Ear::at("127.0.0.1:0");
    let refused = |url: &str, change: &dyn Fn(&mut StreamerConfig)| {
        let mut config = config(url);
        change(&mut config);
        let file = wav(dir.path(), "a", S16, 44_100, 2, 1_000);
        let error = Streamer::start(config, vec![spec("a", file.source)]).unwrap_err();
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };
    let udp = format!("udp://127.0.0.1:{}", ear.port());
    let rtp = format!("rtp://127.0.0.1:{}", ear.port());
    let same = |_: &mut StreamerConfig| {};

    let none = Streamer::start(config(&udp), Vec::new()).unwrap_err();
    assert!(none.to_string().contains("at least one"), "{none}");
    let past = refused(&udp, &|c| c.start = Start::At(UNIX_EPOCH));
    assert!(past.contains("has passed, it is now 20"), "{past}");
    let short = refused(&udp, &|c| c.ptime = Some(Duration::from_micros(5)));
    assert!(
        short.contains("ptime") && short.contains("one frame"),
        "{short}"
    );
    let long = refused(&udp, &|c| c.ptime = Some(Duration::from_secs(3)));
    assert!(long.contains("1000 ms"), "{long}");
    let pt = refused(&format!("{rtp}?codec=pcmu&pt=0"), &same);
    assert!(pt.contains("44100") && pt.contains("8000"), "{pt}");
    let codec = refused(&format!("{rtp}?codec=mp3"), &same);
    assert!(codec.contains("mp3") && codec.contains("L16"), "{codec}");
    let rate = refused(&format!("{rtp}?rate=500"), &same);
    assert!(rate.contains("output rate: 500 Hz"), "{rate}");
    let sdp = refused("session.sdp", &same);
    assert!(
        sdp.contains("session.sdp") && sdp.contains("rtp://"),
        "{sdp}"
    );
    let last = refused("rtp://127.0.0.1:65535", &same);
    assert!(last.contains("65534"), "{last}");
    let nowhere = refused("udp://:5004", &same);
    assert!(nowhere.contains("host"), "{nowhere}");

    let empty = RawSource::new(&[][..], "nothing", PcmFormat::S16LE, MONO);
    let error = Streamer::start(config(&udp), vec![spec("nothing", empty)]).unwrap_err();
    assert!(
        matches!(&error, Error::Empty(name) if name == "nothing"),
        "{error}"
    );
    let failing = Failing { left: 0 };
    let error = Streamer::start(config(&udp), vec![spec("bad", failing)]).unwrap_err();
    assert!(error.to_string().contains("bad sector"), "{error}");
    assert_eq!(ear.heard().len(), 0);
}

const MONO: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);

/// Yields frames until it fails.
struct Failing {
    left: usize,
}

impl Source for Failing {
    fn format(&self) -> StreamFormat {
        MONO
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(self.left as u64 + 1)
    }

    fn read(&mut self, _: &mut [f32]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("bytes only".into()))
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(PcmFormat::S16LE)
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        if self.left == 0 {
            return Err(SourceError::Malformed("bad sector".into()));
        }
        let frames = self.left.min(out.len() / 2);
        out[..frames * 2].fill(1);
        self.left -= frames;
        Ok(frames * 2)
    }

    fn seek(&mut self, _: u64) -> Result<(), SourceError> {
        Ok(())
    }
}

#[test]
fn a_source_that_fails_midway_ends_alone() {
    let dir = tempfile::tempdir().unwrap();
    let good = wav(dir.path(), "good", S16, 8_000, 1, 4_000);
    let data = good.data.clone();
    let ear = Ear::at("127.0.0.1:0");
    let url = format!("udp://127.0.0.1:{}", ear.port());
    let specs = vec![
        spec("bad", Failing { left: 1_000 }),
        spec("good", good.source),
    ];
    let handle = Streamer::start(config(&url), specs).unwrap();
    let senders = handle.local_addrs();
    let report = handle.wait().unwrap();
    let heard = ear.heard();
    assert_eq!(from(&heard, senders[0]).concat(), vec![1; 2_000]);
    assert_eq!(from(&heard, senders[1]).concat(), data);
    let failures: Vec<_> = report
        .failures()
        .map(|(n, e)| format!("{n}: {e}"))
        .collect();
    assert_eq!(failures, ["bad: bad sector"]);
    assert!(matches!(report.streams[1].end, StreamEnd::Complete));
}

#[test]
fn stopping_ends_all_streams_and_the_report_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let ear = Ear::at("127.0.0.1:0");
    let handle = start(
        config(&format!("udp://127.0.0.1:{}", ear.port())),
        ["a", "b"].map(|n| wav(dir.path(), n, S16, 8_000, 1, 8_000 * 60).source),
    );
    while handle.snapshot().streams.iter().any(|s| s.packets < 3) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!handle.is_finished());
    let seen = handle.snapshot();
    assert!(seen.streams.iter().all(|s| s.state == StreamState::Sending));
    assert!(
        seen.streams
            .iter()
            .all(|s| s.peak_dbfs.is_finite() || s.peak_dbfs < 0.0)
    );
    handle.stop();
    let report = handle.wait().unwrap();
    for s in &report.streams {
        assert!(matches!(s.end, StreamEnd::Stopped));
        assert_eq!(s.packets * 80, s.frames);
    }
    assert_eq!(ear.heard().len() as u64, report.packets());
}

#[test]
fn a_pipe_that_runs_dry_is_a_gap_and_the_rest_still_comes() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let source = RawSource::new(reader, "pipe", PcmFormat::S16LE, MONO);
    let ear = Ear::at("127.0.0.1:0");
    let url = format!("udp://127.0.0.1:{}", ear.port());
    std::io::Write::write_all(&mut writer, &[1; 2 * 400]).unwrap();
    let handle = Streamer::start(config(&url), vec![spec("pipe", source)]).unwrap();
    // Dry for as long as it takes to be noticed, and then for two packets more.
    while handle.snapshot().streams[0].underruns == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(30));
    std::io::Write::write_all(&mut writer, &[2; 2 * 100]).unwrap();
    drop(writer);
    let report = handle.wait().unwrap();
    let stream = &report.streams[0];
    let mut expected = vec![1; 800];
    expected.extend([2; 200]);
    let heard: Vec<_> = ear.heard().into_iter().flat_map(|(_, d)| d).collect();
    assert_eq!(heard, expected);
    assert_eq!((stream.frames, stream.underruns), (500, 1));
    assert!(
        stream.frames_skipped > 0 && stream.frames_skipped.is_multiple_of(80),
        "{stream:?}"
    );
}

/// A file on a disk that stops for a while after its first frames.
struct Stalling {
    data: std::io::Cursor<Vec<u8>>,
    first: usize,
    gate: std::sync::mpsc::Receiver<()>,
}

impl Source for Stalling {
    fn format(&self) -> StreamFormat {
        MONO
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(self.data.get_ref().len() as u64 / 2)
    }

    fn read(&mut self, _: &mut [f32]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("bytes only".into()))
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(PcmFormat::S16LE)
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        if self.data.position() as usize == self.first {
            let _ = self.gate.recv();
        }
        let left = self.first.saturating_sub(self.data.position() as usize);
        let most = if left > 0 {
            left.min(out.len())
        } else {
            out.len()
        };
        Ok(std::io::Read::read(&mut self.data, &mut out[..most]).unwrap())
    }

    fn seek(&mut self, _: u64) -> Result<(), SourceError> {
        Ok(())
    }
}

#[test]
fn a_file_on_a_slow_disk_catches_up_and_nothing_is_lost() {
    let data: Vec<u8> = (0..2 * 2_000u32).map(|n| n as u8).collect();
    let (open, gate) = std::sync::mpsc::channel();
    let source = Stalling {
        data: std::io::Cursor::new(data.clone()),
        first: 2 * 400,
        gate,
    };
    let ear = Ear::at("127.0.0.1:0");
    let url = format!("udp://127.0.0.1:{}", ear.port());
    let handle = Streamer::start(config(&url), vec![spec("disk", source)]).unwrap();
    while handle.snapshot().streams[0].underruns == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    open.send(()).unwrap();
    let report = handle.wait().unwrap();
    let heard: Vec<_> = ear.heard().into_iter().flat_map(|(_, d)| d).collect();
    assert_eq!(heard, data);
    let stream = &report.streams[0];
    assert_eq!((stream.packets, stream.frames_skipped), (25, 0));
    assert!(stream.schedule.late > 0);
}
