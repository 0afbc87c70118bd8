#!/usr/bin/env bash
# Everything that is checked without running the code.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh lint

step() { echo "== $*"; }

step formatting
cargo fmt --all --check
step clippy
cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
step documentation
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --quiet
step dependency rules
scripts/check-deps.sh
step 'licences, banned crates, sources'
scripts/audit.sh offline
step packages
scripts/package.sh list
step fuzz targets
cargo check --manifest-path fuzz/Cargo.toml --quiet

step core alone, and on wasm32
cargo check --package audiox-core --no-default-features --quiet
if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
    cargo check --package audiox-core --no-default-features --quiet --target wasm32-unknown-unknown
else
    echo "wasm32-unknown-unknown is not installed: not checked"
fi
