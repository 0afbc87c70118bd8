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
if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run --workspace --all-features --release --profile long -E "binary(/^$kind/)"
else
    cargo test --workspace --all-features --release --test "$kind*" -- --test-threads=1 --nocapture
fi
