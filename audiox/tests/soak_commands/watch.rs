//! Running commands, and what they take of the machine.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::figure;
use crate::support::{Outcome, Running};

pub(crate) struct Watch {
    long: bool,
    commands: Vec<Command>,
}

struct Command {
    name: String,
    running: Running,
    samples: Vec<Sample>,
}

/// What a process holds at a moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    resident_kib: u64,
    descriptors: u64,
    threads: u64,
    /// Ticks of a hundredth of a second, user and system.
    cpu: u64,
}

impl Watch {
    pub(crate) fn new(long: bool) -> Self {
        Self {
            long,
            commands: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, running: Running) -> &mut Running {
        self.commands.push(Command {
            name: name.to_owned(),
            running,
            samples: Vec::new(),
        });
        &mut self.commands.last_mut().unwrap().running
    }

    pub(crate) fn start(&mut self, name: &str, args: &[&str]) {
        let running = Running::start(&[args, &["--json"]].concat());
        self.add(name, running);
    }

    /// A command that told where it listens.
    pub(crate) fn listening(
        &mut self,
        name: &str,
        (running, ports): (Running, Vec<u16>),
    ) -> Vec<u16> {
        self.add(name, running);
        ports
    }

    /// Looks at all of them for so long; none may end.
    pub(crate) fn watch(&mut self, length: Duration) {
        for command in &mut self.commands {
            command.running.drain();
        }
        let every = if self.long { 2_000 } else { 500 };
        let until = Instant::now() + length;
        while Instant::now() < until {
            for command in &mut self.commands {
                let name = &command.name;
                assert!(!command.running.has_ended(), "{name} has ended");
                let sample = Sample::of(command.running.id());
                command.samples.push(sample);
            }
            thread::sleep(Duration::from_millis(every));
        }
    }

    /// Ctrl-C for each, the last first; each must be gone within seconds.
    pub(crate) fn end(self) -> Ended {
        let mut commands = self.commands;
        let mut ended = Vec::new();
        // Benches wait some seconds for stragglers; meanwhile others end.
        let slow = |name: &str| name.starts_with("bench");
        for command in commands.iter().filter(|c| slow(&c.name)) {
            command.running.interrupt();
        }
        while let Some(Command {
            name,
            running,
            samples,
        }) = commands.pop()
        {
            let asked = Instant::now();
            if !slow(&name) {
                running.interrupt();
            }
            let outcome = running.wait();
            let took = asked.elapsed();
            assert_eq!(outcome.code, 0, "{name}: {}", outcome.err);
            assert_eq!(outcome.err, "", "{name} complains");
            // A busy machine takes its time; minutes would be a hang.
            assert!(took < Duration::from_secs(15), "{name} took {took:?}");
            ended.push(EndedCommand {
                name,
                samples,
                took,
                outcome,
            });
        }
        ended.reverse();
        Ended {
            long: self.long,
            commands: ended,
        }
    }
}

pub(crate) struct Ended {
    long: bool,
    commands: Vec<EndedCommand>,
}

struct EndedCommand {
    name: String,
    samples: Vec<Sample>,
    took: Duration,
    outcome: Outcome,
}

impl Ended {
    pub(crate) fn summary(&self, name: &str) -> Value {
        let found = self.commands.iter().find(|c| c.name == name);
        found.unwrap().outcome.summary()
    }

