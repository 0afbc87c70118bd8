#!/usr/bin/env bash
# What we build on: licences, banned crates and sources by deny.toml; without an argument also
# known vulnerabilities, which takes the advisory database from the network.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"

deny() { # workspace's manifest, checks
    local manifest=$1
    shift
    echo "$manifest: $*"
    cargo deny --log-level warn --manifest-path "$manifest" --config deny.toml check "$@"
}

for manifest in Cargo.toml fuzz/Cargo.toml; do
    deny "$manifest" licenses bans sources
done
[ "${1:-}" = offline ] && exit
for manifest in Cargo.toml fuzz/Cargo.toml; do
    deny "$manifest" advisories
done
