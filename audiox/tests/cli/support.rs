//! Processes, files and ports for the tests.

#[path = "ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::source::{Sink, Source};
use audiox::io::{WavSink, WavSource};
#[allow(
    unused_imports,
    reason = "not all tests that have these helpers need a port"
)]
pub(crate) use ports::free_ports;
use serde_json::Value;
use tempfile::TempDir;

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Outcome {
    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Standard output as JSON lines.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
            .collect()
    }

    /// The JSON summary.
    pub(crate) fn summary(&self) -> Value {
        let events = self.events();
        let last = events.last().unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(last["event"], "summary", "{self:?}");
        last.clone()
    }

    /// The process ended well and complained about nothing.
    #[track_caller]
    pub(crate) fn clean(self) -> Self {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.text());
        self
    }

    /// One line on standard error with `part` in it, and this exit code.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, part: &str) {
        let err = self.err.trim_end();
        assert_eq!(self.code, code, "{err}");
        assert!(
            err.starts_with("audiox: ") && err.contains(part),
            "{part}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

/// A running command. It is killed if the test ends before it does.
pub(crate) struct Running {
    child: Child,
    out: Option<ChildStdout>,
    drained: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, Stdio::null())
    }

    pub(crate) fn start_with(args: &[&str], input: Stdio) -> Self {
        Self::spawn(&mut Command::new(env!("CARGO_BIN_EXE_audiox")), args, input)
    }

    /// With variables of its environment.
    #[cfg(any(
        feature = "grpc",
        feature = "redis",
        feature = "relay",
        all(feature = "devices", target_os = "linux")
    ))]
    pub(crate) fn start_in(
        env: impl IntoIterator<Item = (&'static str, PathBuf)>,
        args: &[&str],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_audiox"));
        Self::spawn(command.envs(env), args, Stdio::null())
    }

    fn spawn(command: &mut Command, args: &[&str], input: Stdio) -> Self {
        let mut child = command
            .args(args)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take(), child.stderr.take().unwrap());
        Self {
            child,
            out,
            drained: None,
            err: Some(thread::spawn(move || read(err))),
        }
    }

    /// Starts `audiox recv` or `link` with `--json` and waits until it listens; the ports.
    pub(crate) fn listening(args: &[&str]) -> (Self, Vec<u16>) {
        Self::start(&[args, &["--json"]].concat()).listens()
    }

    fn listens(self) -> (Self, Vec<u16>) {
        let mut running = self;
        // Unbuffered, so that what follows is left in the pipe.
        let mut line = Vec::new();
        let out = running.out.as_mut().unwrap();
        let mut byte = [0];
        while line.last() != Some(&b'\n') && out.read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
        }
        if line.is_empty() {
            panic!("{:?}", running.wait());
        }
        let event: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(event["event"], "listening");
        let addresses = event["addresses"].as_array().unwrap();
        let port = |a: &Value| {
            let address = a.as_str().unwrap();
            address.rsplit(':').next().unwrap().parse().unwrap()
        };
        (running, addresses.iter().map(port).collect())
    }

    /// The same with variables of its environment.
    #[cfg(any(feature = "grpc", feature = "player", feature = "relay"))]
    pub(crate) fn listening_in(
        env: impl IntoIterator<Item = (&'static str, PathBuf)>,
        args: &[&str],
    ) -> (Self, Vec<u16>) {
        Self::start_in(env, &[args, &["--json"]].concat()).listens()
    }

    /// The process' id.
    #[allow(dead_code, reason = "long runs look at what it takes")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn input(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub(crate) fn output(&mut self) -> ChildStdout {
        self.out.take().unwrap()
    }

    /// Reads standard output line by line until one has `part` in it.
    pub(crate) fn wait_for(&mut self, part: &str) {
        let out = self.out.take().unwrap();
        let mut lines = BufReader::with_capacity(1, out);
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{part} never came");
        }
        self.out = Some(lines.into_inner());
    }

    /// Reads on in the background: a program that runs for minutes would wait for a reader once its
    /// pipe is full.
    pub(crate) fn drain(&mut self) {
        if let Some(out) = self.out.take() {
            self.drained = Some(thread::spawn(move || all(out)));
        }
    }

    /// Reads standard output up to a JSON event of this kind.
    #[cfg(feature = "relay")]
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        let out = self.out.take().unwrap();
        let mut lines = BufReader::with_capacity(1, out);
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{kind} never came");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                self.out = Some(lines.into_inner());
                return event;
            }
        }
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// kill -9.
    #[cfg(feature = "relay")]
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end, which must come within 25 s.
    pub(crate) fn wait(mut self) -> Outcome {
        self.drain();
        let deadline = Instant::now() + Duration::from_secs(25);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running after 25 s");
            thread::sleep(Duration::from_millis(10));
        };
        Outcome {
            code: status.code().unwrap_or(-1),
            out: self
                .drained
                .take()
                .map_or_else(Vec::new, |reader| reader.join().unwrap()),
            err: self.err.take().unwrap().join().unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn all(mut from: ChildStdout) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).unwrap();
    all
}

