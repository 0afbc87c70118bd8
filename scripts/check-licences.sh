#!/usr/bin/env bash
# Every crate we build on, tests and benches included, must have a licence that goes with
# "MIT OR Apache-2.0".
set -euo pipefail
cd "$(dirname "$0")/.."

allowed='MIT|MIT-0|Apache-2.0|Apache-2.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|BSL-1.0|CC0-1.0|0BSD|Unlicense|Unicode-3.0|Unicode-DFS-2016|CDLA-Permissive-2.0|NCSA'
# MPL-2.0 binds file by file, so using such a crate unchanged is fine; each is named here.
mpl_crates='symphonia.*'

crates() {
    set -e
    cargo tree --workspace --all-features --target all --edges normal,build,dev \
        --prefix none --no-dedupe --format '{p}|{l}' | sort -u
    cargo tree --manifest-path fuzz/Cargo.toml --all-features --target all --edges normal,build \
        --prefix none --no-dedupe --format '{p}|{l}' | sort -u
}

# An expression passes when each part joined by AND offers an allowed choice ("/" is the old OR).
list=$(crates)
sort -u <<<"$list" | awk -F '|' -v allowed="$allowed" -v mpl="^($mpl_crates) " '
    BEGIN { n = split(allowed, a, "|"); for (i = 1; i <= n; i++) ok[a[i]] = 1 }
    $1 == "" { next }
    {
        gsub(/[()]/, "", $2)
        gsub(/ *\/ */, " OR ", $2)
        count++
        parts = split($2, part, " AND ")
        for (p = 1; p <= parts || p == 1; p++) {
            good = 0
            choices = split(part[p], choice, " OR ")
            for (c = 1; c <= choices; c++)
                if (choice[c] in ok || (choice[c] == "MPL-2.0" && $1 ~ mpl)) good = 1
            if (!good) { printf "licence not allowed: %s: %s\n", $1, ($2 == "" ? "none stated" : $2); bad = 1 }
        }
    }
    END { if (!bad) printf "%d crates, every licence allowed\n", count; exit bad }'
