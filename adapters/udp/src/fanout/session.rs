//! What runs between a start and a stop.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audiox_core::format::StreamFormat;
use audiox_net::StopFlag;
use audiox_net::clock::Clock;
use audiox_net::pace::Priority;
use audiox_net::thread::{Realtime, request_realtime, sharpen_timers};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::FanoutConfig;
use super::engine::{End, Engine, Feed, Order};
use super::error::FanoutError;
use super::lane::Lane;
use super::list::MAX_CLIENTS;
use super::status::Board;
use crate::Error;

/// A source that is open, and the thread that sends it.
pub(super) struct Session {
    pub(super) format: StreamFormat,
    pub(super) started: Instant,
    pub(super) stop: StopFlag,
    pub(super) board: Arc<Board>,
    pub(super) orders: HeapProd<Order>,
    pub(super) gone: HeapCons<Box<Lane>>,
    pub(super) thread: JoinHandle<(End, Realtime)>,
}

impl Session {
    /// A session whose thread waits until the sender that comes with it is dropped.
    pub(super) fn open(
        config: &FanoutConfig,
        clock: Clock,
    ) -> Result<(Self, mpsc::Sender<()>), FanoutError> {
        let source = (config.open)()?;
        let format = source.format();
        let feed = Feed::new(source, config.chunk).map_err(Error::from)?;
        let board = Arc::new(Board::new(format.channels));
        let (orders, ordered) = HeapRb::new(2 * MAX_CLIENTS).split();
        let (goes, gone) = HeapRb::new(2 * MAX_CLIENTS).split();
        let engine = Engine::new(
            clock,
            feed,
            format,
            config.chunk,
            ordered,
            goes,
            board.clone(),
        );
        let (stop, priority) = (StopFlag::new(), config.priority);
        let stopped = stop.clone();
        let (go, gate) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("audiox-fanout".to_owned())
            .spawn(move || {
                sharpen_timers();
                let realtime = match priority {
                    Priority::Ordinary => Realtime::NotAsked,
                    Priority::Realtime => request_realtime(),
                };
                let _ = gate.recv();
                (engine.run_to_end(&stopped), realtime)
            })
            .map_err(Error::from_thread)?;
        let session = Self {
            format,
            started: Instant::now(),
            stop,
            board,
            orders,
            gone,
            thread,
        };
        Ok((session, go))
    }

    /// Tells the sending thread; `false` where it has not listened for long.
    pub(super) fn order(&mut self, order: Order) -> bool {
        // What came home is dropped here.
        while self.gone.try_pop().is_some() {}
        self.orders.try_push(order).is_ok()
    }

    /// Ends the thread, and waits for it unless it hangs in its source.
    pub(super) fn end(self) {
        self.stop.stop();
        let until = Instant::now() + END_WITHIN;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.thread.is_finished() {
            let _ = self.thread.join();
        }
    }
}

/// A source that blocks for longer is left behind, to end with its next block.
const END_WITHIN: Duration = Duration::from_secs(1);
