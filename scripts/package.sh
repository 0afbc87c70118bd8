#!/usr/bin/env bash
# What would be published: one package a crate, all of the same version.
#
#   package.sh list     names each crate's files, and fails where one of them includes a file that
#                       would stay behind; quick, part of `make lint`
#   package.sh          makes the packages into target/package, builds each of them from nothing
#                       but the packages, and tells their sizes
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"

crates=(audiox-core audiox-io audiox-net audiox-opus audiox-redis audiox-s3 audiox-udp
    audiox-grpc audiox-websocket audiox)
target=${CARGO_TARGET_DIR:-target}

folder() { # crate
    case $1 in
    audiox | audiox-core | audiox-io | audiox-net) echo "$1" ;;
    *) echo "adapters/${1#audiox-}" ;;
    esac
}

# Files that a source file takes in by its text: include_str!, include_bytes!, #[path].
included() { # source file
    { grep -oP '(include_(str|bytes)!\("|#\[path = ")\K[^"]+' "$1" || true; } |
        while read -r name; do realpath -s --relative-to=. "$(dirname "$1")/$name"; done
}

check_list() { # crate
    local crate=$1 list source name failed=0
    list=$(cargo package --list --package "$crate" --allow-dirty)
    cd "$(folder "$crate")"
    for name in LICENSE-MIT LICENSE-APACHE README.md Cargo.toml src/lib.rs; do
        grep -qxF "$name" <<<"$list" || { echo "$crate: $name is not in its package" >&2; failed=1; }
    done
    while read -r source; do
        while read -r name; do
            grep -qxF "$name" <<<"$list" && continue
            echo "$crate: $source includes $name, which is not in its package" >&2
            failed=1
        done < <(included "$source")
    done < <(grep '\.rs$' <<<"$list")
    cd - >/dev/null
    printf '%-18s %4d files\n' "$crate" "$(wc -l <<<"$list")"
    return $failed
}

list() {
    local crate failed=0
    for crate in "${crates[@]}"; do check_list "$crate" || failed=1; done
    return $failed
}

package() {
    local packages=() crate
    for crate in "${crates[@]}"; do packages+=(--package "$crate"); done
    # As the workspace's own: what is built for tests serves again.
    CARGO_PROFILE_DEV_DEBUG=line-tables-only cargo package --quiet "${packages[@]}" "$@"
    for crate in "${crates[@]}"; do
        printf '%-18s %4d KiB\n' "$crate" "$(($(stat -c %s "$target/package/$crate-"[0-9]*.crate) / 1024))"
    done
}

case ${1:-all} in
list) list ;;
all) list && package ;;
*) list && package "$@" ;;
esac
