//! `audiox completions`: what a shell needs to complete command lines.

use std::io::{self, Write};

use clap::Args;
use clap_complete::{Shell, generate};

use super::config::command;
use super::failure::Failure;

/// Write completions for a shell to standard output
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command(), "audiox", &mut script);
    match io::stdout().write_all(&script) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Unheard),
        Err(e) => Err(Failure::io("cannot write to standard output", &e)),
        Ok(()) => Ok(()),
    }
}

const EXAMPLES: &str = "\
Examples:
  audiox completions bash > ~/.local/share/bash-completion/completions/audiox
  audiox completions zsh > ~/.zfunc/_audiox
  audiox completions fish > ~/.config/fish/completions/audiox.fish";
