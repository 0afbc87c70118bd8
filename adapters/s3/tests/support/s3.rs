//! A real S3 server (s3s-fs) on a port of loopback, which can die and come back.

use std::net::SocketAddr;
use std::path::Path;

use audiox_s3::StoreOptions;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

pub(crate) struct S3Server {
    root: TempDir,
    addr: SocketAddr,
    /// Its connections and its listener; none while it is dead.
    running: Option<Runtime>,
}

#[allow(dead_code, reason = "each file of tests uses what it needs")]
impl S3Server {
    /// A server with one bucket, `archive`.
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("archive")).unwrap();
        let mut this = Self {
            root,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            running: None,
        };
        this.revive();
        this
    }

    /// The folder that its bucket is.
    pub(crate) fn bucket(&self) -> std::path::PathBuf {
        self.root.path().join("archive")
    }

    /// What reaches it, by keys that it knows.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions::default()
            .with_var("AWS_ACCESS_KEY_ID", "ours")
            .with_var("AWS_SECRET_ACCESS_KEY", "secret")
            .with_var("AWS_REGION", "us-east-1")
            .with_var("AWS_ENDPOINT_URL", self.endpoint())
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Cuts every connection and stops listening.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
        // The port is free once the runtime's threads have let go of the listener.
        while std::net::TcpStream::connect(self.addr).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Listens again on the same port.
    pub(crate) fn revive(&mut self) {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let service = service(self.root.path());
        let listener = loop {
            match std::net::TcpListener::bind(self.addr) {
                Ok(listener) => break listener,
                // Its former self is not gone yet.
                Err(_) => std::thread::yield_now(),
            }
        };
        listener.set_nonblocking(true).unwrap();
        self.addr = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                // Else small answers wait for the client's acknowledgements.
                socket.set_nodelay(true).unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    // A client may leave at any time.
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        self.running = Some(runtime);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // Not waited for: a test may drop it inside a runtime.
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }
}

fn service(root: &Path) -> S3Service {
    let mut builder = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("ours", "secret"));
    builder.build()
}
