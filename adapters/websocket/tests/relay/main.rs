//! The relay by real sockets: the contract, foreign clients of it, and what stands beside it.
#![cfg(test)]

mod client;
mod console;
mod contract;
mod peers;
mod plain;
mod support;
mod vectors;