    /// Between the second and the last quarter neither memory nor descriptors nor threads have
    /// grown. In the short form, whose second quarter is still warming up, only what is gross
    /// shows.
    pub(crate) fn is_flat(&self) {
        for command in &self.commands {
            let name = &command.name;
            let quarter = command.samples.len() / 4;
            let second = &command.samples[quarter..2 * quarter];
            let last = &command.samples[command.samples.len() - quarter..];
            let (memory, held) = match self.long {
                true => (4 << 10, 1),
                false => (16 << 10, 16),
            };
            let median = |of: fn(&Sample) -> u64| (middle(second, of), middle(last, of));
            let (before, after) = median(|s| s.resident_kib);
            // Guests make it go up and down; so its middle, and a share for what allocators keep.
            let most = before + before / 20 + memory;
            assert!(after <= most, "{name}: {before} KiB, then {after}");
            for (what, of) in [
                (
                    "descriptors",
                    (|s: &Sample| s.descriptors) as fn(&Sample) -> u64,
                ),
                ("threads", |s| s.threads),
            ] {
                let (before, after) = median(of);
                assert!(
                    after <= before + held,
                    "{name}: {before} {what}, then {after}"
                );
            }
            if self.long {
                let slope = slope_kib_an_hour(&command.samples[quarter..]);
                assert!(slope < 16.0 * 1_024.0, "{name}: {slope} KiB an hour");
            }
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16}{:>14}{:>14}{:>10}{:>9}{:>9}{:>8}{:>10}{:>8}{:>7}",
            "command",
            "KiB 2nd qtr",
            "KiB last qtr",
            "KiB/h",
            "files",
            "threads",
            "CPU %",
            "packets",
            "lost",
            "end s"
        )?;
        for c in &self.commands {
            let quarter = c.samples.len() / 4;
            let (second, last) = (
                &c.samples[quarter..2 * quarter],
                &c.samples[c.samples.len() - quarter..],
            );
            let pair =
                |of: fn(&Sample) -> u64| format!("{}-{}", middle(second, of), middle(last, of));
            let every = if self.long { 2.0 } else { 0.5 };
            let seconds = (c.samples.len() - 1) as f64 * every;
            let cpu = c.samples[c.samples.len() - 1].cpu - c.samples[0].cpu;
            let summary = c.outcome.summary();
            let told = |keys: &[&str]| {
                figure(&summary, keys).map_or_else(|| "-".to_owned(), |n| n.to_string())
            };
            writeln!(
                f,
                "{:<16}{:>14}{:>14}{:>10.0}{:>9}{:>9}{:>8.1}{:>10}{:>8}{:>7.1}",
                c.name,
                middle(second, |s| s.resident_kib),
                middle(last, |s| s.resident_kib),
                match self.long {
                    true => slope_kib_an_hour(&c.samples[quarter..]),
                    false => 0.0,
                },
                pair(|s| s.descriptors),
                pair(|s| s.threads),
                cpu as f64 / seconds,
                told(&["packets", "packets_received", "handled", "frames", "bytes"]),
                told(&["packets_lost", "lost", "left_out", "refused_bytes"]),
                c.took.as_secs_f64(),
            )?;
        }
        Ok(())
    }
}

impl Sample {
    fn of(pid: u32) -> Self {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap();
        let status = read("status");
        let line = |key: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(key));
            let number = line.and_then(|l| l.split_whitespace().next());
            number.and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        let stat = read("stat");
        // Behind the name, which may have spaces: state is the first.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
        let ticks = |n: usize| fields[n].parse::<u64>().unwrap();
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        Self {
            resident_kib: line("VmRSS:"),
            descriptors: files.count() as u64,
            threads: line("Threads:"),
            cpu: ticks(12) + ticks(13),
        }
    }
}

fn middle(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut all: Vec<u64> = samples.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// By least squares, of samples that are two seconds apart.
fn slope_kib_an_hour(samples: &[Sample]) -> f64 {
    let n = samples.len() as f64;
    let mean_x = (n - 1.0) / 2.0;
    let mean_y = samples.iter().map(|s| s.resident_kib as f64).sum::<f64>() / n;
    let (mut above, mut below) = (0.0, 0.0);
    for (x, s) in samples.iter().enumerate() {
        let x = x as f64 - mean_x;
        above += x * (s.resident_kib as f64 - mean_y);
        below += x * x;
    }
    above / below * 1_800.0
}
