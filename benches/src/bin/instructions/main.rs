//! Instructions that hot operations take, counted by valgrind's callgrind: a gate that does not
//! depend on what else the machine does.
//!
//! `cargo run --release -p audiox-benches --bin instructions` runs each operation under valgrind a
//! number of times and three times as often; the difference leaves out what it takes to get there.
//! It fails where one takes more than 5 % more than `benches/instructions.txt` says, and with
//! `--bless` writes that file anew. `instructions NAME ROUNDS` is what runs under valgrind.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program's output"
)]

mod baseline;
mod operation;
mod stream;
mod waveform;

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use baseline::{Baseline, Verdict};
use operation::Operation;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The file that holds what was counted when somebody last looked.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [] => gate(false),
        ["--bless"] => gate(true),
        [name, rounds] => operation(name, rounds),
        _ => Err("usage: instructions [--bless]".into()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::FAILURE
    })
}

/// What valgrind watches.
fn operation(name: &str, rounds: &str) -> Outcome<ExitCode> {
    let rounds: u32 = rounds.parse()?;
    let all = Operation::all();
    let found = all.iter().find(|o| o.name == name);
    let mut run = (found.ok_or("no operation has this name")?.prepare)();
    (0..rounds).for_each(|_| run());
    Ok(ExitCode::SUCCESS)
}

fn gate(bless: bool) -> Outcome<ExitCode> {
    let known = match bless {
        true => Baseline::default(),
        false => Baseline::read(Path::new(BASELINE))?,
    };
    if !bless && known.arch != env::consts::ARCH {
        println!(
            "counts are for {}, this is {}: shown, not compared",
            known.arch,
            env::consts::ARCH
        );
    }
    let mut counted = Baseline {
        arch: env::consts::ARCH.to_owned(),
        counts: Vec::new(),
    };
    let mut worse = 0;
    println!(
        "{:<44} {:>12} {:>12}",
        "operation", "instructions", "baseline"
    );
    for operation in Operation::all() {
        let count = count(&operation)?;
        counted.counts.push((operation.name.to_owned(), count));
        if bless || known.arch != env::consts::ARCH {
            println!("{:<44} {count:>12}", operation.name);
            continue;
        }
        let before = known.of(operation.name).ok_or_else(|| {
            format!(
                "'{}' is not in {BASELINE}: run with --bless",
                operation.name
            )
        })?;
        let verdict = Verdict::of(before, count);
        worse += u32::from(verdict == Verdict::Worse);
        println!("{:<44} {count:>12} {before:>12} {verdict}", operation.name);
    }
    if bless {
        counted.write(Path::new(BASELINE))?;
    }
    if worse > 0 {
        return Err(format!(
            "{worse} operations take more instructions than before. If the compiler changed or the \
             work is worth it, write the new counts by --bless and say why in the commit"
        )
        .into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Instructions of one round.
fn count(operation: &Operation) -> Outcome<u64> {
    let (few, many) = (operation.rounds, operation.rounds * 3);
    let difference = under_valgrind(operation.name, many)?
        .checked_sub(under_valgrind(operation.name, few)?)
        .ok_or("more rounds took fewer instructions")?;
    Ok(difference / u64::from(many - few))
}

fn under_valgrind(name: &str, rounds: u32) -> Outcome<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([name, &rounds.to_string()])
        .output()
        .map_err(|e| format!("valgrind does not start ({e}): apt-get install valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1));
    match collected.map(str::parse) {
        Some(Ok(count)) if output.status.success() => Ok(count),
        _ => Err(format!("'{name}' under valgrind: {said}").into()),
    }
}
