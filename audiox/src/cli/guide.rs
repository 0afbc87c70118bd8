//! Every command line that the README, the guide and the help texts show is one that the parser
//! takes, with sinks and addresses that can be.

use std::fs;

use audiox::net::Endpoint;
use audiox::{SinkName, SourceOptions, sources_from_str};
use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches};

use super::Cli;
use super::config::command;
use super::documents::documents;

#[test]
fn command_lines_in_documents_are_taken() {
    let mut lines = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        lines.extend(
            shown(&text)
                .into_iter()
                .map(|line| (file.display().to_string(), line)),
        );
    }
    check(&lines);
    assert!(lines.len() > 60, "only {} were found", lines.len());
}

#[test]
fn command_lines_in_help_texts_are_taken() {
    let mut lines = Vec::new();
    let all = command();
    for sub in std::iter::once(&all).chain(all.get_subcommands()) {
        let help = sub.get_after_help().map(ToString::to_string);
        for line in help.unwrap_or_default().lines() {
            if let Some(line) = line.strip_prefix("  ").map(str::trim_start)
                && line.starts_with("audiox ")
            {
                lines.push((sub.get_name().to_owned(), line.to_owned()));
            }
        }
    }
    check(&lines);
    assert!(lines.len() > 30, "only {} were found", lines.len());
}

#[test]
fn a_wrong_line_is_found() {
    for wrong in [
        "audiox send a.wav --two udp://h:1",
        "audiox send a.wav --to upd://h:1",
        "audiox recv 'udp://:1?colour=red' --to a.wav",
        "audiox receive",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

fn check(lines: &[(String, String)]) {
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|(place, line)| Some(format!("{place}: {line}\n{}", parse(line).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads what a shell would hand over, each command of a pipe by itself.
fn parse(line: &str) -> Result<(), String> {
    for words in commands(line) {
        let matches = match command().try_get_matches_from(&words) {
            Ok(matches) => matches,
            Err(e) if !e.use_stderr() => continue, // --help, --version
            Err(e) if in_file(&e, &words) => continue,
            Err(e) => return Err(e.to_string()),
        };
        let (name, given) = matches.subcommand().ok_or("no subcommand")?;
        named(name, given)?;
        Cli::from_arg_matches(&matches).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// What is missing may stand in the file that is named.
fn in_file(error: &clap::Error, words: &[String]) -> bool {
    error.kind() == ErrorKind::MissingRequiredArgument && words.iter().any(|w| w == "--config")
}

/// What is named in it can be: sinks, addresses, signals.
fn named(command: &str, given: &ArgMatches) -> Result<(), String> {
    let all = |id| {
        let values = given.try_get_many::<String>(id).ok().flatten();
        values.unwrap_or_default().cloned().collect::<Vec<_>>()
    };
    if !["send", "recv", "play"].contains(&command) {
        return Ok(());
    }
    for signal in all("sources").iter().filter(|s| is_signal(s)) {
        let opened = sources_from_str(signal, &SourceOptions::default());
        opened.map_err(|e| e.to_string())?;
    }
    for url in all("from").iter().filter(|url| !url.starts_with("http")) {
        url.parse::<Endpoint>().map_err(|e| e.to_string())?;
    }
    for sink in all("to") {
        sink.parse::<SinkName>().map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn is_signal(source: &str) -> bool {
    ["tone:", "sweep:", "noise:", "silence:", "impulse:"]
        .iter()
        .any(|kind| source.starts_with(kind))
}

/// The `audiox` commands of a shell line: quotes, comments, pipes, variables in front and what
/// follows `&`.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut words: Vec<String> = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => words.last_mut().expect("never empty").push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (None, '#') if words.last().is_some_and(String::is_empty) => break,
            (None, c) => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
        .split(|w| ["|", "&", "&&", ">"].contains(&w.as_str()))
        .filter_map(|part| {
            let at = part
                .iter()
                .position(|w| !w.contains('=') || w.contains('/'))?;
            // Behind `docker run` the image is called as the command is.
            let at = match &*part[at] {
                "docker" => part.iter().position(|w| w == "audiox")?,
                _ => at,
            };
            (part[at] == "audiox").then(|| part[at..].to_vec())
        })
        .collect()
}

/// Lines of console blocks that begin with `$`, and of blocks without a language, as the README
/// has them. A line that ends in `\` goes on.
fn shown(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut block = None;
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = match block {
                None => Some(language),
                Some(_) => None,
            };
            continue;
        }
        let line = match block {
            Some(_) if goes_on => line.trim(),
            Some("console") => match line.strip_prefix("$ ") {
                Some(line) => line,
                None => continue,
            },
            Some("") if line.starts_with("audiox ") => line,
            _ => continue,
        };
        let whole = line.trim_end_matches('\\');
        match lines.last_mut() {
            Some(last) if goes_on => last.push_str(whole),
            _ => lines.push(whole.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    lines.retain(|l| l.split_whitespace().any(|w| w == "audiox"));
    lines
}
