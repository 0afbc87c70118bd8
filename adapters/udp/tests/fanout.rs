//! Fan-outs at work: real files, plain UDP sockets on loopback, changes while they stream.
#![cfg(test)]

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::packet::rtp::RtpPacket;
use audiox_core::source::{Sink, Source, SourceClock, SourceError};
use audiox_io::wav::{WavSink, WavSource};
use audiox_net::AllowList;
use audiox_udp::fanout::{
    ClientList, ClientSnapshot, Fanout, FanoutConfig, FanoutError, FanoutState,
};
use serde_json::{Map, Value, json};

/// Each channel counts frames from a number of its own: what a client hears says from where it
/// is and whether anything is missing.
struct Counter {
    format: StreamFormat,
    frame: u64,
    left: Option<u64>,
}

const STEP: u64 = 8_000;

impl Counter {
    fn value(channel: usize, frame: u64) -> i16 {
        (channel as u64 * STEP + frame % STEP) as i16
    }
}

impl Source for Counter {
    fn format(&self) -> StreamFormat {
        self.format
    }
    fn clock(&self) -> SourceClock {
        SourceClock::None
    }
    fn frames_left(&self) -> Option<u64> {
        self.left
    }
    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        let room = (out.len() / channels) as u64;
        let frames = self.left.map_or(room, |left| left.min(room));
        self.left = self.left.map(|left| left - frames);
        for frame in out.chunks_exact_mut(channels).take(frames as usize) {
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = f32::from(Self::value(channel, self.frame)) / 32_768.0;
            }
            self.frame += 1;
        }
        Ok(frames as usize)
    }
    fn native(&self) -> Option<PcmFormat> {
        None
    }
    fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("no stored samples".to_owned()))
    }
    fn seek(&mut self, _: u64) -> Result<(), SourceError> {
        Err(SourceError::Unsupported("no way back".to_owned()))
    }
}

/// Four channels at 8 kHz, in blocks of 10 ms.
fn counting(length: Option<u64>) -> FanoutConfig {
    let format = StreamFormat::new(SampleRate::HZ_8000, Channels::new(4).unwrap());
    let open = move || {
        let source = Counter {
            format,
            frame: 0,
            left: length,
        };
        Ok(Box::new(source) as Box<dyn Source>)
    };
    FanoutConfig {
        chunk: 80,
        ..FanoutConfig::new("counter", open)
    }
}

struct Client(UdpSocket);

impl Client {
    fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn fields(&self, channel: usize) -> Map<String, Value> {
        fields(json!({"ip": "127.0.0.1", "port": self.port(), "channel": channel}))
    }

    fn datagram(&self) -> Vec<u8> {
        let mut buf = [0; 65_536];
        let len = self.0.recv(&mut buf).expect("a datagram within 5 s");
        buf[..len].to_vec()
    }

    fn block(&self) -> Vec<i16> {
        samples(&self.datagram())
    }

    /// Reads blocks until one is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&[i16]) -> bool) -> Vec<i16> {
        let found = (0..500).find_map(|_| Some(self.block()).filter(|b| wanted(b)));
        found.unwrap_or_else(|| panic!("no block {what}"))
    }

    /// Everything that comes until nothing does for `pause`.
    fn rest(&self, pause: Duration) -> Vec<Vec<u8>> {
        self.0.set_read_timeout(Some(pause)).unwrap();
        let mut buf = [0; 65_536];
        let mut all = Vec::new();
        while let Ok(len) = self.0.recv(&mut buf) {
            all.push(buf[..len].to_vec());
        }
        all
    }
}

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    let pairs = bytes.chunks_exact(2);
    pairs.map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// Which channel's values these are.
fn channel_of(block: &[i16]) -> Option<usize> {
    let channel = usize::try_from(block[0]).ok()? / STEP as usize;
    let at = block[0] as u64 % STEP;
    let expected = (at..).take(block.len()).map(|f| Counter::value(channel, f));
    block.iter().copied().eq(expected).then_some(channel)
}

