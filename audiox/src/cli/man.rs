//! `audiox man`: the help texts as manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;

use super::config::command;
use super::failure::Failure;
use super::output::Output;

/// Write a manual page for each command into a folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManArgs {
    /// The folder, which is made where there is none
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
}

pub(super) fn run(args: &ManArgs, output: &Output) -> Result<(), Failure> {
    let to = args.to.display();
    fs::create_dir_all(&args.to).map_err(|e| Failure::io(format_args!("cannot make {to}"), &e))?;
    let mut all = command().disable_help_subcommand(true);
    all.build();
    let mut pages = Vec::new();
    write(&all, &args.to, &mut pages)?;
    output.summary(
        || {
            format!(
                "{} pages in {to}; read one by: man -l {to}/audiox.1",
                pages.len()
            )
        },
        || json!({ "pages": pages }),
    )
}

/// The page of `command`, and those of the commands in it.
fn write(command: &Command, to: &Path, pages: &mut Vec<String>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or("audiox").to_owned();
    let file = to.join(format!("{name}.1"));
    let shown = file.display();
    let wrong = |e: &std::io::Error| Failure::io(format_args!("cannot write {shown}"), e);
    fs::write(&file, page(command).map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
    pages.push(shown.to_string());
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        write(sub, to, pages)?;
    }
    Ok(())
}

/// The examples are lines, which manual pages would fill up to paragraphs.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let examples = command.get_after_help().map(ToString::to_string);
    let mut page = Vec::new();
    Man::new(command.clone().after_help(None::<&str>))
        .source(concat!("audiox ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)?;
    if let Some(examples) = examples {
        page.extend_from_slice(b".SH EXAMPLES AND NOTES\n.nf\n");
        for line in examples.lines().filter(|l| *l != "Examples:") {
            let line = line
                .replace('\\', "\\e")
                .replace('-', "\\-")
                .replace('\'', "\\(aq");
            // A line must not begin as a request does.
            page.extend_from_slice(b"\\&");
            page.extend_from_slice(line.as_bytes());
            page.push(b'\n');
        }
        page.extend_from_slice(b".fi\n");
    }
    Ok(page)
}

const EXAMPLES: &str = "\
Example:
  audiox man /usr/local/share/man/man1";
