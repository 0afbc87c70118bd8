//! `audiox device`: a device in a terminal, or by a script, or many.

mod ear;
mod screen;
mod script;

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use audiox::core::ConfigError;
use audiox::grpc::client::{Client, ClientConfig, Listener, Update};
use audiox::grpc::device::Rgba;
use audiox::net::http::Token;
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::files;
use super::interrupt::Interrupt;
use super::output::Output;
use super::serve;
use super::text::{Clock, count};
use super::value;
use ear::Ear;
use screen::{Key, Screen};
use script::{Script, Step, Until};

/// Be a device: its buttons are keys, its LEDs are drawn, its sound is played or recorded
///
/// On a terminal, 1 to 4 are the buttons (after h they are held), b takes from the battery, d
/// disconnects and connects, q quits. Otherwise it does what --do says, or each line of standard
/// input.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeviceArgs {
    /// The server, as https://… where it encrypts
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    server: String,
    /// The device's name
    #[arg(long, value_name = "NAME", default_value = "device")]
    id: String,
    /// Where the sound goes: speaker, FILE.wav, FILE.opus, - or null:. By default to the speaker on
    /// a terminal, and nowhere otherwise
    #[arg(long, value_name = "SINK")]
    to: Option<String>,
    /// Do this and end: steps between commas
    #[arg(long = "do", value_name = "STEPS")]
    script: Option<Script>,
    /// Be so many devices, NAME-1 and so on, which all do the same; their sound goes nowhere
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Send the first token of this file, or else the one in the environment's AUDIOX_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust the certificates in this file, in PEM, and not the system's authorities
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    duration: Option<Duration>,
}

/// What happened to which device.
struct Happened {
    device: usize,
    update: Update,
}

/// What was seen of all devices.
#[derive(Debug, Default)]
struct Seen {
    connects: u64,
    starts: u64,
    ends: u64,
    packets: u64,
    acks: u64,
    slowest: Duration,
    /// Devices of which an LED is lit.
    lit: BTreeSet<usize>,
}

