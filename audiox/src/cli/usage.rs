//! Wrong usage in one line, as every other failure.

use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::failure::say;

/// Prints help or version where that was asked for, else what is wrong with the command line.
pub(super) fn explain(error: &clap::Error, file: Option<&Path>) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone does not need the help.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            say(&one_line(error, file));
            ExitCode::from(2)
        }
    }
}

/// The error's own words, without its usage and hints for further reading, but with where to
/// find them. `file` gave options too.
pub(super) fn one_line(error: &clap::Error, file: Option<&Path>) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let words = text
        .split("\n\nUsage:")
        .next()
        .unwrap_or(text)
        .split("\n\nFor more information")
        .next()
        .unwrap_or(text);
    let lines: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let command = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => {
            let usage = usage.to_string();
            let mut words = usage
                .split_whitespace()
                .skip_while(|w| *w != "audiox")
                .skip(1);
            words
                .next()
                .filter(|w| w.chars().all(char::is_alphanumeric))
                .map(str::to_owned)
        }
        _ => None,
    };
    let command = command.map_or_else(String::new, |c| format!(" {c}"));
    let also = file.map_or_else(String::new, |file| {
        format!(" (options are from {} too)", file.display())
    });
    format!("{}{also}; see `audiox{command} --help`", lines.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn mistakes_fit_a_line_and_say_where_to_read_on() {
        for (line, parts) in [
            (
                "audiox send a.wav",
                vec!["--to", "see `audiox send --help`"],
            ),
            ("audiox send a.wav --too x", vec!["--too", "--to"]),
            ("audiox shout", vec!["shout", "see `audiox --help`"]),
            ("audiox send --to null: a --gain loud", vec!["loud", "-6dB"]),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            let text = one_line(&error, None);
            assert!(!text.contains('\n'), "{text}");
            for part in parts {
                assert!(text.contains(part), "{line}: {text}");
            }
        }
    }
}
