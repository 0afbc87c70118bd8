//! Hundreds of devices on one server: how long an event and a sound take, how true packets are to
//! their schedule, and what it costs; beside what encoding for each device would cost. The server is a
//! process of its own, so that its time and memory are its own.
//!
//! Not a criterion bench: it runs in real time. `--quick` takes 5 s instead of 30 s, and 200 idle
//! devices instead of 2 000.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use audiox_benches::table::{Table, is_quick};
use audiox_core::block::AudioRef;
use audiox_core::codec::CodecRegistry;
use audiox_core::source::Source;
use audiox_grpc::DeviceServer;
use audiox_grpc::client::{Client, ClientConfig, Listener, Update};
use audiox_grpc::device::Button;
use audiox_grpc::server::ServerConfig;
use audiox_grpc::sound::{BUILT_IN, BuiltIn, LibraryConfig};

const DEVICES: usize = 500;
const PLAYING: usize = 100;
const LEAD: Duration = Duration::from_millis(20);
const PTIME: Duration = Duration::from_millis(20);
/// How far a packet may be off its schedule.
const LIMIT: Duration = Duration::from_millis(5);

fn main() {
    if std::env::args().any(|a| a == "serve") {
        return serve();
    }
    let (time, idle) = match is_quick() {
        true => (Duration::from_secs(5), 200),
        false => (Duration::from_secs(30), 2_000),
    };
    let mut server = Table::new("devices-cost", "server")
        .significant("", "", 3)
        .text("unit");
    load(time, &mut server);
    by_hand(&mut server);
    resting(idle, &mut server);
    server.finish();
}

fn codecs() -> CodecRegistry {
    let mut codecs = CodecRegistry::empty();
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    codecs
}

/// The other process.
fn serve() {
    let bind = "127.0.0.1:0".parse().expect("an address");
    let server = DeviceServer::bind(ServerConfig::new(bind, LibraryConfig::new(codecs())));
    let server = server.expect("it can be served").spawn().expect("threads");
    tell(server.url());
    // Until the other end of the pipe closes.
    let _ = std::io::stdin().lock().lines().next();
}

/// What the process that started this one waits for.
#[allow(clippy::print_stdout, reason = "one line through a pipe")]
fn tell(line: &str) {
    println!("{line}");
}

struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a program"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let url = out.lines().next().expect("a line").expect("a line");
        Self { child, url }
    }

    /// User and system time so far.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks: u64 = [11, 12]
            .iter()
            .map(|n| fields[*n].parse().unwrap_or(0))
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Memory in use, in MiB.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|l| l.starts_with("VmRSS"));
        let kib: f64 = line
            .and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0.0);
        kib / 1_024.0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Happened = (usize, Instant, Update);

fn connect(url: &str, devices: usize) -> (Vec<Client>, Receiver<Happened>) {
    let (tell, told) = channel();
    let configs = (0..devices).map(|n| ClientConfig::new(url, format!("device-{n}")));
    let listeners = (0..devices).map(|n| -> Listener {
        let tell = tell.clone();
        Box::new(move |update| {
            let _ = tell.send((n, Instant::now(), update));
        })
    });
    let clients = Client::spawn_all(configs.collect(), listeners.collect());
    let clients = clients.expect("threads");
    let mut connected = 0;
    while connected < devices {
        let (_, _, update) = told.recv().expect("devices run");
        match update {
            Update::Connected => connected += 1,
            Update::Disconnected { reason } => panic!("a device is away: {reason}"),
            _ => {}
        }
    }
    (clients, told)
}

/// All devices press a button once a second, first nobody and then some of them play without end:
/// what the latter costs is the difference.
fn load(time: Duration, cost: &mut Table) {
    let server = Served::start();
    let (clients, told) = connect(&server.url, DEVICES);
    std::thread::sleep(Duration::from_secs(1));
    let events = pressed(&server, &clients, &told, time / 3, 0);
    let all = pressed(&server, &clients, &told, time, PLAYING);
    let share = "% of a core";
    cost.row("all of it", [all.cpu.into(), share.into()]);
    cost.row("while nobody plays", [events.cpu.into(), share.into()]);
    let playing = format!("so for {PLAYING} playing devices");
    cost.row(playing, [(all.cpu - events.cpu).into(), share.into()]);
    cost.row("memory", [server.memory().into(), "MiB".into()]);
    let mut times = Table::new("devices", "time")
        .number("p50", "ms", 2)
        .number("p99", "ms", 2)
        .number("p99.9", "ms", 2)
        .number("max", "ms", 2)
        .number("times", "", 0);
    times.note(format!(
        "{DEVICES} devices, {PLAYING} of them playing, {} s; {} sounds, {} packets of which {} more \
         than {LIMIT:?} off",
        time.as_secs(),
        all.sounds,
        all.off.len(),
        all.off.iter().filter(|off| **off > LIMIT).count()
    ));
    row(&mut times, "event to acknowledgement", all.acks);
    row(&mut times, "play to first packet", all.firsts);
    row(&mut times, "packet off its schedule", all.off);
    times.finish();
}