fn wait_for(what: &str, mut met: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(8);
    while !met() {
        assert!(Instant::now() < until, "not within 8 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn client(fanout: &Fanout, name: &str) -> ClientSnapshot {
    let clients = fanout.snapshot().clients;
    clients.into_iter().find(|c| c.name == name).unwrap()
}

fn list_of(clients: &[(&str, Map<String, Value>)]) -> ClientList {
    let mut list = ClientList::new();
    for (name, fields) in clients {
        list.add(name, fields.clone()).unwrap();
    }
    list
}

fn wav(path: &Path, rate: u32, channels: u16, frames: usize) -> Vec<Vec<u8>> {
    let format = StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    );
    let mut x = 7u32;
    let data: Vec<u8> = (0..frames * format.channels.get())
        .flat_map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((x >> 16) as u16).to_le_bytes()
        })
        .collect();
    let mut sink = WavSink::create(path, format, SampleFormat::S16).unwrap();
    sink.write_native(&data).unwrap();
    sink.finish().unwrap();
    let frame = 2 * format.channels.get();
    let channel = |c: usize| {
        let frames = data.chunks_exact(frame);
        frames.flat_map(|f| [f[2 * c], f[2 * c + 1]]).collect()
    };
    (0..format.channels.get()).map(channel).collect()
}

#[test]
fn a_plain_socket_receives_the_datagrams_of_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    for (rate, chunk) in [(44_100, 1_024), (32_000, 256)] {
        let path = dir.path().join("stage.wav");
        // The last block is short, to be filled up with silence.
        let mut channels = wav(&path, rate, 5, 10 * chunk - 100);
        channels
            .iter_mut()
            .for_each(|c| c.resize(2 * 10 * chunk, 0));
        let sockets = [Client::new(), Client::new(), Client::new()];
        let picks = [4, 0, 2];
        // As the original writes it.
        let text = format!(
            r#"{{"a": {{"ip": "127.0.0.1", "port": {}, "channel": 4}}, "b": {{"ip": "127.0.0.1", "port": {}, "channel": 0}}, "c": {{"ip": "127.0.0.1", "port": {}, "channel": 2}}}}"#,
            sockets[0].port(),
            sockets[1].port(),
            sockets[2].port()
        );
        let config = FanoutConfig {
            chunk,
            ..FanoutConfig::new("stage.wav", move || Ok(Box::new(WavSource::open(&path)?)))
        };
        let fanout = Fanout::new(config, ClientList::parse(&text).unwrap()).unwrap();
        let began = Instant::now();
        fanout.start().unwrap();
        for (socket, pick) in sockets.iter().zip(picks) {
            let datagrams: Vec<_> = (0..10).map(|_| socket.datagram()).collect();
            assert!(datagrams.iter().all(|d| d.len() == 2 * chunk));
            assert_eq!(datagrams.concat(), channels[pick], "channel {pick}");
        }
        // In real time: the tenth block is due nine blocks after the first.
        assert!(began.elapsed() >= Duration::from_secs_f64(9.0 * chunk as f64 / f64::from(rate)));
        wait_for("its end", || fanout.snapshot().state == FanoutState::Ended);
        assert_eq!(client(&fanout, "a").datagrams, 10);
        assert_eq!(
            sockets[0].rest(Duration::from_millis(50)),
            Vec::<Vec<u8>>::new()
        );
        let notices = fanout.snapshot().notices;
        assert_eq!(notices.len(), usize::from(chunk == 1_024), "{notices:?}");
        assert!(notices.iter().all(|n| n.contains("--chunk 512")));
    }
}

