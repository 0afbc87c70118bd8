#!/usr/bin/env bash
# Every published crate builds with the Rust that `rust-version` promises. What only tests and
# benches build on may ask for a newer one.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh base

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
toolchain=$(rustup toolchain list | sed -n "s/^\($version\(\.[0-9]*\)\?-[^ ]*\).*/\1/p" | head -n 1)
if [ -z "$toolchain" ]; then
    echo "installing Rust $version" >&2
    rustup toolchain install "$version" --profile minimal >&2
    toolchain=$version
fi
# Beside, so that neither toolchain throws away what the other built.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/msrv"
cargo "+$toolchain" check --workspace --exclude audiox-benches --all-features --locked --quiet
cargo "+$toolchain" check --workspace --exclude audiox-benches --no-default-features --locked --quiet
echo "every crate builds with Rust $version"