fn read(mut from: ChildStderr) -> String {
    let mut all = String::new();
    from.read_to_string(&mut all).unwrap();
    all
}

/// Runs the command to its end.
pub(crate) fn audiox(args: &[&str]) -> Outcome {
    Running::start(args).wait()
}

/// A folder for one test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A WAV file of `frames` frames that look like noise, different for each name; its path and
    /// sample data.
    pub(crate) fn wav(
        &self,
        name: &str,
        sample: SampleFormat,
        channels: u16,
        frames: usize,
    ) -> (String, Vec<u8>) {
        let format = StreamFormat::new(SampleRate::HZ_48000, Channels::new(channels).unwrap());
        let bytes = frames * usize::from(channels) * sample.bytes();
        let mut state = name.bytes().fold(1u64, |s, b| s * 31 + u64::from(b));
        let data: Vec<u8> = (0..bytes)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let mut sink = WavSink::create(self.path(name), format, sample).unwrap();
        sink.write_native(&data).unwrap();
        sink.finish().unwrap();
        (self.at(name), data)
    }
}

/// All sample data of a WAV file, which must be a sound one.
pub(crate) fn data(path: impl AsRef<Path>) -> Vec<u8> {
    let mut wav = WavSource::open(path).unwrap();
    assert_eq!(wav.notices(), [""; 0]);
    let mut all = Vec::new();
    let mut block = vec![0; 48_000];
    loop {
        match wav.read_native(&mut block).unwrap() {
            0 => return all,
            n => all.extend_from_slice(&block[..n]),
        }
    }
}

/// One channel's bytes of interleaved 16-bit data.
pub(crate) fn channel(data: &[u8], channels: usize, which: usize) -> Vec<u8> {
    let frames = data.chunks_exact(channels * 2);
    frames
        .flat_map(|f| [f[which * 2], f[which * 2 + 1]])
        .collect()
}

/// A call over HTTP: the status, and the answer where it is JSON.
pub(crate) fn http(port: u16, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A TCP port that is free.
#[cfg(feature = "grpc")]
pub(crate) fn free_tcp_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until somebody has taken `port` and the next one.
pub(crate) fn wait_taken(port: u16) {
    [port, port + 1].into_iter().for_each(wait_bound);
}

/// Waits until something has bound a UDP port, on any address. The system is asked: who tried to
/// bind it would be in the way of who is about to.
pub(crate) fn wait_bound(port: u16) {
    let start = Instant::now();
    while !is_bound(port) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "nothing binds port {port}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_bound(port: u16) -> bool {
    let port = format!(":{port:04X}");
    ["/proc/net/udp", "/proc/net/udp6"]
        .into_iter()
        .any(|table| {
            let sockets = std::fs::read_to_string(table).unwrap_or_default();
            let mut local = sockets.lines().filter_map(|l| l.split_whitespace().nth(1));
            local.any(|address| address.ends_with(&port))
        })
}
