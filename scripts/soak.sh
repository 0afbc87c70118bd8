#!/usr/bin/env bash
# The full form of tests whose short form `make test` runs: those in test binaries named soak*.
# They read AUDIOX_LONG and run for longer.
#
# What takes time in them is audiox-core, which is optimised in the ordinary profile too; there
# arithmetic is checked for overflow, as a soak should, and `make test` has built all of it. A
# release build of the workspace would cost a clean clone a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh test

export AUDIOX_LONG=1
if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run --workspace --all-features --profile long -E 'binary(/^soak/)'
else
    cargo test --workspace --all-features --test 'soak*' -- --test-threads=1 --nocapture
fi
