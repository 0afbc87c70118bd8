#!/usr/bin/env bash
# Checks the code for other systems. Nothing is linked or run. libopus and the assembler of ring are
# built on the way, by Zig's C compiler, which has the C libraries of other systems; where there is
# no such compiler (Windows by Microsoft's), what is not C is checked.
#
#   cross.sh [TARGET…]      all that are below, which rustup fetches where they are missing
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh release
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH"
export CARGO_ZIGBUILD_ZIG_PATH=$PWD/target/tools/ziglang/zig

crates=(--package audiox --package audiox-core --package audiox-io --package audiox-net
    --package audiox-opus --package audiox-redis --package audiox-s3 --package audiox-udp
    --package audiox-grpc --package audiox-websocket)
everything='audiox/cli audiox/dred audiox/player audiox/relay audiox/grpc'
everything+=' audiox-core/conformance audiox-net/link audiox-net/socketio audiox-websocket/load'

cross() { # target, subcommand of cargo or cargo-zigbuild…, arguments
    local target=$1
    shift
    rustup target list --installed | grep -qx "$target" || rustup target add "$target" >&2
    "$@" --quiet --locked --target "$target"
    echo "$target: checked"
}

check() {
    case $1 in
    # ALSA's headers would have to be the target's.
    aarch64-unknown-linux-gnu | aarch64-unknown-linux-musl | armv7-unknown-linux-gnueabihf)
        cross "$1" cargo-zigbuild check "${crates[@]}" --no-default-features --features "$everything"
        ;;
    aarch64-apple-darwin | x86_64-pc-windows-gnu)
        cross "$1" cargo-zigbuild check "${crates[@]}" --no-default-features \
            --features "$everything audiox/devices"
        ;;
    # ring and libopus take Microsoft's C compiler: without HTTP, TLS, Opus and the command.
    x86_64-pc-windows-msvc)
        cross "$1" cargo check --package audiox --package audiox-core --package audiox-io \
            --package audiox-net --package audiox-udp --no-default-features \
            --features 'audiox/devices audiox-core/conformance audiox-net/link audiox-net/fanout'
        ;;
    wasm32-unknown-unknown) cross "$1" cargo check --package audiox-core --no-default-features ;;
    *)
        echo "cross: how to check $1 is not known" >&2
        return 1
        ;;
    esac
}

if [ $# = 0 ]; then
    set -- wasm32-unknown-unknown aarch64-unknown-linux-gnu aarch64-apple-darwin \
        x86_64-pc-windows-gnu x86_64-pc-windows-msvc
fi
for target in "$@"; do check "$target"; done
