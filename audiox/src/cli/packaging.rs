//! What `packaging/` starts and configures is what the command takes: units, the image, cloud-init,
//! and the examples of configuration.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use audiox::net::Endpoint;
use clap::CommandFactory;

use super::config::{self, Refused};
use super::failure::Failure;
use super::{Cli, Command, usage};

#[test]
fn units_start_what_their_configuration_says() {
    for name in SERVICES {
        let unit = read(&format!("systemd/audiox-{name}.service"));
        let start = value(&unit, "ExecStart=");
        let line = start
            .replace("${STATE_DIRECTORY}", "/var/lib/audiox")
            .replace("${CREDENTIALS_DIRECTORY}", "/run/credentials/audiox")
            .replace("/etc/audiox", packaging().join("etc").to_str().unwrap());
        let cli = parse(&line).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(name, &cli);
        let tokens = format!("LoadCredential=tokens:/etc/audiox/{name}.tokens\n");
        assert!(unit.contains(&tokens), "{name}");
        assert!(unit.contains(&format!("Documentation=man:audiox-{name}(1)\n")));
    }
}

#[test]
fn what_examples_have_as_comments_is_taken_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for name in SERVICES {
        let text = read(&format!("etc/{name}.toml"));
        // Options that belong together stand behind one another.
        let mut groups: Vec<String> = Vec::new();
        let mut goes_on = false;
        for line in text.lines() {
            let option = line.strip_prefix("# ").filter(|l| {
                let (key, _) = l.split_once(" = ").unwrap_or_default();
                !key.is_empty() && key.chars().all(|c| c == '-' || c.is_ascii_lowercase())
            });
            match (option, groups.last_mut()) {
                (Some(option), Some(last)) if goes_on => *last += &format!("{option}\n"),
                (Some(option), _) => groups.push(format!("{option}\n")),
                _ => {}
            }
            goes_on = option.is_some();
        }
        for group in groups {
            let group = match group.starts_with("hall = ") {
                true => format!("[sounds]\n{group}"),
                false => group,
            };
            let file = folder.path().join("tried.toml");
            fs::write(&file, &group).unwrap();
            let line = format!("audiox {name} --config {}", file.display());
            let cli = parse(&line).unwrap_or_else(|e| panic!("{name}: {group}{e}"));
            check(name, &cli);
            if let Some((_, url)) = group.split_once("rtp://") {
                let url = format!("rtp://{}", url.split('"').next().unwrap());
                url.parse::<Endpoint>().unwrap();
            }
            tried += 1;
        }
    }
    assert!(tried >= 6, "only {tried} were found");
}

#[test]
fn the_image_is_built_with_features_that_there_are_and_serves_where_servers_are() {
    let image = read("docker/Dockerfile");
    let features = image.split_once("--features ").unwrap().1;
    let features = features.split_whitespace().next().unwrap();
    let manifest = fs::read_to_string(packaging().join("../audiox/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    for feature in features.split(',') {
        assert!(manifest["features"].get(feature).is_some(), "{feature}");
    }

    let exposed: Vec<&str> = value(&image, "EXPOSE ").split(' ').collect();
    assert_eq!(
        exposed,
        [
            port("relay", "listen"),
            port("player", "listen"),
            port("device-server", "listen"),
            port("device-server", "control"),
        ]
    );
    let asked = read("docker/healthy");
    for (name, option) in [
        ("relay", "listen"),
        ("player", "listen"),
        ("device-server", "control"),
    ] {
        let line = format!("{name}) port={} ;;\n", port(name, option));
        assert!(asked.contains(&line), "{line}");
    }
}

#[test]
fn a_cloud_machine_is_given_a_configuration_that_is_taken() {
    let text = read("cloud-init/relay.yaml");
    let config = file_in(&text, "/etc/audiox/relay.toml");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    fs::write(&file, &config).unwrap();
    let unit = read("systemd/audiox-relay.service");
    let line = value(&unit, "ExecStart=").replace("/etc/audiox/relay.toml", file.to_str().unwrap());
    check("relay", &parse(&line).unwrap());
    assert!(config.contains("store = \"s3://BUCKET/"), "{config}");

    let setup = file_in(&text, "/usr/local/sbin/audiox-setup");
    let version = concat!("version=${1:-", env!("CARGO_PKG_VERSION"), "}");
    assert!(setup.contains(version), "{setup}");
    let policy = read("cloud-init/bucket-policy.json");
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["Statement"][1]["Resource"], "arn:aws:s3:::BUCKET/*");
}

/// It is the command that it says.
fn check(name: &str, cli: &Cli) {
    let matches = matches!(
        (name, &cli.command),
        ("relay", Command::Relay(_))
            | ("player", Command::Player(_))
            | ("device-server", Command::DeviceServer(_))
    );
    assert!(matches, "{name} starts {cli:?}");
}

fn parse(line: &str) -> Result<Cli, String> {
    let args = line.split_whitespace().map(OsString::from).collect();
    config::parse(args).map_err(|refused| match refused {
        Refused::Usage { error, file } => usage::one_line(&error, file.as_deref()),
        Refused::File(Failure::Usage(text) | Failure::Failed(text)) => text,
        Refused::File(Failure::Unheard) => unreachable!(),
    })
}

/// The rest of the line that begins with `key`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no {key}"))
}

/// The port that an option has by default.
fn port(command: &str, option: &str) -> String {
    let all = Cli::command();
    let command = all.find_subcommand(command).unwrap();
    let arg = command.get_arguments().find(|a| a.get_id() == option);
    let default = &arg.unwrap().get_default_values()[0];
    let (_, port) = default.to_str().unwrap().rsplit_once(':').unwrap();
    port.to_owned()
}

/// What `write_files` has for `path`: the lines that are further in than `content`.
fn file_in(text: &str, path: &str) -> String {
    let (_, entry) = text.split_once(&format!("- path: {path}\n")).unwrap();
    let (_, content) = entry.split_once("content: |\n").unwrap();
    let lines = content.lines();
    let lines = lines.map_while(|line| match line.strip_prefix("      ") {
        Some(line) => Some(line),
        None => line.is_empty().then_some(""),
    });
    lines.map(|line| format!("{line}\n")).collect()
}

fn read(name: &str) -> String {
    let path = packaging().join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

const SERVICES: [&str; 3] = ["relay", "player", "device-server"];