#[test]
fn clients_come_change_and_go_and_disturb_nobody() {
    let (calm, busy) = (Client::new(), Client::new());
    let list = list_of(&[("calm", calm.fields(0))]);
    let fanout = Fanout::new(counting(None), list).unwrap();
    fanout.start().unwrap();
    calm.block();

    fanout.add("busy", busy.fields(1)).unwrap();
    assert_eq!(channel_of(&busy.block()), Some(1));
    fanout
        .change("busy", fields(json!({"channel": 3})))
        .unwrap();
    busy.until("of channel 3", |b| channel_of(b) == Some(3));

    fanout.mute("busy", true).unwrap();
    // Silence, and not nothing.
    busy.until("of silence", |b| b.iter().all(|&s| s == 0));
    busy.until("of silence", |b| b.iter().all(|&s| s == 0));
    wait_for("a meter that falls", || {
        client(&fanout, "busy").level.peak < 0.05
    });
    assert!(client(&fanout, "busy").muted);
    assert!(fanout.snapshot().levels[3].peak > 0.5);
    fanout.mute("busy", false).unwrap();
    busy.until("of channel 3", |b| channel_of(b) == Some(3));
    assert!(client(&fanout, "busy").level.peak > 0.5);

    let half = fields(json!({"gain": -6.0206}));
    fanout.change("busy", half).unwrap();
    busy.until("at half the level", |b| {
        b.iter()
            .all(|s| (12_000..16_001).contains(&i32::from(s.abs())))
    });

    let two = fields(json!({"channels": [2, 1], "gain": null}));
    fanout.change("busy", two).unwrap();
    let block = busy.until("of two channels", |b| b.len() == 160);
    let (left, right): (Vec<_>, Vec<_>) = block.chunks_exact(2).map(|f| (f[0], f[1])).unzip();
    assert_eq!((channel_of(&left), channel_of(&right)), (Some(2), Some(1)));

    // The list form that the original keeps does not know what was never asked for.
    fanout.remove("busy").unwrap();
    busy.rest(Duration::from_millis(100));
    assert!(busy.rest(Duration::from_millis(100)).is_empty());
    assert!(matches!(
        fanout.remove("busy"),
        Err(FanoutError::Unknown(_))
    ));

    fanout.stop();
    assert_eq!(fanout.snapshot().state, FanoutState::Stopped);
    let blocks = calm.rest(Duration::from_millis(100));
    assert!(blocks.len() > 20, "{}", blocks.len());
    let heard: Vec<i16> = blocks.iter().flat_map(|b| samples(b)).collect();
    let gaps = heard
        .windows(2)
        .filter(|w| w[1] != w[0] + 1 && (w[0], w[1]) != (STEP as i16 - 1, 0))
        .count();
    let snapshot = fanout.snapshot();
    assert_eq!(gaps, 0, "{snapshot:?}");

    // The clients are still there.
    calm.0
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    fanout.start().unwrap();
    assert_eq!(channel_of(&calm.block()), Some(0));
}

#[test]
fn what_is_the_matter_with_a_client_is_told_beside_it_alone() {
    let (good, deaf) = (Client::new(), Client::new());
    let deaf_port = deaf.port();
    let deaf_fields = deaf.fields(1);
    drop(deaf);
    let list = list_of(&[
        ("good", good.fields(0)),
        ("deaf", deaf_fields),
        ("lacking", good.fields(7)),
        (
            "outside",
            fields(json!({"ip": "10.1.2.3", "port": 9, "channel": 0})),
        ),
        (
            "opus",
            fields(json!({"ip": "127.0.0.1", "port": 9, "channel": 0, "codec": "G729"})),
        ),
    ]);
    let config = FanoutConfig {
        allow: AllowList::new(vec!["127.0.0.0/8".parse().unwrap()]),
        ..counting(None)
    };
    let fanout = Fanout::new(config, list).unwrap();
    fanout.start().unwrap();
    good.block();
    let told = |name: &str| client(&fanout, name).trouble.unwrap_or_default();
    wait_for("a refusal", || told("deaf").contains("nothing listens"));
    assert!(
        told("lacking").contains("channels 0 to 3"),
        "{}",
        told("lacking")
    );
    assert!(
        told("outside").contains("127.0.0.0/8 may be sent to"),
        "{}",
        told("outside")
    );
    assert!(told("opus").contains("G729"), "{}", told("opus"));
    assert_eq!(client(&fanout, "good").trouble, None);
    assert!(client(&fanout, "deaf").refused > 0 && client(&fanout, "good").refused == 0);

    // Who comes later is heard at once, and the trouble passes.
    let late = Client(UdpSocket::bind((Ipv4Addr::LOCALHOST, deaf_port)).unwrap());
    late.0
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(channel_of(&late.block()), Some(1));
    wait_for("no trouble", || client(&fanout, "deaf").trouble.is_none());
    // A change for the worse ends what was sent before.
    fanout
        .change("good", fields(json!({"channel": 9})))
        .unwrap();
    good.rest(Duration::from_millis(100));
    assert!(good.rest(Duration::from_millis(60)).is_empty());
    assert!(
        told("good").contains("channel = 9") || told("good").contains("channels 0 to 3"),
        "{}",
        told("good")
    );
}

