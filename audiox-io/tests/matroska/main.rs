//! WebM and Matroska, put together here as browsers do it, and otherwise.
#![cfg(test)]

mod live;
mod mux;
mod seeds;