pub(super) fn run(args: DeviceArgs, mut output: Output) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let interactive = on_terminal && args.script.is_none() && args.count == 1;
    let wanted = u64::from(args.count) + SPARE_FILES;
    if let Some(limit) = files::raise_limit(wanted) {
        output.notice(format_args!(
            "this system lets one process have {limit} files; for {} devices raise it, as by \
             ulimit -n {wanted}",
            args.count
        ))?;
    }
    let mut ear = ear(&args, interactive, &mut output)?;
    let (clients, happenings) = clients(&args)?;
    let mut lines = match &args.script {
        None if !interactive => Some(lines()),
        _ => None,
    };
    let mut script = args.script.clone().unwrap_or_default();
    let mut screen = match interactive {
        true => Some(Screen::open(&args.id, &args.server)?),
        false => None,
    };
    output.go_live();
    let mut seen = Seen::default();
    let mut mark = Mark::default();
    let mut waits: Option<Waits> = None;
    let (mut begun, mut pressed) = (false, 0);
    let mut patience = Patience::default();
    let failed = loop {
        match happenings.recv_timeout(LOOK_EVERY) {
            Ok(happened) => {
                let many = args.count > 1;
                seen.take(&happened);
                if let Some(screen) = &mut screen {
                    screen.take(&happened.update);
                } else if let Err(e) = tell(&happened, many, &args.id, &output) {
                    break Some(e);
                }
                if let Err(e) = ear.as_mut().map_or(Ok(()), |ear| ear.take(happened.update)) {
                    break Some(e);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break None,
        }
        if let Some(screen) = &mut screen {
            match screen.key()? {
                Some(Key::Quit) => break None,
                Some(Key::Do(step)) => do_step(&step, &clients, &mut mark, &seen),
                None => {}
            }
            screen.draw(&clients[0].state())?;
        }
        if waits
            .as_ref()
            .is_some_and(|w| w.over(&clients, &mark, &seen))
        {
            waits = None;
        }
        while waits.is_none() {
            if let Some(given) = &mut lines {
                match given.try_recv() {
                    Ok(Ok(more)) => script.steps.extend(more.steps),
                    Ok(Err(e)) => output.notice(e)?,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => lines = None,
                    Err(std::sync::mpsc::TryRecvError::Empty) => {}
                }
            }
            let Some(step) = script.steps.pop_front() else {
                break;
            };
            // Nothing comes of a button before that.
            if !std::mem::replace(&mut begun, true) && step.presses() > 0 {
                waits = Some(Waits::Until(Until::Connected));
                script.steps.push_front(step);
                break;
            }
            waits = Waits::of(&step);
            pressed += step.presses() * clients.len() as u64;
            do_step(&step, &clients, &mut mark, &seen);
        }
        let done = waits.is_none() && script.steps.is_empty() && lines.is_none() && !interactive;
        let late = args.duration.is_some_and(|d| output.elapsed() >= d);
        let done = done && (seen.acks >= pressed || patience.is_over());
        if done || late || interrupt.requested() {
            break None;
        }
    };
    drop(screen);
    let elapsed = output.elapsed();
    drop(clients);
    let heard = ear.map_or(Ok(0.0), Ear::finish)?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    output.summary(|| seen.text(elapsed, heard), || seen.json(heard))
}

fn ear(args: &DeviceArgs, interactive: bool, output: &mut Output) -> Result<Option<Ear>, Failure> {
    let to = match &args.to {
        Some(_) if args.count > 1 => {
            let allowed = "the sound of one device goes somewhere; with --count it goes nowhere";
            return Err(audiox::Error::from(ConfigError::new("to", "given", allowed)).into());
        }
        Some(to) => to,
        None if interactive && cfg!(feature = "devices") => match Ear::open("speaker") {
            Ok(ear) => return Ok(Some(ear)),
            Err(e) => {
                let audible = "the sound goes nowhere";
                output.notice(format_args!("{}; {audible}", e.words()))?;
                return Ok(None);
            }
        },
        None => return Ok(None),
    };
    if to == "-" {
        output.give_stdout_to_audio();
    }
    Ear::open(to).map(Some)
}

fn clients(args: &DeviceArgs) -> Result<(Vec<Client>, Receiver<Happened>), Failure> {
    let token = match &args.token_file {
        Some(file) => {
            // Checked as the server's are; what is sent is its first line.
            Token::from_file(file).map_err(serve::failure)?;
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let mut lines = text.lines().map(str::trim);
            lines
                .find(|l| !l.is_empty() && !l.starts_with('#'))
                .map(str::to_owned)
        }
        None => std::env::var("AUDIOX_TOKEN").ok().filter(|t| !t.is_empty()),
    };
    let trust = args.trust.as_ref().map(|file| {
        std::fs::read_to_string(file)
            .map_err(|e| Failure::io(format_args!("cannot read {}", file.display()), &e))
    });
    let trust = trust.transpose()?;
    let (tell, happenings) = channel();
    let mut configs = Vec::new();
    let mut listeners: Vec<Listener> = Vec::new();
    for device in 0..usize::from(args.count) {
        let id = name(&args.id, device, args.count > 1);
        configs.push(ClientConfig {
            token: token.clone(),
            trust: trust.clone(),
            ..ClientConfig::new(&args.server, id)
        });
        let tell = tell.clone();
        listeners.push(Box::new(move |update| {
            // Nobody is told once all is over.
            let _ = tell.send(Happened { device, update });
        }));
    }
    let clients = Client::spawn_all(configs, listeners).map_err(audiox::Error::from)?;
    Ok((clients, happenings))
}

/// Lines of standard input as steps.
fn lines() -> Receiver<Result<Script, String>> {
    let (give, given) = channel();
    // Not joined: it may wait for a line that never comes.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let steps = line.parse().map_err(|e: ConfigError| e.to_string());
            if give.send(steps).is_err() {
                return;
            }
        }
    });
    given
}

fn do_step(step: &Step, clients: &[Client], mark: &mut Mark, seen: &Seen) {
    if step.presses() > 0 {
        *mark = Mark {
            starts: seen.starts,
            ends: seen.ends,
            acks: seen.acks,
        };
    }
    for client in clients {
        match step {
            Step::Press(button, press) => client.press(*button, *press),
            Step::Tap(button) => client.tap(*button),
            Step::Connect(wanted) => client.connect(*wanted),
            Step::Battery(level) => client.set_battery(*level),
            Step::Drain => client.set_battery((client.state().battery - 0.1).max(0.0)),
            Step::Wait(_) | Step::Until(_) => {}
        }
    }
}

/// What had been seen when a button was pressed last.
#[derive(Debug, Default)]
struct Mark {
    starts: u64,
    ends: u64,
    acks: u64,
}

