#!/usr/bin/env bash
# Who may know whom. ARCHITECTURE.md, "Dependency rules", has the reasons.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
fail() {
    echo "dependency rule broken: $*" >&2
    failed=1
}

# Names of everything `package` builds on, itself left out, whatever features are on.
below() {
    cargo tree --package "$1" --edges normal,build --all-features --target all --prefix none --format '{p}' |
        awk -v self="$1" '$1 != self { print $1 }' | sort -u
}
forbid() { # package, pattern of names it must not build on, reason
    local all found
    all=$(below "$1")
    found=$(grep -xE "$2" <<<"$all" | paste -sd ' ' || true)
    [ -z "$found" ] || fail "$1 builds on $found; $3"
}

adapters=$(for manifest in adapters/*/Cargo.toml; do
    sed -n '/^name = /{s/^name = "\(.*\)"/\1/p;q}' "$manifest"
done | paste -sd '|')

forbid audiox-core 'tokio|async-std|smol|mio|socket2|quinn-udp|rustix|nix|libc|cpal|hound|rand|getrandom|tracing' \
    "core does no I/O, asks no clock and has no runtime"
forbid audiox-core 'audiox.*' "core knows nobody"
forbid audiox-io "audiox-net|audiox|$adapters" "io knows core alone"
forbid audiox-net "audiox-io|audiox|$adapters" "net knows core alone"
for adapter in ${adapters//|/ }; do
    forbid "$adapter" "audiox|$adapters" "adapters know neither each other nor the facade"
done

# Object storage is reached through one adapter; others see the contract in core.
for package in audiox-core audiox-io audiox-net ${adapters//|/ }; do
    [ "$package" = audiox-s3 ] || forbid "$package" 'object_store|reqwest' "only audiox-s3 knows object storage"
done

# Likewise Redis.
for package in audiox-core audiox-io audiox-net ${adapters//|/ }; do
    [ "$package" = audiox-redis ] || forbid "$package" 'redis' "only audiox-redis knows Redis"
done

# What a vendor calls its things stays in the adapter that speaks to it.
if grep -rnwE 'AWS|Amazon|S3|[Rr]edis|tonic|libopus|MinIO' --include='*.rs' --include=Cargo.toml \
    audiox-core audiox-io audiox-net; then
    fail "a vendor's name outside adapters/"
fi

# C is called in one place.
if grep -rnw unsafe --include='*.rs' --exclude-dir=tests --exclude-dir=target ./*/src adapters/*/src |
    grep -v '^adapters/opus/src/raw'; then
    fail "unsafe code outside adapters/opus/src/raw.rs"
fi

[ "$failed" = 0 ] && echo "dependency rules hold"
exit $failed
