#!/usr/bin/env bash
# The full form of tests whose short form `make test` runs: those in test binaries named
# interop* or soak*. They read AUDIOX_LONG and widen their matrix or their time.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
kind=$1
scripts/bootstrap.sh test

if [ -z "$(find . -path "*/tests/$kind*.rs" -not -path '*/target/*' -print -quit)" ]; then
    echo "there are no $kind tests"
    exit 0
fi
export AUDIOX_LONG=1
# What takes time in soaks is audiox-core, which is optimised in the ordinary profile too; there
# arithmetic is checked for overflow, as a soak should, and `make test` has built all of it. A
# release build of the workspace would cost a clean clone a quarter of an hour.
build=(--release)
if [ "$kind" = soak ]; then
    build=()
fi
if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run --workspace --all-features --profile long "${build[@]}" -E "binary(/^$kind/)"
else
    cargo test --workspace --all-features "${build[@]}" --test "$kind*" -- --test-threads=1 --nocapture
fi
