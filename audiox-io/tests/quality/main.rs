//! How good playout sounds where it has to make sound up or change its length: figures that are
//! fixed with a small margin, so that they cannot fall back unseen. Everything is computed, in
//! virtual time and by one seed, so a figure only moves when the code does.
//!
//! `--nocapture` prints the figures.
#![cfg(test)]
#![allow(clippy::print_stdout, reason = "the figures are worth seeing")]

mod concealment;
mod engine;
mod material;
mod stretching;

#[path = "../../examples/music.rs"]
#[allow(dead_code, reason = "only what it renders is wanted")]
mod music;
