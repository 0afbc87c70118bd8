//! A sound server of the test's own: two sinks that sound into nothing, and their monitors.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Folder, Outcome, Running};

/// PulseAudio with a speaker and a microphone that are not there, reached through ALSA.
///
/// | device | is |
/// | --- | --- |
/// | `out` | the speaker |
/// | `tap` | what the speaker plays |
/// | `voice` | a speaker in front of the microphone |
/// | `mic` | the microphone |
pub(crate) struct VirtualDevices {
    server: Child,
    folder: Folder,
}

impl VirtualDevices {
    /// Starts the server and waits until it answers.
    pub(crate) fn start() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        for program in ["pulseaudio", "pactl"] {
            let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
            assert!(found, "{program} is not installed; {INSTALL}");
        }
        let plugin = "alsa-lib/libasound_module_pcm_pulse.so";
        let folders = std::fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .flatten();
        let mut folders = folders
            .map(|f| f.path())
            .chain(OTHER_LIBRARIES.map(PathBuf::from));
        let found = folders.any(|folder| folder.join(plugin).exists());
        assert!(
            found,
            "ALSA's way to PulseAudio is not installed; {INSTALL}"
        );
        let folder = Folder::new();
        let socket = folder.at("native");
        // Without `norewinds` playback stands still for a second after it began.
        let sink = "rate=48000 channels=2 format=float32le norewinds=1";
        let script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={socket}\n\
             load-module module-null-sink sink_name=voice {sink}\n\
             load-module module-null-sink sink_name=out {sink}\n\
             set-default-sink out\n\
             set-default-source voice.monitor\n"
        );
        std::fs::write(folder.path("script.pa"), script).unwrap();
        let pcm = |name: &str, device: &str| {
            format!(
                "pcm.{name} {{ type pulse server \"unix:{socket}\" device \"{device}\" \
                 hint {{ show on description \"virtual {name}\" }} }}\n"
            )
        };
        let alsa = [
            pcm("out", "out"),
            pcm("tap", "out.monitor"),
            pcm("voice", "voice"),
            pcm("mic", "voice.monitor"),
            format!("pcm.default {{ type pulse server \"unix:{socket}\" }}\n"),
        ];
        std::fs::write(folder.path("asound.conf"), alsa.concat()).unwrap();
        let server = Command::new("pulseaudio")
            .args(["-n", "-F", &folder.at("script.pa"), "--daemonize=no"])
            .args(["--system=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["--realtime=no", "--high-priority=no", "--log-level=error"])
            .env("HOME", folder.path(""))
            .env("XDG_RUNTIME_DIR", folder.path(""))
            .env("PULSE_RUNTIME_PATH", folder.path(""))
            .env("PULSE_STATE_PATH", folder.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let devices = Self { server, folder };
        let deadline = Instant::now() + Duration::from_secs(8);
        while !devices.pactl(&["info"]).is_some_and(|s| s.contains("out")) {
            assert!(
                Instant::now() < deadline,
                "the sound server does not answer"
            );
            thread::sleep(Duration::from_millis(20));
        }
        devices
    }

    /// Starts the command where these devices are.
    pub(crate) fn run(&self, args: &[&str]) -> Running {
        Running::start_in(self.env(), args)
    }

    /// What a program has to know to find the devices.
    pub(crate) fn env(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("ALSA_CONFIG_PATH", self.folder.path("asound.conf")),
            (
                "PULSE_SERVER",
                format!("unix:{}", self.folder.at("native")).into(),
            ),
        ]
    }

    /// Takes a sink away: `out` or `voice`. What played on it goes on on the other, if there is one.
    pub(crate) fn unplug(&self, sink: &str) {
        let modules = self.pactl(&["list", "short", "modules"]).unwrap();
        let name = format!("sink_name={sink}");
        let module = modules.lines().find(|l| l.contains(&name)).unwrap();
        let number = module.split_whitespace().next().unwrap();
        self.pactl(&["unload-module", number]).unwrap();
    }

    /// Gives the speaker back.
    pub(crate) fn plug(&self) {
        let arguments = "sink_name=out rate=48000 channels=2 format=float32le norewinds=1";
        let load = ["load-module", "module-null-sink"];
        let words = arguments.split(' ');
        let all: Vec<&str> = load.into_iter().chain(words).collect();
        self.pactl(&all).unwrap();
    }

    /// What the server's own tool says; `None` where it fails.
    pub(crate) fn pactl(&self, args: &[&str]) -> Option<String> {
        let done = Command::new("pactl")
            .args(args)
            .envs(self.env())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        done.status.success().then_some(said)
    }
}

const INSTALL: &str = "run scripts/bootstrap.sh test, or apt-get install pulseaudio \
                       pulseaudio-utils libasound2-plugins";
/// Beside the folders of /usr/lib.
const OTHER_LIBRARIES: [&str; 2] = ["/usr/lib", "/usr/lib64"];

/// Presses Ctrl-C and waits.
pub(crate) fn stopped(running: Running) -> Outcome {
    running.interrupt();
    let outcome = running.wait();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    outcome
}

impl Drop for VirtualDevices {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
