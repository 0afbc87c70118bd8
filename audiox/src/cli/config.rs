//! `--config FILE`: options from a TOML file, by the names that they have on the command line.
//!
//! The file's values become arguments in front of those that were given, and are checked as
//! those are. What was given by hand wins.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, value_parser};
use toml::{Table, Value};

use super::Cli;
use super::failure::Failure;

/// A command line that cannot be used.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is wrong itself, or what the file adds to it is.
    Usage {
        error: clap::Error,
        file: Option<PathBuf>,
    },
    /// The file cannot be used.
    File(Failure),
}

/// Reads a command line, and the file that it names.
pub(super) fn parse(mut args: Vec<OsString>) -> Result<Cli, Refused> {
    let mut command = command();
    command.build();
    let file = match file_of(&command, &args) {
        Some((name, given, file)) => {
            let sub = command.find_subcommand(&name);
            let options = sub.map(|sub| options(sub, &given, &file)).transpose();
            let options = options.map_err(Refused::File)?.unwrap_or_default();
            let at = args.iter().position(|a| *a == *name).unwrap_or(0) + 1;
            args.splice(at..at, options.named);
            args.extend(options.placed);
            Some(file)
        }
        None => None,
    };
    let matches = command.try_get_matches_from(args);
    let cli = matches.and_then(|m| Cli::from_arg_matches(&m));
    cli.map_err(|error| Refused::Usage { error, file })
}

/// The command with `--config` wherever something runs for long.
pub(super) fn command() -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help_heading(None::<&str>)
        .help(
            "Take options from this TOML file, by the same names: `rate = 48000` is --rate 48000. \
             What is given here wins",
        );
    LONG_RUNNING.iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |sub| sub.arg(config.clone()))
    })
}

/// The subcommand, what was given to it, and the file, where one is named.
fn file_of(command: &Command, args: &[OsString]) -> Option<(String, ArgMatches, PathBuf)> {
    // What is missing may stand in the file, so nothing is refused yet.
    let lenient = command.clone().ignore_errors(true);
    let matches = lenient.try_get_matches_from(args).ok()?;
    let (name, given) = matches.subcommand()?;
    let file = given.try_get_one::<PathBuf>(CONFIG).ok()??.clone();
    Some((name.to_owned(), given.clone(), file))
}

/// Arguments that a file stands for.
#[derive(Debug, Default, PartialEq)]
struct Options {
    named: Vec<OsString>,
    placed: Vec<OsString>,
}

fn options(command: &Command, given: &ArgMatches, file: &Path) -> Result<Options, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::io(format_args!("cannot read {shown}"), &e))?;
    let table: Table = toml::from_str(&text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        let (line, column) = place(&text, at);
        let reason = e.message();
        Failure::Usage(format!("{shown}, line {line}, column {column}: {reason}"))
    })?;
    let mut options = Options::default();
    // A command may have tables of its own in the file, which it reads itself.
    let tables = command.get_arguments().find(|arg| arg.get_id() == TABLES);
    if tables.is_some() && table.values().any(is_table) {
        options.named.push(format!("--{TABLES}").into());
        options.named.push(file.into());
    }
    for (key, value) in &table {
        if tables.is_some() && is_table(value) {
            continue;
        }
        let wrong = |what: String| Failure::Usage(format!("{shown}: {what}"));
        let arg = command
            .get_arguments()
            .find(|arg| is_called(arg, key) && key != CONFIG)
            .ok_or_else(|| {
                let names: Vec<_> = command.get_arguments().filter_map(name_of).collect();
                let names = names.join(", ");
                let command = command.get_name();
                wrong(format!(
                    "`audiox {command}` has no option {key:?}; it has {names}"
                ))
            })?;
        if given.value_source(arg.get_id().as_str()) == Some(clap::parser::ValueSource::CommandLine)
        {
            continue;
        }
        let values = words(value).ok_or_else(|| {
            wrong(format!(
                "{key} takes a text, a number, true, or a list of these"
            ))
        })?;
        for word in values {
            match word {
                _ if arg.is_positional() => options.placed.extend(word.map(OsString::from)),
                None => options.named.push(format!("--{key}").into()),
                Some(word) if word == OFF && takes_nothing(arg) => {}
                Some(word) => options.named.push(format!("--{key}={word}").into()),
            }
        }
    }
    Ok(options)
}

fn is_table(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(all) => all.iter().all(Value::is_table) && !all.is_empty(),
        _ => false,
    }
}

/// Whether this is its name, or one that it had before.
fn is_called(arg: &Arg, key: &str) -> bool {
    let other = arg.get_all_aliases().unwrap_or_default();
    name_of(arg).is_some_and(|name| name == key) || other.contains(&key)
}

/// What an option is called; arguments without a name go by what the help calls them.
fn name_of(arg: &Arg) -> Option<String> {
    match arg.get_long() {
        Some(_) if arg.is_hide_set() => None,
        Some(long) => Some(long.to_owned()).filter(|l| l != "help" && l != "version"),
        None => Some(arg.get_value_names()?.first()?.to_lowercase()),
    }
}

