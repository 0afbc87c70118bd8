//! What waits to be sent on one stream.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tonic::Status;

use crate::proto::AudioPacket;

/// A stream's queue: filled by whatever happens, emptied by the stream's task.
#[derive(Debug)]
pub(crate) struct Line<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
    end: End,
}

#[derive(Debug)]
enum End {
    Open,
    /// Once all is taken: well, or with this status.
    Coming(Option<Status>),
    Told,
}

impl<T> Line<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                waker: None,
                end: End::Open,
            }),
        }
    }

    pub(crate) fn push(&self, item: T) {
        self.push_within(usize::MAX, item);
    }

    /// As [`push`](Self::push); the oldest go where more than `most` would wait.
    pub(crate) fn push_within(&self, most: usize, item: T) {
        let mut state = self.state();
        if matches!(state.end, End::Open) {
            while state.queue.len() >= most.max(1) {
                state.queue.pop_front();
            }
            state.queue.push_back(item);
            state.wake();
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state().queue.len()
    }

    /// Ends the stream behind what waits.
    pub(crate) fn end(&self, how: Option<Status>) {
        let mut state = self.state();
        if matches!(state.end, End::Open) {
            state.end = End::Coming(how);
            state.wake();
        }
    }

    /// The next item, or the stream's end.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Result<T, Status>>> {
        let mut state = self.state();
        if let Some(item) = state.queue.pop_front() {
            return Poll::Ready(Some(Ok(item)));
        }
        match std::mem::replace(&mut state.end, End::Told) {
            End::Open => {
                state.end = End::Open;
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Coming(None) | End::Told => Poll::Ready(None),
            End::Coming(Some(status)) => Poll::Ready(Some(Err(status))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line<AudioPacket> {
    /// Drops what waits. A sound that was begun on the wire is ended there; `begun` says whether
    /// the newest one here has a start and no end.
    pub(crate) fn cut(&self, begun: bool) {
        let mut state = self.state();
        let mark = state.queue.iter().find(|p| p.is_start || p.is_end);
        let begun_on_the_wire = mark.map_or(begun, |p| !p.is_start);
        state.queue.clear();
        if begun_on_the_wire {
            state.queue.push_back(end());
        }
        state.wake();
    }
}

/// The packet that ends a sound.
pub(crate) fn end() -> AudioPacket {
    AudioPacket {
        is_end: true,
        ..AudioPacket::default()
    }
}

impl<T> State<T> {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(is_start: bool) -> AudioPacket {
        AudioPacket {
            is_start,
            ..AudioPacket::default()
        }
    }

    fn all(line: &Line<AudioPacket>) -> Vec<AudioPacket> {
        let cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match line.poll(&cx) {
            Poll::Ready(Some(Ok(p))) => Some(p),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn a_cut_ends_what_was_begun_on_the_wire_and_only_that() {
        let line = Line::new();
        // Nothing of it was sent: nobody need know.
        line.push(packet(true));
        line.push(packet(false));
        line.cut(true);
        assert_eq!(all(&line), []);
        // Its start was sent.
        line.push(packet(true));
        assert_eq!(all(&line).len(), 1);
        line.push(packet(false));
        line.cut(true);
        assert_eq!(all(&line), [end()]);
        // Its end waits behind which another one began.
        line.push(packet(true));
        all(&line);
        line.push(end());
        line.push(packet(true));
        line.cut(true);
        assert_eq!(all(&line), [end()]);
        line.cut(false);
        assert_eq!(all(&line), []);
    }

    #[test]
    fn an_end_comes_behind_what_waits_and_is_told_once() {
        let line = Line::new();
        for n in 0..5 {
            line.push_within(3, n);
        }
        line.end(Some(Status::aborted("x")));
        line.push(9);
        line.end(None);
        let cx = Context::from_waker(Waker::noop());
        let mut seen = Vec::new();
        while let Poll::Ready(Some(item)) = line.poll(&cx) {
            seen.push(item.map_err(|s| s.code()));
        }
        let aborted = Err(tonic::Code::Aborted);
        assert_eq!(seen, [Ok(2), Ok(3), Ok(4), aborted]);
    }
}
