#!/usr/bin/env bash
# Every test of the workspace, then the documentation's examples, then the example programs.
# The last lines repeat the test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"

scripts/bootstrap.sh test ||
    echo "test: going on; tests whose peer (ffmpeg, GStreamer, a browser) is missing will fail and name it" >&2

log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "== tests"
if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run --workspace --all-features 2>&1 | tee "$log"
else
    echo "cargo-nextest is not installed: running under cargo test"
    cargo test --workspace --all-features --lib --bins --no-fail-fast 2>&1 | tee "$log"
    # Real-time tests live here; one at a time, as nextest's groups would have it.
    cargo test --workspace --all-features --test '*' --no-fail-fast -- --test-threads=1 2>&1 | tee -a "$log"
fi
echo "== documentation examples"
cargo test --workspace --all-features --doc --quiet
echo "== example programs"
scripts/examples.sh

echo "== summary"
sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E '^ *Summary \[|^test result:' || true
