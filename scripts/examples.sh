#!/usr/bin/env bash
# Runs every example program. Without arguments each shows itself off on loopback with made-up
# audio, within seconds, and fails if it did not work; one that needs a peer says which.
set -euo pipefail
cd "$(dirname "$0")/.."

for manifest in Cargo.toml */Cargo.toml adapters/*/Cargo.toml; do
    [ -d "$(dirname "$manifest")/examples" ] || continue
    package=$(sed -n '/^name = /{s/^name = "\(.*\)"/\1/p;q}' "$manifest")
    cargo build --quiet --package "$package" --examples
    for example in "$(dirname "$manifest")"/examples/*.rs; do
        name=$(basename "$example" .rs)
        echo "-- $package: $name"
        timeout 60 cargo run --quiet --package "$package" --example "$name" </dev/null ||
            { echo "example $name of $package failed (exit $?)" >&2; exit 1; }
    done
done
