//! A table with what is to be known about where it comes from, as a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// The computer that measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// As its maker calls it.
    pub cpu: String,
    /// How many are there for us.
    pub cores: usize,
    /// In GiB.
    pub memory: u64,
    /// Name and release.
    pub kernel: String,
    /// Release of the compiler.
    pub rustc: String,
}

/// A table and its circumstances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Year, month and day.
    pub date: String,
    /// What one types to get it again.
    pub command: String,
    /// Whether the figures are rough.
    pub quick: bool,
    /// Of the source; with a plus where it was changed since.
    pub commit: String,
    /// How many threads wanted a core in the minute before, this program's among them.
    pub load: f64,
    /// Where.
    pub machine: Machine,
    /// What.
    pub table: Table,
}

impl Taken {
    /// A table of this moment and this program.
    pub fn now(table: Table, quick: bool) -> Self {
        Self::by(table, quick, command())
    }

    /// A table of this moment, by a command.
    pub fn by(table: Table, quick: bool, command: String) -> Self {
        Self {
            date: run("date", &["-u", "+%F"]),
            command,
            quick,
            commit: commit(),
            load: load(),
            machine: machine(),
            table,
        }
    }

    /// Writes its file; returns where it is.
    pub fn save(&self) -> io::Result<PathBuf> {
        let directory = directory(self.quick);
        fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{}.json", self.table.id));
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&path, text + "\n")?;
        Ok(path)
    }

    /// What a directory holds, by ID.
    pub fn load_all(directory: &Path) -> Result<Vec<Self>, String> {
        let mut all: Vec<Self> = Vec::new();
        let Ok(entries) = fs::read_dir(directory) else {
            return Ok(all);
        };
        for path in entries.filter_map(|e| Some(e.ok()?.path())) {
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let text = fs::read_to_string(&path).map_err(|e| told(&e))?;
            all.push(serde_json::from_str(&text).map_err(|e| told(&e))?);
        }
        all.sort_by(|a, b| a.table.id.cmp(&b.table.id));
        Ok(all)
    }

    /// One line for beneath the table.
    pub fn line(&self) -> String {
        let Machine {
            cpu,
            cores,
            memory,
            kernel,
            rustc,
        } = &self.machine;
        let note = match self.table.note.as_str() {
            "" => String::new(),
            note => format!("{note}.<br>"),
        };
        let quick = if self.quick { ", roughly" } else { "" };
        format!(
            "<sub>{note}{}{quick}, commit {}, {cpu}, {cores} cores, {memory} GiB, {kernel}, {rustc}, load {:.1}: `{}`</sub>",
            self.date, self.commit, self.load, self.command
        )
    }
}

/// Where tables are kept.
pub fn directory(quick: bool) -> PathBuf {
    let directory = target().join("audiox-bench");
    if quick {
        directory.join("quick")
    } else {
        directory
    }
}

/// The directory into which cargo built this program.
pub fn target() -> PathBuf {
    if let Some(named) = std::env::var_os("CARGO_TARGET_DIR") {
        return named.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let built = program
        .ancestors()
        .find(|d| d.join("CACHEDIR.TAG").is_file());
    built.map_or_else(|| root().join("target"), Path::to_owned)
}

/// The repository.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// How this program is asked for through cargo.
fn command() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    // cargo puts a hash behind the name.
    let name = stem.rsplit_once('-').map_or(&*stem, |(name, _)| name);
    let mut command = format!("cargo bench -p audiox-benches --bench {name}");
    if let Ok(seconds) = std::env::var("AUDIOX_BENCH_SECONDS") {
        command.insert_str(0, &format!("AUDIOX_BENCH_SECONDS={seconds} "));
    }
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if !arguments.is_empty() {
        command += " -- ";
        command += &arguments.join(" ");
    }
    command
}

fn commit() -> String {
    static COMMIT: OnceLock<String> = OnceLock::new();
    let commit = COMMIT.get_or_init(|| {
        let hash = run("git", &["rev-parse", "--short=9", "HEAD"]);
        let changed = run(
            "git",
            &[
                "status",
                "--porcelain",
                "--untracked-files=no",
                "--",
                "*.rs",
            ],
        );
        if changed.is_empty() { hash } else { hash + "+" }
    });
    commit.clone()
}

fn machine() -> Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let found = MACHINE.get_or_init(|| {
        let kib = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib: f64 = kib.trim_end_matches(" kB").parse().unwrap_or(0.0);
        let rustc = run("rustc", &["--version"]);
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| run("uname", &["-m"])),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory: (kib / 1_048_576.0).round() as u64,
            kernel: run("uname", &["-sr"]),
            rustc: rustc.split(" (").next().unwrap_or_default().to_owned(),
        }
    });
    found.clone()
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|n| n.parse().ok());
    first.unwrap_or(0.0)
}

/// What a program of the system says, or that it is not known.
fn run(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output();
    match out {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