fn takes_nothing(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count) || arg.is_require_equals_set()
}

/// The words that a value stands for; `None` among them is the bare option.
fn words(value: &Value) -> Option<Vec<Option<String>>> {
    Some(vec![match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(n) => Some(n.to_string()),
        Value::Float(n) => Some(n.to_string()),
        Value::Boolean(true) => None,
        Value::Boolean(false) => Some(OFF.to_owned()),
        Value::Array(all) => {
            let all: Option<Vec<_>> = all.iter().map(words).collect();
            return all.map(|all| all.concat());
        }
        Value::Datetime(_) | Value::Table(_) => return None,
    }])
}

/// Line and column, counted from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

const CONFIG: &str = "config";
/// The hidden option by which a command is told which file has its tables.
pub(super) const TABLES: &str = "tables";
const OFF: &str = "false";
const LONG_RUNNING: &[&str] = &[
    "send",
    "recv",
    "play",
    "link",
    "fanout",
    #[cfg(feature = "relay")]
    "relay",
    #[cfg(feature = "player")]
    "player",
    #[cfg(feature = "grpc")]
    "device-server",
    #[cfg(feature = "grpc")]
    "device",
];

#[cfg(test)]
mod tests {
    use super::super::Command as Sub;
    use super::*;

    fn read(toml: &str, line: &str) -> Result<Cli, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audiox.toml");
        std::fs::write(&file, toml).unwrap();
        let line = line.replace("FILE", file.to_str().unwrap());
        let args = line.split(' ').map(OsString::from).collect();
        parse(args).map_err(|refused| match refused {
            Refused::Usage { error, file } => {
                super::super::usage::one_line(&error, file.as_deref())
            }
            Refused::File(Failure::Usage(text) | Failure::Failed(text)) => text,
            Refused::File(Failure::Unheard) => unreachable!(),
        })
    }

    fn shown(cli: Result<Cli, String>) -> String {
        format!("{:?}", cli.unwrap())
    }

    #[test]
    fn a_file_is_as_good_as_the_line_that_it_stands_for() {
        let file = "# our stage\nsource = 'noise:pink,channels=4'\nclients = 'c.json'\nrate = 48000\n\
                    chunk = 480\nallow = ['10.0.0.0/8', '::1']\nonce = true\nopen = false\nloop = true\n\
                    verbose = true\n";
        let line = "audiox fanout --clients c.json --rate 48000 --chunk 480 --allow 10.0.0.0/8,::1 \
                    --once --loop --verbose noise:pink,channels=4";
        let by_hand = parse(line.split(' ').map(OsString::from).collect()).unwrap();
        let by_file = read(file, "audiox fanout --config FILE");
        assert_eq!(shown(by_file), format!("{by_hand:?}"));
    }

    #[test]
    fn what_is_given_by_hand_wins() {
        let file = "source = 'a.wav'\nclients = 'c.json'\nrate = 48000\nallow = ['10.0.0.0/8']";
        let line = "audiox fanout --rate=32000 --config=FILE --allow 127.0.0.1 b.wav";
        let by_hand = "audiox fanout --clients c.json --rate 32000 --allow 127.0.0.1 b.wav";
        let by_hand = parse(by_hand.split(' ').map(OsString::from).collect()).unwrap();
        assert_eq!(shown(read(file, line)), format!("{by_hand:?}"));
        let recv = read(
            "url = ['udp://0.0.0.0:5004']\nto = 'a.wav'",
            "audiox recv --config FILE",
        );
        assert!(matches!(recv.unwrap().command, Sub::Recv(_)));
        let link = "listen = 'udp://:1'\nto = 'h:2'\nrate = '1Mbit'";
        let before = read(link, "audiox link --config FILE");
        let now = read(
            &link.replace("rate", "bandwidth"),
            "audiox link --config FILE",
        );
        assert_eq!(shown(before), shown(now));
    }

    #[test]
    fn mistakes_in_the_file_are_told_with_their_place() {
        for (file, parts) in [
            ("rate = = 3", ["audiox.toml, line 1, column 8", ""]),
            ("a = 1", ["no option \"a\"", "chunk, "]),
            ("config = 'b.toml'", ["no option \"config\"", ""]),
            (
                "rate = 'fast'\nclients = 'c'\nsource = 'a'",
                ["--rate", "audiox.toml"],
            ),
            ("rate = {}", ["rate takes a text", ""]),
            ("rate = 48000", ["--clients", "audiox.toml"]),
        ] {
            let text = read(file, "audiox fanout --config FILE").unwrap_err();
            for part in parts {
                assert!(text.contains(part), "{file}: {text}");
            }
        }
        let nowhere = read("", "audiox fanout --config /nowhere.toml").unwrap_err();
        assert!(nowhere.contains("cannot read /nowhere.toml"), "{nowhere}");
    }
}
