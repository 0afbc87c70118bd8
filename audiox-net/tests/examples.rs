//! Runs the example programs, which cargo builds with the tests, and looks at what they say.
#![cfg(test)]

use std::env;
use std::process::Command;

fn run(example: &str) -> String {
    let tests = env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let program = profile
        .join("examples")
        .join(example)
        .with_extension(env::consts::EXE_EXTENSION);
    let output = Command::new(&program).output();
    let output = output.unwrap_or_else(|e| {
        panic!(
            "{}: {e}; build it with cargo build --examples",
            program.display()
        )
    });
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

#[test]
fn what_is_sent_in_time_arrives() {
    let text = run("send_datagrams");
    assert!(text.contains("100 datagrams, 0 refused"), "{text}");
    assert!(text.contains("all of it arrived"), "{text}");
}

#[test]
fn senders_are_told_apart_and_long_datagrams_counted() {
    let text = run("receive_datagrams");
    assert!(
        text.contains("3 datagrams, 2020 bytes, 1 too long"),
        "{text}"
    );
}
