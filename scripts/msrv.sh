#!/usr/bin/env bash
# Every published crate builds with the Rust that `rust-version` promises: a copy of them, without
# what only tests build on, which may ask for a newer one.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh base

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
toolchain=$(rustup toolchain list | sed -n "s/^\($version\(\.[0-9]*\)\?-[^ ]*\).*/\1/p" | head -n 1)
if [ -z "$toolchain" ]; then
    rustup toolchain install "$version" --profile minimal >&2
    toolchain=$version
fi
# Beside, so that neither toolchain throws away what the other built.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/msrv"
copy=$CARGO_TARGET_DIR/tree

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard -- ':!fuzz' ':!benches' ':!*/tests/*' |
    xargs -0 cp --parents -P -t "$copy"
cd "$copy"
sed -i 's/, "benches"\]/]/' Cargo.toml
for manifest in audiox*/Cargo.toml adapters/*/Cargo.toml; do
    awk '/^\[/ { drop = ($0 == "[dev-dependencies]") } !drop' "$manifest" >"$manifest.kept"
    mv "$manifest.kept" "$manifest"
done
# The tests' S3 server holds it at a version that is newer than this Rust; the archive does not.
cargo "+$toolchain" update --quiet crc-fast

for features in --all-features --no-default-features; do
    cargo "+$toolchain" check --workspace --locked --quiet "$features"
    echo "Rust $version, $features: every crate builds"
done
