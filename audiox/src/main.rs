//! The `audiox` command.

fn main() {}
