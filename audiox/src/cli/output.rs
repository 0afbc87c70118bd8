//! What is told while and after: a live line, notices, a summary; as text or as JSON lines.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::failure::{Failure, say};

/// In which form things are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// Nothing but errors.
    Quiet,
}

/// Where things are told.
#[derive(Debug)]
pub(super) struct Output {
    mode: Mode,
    /// Standard output carries audio.
    audio: bool,
    line: ProgressBar,
    started: Instant,
    next_json: Duration,
}

impl Output {
    /// Nothing is told before something is.
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            audio: false,
            line: ProgressBar::hidden(),
            started: Instant::now(),
            next_json: JSON_EVERY,
        }
    }

    /// Standard output belongs to the audio from now on.
    pub(super) fn give_stdout_to_audio(&mut self) {
        self.audio = true;
    }

    /// Starts the clock and, on a terminal, the live line.
    pub(super) fn go_live(&mut self) {
        self.started = Instant::now();
        self.next_json = JSON_EVERY;
        if self.is_live() {
            self.line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
                .with_style(style("{wide_msg}"));
        }
    }

    /// Starts a bar for `frames` of work, on a terminal.
    pub(super) fn go_through(&mut self, frames: u64) {
        self.started = Instant::now();
        if self.is_live() {
            self.line =
                ProgressBar::with_draw_target(Some(frames), ProgressDrawTarget::stderr_with_hz(10))
                    .with_style(style("{wide_bar} {percent:>3} %  {eta} left"));
        }
    }

    /// Moves the bar.
    pub(super) fn progress(&self, frames: u64) {
        self.line.set_position(frames);
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tells which addresses are listened on: worth a line for people only on a terminal, or when
    /// asked for more.
    pub(super) fn started(&self, addresses: &[String]) -> Result<(), Failure> {
        tracing::debug!(?addresses, "listening");
        match self.mode {
            Mode::Json => self.put_event("listening", json!({ "addresses": addresses })),
            Mode::Text if self.is_live() => {
                self.notice(format_args!("listening on {}", addresses.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// Shows statistics: as the live line on a terminal, once a second as JSON where asked for.
    pub(super) fn statistics(
        &mut self,
        line: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        if !self.line.is_hidden() {
            self.line.set_message(line());
        }
        if self.mode == Mode::Json && self.elapsed() >= self.next_json {
            self.next_json = self.elapsed() + JSON_EVERY;
            self.put_event("stats", json())?;
        }
        Ok(())
    }

    /// Tells something worth knowing, in between.
    pub(super) fn notice(&self, text: impl Display) -> Result<(), Failure> {
        match self.mode {
            Mode::Quiet => Ok(()),
            Mode::Json => self.put_event("notice", json!({ "text": text.to_string() })),
            Mode::Text => {
                self.line.suspend(|| say(&text.to_string()));
                Ok(())
            }
        }
    }

    /// Tells a certificate that was made at the start, in lines that can be saved as a file.
    pub(super) fn certificate(&self, who: &str, pem: &str) -> Result<(), Failure> {
        if self.mode != Mode::Text {
            let text = format!("{who} have to trust this certificate first: {pem}");
            return self.notice(text);
        }
        self.line.suspend(|| {
            say(&format!("{who} have to trust this certificate first:"));
            let _ = writeln!(io::stderr(), "{}", pem.trim_end());
        });
        Ok(())
    }

    /// Ends the live line and tells the result: `text` is several lines.
    pub(super) fn summary(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        self.line.finish_and_clear();
        match self.mode {
            Mode::Quiet => Ok(()),
            Mode::Json => self.put_event("summary", json()),
            Mode::Text => self.put(text().trim_end()),
        }
    }

    /// Tells programs that something happened; people see it by the live line.
    pub(super) fn event(&self, kind: &str, fields: impl FnOnce() -> Value) -> Result<(), Failure> {
        match self.mode {
            Mode::Json => self.put_event(kind, fields()),
            Mode::Text | Mode::Quiet => Ok(()),
        }
    }

    /// One JSON line, with its kind and the seconds since the start.
    fn put_event(&self, kind: &str, fields: Value) -> Result<(), Failure> {
        let mut object = json!({ "event": kind, "elapsed": round(self.elapsed()) });
        if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
            object.extend(fields);
        }
        self.put(&object.to_string())
    }

    fn put(&self, text: &str) -> Result<(), Failure> {
        let written = if self.audio {
            writeln!(io::stderr(), "{text}")
        } else {
            writeln!(io::stdout(), "{text}")
        };
        written.map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unheard,
            _ => Failure::io("cannot write to standard output", &e),
        })
    }

    fn is_live(&self) -> bool {
        self.mode == Mode::Text && io::stderr().is_terminal()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Seconds, to the millisecond.
pub(super) fn round(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1e3
}

const JSON_EVERY: Duration = Duration::from_secs(1);
