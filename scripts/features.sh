#!/usr/bin/env bash
# Features only add: each crate must build, without a warning, with none of its features, with each
# alone, with every two, and with all. Names of crates as arguments check these alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh release

if [ $# = 0 ]; then
    set -- audiox-core audiox-io audiox-net audiox-opus audiox-redis audiox-s3 audiox-udp \
        audiox-grpc audiox-websocket audiox
fi
manifest() { # crate
    grep -lx "name = \"$1\"" audiox*/Cargo.toml adapters/*/Cargo.toml | head -n 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for crate in "$@"; do
    without=()
    # `default` is a set of the others.
    if grep -q '^default = ' "$(manifest "$crate")"; then
        without=(--exclude-features default)
    fi
    if ! cargo hack check --package "$crate" --feature-powerset --depth 2 \
        ${without[@]+"${without[@]}"} >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    if grep -A 12 '^warning: ' "$log" >&2; then
        echo "$crate: warnings under some features" >&2
        exit 1
    fi
    printf '%-18s %3d combinations\n' "$crate" "$(grep -c 'info: running' "$log")"
done
