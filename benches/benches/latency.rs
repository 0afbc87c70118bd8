//! How long sound takes from in front of a microphone to out of a speaker: devices that a sound
//! server makes up, RTP over loopback, and the same through GStreamer and ffmpeg.
//!
//! `--quick` plays 60 bursts a row instead of 1 000; any other word chooses rows that have it in
//! their names, and what is measured then is shown only.
#![allow(
    clippy::print_stdout,
    reason = "what is looked for and found is its output"
)]

#[path = "latency/instrument.rs"]
mod instrument;
#[path = "latency/network.rs"]
mod network;
#[path = "latency/ours.rs"]
mod ours;
#[path = "latency/peers.rs"]
mod peers;
#[path = "latency/probe.rs"]
mod probe;
#[path = "latency/rows.rs"]
mod rows;
#[path = "latency/server.rs"]
mod server;

use std::process::Command;
use std::time::Duration;

use audiox_benches::table::{is_quick, is_test};
use audiox_core::playout::Profile;
use audiox_core::stats::LatencyLedger;

use instrument::{Heard, Instrument};
use network::Road;
use ours::{Encoding, L16, OPUS, Ours, PCMU};
use peers::{Hold, Peer};
use rows::Rows;
use server::SoundServer;

/// Set where the sound server is.
const INSIDE: &str = "AUDIOX_LATENCY_INSIDE";
/// 10 ms, which devices are asked for where nothing else is said.
const BUFFER: u32 = 480;
/// Frames that our devices are asked for, and milliseconds that a peer is, from little to much:
/// the first that works is taken.
const BUFFERS: [u32; 4] = [64, 120, 240, BUFFER];
const HOLDS: [(u32, u32); 8] = [
    (0, 5),
    (0, 10),
    (5, 10),
    (0, 20),
    (5, 20),
    (10, 20),
    (10, 40),
    (20, 40),
];
const DEVICES: [u32; 4] = [5, 10, 20, 40];
const TRIAL_WARM_UP: Duration = Duration::from_secs(2);
/// What works tears no more of a hundred bursts, and loses none.
const TORN: f64 = 1.0;
/// Up to 10 ms late and up to a packet more.
const BAD_NETWORK_HOLD: u32 = 20;

fn main() {
    if std::env::var_os(INSIDE).is_some() {
        return Bench::new().run();
    }
    // The system's library of devices reads the environment, which is not to be changed under
    // threads.
    let server = SoundServer::start();
    let this = std::env::current_exe().expect("it runs");
    let mut inside = Command::new(this);
    let inside = inside.args(std::env::args_os().skip(1)).env(INSIDE, "1");
    let status = server.run(inside).expect("it runs a second time");
    drop(server);
    std::process::exit(status.code().unwrap_or(1));
}

struct Bench {
    /// Before bursts count.
    warm_up: Duration,
    bursts: usize,
    /// Bursts by which is judged whether something works.
    trial: usize,
    rows: Rows,
}

impl Bench {
    fn new() -> Self {
        let (warm_up, bursts, trial) = match (is_test(), is_quick()) {
            (true, _) => (1, 10, 10),
            (_, true) => (3, 60, 40),
            _ => (10, 1_000, 160),
        };
        let mut words = std::env::args().skip(1);
        Self {
            warm_up: Duration::from_secs(warm_up),
            bursts,
            trial,
            rows: Rows::new(words.find(|w| !w.starts_with('-'))),
        }
    }

    fn run(mut self) {
        // Both ears in one place: what the measuring adds itself, and the devices alone.
        let bursts = self.bursts.min(200);
        let itself = Instrument::open(["mic", "mic"]).measure(Duration::from_secs(1), bursts);
        self.rows.instrument(itself);
        for encoding in [L16, PCMU, OPUS] {
            for profile in Profile::ALL {
                self.ours(profile, encoding, BUFFER, Road::Straight);
            }
        }
        for encoding in [L16, OPUS] {
            self.least_of_ours(encoding);
            self.gstreamer(encoding);
        }
        self.ffmpeg();
        self.ours(Profile::Interactive, L16, BUFFER, Road::Bad);
        self.ours(Profile::Balanced, L16, BUFFER, Road::Bad);
        let hold = Hold {
            jitter_buffer: BAD_NETWORK_HOLD,
            device: 20,
        };
        let name = format!("GStreamer, L16, {hold}, bad network");
        if self.rows.wants(&name) {
            let (heard, _) = self.measure(|| Peer::gstreamer(L16, hold, Road::Bad));
            self.rows.add(&name, heard, None);
        }
        self.rows.finish();
    }

