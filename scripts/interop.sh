#!/usr/bin/env bash
# The full matrix against foreign programs, on loopback, and a table of what passed.
#
# It runs what `make test` runs a short form of: test binaries called interop*, which read
# AUDIOX_LONG; and what has no longer form: foreign clients of the servers, readers of files.
#
# In the dev profile, as `make test`: crates with sample loops are optimised there, what else is
# to be done for a stream costs next to nothing, and a clean clone is spared minutes of building.
#
#   scripts/interop.sh [FILTER]    FILTER, of nextest, chooses among them
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
scripts/bootstrap.sh test

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AUDIOX_LONG=1 AUDIOX_INTEROP_TABLE=$work/table
log=$work/log
touch "$AUDIOX_INTEROP_TABLE"

# Built with the features of the whole workspace, as `make test` builds them.
build=(--workspace --all-features)
for binary in 'interop*' relay python wav ogg compressed; do build+=(--test "$binary"); done
clients='(package(audiox-websocket) & test(/^peers::/)) | (package(audiox-grpc) & binary(python))'
files='package(audiox-io) & test(/ffmpeg/)'
failed=0
if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run "${build[@]}" --profile long --color never \
        -E "(binary(/^interop/) | $clients | $files) & (${1:-all()})" 2>&1 | tee "$log" || failed=1
else
    cargo test "${build[@]}" --no-fail-fast -- --test-threads=1 2>&1 | tee "$log" || failed=1
fi

version() { # name, command that tells it
    printf '  %-18s %s\n' "$1" "$(eval "$2" 2>/dev/null | head -n 1)"
}
module() { # Python's
    version "$1" "/usr/bin/python3 -c 'from importlib.metadata import version; print(version(\"$1\"))'"
}

echo
echo "Peers"
version ffmpeg "ffmpeg -version | cut -d ' ' -f 3"
version GStreamer "gst-launch-1.0 --version | sed -n 's/^GStreamer //p'"
version PulseAudio "pulseaudio --version | cut -d ' ' -f 2"
version sox "sox --version | sed 's/.*v//'"
version opus-tools "opusdec --version | cut -d ' ' -f 3"
module python-socketio
module grpcio
version socket.io-client "sed -n 's/.*\"version\": \"\(.*\)\".*/\1/p' adapters/websocket/tests/peers/node_modules/socket.io-client/package.json"

echo
echo "What passed, each line judged by the sound that came out"
sort -u "$AUDIOX_INTEROP_TABLE" | awk -F '\t' '
    $1 "\t" $2 "\t" $3 != last {
        printf "\n%-8s %-10s %s\n", $1, $2, $3
        last = $1 "\t" $2 "\t" $3
    }
    { printf "    %-44s %s\n", $4, $5 }'

echo
echo "Foreign clients and readers beside these"
sed -nE 's/^ *PASS \[ *[0-9.]+s\] (\([^)]*\) )?(audiox-(websocket|grpc|io))(::[a-z_]+)? (.*)/\2 \5/p' "$log" |
    sed 's/_/ /g; s/^/    /'

echo
echo "How many, by codec or format, peer and direction"
sort -u "$AUDIOX_INTEROP_TABLE" | awk -F '\t' '
    # Columns first, in their order; then what there is.
    NR == FNR { columns[++width] = $0; next }
    !($1 in seen) { rows[++height] = $1; seen[$1] }
    { n[$1, $2 "\t" $3]++ }
    END {
        for (c = 1; c <= width; c++) {
            title = columns[c]
            sub("\t", " ", title)
            printf "    %2d  %s\n", c, title
        }
        printf "\n%-12s", ""
        for (c = 1; c <= width; c++) printf "%5d", c
        print ""
        for (r = 1; r <= height; r++) {
            printf "%-12s", rows[r]
            for (c = 1; c <= width; c++) {
                count = n[rows[r], columns[c]]
                printf "%5s", count ? count : "-"
            }
            print ""
        }
    }' <(cut -f 2,3 "$AUDIOX_INTEROP_TABLE" | sort -u) -

echo
if [ "$failed" = 1 ]; then
    grep -E '^ *(FAIL|TIMEOUT) \[|^test .* FAILED$' "$log" | sort -u || true
    echo "interop: not all passed"
    exit 1
fi
echo "interop: all passed"
