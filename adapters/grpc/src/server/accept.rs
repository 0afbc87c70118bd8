//! Connections, as many as there is room for, for as long as something is heard of them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Listens, with room for a whole fleet that comes back at once.
pub(super) fn listen(bind: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    // A port that connections of an earlier server still linger on is free.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that come in. Those for which there is no room are closed at once.
pub(super) struct Incoming {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// Of a listener that does not block, within a runtime: at most `most` at once, each until
    /// nothing was heard of it for as long as `patience`.
    pub(super) fn new(
        listener: std::net::TcpListener,
        most: usize,
        patience: Duration,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            patience,
            pause: None,
        })
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _)) => {
                    if let Ok(place) = self.places.clone().try_acquire_owned() {
                        let _ = stream.set_nodelay(true);
                        return Poll::Ready(Some(Ok(Connection {
                            stream,
                            patience: self.patience,
                            heard: Instant::now(),
                            silence: Box::pin(sleep(self.patience)),
                            _place: place,
                        })));
                    }
                }
                // Out of descriptors, mostly: some must close first.
                Err(_) => self.pause = Some(Box::pin(sleep(ACCEPT_PAUSE))),
            }
        }
    }
}

/// A connection, and its place among those that are allowed.
///
/// HTTP/2 tries peers that are quiet, but not before they have said hello, and says farewell to
/// those that do not answer, which waits for ever where the network takes nothing any more. So what
/// counts in the end is when something was read last, whatever is being done.
pub(super) struct Connection {
    stream: TcpStream,
    patience: Duration,
    heard: Instant,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Fails once nothing was heard for too long; sees that it is asked again by then.
    fn is_heard_of(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.silence.as_mut().poll(cx).is_ready() {
            let until = self.heard + self.patience;
            if until <= Instant::now() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.silence.as_mut().reset(until);
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_heard_of(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard = Instant::now();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_heard_of(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_heard_of(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4_096;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
