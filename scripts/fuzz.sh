#!/usr/bin/env bash
# Runs each fuzz target, or those named, for FUZZ_SECONDS, starting from the corpus in the
# repository. New inputs go to fuzz/found, what crashes to fuzz/artifacts; neither is checked in.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh fuzz
seconds=${FUZZ_SECONDS:-60}

# The sanitizer flags are unstable: nightly where there is one, else stable told to allow them.
toolchain=()
if rustup run nightly rustc --version >/dev/null 2>&1; then
    toolchain=(+nightly)
else
    export RUSTC_BOOTSTRAP=1
fi

targets=("$@")
[ ${#targets[@]} -gt 0 ] || for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "fuzz/found/$target" "fuzz/corpus/$target"
    cargo "${toolchain[@]}" fuzz run --fuzz-dir fuzz "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -print_final_stats=1
done