/// What was seen of it.
struct Seen {
    /// Per cent of a core.
    cpu: f64,
    sounds: u32,
    acks: Vec<Duration>,
    firsts: Vec<Duration>,
    off: Vec<Duration>,
}

fn pressed(
    server: &Served,
    clients: &[Client],
    told: &Receiver<Happened>,
    time: Duration,
    playing: usize,
) -> Seen {
    let (mut acks, mut firsts, mut off) = (Vec::new(), Vec::new(), Vec::new());
    let mut plays = vec![(None, None, 0u32); playing];
    let (start, before) = (Instant::now(), server.cpu());
    let mut sounds = 0u32;
    let mut next = 0;
    while start.elapsed() < time {
        // Spread over the second.
        while next as f64 / DEVICES as f64 <= start.elapsed().as_secs_f64() {
            let device = next % DEVICES;
            match plays.get_mut(device) {
                Some(play) if next < DEVICES => {
                    play.0 = Some(Instant::now());
                    clients[device].tap(Button::Four);
                }
                _ => clients[device].tap(Button::One),
            }
            next += 1;
        }
        let Ok((device, at, update)) = told.recv_timeout(Duration::from_micros(500)) else {
            continue;
        };
        let play = plays.get_mut(device);
        match (update, play) {
            (Update::Acknowledged(after), _) => acks.push(after),
            (Update::SoundStarted, Some(play)) => {
                sounds += 1;
                firsts.extend(
                    play.0
                        .take()
                        .map(|asked| at.saturating_duration_since(asked)),
                );
                (play.1, play.2) = (Some(at), 0);
            }
            (Update::Packet(_), Some((_, Some(first), number))) => {
                let due = *first + (PTIME * *number).saturating_sub(LEAD);
                let away = match at.checked_duration_since(due) {
                    Some(late) => late,
                    None => due - at,
                };
                off.push(away);
                *number += 1;
            }
            (Update::SoundEnded, Some(play)) => {
                play.0 = Some(Instant::now());
                clients[device].tap(Button::Four);
            }
            _ => {}
        }
    }
    Seen {
        cpu: (server.cpu() - before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0,
        sounds,
        acks,
        firsts,
        off,
    }
}

fn row(table: &mut Table, what: &str, mut all: Vec<Duration>) {
    all.sort_unstable();
    let at = |q: f64| all.get(((all.len() as f64 * q) as usize).min(all.len().saturating_sub(1)));
    let cells = [0.5, 0.99, 0.999, 1.0].map(|q| at(q).map(|d| d.as_secs_f64() * 1e3).into());
    table.row(what, cells.into_iter().chain([all.len().into()]));
}

/// What encoding a second for each playing device would cost.
fn by_hand(table: &mut Table) {
    let spec = "opus/48000/1".parse().expect("a name");
    let mut encoder = codecs().encoder(&spec, 960).expect("Opus is there");
    let mut payload = vec![0; encoder.max_payload_len()];
    let (mut samples, mut packets) = (vec![0.0; 960], 0);
    let start = Instant::now();
    for name in BUILT_IN {
        let mut sound = BuiltIn::open(name).expect("it is built in");
        while let Ok(960) = sound.read(&mut samples) {
            let block = AudioRef::new(&samples, encoder.format().channels);
            encoder.encode(block, &mut payload).expect("it encodes");
            packets += 1;
        }
    }
    let each = start.elapsed().as_secs_f64() / f64::from(packets);
    let cores = each * 50.0 * PLAYING as f64 * 100.0;
    let what = format!("peer: an encoder for each of {PLAYING} playing devices, besides");
    table.row(what, [cores.into(), "% of a core".into()]);
    table.row("peer: a packet encoded", [(each * 1e6).into(), "µs".into()]);
}

/// Devices that are there and do nothing.
fn resting(devices: usize, table: &mut Table) {
    let server = Served::start();
    let before = server.memory();
    let (clients, _told) = connect(&server.url, devices);
    std::thread::sleep(Duration::from_secs(3));
    let (memory, cpu) = (server.memory(), server.cpu());
    std::thread::sleep(Duration::from_secs(5));
    let cpu = (server.cpu() - cpu).as_secs_f64() / 5.0 * 100.0;
    table.row("before idle devices come", [before.into(), "MiB".into()]);
    table.row(
        format!("{devices} idle devices"),
        [memory.into(), "MiB".into()],
    );
    table.row(
        format!("{devices} idle devices"),
        [cpu.into(), "% of a core".into()],
    );
    drop(clients);
}
