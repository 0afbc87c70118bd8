//! Real Redis servers, started by the tests on free ports of the loopback interface.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server of a test's own. It ends with it.
#[allow(dead_code, reason = "each file of tests uses what it needs")]
pub(crate) struct RedisServer {
    dir: TempDir,
    config: String,
    is_sentinel: bool,
    has_tls: bool,
    port: u16,
    running: Option<Child>,
}

#[allow(dead_code, reason = "each file of tests uses what it needs")]
impl RedisServer {
    /// One without anything.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// One with further lines in its configuration. `DIR` stands for its folder.
    pub(crate) fn with(config: &str) -> Self {
        Self::new(config, false)
    }

    /// One with TLS alone, by the files `key.pem`, `cert.pem` and `ca.pem` that `put` puts into
    /// its folder.
    pub(crate) fn tls(put: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path());
        let config = "tls-cert-file DIR/cert.pem\ntls-key-file DIR/key.pem\n\
                      tls-ca-cert-file DIR/ca.pem\ntls-auth-clients no\n";
        Self::launch(dir, config.to_owned(), false, true)
    }

    /// A Sentinel that watches a master on this port, and calls it `main`.
    pub(crate) fn sentinel(master: u16) -> Self {
        let config = format!(
            "sentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 5000\n"
        );
        Self::new(&config, true)
    }

    fn new(config: &str, is_sentinel: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::launch(dir, config.to_owned(), is_sentinel, false)
    }

    fn launch(dir: TempDir, config: String, is_sentinel: bool, has_tls: bool) -> Self {
        let mut this = Self {
            dir,
            config,
            is_sentinel,
            has_tls,
            port: 0,
            running: None,
        };
        // Another test may take the port in between.
        for _ in 0..20 {
            this.port = free_port();
            if this.run() {
                return this;
            }
        }
        panic!("redis-server does not start: {}", this.log());
    }

    /// Whether it runs and answers.
    fn run(&mut self) -> bool {
        let dir = self.dir.path().display().to_string();
        let file = self.dir.path().join("redis.conf");
        // A Sentinel keeps what it learnt in its file.
        if !(self.is_sentinel && file.exists()) {
            let port = match self.has_tls {
                false => format!("port {}", self.port),
                true => format!("port 0\ntls-port {}", self.port),
            };
            let save = if self.is_sentinel { "" } else { "save \"\"" };
            let config = self.config.replace("DIR", &dir);
            let text =
                format!("{port}\nbind 127.0.0.1\ndir {dir}\nlogfile {dir}/log\n{save}\n{config}");
            std::fs::write(&file, text).unwrap();
        }
        let mut command = Command::new("redis-server");
        command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if self.is_sentinel {
            command.arg("--sentinel");
        }
        let child = command.spawn().unwrap_or_else(|e| {
            panic!(
                "redis-server does not start ({e}): scripts/bootstrap.sh test installs it, or \
                 apt-get install -y redis-server redis-tools"
            )
        });
        let child = self.running.insert(child);
        let until = Instant::now() + PATIENCE;
        loop {
            if child.try_wait().unwrap().is_some() {
                self.running = None;
                let _ = std::fs::remove_file(&file);
                return false;
            }
            if is_there(self.port, self.has_tls) {
                return true;
            }
            assert!(Instant::now() < until, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on the same port, with what is on its disk.
    pub(crate) fn revive(&mut self) {
        self.kill();
        let until = Instant::now() + PATIENCE;
        while !self.run() {
            assert!(
                Instant::now() < until,
                "it does not come back: {}",
                self.log()
            );
        }
    }

    /// Stops it without ending it, or lets it go on.
    pub(crate) fn pause(&self, is_paused: bool) {
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        let id = self.running.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(status.success());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether Redis answers there, be it that it wants a password; by TLS, whether somebody listens.
fn is_there(port: u16, has_tls: bool) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    if has_tls {
        return true;
    }
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut answer = String::new();
    socket.write_all(b"PING\r\n").is_ok()
        && BufReader::new(socket).read_line(&mut answer).is_ok()
        && (answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
}

const PATIENCE: Duration = Duration::from_secs(20);
