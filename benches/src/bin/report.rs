//! Puts what benches measured into BENCHMARKS.md: `report` after all of them, `report --keep` after
//! some; `report --quick` writes rough figures elsewhere. `report capture COMMAND…` runs a command
//! that prints tables and keeps them as benches keep theirs.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use audiox_benches::document::{concluded, filled, regions};
use audiox_benches::taken::{Taken, directory, root, target};
use audiox_benches::{plots, printed};

const USAGE: &str =
    "usage: report [--quick] [--keep] | report capture [--quick] COMMAND [ARGUMENT…]";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("capture") => {
            arguments.remove(0);
            let quick = arguments.first().is_some_and(|a| a == "--quick");
            if quick {
                arguments.remove(0);
            }
            capture(&arguments, quick)
        }
        _ => match arguments
            .iter()
            .find(|a| !["--quick", "--keep"].contains(&a.as_str()))
        {
            Some(unknown) => Err(format!("{unknown}? {USAGE}")),
            None => {
                let is = |name: &str| arguments.iter().any(|a| a == name);
                report(is("--quick"), is("--keep"))
            }
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(quick: bool, keep: bool) -> Result<(), String> {
    let source = root().join("BENCHMARKS.md");
    let document = fs::read_to_string(&source).map_err(|e| format!("{}: {e}", source.display()))?;
    let results = Taken::load_all(&directory(quick))?;
    let mut text = concluded(&filled(&document, &results, keep)?)?;
    // Rough figures go elsewhere: what is published is measured in full.
    let (path, folder) = match quick {
        true => (
            target().join("bench-quick.md"),
            target().join("bench-plots"),
        ),
        false => (source, root().join("benches/plots")),
    };
    let plots = plots::all(&regions(&text)?)?;
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for (name, svg) in plots {
        let link = format!("(benches/plots/{name})");
        if !text.contains(&link) {
            return Err(format!("plot {name} is shown nowhere in BENCHMARKS.md"));
        }
        let path = folder.join(name);
        fs::write(&path, svg).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    if quick {
        text = text.replace("(benches/plots/", "(bench-plots/");
    }
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    println!(
        "{} of {} tables are new: {}",
        results.len(),
        regions(&document)?.len(),
        path.display()
    );
    Ok(())
}

/// Shows what the command prints as it comes.
fn capture(command: &[String], quick: bool) -> Result<(), String> {
    let [program, arguments @ ..] = command else {
        return Err(USAGE.to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        let line = line.map_err(|e| format!("{program}: {e}"))?;
        println!("{line}");
        said += &line;
        said.push('\n');
    }
    let status = child.wait().map_err(|e| format!("{program}: {e}"))?;
    if !status.success() {
        return Err(format!("{program}: {status}"));
    }
    let tables = printed::tables(&said)?;
    if tables.is_empty() {
        return Err(format!("{program} printed no table"));
    }
    let typed = command
        .iter()
        .map(|a| match a.contains([' ', '(', '\'', '*']) {
            true => format!("'{a}'"),
            false => a.clone(),
        });
    let typed = typed.collect::<Vec<_>>().join(" ");
    for table in tables {
        let taken = Taken::by(table, quick, typed.clone());
        let path: PathBuf = taken.save().map_err(|e| e.to_string())?;
        println!("saved as {}", path.display());
    }
    Ok(())
}
