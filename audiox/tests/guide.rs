//! The guide and the README: links of these and of the other documents lead somewhere, what they show of files is what stands in
//! them, and the program of the chapter on embedding does what it says.
#![cfg(test)]

#[path = "../src/cli/documents.rs"]
mod documents;
#[path = "cli/ports.rs"]
mod ports;

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use audiox::io::WavSource;
use documents::documents;
use ports::free_ports;

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut seen = 0;
    let mut dead = Vec::new();
    let others = ["ARCHITECTURE", "BENCHMARKS", "CHANGELOG", "CONTRIBUTING"];
    let others = others.map(|name| root().join(name).with_extension("md"));
    for page in documents().into_iter().chain(others) {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let found =
                target.exists() && (heading.is_empty() || headings(&target).contains(heading));
            if !found {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
    assert!(seen > 60, "only {seen} links were found");
}

#[test]
fn every_page_stands_in_the_table_of_contents() {
    let summary = root().join("guide/SUMMARY.md");
    let listed = links(&fs::read_to_string(&summary).unwrap());
    for page in documents() {
        let name = page.strip_prefix(root().join("guide"));
        let Ok(name) = name else { continue };
        let listed = listed.iter().any(|l| Path::new(l) == name);
        assert!(
            listed || page == summary,
            "{} is not listed",
            page.display()
        );
    }
}

#[test]
fn programs_are_shown_word_for_word() {
    let mut seen = 0;
    for page in documents() {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("<!-- file: ").skip(1) {
            let (name, rest) = part.split_once(" -->\n").unwrap();
            let block = rest.split_once('\n').unwrap().1;
            let block = block.split_once("```").unwrap().0;
            let file = fs::read_to_string(root().join(name)).unwrap();
            assert_eq!(block, file, "{} shows another {name}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_program_in_under_forty_lines_sends_and_plays() {
    let program = include_str!("../examples/talk.rs");
    assert!(program.lines().count() < 40);

    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard.wav");
    let port = free_ports();
    let told = Command::new(example("talk"))
        .args([
            "tone:440,length=1s",
            &format!("rtp://127.0.0.1:{port}?codec=L16&ptime=5"),
        ])
        .arg(format!(
            "rtp://127.0.0.1:{port}?codec=L16&rate=48000&channels=1"
        ))
        .arg(&heard)
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(text.contains("heard 200 packets, 0 lost"), "{text}");
    assert!(text.contains("latency: capture ? + packet 5.0"), "{text}");

    let mut heard = WavSource::open(&heard).unwrap();
    let format = audiox::core::source::Source::format(&heard);
    assert_eq!((format.rate.get(), format.channels.get()), (48_000, 1));
    let periods = periods(&mut heard);
    let right = periods.iter().filter(|p| (108..=110).contains(*p));
    // A busy machine has some of it made up, and the delay moved.
    assert!(
        right.count() > 300,
        "440 periods of 109 frames were sent: {periods:?}"
    );
}

/// Frames from one rise through zero to the next.
fn periods(source: &mut WavSource) -> Vec<usize> {
    let mut samples = vec![0.0; 48_000 * 8];
    let frames = audiox::core::source::Source::read(source, &mut samples).unwrap();
    let pairs = samples[..frames].windows(2).enumerate();
    let rises = pairs.filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0);
    let rises: Vec<usize> = rises.map(|(at, _)| at).collect();
    rises.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let program = folder.join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(
        program.exists(),
        "build it with cargo build --examples: {}",
        program.display()
    );
    program
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Targets of links and pictures outside of code.
fn links(text: &str) -> Vec<String> {
    let prose: Vec<&str> = text.split("```").step_by(2).collect();
    let mut found = Vec::new();
    for part in prose
        .iter()
        .flat_map(|p| p.split('`').step_by(2).collect::<Vec<_>>())
    {
        for rest in part.split("](").skip(1) {
            found.push(rest.split(')').next().unwrap().to_owned());
        }
        for line in part.lines() {
            if let Some((_, target)) = line.split_once("]: ") {
                found.push(target.to_owned());
            }
        }
    }
    // Pictures, and links whose text is code.
    for line in text
        .lines()
        .filter(|l| l.contains("`](") || l.contains("<img"))
    {
        for rest in line.split("`](").skip(1) {
            found.push(rest.split(')').next().unwrap().to_owned());
        }
        for rest in line.split("src=\"").skip(1) {
            found.push(rest.split('"').next().unwrap().to_owned());
        }
    }
    found
}

/// The anchors that GitHub makes of a page's headings.
fn headings(page: &Path) -> HashSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let lines = text.lines().filter(|l| l.starts_with('#'));
    lines
        .map(|l| {
            let title = l.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}
