//! What packages install beside the command: manual pages and completions.

use std::fs;
use std::process::Command;

use crate::support::{Folder, audiox};

#[test]
fn each_command_has_a_manual_page_with_its_options_and_examples() {
    let folder = Folder::new();
    let told = audiox(&["man", &folder.at("man1"), "--json"]).clean();
    let pages = told.summary()["pages"].as_array().unwrap().len();
    assert_eq!(pages, fs::read_dir(folder.at("man1")).unwrap().count());
    assert!(pages > 15, "{pages} pages");

    let help = audiox(&["help"]).clean();
    let commands = help.text().split("Commands:").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    let names = commands.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    for name in names.filter_map(|l| l.split_whitespace().next()) {
        if name != "help" {
            let page = folder.at(&format!("man1/audiox-{name}.1"));
            let page = fs::read_to_string(page).unwrap();
            let name = name.replace('-', "\\-");
            assert!(page.contains(&format!("audiox\\-{name}")), "{name}");
        }
    }
    let send = fs::read_to_string(folder.at("man1/audiox-send.1")).unwrap();
    for part in [
        ".TH audiox-send 1",
        "\\-\\-config",
        "\n\\&    audiox send mic",
        "\"audiox 0.",
    ] {
        assert!(send.contains(part), "{part}");
    }
    audiox(&["man", "/dev/null/man1"]).fails(1, "/dev/null/man1");
}

#[test]
fn shells_complete_commands_and_options() {
    let script = audiox(&["completions", "bash"]).clean();
    for (line, expected) in [
        ("re", "recv replay"),
        ("send --pti", "--ptime"),
        ("play --profile --conf", "--config"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (last, before) = words.split_last().unwrap();
        let before = before.last().unwrap_or(&"audiox");
        let ask = format!(
            "{}\nCOMP_WORDS=(audiox {line}); COMP_CWORD={}\n_audiox audiox '{last}' '{before}'\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\" | sort",
            script.text(),
            words.len(),
        );
        let bash = Command::new("bash").args(["--norc", "-c", &ask]).output();
        let told = bash.expect("bash is not installed; apt-get install bash");
        let found = String::from_utf8_lossy(&told.stdout);
        let found: Vec<&str> = found.split_whitespace().collect();
        for word in expected.split(' ') {
            assert!(found.contains(&word), "{line}: {found:?}");
        }
        assert!(
            told.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&told.stderr)
        );
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = audiox(&["completions", shell]).clean();
        assert!(script.text().contains("device-server"), "{shell}");
        assert!(script.text().contains("sample-format"), "{shell}");
    }
    audiox(&["completions", "sh"]).fails(2, "'sh'");
}
