#!/usr/bin/env bash
# The command as an archive for others, in target/dist, with a checksum: the stripped program,
# manual pages, completions, units, examples of configuration, the guide.
#
#   dist.sh                              for this system, with sound devices
#   dist.sh x86_64-unknown-linux-musl    for any Linux: static, without sound devices
#
# What comes out is unpacked, installed beside the system and run before it is called done.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh base

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
built=${CARGO_TARGET_DIR:-target}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
name=audiox-$version-$target
out=$built/dist
features=()
case $target in
*-musl)
    # ALSA is a library that loads others, so it cannot be part of a static program.
    features=(--no-default-features --features 'cli grpc opus player relay')
    scripts/bootstrap.sh release
    rustup target add "$target" >&2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
    cargo build --quiet --locked --profile dist --package audiox --bin audiox --target "$target" \
        ${features[@]+"${features[@]}"}
}

collect() { # folder
    local program=$1/bin/audiox share=$1/share
    mkdir -p "$1/bin" "$share"/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d,doc/audiox,man/man1} "$1/etc"
    cp "$built/$target/dist/audiox" "$program"
    "$program" man "$share/man/man1" --quiet
    "$program" completions bash >"$share/bash-completion/completions/audiox"
    "$program" completions zsh >"$share/zsh/site-functions/_audiox"
    "$program" completions fish >"$share/fish/vendor_completions.d/audiox.fish"
    cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$share/doc/audiox/"
    cp -RL guide "$share/doc/audiox/"
    cp -R packaging/cloud-init "$share/doc/audiox/"
    cp -R packaging/systemd "$1/"
    cp packaging/etc/*.toml "$1/etc/"
    cp packaging/dist/install.sh "$1/"
}

pack() {
    local time
    time=$(git log -1 --format=%ct 2>/dev/null || date +%s)
    # The same files make the same archive.
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" -cf - "$name" |
        gzip -9n >"$out/$name.tar.gz"
    (cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
}

try() {
    local root=$work/root run
    mkdir "$work/unpacked" "$root"
    (cd "$out" && sha256sum --check --quiet "$name.tar.gz.sha256")
    tar -C "$work/unpacked" -xzf "$out/$name.tar.gz"
    DESTDIR=$root "$work/unpacked/$name/install.sh"
    run=$root/usr/bin/audiox
    [ "$("$run" --version)" = "audiox $version" ]
    "$run" send tone:440,length=1s --to "$work/tone.wav" --quiet
    "$run" send "$work/tone.wav" --to "$work/copy.wav" --quiet
    "$run" compare "$work/tone.wav" "$work/copy.wav" --quiet
    cmp "$work/tone.wav" "$work/copy.wav"
    [ "$(stat -c %s "$work/tone.wav")" -gt 90000 ]
    [ -s "$root/usr/share/man/man1/audiox-relay.1" ] && [ -s "$root/etc/audiox/relay.toml" ]
    bash -n "$root/usr/share/bash-completion/completions/audiox"
    libraries "$run"
}

# Nothing may be needed that a plain system has not.
libraries() { # program
    local needed foreign
    needed=$(ldd "$1" 2>&1 | awk '/statically linked|not a dynamic/ { print "none"; next } { print $1 }' |
        sed 's|.*/||' | sort | paste -sd ' ')
    echo "shared libraries: $needed"
    foreign=$(tr ' ' '\n' <<<"$needed" |
        grep -vE '^(none|linux-vdso|ld-linux.*|libc|libm|libgcc_s|libasound)(\.so.*)?$' || true)
    [ -z "$foreign" ] || { echo "it needs $foreign" >&2; return 1; }
    case $target in *-musl) [ "$needed" = none ] ;; esac
}

mkdir -p "$out"
build
collect "$work/$name"
pack
try
echo "$out/$name.tar.gz: $(($(stat -c %s "$out/$name.tar.gz") / 1024)) KiB, of which the program is $(($(stat -c %s "$work/$name/bin/audiox") / 1024)) KiB unpacked"
