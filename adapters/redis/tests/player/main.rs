//! The session player by real sockets: the contract row by row, foreign clients of it, and what
//! stands beside it.
#![cfg(test)]
#![cfg(feature = "http")]

mod audio;
mod contract;
mod events;
mod support;
