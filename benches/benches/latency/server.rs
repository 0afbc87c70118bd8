//! A sound server of the bench's own: two sinks that sound into nothing, and their monitors.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// PulseAudio with devices that are not there. Programs reach them through ALSA as `voice` and
/// `out`, `mic` and `tap`; PulseAudio's own clients know sinks `voice` and `out` and their
/// monitors.
///
/// | device | is |
/// | --- | --- |
/// | `voice` | a speaker in front of the microphone |
/// | `mic` | the microphone, which hears what `voice` plays |
/// | `out` | the speaker |
/// | `tap` | what the speaker plays |
pub(crate) struct SoundServer {
    server: Child,
    folder: TempDir,
}

impl SoundServer {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let path = |name: &str| folder.path().join(name);
        let socket = path("native").display().to_string();
        // Without `norewinds` playback stands still for a second after it began.
        let sink = "rate=48000 channels=2 format=float32le norewinds=1";
        let script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={socket}\n\
             load-module module-null-sink sink_name=voice {sink}\n\
             load-module module-null-sink sink_name=out {sink}\n"
        );
        std::fs::write(path("script.pa"), script).expect("the folder can be written");
        let devices = [
            ("voice", "voice"),
            ("out", "out"),
            ("mic", "voice.monitor"),
            ("tap", "out.monitor"),
        ];
        let alsa: String = devices
            .map(|(name, device)| {
                format!(
                    "pcm.{name} {{ type pulse server \"unix:{socket}\" device \"{device}\" \
                 hint {{ show on description \"virtual {name}\" }} }}\n"
                )
            })
            .concat();
        std::fs::write(path("asound.conf"), alsa).expect("the folder can be written");
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--system=no", "--exit-idle-time=60"])
            .args(["--use-pid-file=no", "--realtime=no", "--high-priority=no"])
            .args(["--log-level=error", "-F"])
            .arg(path("script.pa"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for variable in [
            "HOME",
            "XDG_RUNTIME_DIR",
            "PULSE_RUNTIME_PATH",
            "PULSE_STATE_PATH",
        ] {
            command.env(variable, folder.path());
        }
        let server = command.spawn().expect(INSTALL);
        let server = Self { server, folder };
        let deadline = Instant::now() + Duration::from_secs(8);
        while !server.answers() {
            assert!(
                Instant::now() < deadline,
                "the sound server does not answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Runs `command` where the devices are.
    pub(crate) fn run(&self, command: &mut Command) -> std::io::Result<ExitStatus> {
        command.envs(self.env()).status()
    }

    fn answers(&self) -> bool {
        let mut command = Command::new("pactl");
        let quiet = command
            .arg("info")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.run(quiet).expect(INSTALL).success()
    }

    fn env(&self) -> [(&'static str, PathBuf); 2] {
        let path = self.folder.path();
        let socket = format!("unix:{}", path.join("native").display());
        [
            ("ALSA_CONFIG_PATH", path.join("asound.conf")),
            ("PULSE_SERVER", socket.into()),
        ]
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const INSTALL: &str = "PulseAudio: run scripts/bootstrap.sh bench, or apt-get install pulseaudio \
                       pulseaudio-utils libasound2-plugins";