#[test]
fn the_file_is_watched_and_a_broken_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clients.json");
    let (one, two) = (Client::new(), Client::new());
    let first = list_of(&[("one", one.fields(0))]);
    first.save(&path).unwrap();
    let config = FanoutConfig {
        file: Some(path.clone()),
        ..counting(None)
    };
    let fanout = Fanout::new(config, ClientList::load(&path).unwrap()).unwrap();
    fanout.start().unwrap();
    one.block();
    assert!(!fanout.snapshot().file.unsaved);

    let both = list_of(&[("one", one.fields(0)), ("two", two.fields(2))]);
    std::fs::write(&path, both.to_text()).unwrap();
    assert_eq!(channel_of(&two.block()), Some(2));

    std::fs::write(&path, both.to_text().replacen("0\n", "0,,\n", 1)).unwrap();
    wait_for("word of the error", || {
        fanout.snapshot().file.error.is_some()
    });
    let error = fanout.snapshot().file.error.unwrap();
    assert!(error.contains("line 5, column"), "{error}");
    two.rest(Duration::from_millis(1));
    two.0
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(channel_of(&two.block()), Some(2));
    assert!(matches!(fanout.load(), Err(FanoutError::Json { .. })));

    // Saving mends it; what was changed by hand is in it then.
    fanout.mute("two", true).unwrap();
    assert!(fanout.snapshot().file.unsaved);
    fanout.save().unwrap();
    let file = fanout.snapshot().file;
    assert!(!file.unsaved && file.error.is_none(), "{file:?}");
    assert!(ClientList::load(&path).unwrap().spec("two").unwrap().mute);

    fanout.remove("two").unwrap();
    fanout.load().unwrap();
    assert!(fanout.clients().names().eq(["one", "two"]));
    std::fs::write(&path, first.to_text()).unwrap();
    wait_for("one client", || fanout.snapshot().clients.len() == 1);

    // A file that is gone has no mistake, and nothing is saved in it.
    std::fs::write(&path, "{").unwrap();
    let file = || fanout.snapshot().file;
    wait_for("word of the error", || file().error.is_some());
    std::fs::remove_file(&path).unwrap();
    wait_for("no error", || file().error.is_none() && file().unsaved);
    assert_eq!(fanout.snapshot().clients.len(), 1);
}

#[test]
fn a_client_may_have_rtp() {
    let client = Client::new();
    let mut fields = client.fields(1);
    fields.insert("rtp".to_owned(), true.into());
    let fanout = Fanout::new(counting(Some(800)), list_of(&[("rtp", fields)])).unwrap();
    fanout.start().unwrap();
    let mut heard = Vec::new();
    let mut last = None;
    while heard.len() < 800 {
        let datagram = client.datagram();
        let packet = RtpPacket::parse(&datagram).unwrap();
        let at = (packet.seq().0, packet.timestamp().0);
        if let Some((seq, time)) = last.replace(at) {
            assert_eq!(at, (u16::wrapping_add(seq, 1), u32::wrapping_add(time, 80)));
        }
        let pairs = packet.payload().chunks_exact(2);
        heard.extend(pairs.map(|b| i16::from_be_bytes([b[0], b[1]])));
    }
    assert_eq!(channel_of(&heard), Some(1));
}

#[test]
fn a_source_that_fails_says_so_and_can_be_started_again() {
    let times = std::sync::atomic::AtomicU32::new(0);
    let good = counting(Some(160));
    let open = good.open;
    let config = FanoutConfig {
        chunk: 80,
        ..FanoutConfig::new("counter", move || {
            match times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => Err(SourceError::Unsupported("it is away".to_owned()).into()),
                _ => open(),
            }
        })
    };
    let client = Client::new();
    let fanout = Fanout::new(config, list_of(&[("a", client.fields(0))])).unwrap();
    assert!(
        fanout
            .start()
            .unwrap_err()
            .to_string()
            .contains("it is away")
    );
    let state = fanout.snapshot().state;
    assert!(matches!(&state, FanoutState::Failed { reason } if reason.contains("away")));
    for _ in 0..2 {
        fanout.start().unwrap();
        fanout.start().unwrap();
        assert_eq!(channel_of(&client.block()), Some(0));
        wait_for("its end", || fanout.snapshot().state == FanoutState::Ended);
    }
    let error = Fanout::new(
        FanoutConfig {
            chunk: 0,
            ..counting(None)
        },
        ClientList::new(),
    );
    assert!(error.unwrap_err().to_string().contains("chunk"));
}