    fn ours(&mut self, profile: Profile, encoding: Encoding, buffer: u32, road: Road) {
        let name = encoding.name;
        let devices = match buffer {
            BUFFER => String::new(),
            frames => format!(", quanta of {:.1} ms", f64::from(frames) / 48.0),
        };
        let name = format!("audiox {profile}, {name}{devices}{road}");
        if self.rows.wants(&name) {
            let (heard, ours) = self.measure(|| Ours::start(profile, encoding, buffer, road));
            let ledger: LatencyLedger = ours.finish();
            self.rows.add(&name, heard, Some(ledger));
        }
    }

    /// As the others, with the smallest quanta that work.
    fn least_of_ours(&mut self, encoding: Encoding) {
        let name = format!("audiox interactive, {}, quanta of", encoding.name);
        let start =
            |buffer: &u32| Ours::start(Profile::Interactive, encoding, *buffer, Road::Straight);
        if let Some(buffer) = self.least(&name, &BUFFERS, start)
            && buffer != BUFFER
        {
            self.ours(Profile::Interactive, encoding, buffer, Road::Straight);
        }
    }

    fn gstreamer(&mut self, encoding: Encoding) {
        let name = format!("GStreamer, {}", encoding.name);
        let holds = HOLDS.map(|(jitter_buffer, device)| Hold {
            jitter_buffer,
            device,
        });
        let start = |hold: &Hold| Peer::gstreamer(encoding, *hold, Road::Straight);
        if let Some(hold) = self.least(&name, &holds, start) {
            let (heard, _) = self.measure(|| start(&hold));
            self.rows.add(&format!("{name}, {hold}"), heard, None);
        }
    }

    fn ffmpeg(&mut self) {
        let name = format!("ffmpeg, {}", L16.name);
        let start = |device: &u32| Peer::ffmpeg(L16, *device);
        if let Some(device) = self.least(&name, &DEVICES, start) {
            let (heard, _) = self.measure(|| start(&device));
            self.rows
                .add(&format!("{name}, devices {device} ms"), heard, None);
        }
    }

    /// The first of `choices` with which what `start` starts works; the last where none does,
    /// `None` where it is not asked for.
    fn least<T: Copy + std::fmt::Debug, W>(
        &self,
        name: &str,
        choices: &[T],
        mut start: impl FnMut(&T) -> W,
    ) -> Option<T> {
        if !self.rows.wants(name) {
            return None;
        }
        let works = choices.iter().find(|choice| {
            let (heard, _) = hear(TRIAL_WARM_UP, self.trial, || start(choice));
            let missing = heard.played - heard.delays.len();
            let works = missing == 0 && heard.torn_percent() <= TORN && heard.played > 0;
            println!(
                "{name} {choice:?}: {} of {} missing, {} torn: {}",
                missing,
                heard.played,
                heard.torn,
                if works { "works" } else { "not enough" }
            );
            works
        });
        works.or_else(|| choices.last()).copied()
    }

    fn measure<W>(&self, start: impl FnOnce() -> W) -> (Heard, W) {
        hear(self.warm_up, self.bursts, start)
    }
}

/// What measures has its devices first: a sound server that opens one more stalls those that run.
fn hear<W>(warm_up: Duration, bursts: usize, start: impl FnOnce() -> W) -> (Heard, W) {
    let instrument = Instrument::open(["mic", "tap"]);
    let started = start();
    (instrument.measure(warm_up, bursts), started)
}
