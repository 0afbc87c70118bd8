//! Foreign programs as peers: found, started, watched and ended.

use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A foreign program's command; fails the test with advice where it is not installed.
pub(crate) fn program(name: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    assert!(
        found,
        "{name} is not installed; run scripts/bootstrap.sh test"
    );
    Command::new(name)
}

/// The system's Python: it has Debian's packages, whichever comes first in the path.
pub(crate) fn python() -> Command {
    let path = "/usr/bin/python3";
    assert!(
        std::path::Path::new(path).exists(),
        "{path} is missing; run scripts/bootstrap.sh test"
    );
    let mut command = Command::new(path);
    command.arg("-B");
    command
}

/// `gst-launch-1.0` with a pipeline.
pub(crate) fn gst(pipeline: &str) -> Command {
    let mut command = program("gst-launch-1.0");
    command.args(["-q", "-e"]).args(pipeline.split_whitespace());
    command
}

/// A running peer, ended when dropped.
pub(crate) struct Peer {
    child: Child,
    said: Option<JoinHandle<String>>,
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let err = child.stderr.take().unwrap();
        let said = thread::spawn(move || std::io::read_to_string(err).unwrap());
        Self {
            child,
            said: Some(said),
        }
    }

    /// Waits until the peer has ended by itself, and returns what it complained about.
    pub(crate) fn finish(mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        };
        let said = self.said.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// Asks the peer to end as Ctrl-C does, and waits; what it complained about.
    pub(crate) fn interrupt(self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.finish()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the whole matrix is asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("AUDIOX_LONG").is_some()
}