/// What a script waits for.
#[derive(Debug)]
enum Waits {
    Time(Instant),
    Until(Until),
}

impl Waits {
    fn of(step: &Step) -> Option<Self> {
        match step {
            Step::Wait(time) => Some(Self::Time(Instant::now() + *time)),
            Step::Until(what) => Some(Self::Until(*what)),
            _ => None,
        }
    }

    fn over(&self, clients: &[Client], mark: &Mark, seen: &Seen) -> bool {
        let all = clients.len() as u64;
        match self {
            Self::Time(at) => Instant::now() >= *at,
            Self::Until(Until::Connected) => clients.iter().all(|c| c.state().connected),
            Self::Until(Until::Start) => seen.starts >= mark.starts + all,
            Self::Until(Until::End) => seen.ends >= mark.ends + all,
            Self::Until(Until::Acknowledged) => seen.acks >= mark.acks + all,
            Self::Until(Until::Dark) => seen.lit.is_empty(),
        }
    }
}

/// What was pressed last is to arrive, but is not waited for for ever.
#[derive(Debug, Default)]
struct Patience(Option<Instant>);

impl Patience {
    /// Whether it is some time since this was asked first.
    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        *self.0.get_or_insert(now + DELIVERY) <= now
    }
}

impl Seen {
    fn take(&mut self, happened: &Happened) {
        match &happened.update {
            Update::Connected => self.connects += 1,
            Update::SoundStarted => self.starts += 1,
            Update::Packet(_) => self.packets += 1,
            Update::SoundEnded => self.ends += 1,
            Update::Acknowledged(after) => {
                self.acks += 1;
                self.slowest = self.slowest.max(*after);
            }
            Update::Leds(leds) => {
                // LED 0 tells of the connection.
                match leds[1..].iter().all(|led| *led == Rgba::OFF) {
                    true => self.lit.remove(&happened.device),
                    false => self.lit.insert(happened.device),
                };
            }
            _ => {}
        }
    }

    fn text(&self, elapsed: Duration, heard: f64) -> String {
        let mut text = format!(
            "{} in {}: {}, {} acknowledged, the slowest after {:.1} ms",
            count(self.starts, "sound"),
            Clock(elapsed),
            count(self.packets, "packet"),
            count(self.acks, "event"),
            self.slowest.as_secs_f64() * 1e3,
        );
        if heard > 0.0 {
            text += &format!("\n{heard:.2} s heard");
        }
        text
    }

    fn json(&self, heard: f64) -> Value {
        json!({
            "connects": self.connects,
            "sounds": self.starts,
            "ended": self.ends,
            "packets": self.packets,
            "acknowledged": self.acks,
            "slowest_ms": self.slowest.as_secs_f64() * 1e3,
            "heard": heard,
        })
    }
}

fn tell(happened: &Happened, many: bool, id: &str, output: &Output) -> Result<(), Failure> {
    let id = name(id, happened.device, many);
    let (kind, more) = match &happened.update {
        Update::Connected => ("connected", json!({})),
        Update::Disconnected { reason } => {
            output.notice(format_args!("{id}: no connection: {reason}"))?;
            ("disconnected", json!({ "reason": reason }))
        }
        Update::Leds(leds) => ("leds", json!({ "leds": leds })),
        Update::Acknowledged(after) => ("acknowledged", json!({ "ms": after.as_secs_f64() * 1e3 })),
        Update::SoundStarted => ("sound", json!({ "begun": true })),
        Update::SoundEnded => ("sound", json!({ "begun": false })),
        _ => return Ok(()),
    };
    output.event(kind, || {
        let mut fields = json!({ "id": id });
        if let (Value::Object(all), Value::Object(more)) = (&mut fields, more) {
            all.extend(more);
        }
        fields
    })
}

fn name(id: &str, device: usize, many: bool) -> String {
    match many {
        true => format!("{id}-{}", device + 1),
        false => id.to_owned(),
    }
}

/// Files that a process has beside its connections.
const SPARE_FILES: u64 = 64;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const DELIVERY: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  audiox device --id kitchen
  audiox device --id kitchen --to heard.wav --do 'until connected, mode, play, until end'
  audiox device --id load --count 500 --do 'until connected, play, wait 60s'

Steps: mode, stop, play; tap, press, hold or release and a button's number; wait TIME; until
connected, start (of a sound), end, ack or dark (LEDs); battery LEVEL; disconnect, connect.";
