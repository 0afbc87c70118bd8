#!/usr/bin/env bash
# Streams speech and music in real time over RTP, each through a link that loses, delays and
# reorders packets, records both, and shows what came of it. All on loopback, on free ports.
#
#   scripts/demo.sh [FOLDER]     default demo-out; LOSS, JITTER and SEED change the link
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"

out=${1:-demo-out}
loss=${LOSS:-5%} jitter=${JITTER:-20ms} seed=${SEED:-1}

scripts/bootstrap.sh base
echo "Building (some minutes the first time) …"
cargo build --quiet --release --package audiox
mkdir -p "$out"
cargo run --quiet --release --package audiox-io --example music -- "$out/music.wav"
cp assets/speech.wav "$out/speech.wav"

target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
audiox=$target/release/audiox

stop() { # the processes named, as far as they still run
    for pid in "$@"; do kill -TERM "$pid" 2>/dev/null || true; done
}

# Waits for a process to say in its log which address it got.
address() { # log, pid
    local found
    for _ in $(seq 100); do
        found=$(sed -n 's/.*"addresses":\["\([^"]*\)".*/\1/p' "$1" | head -n 1)
        [ -z "$found" ] || { echo "$found"; return; }
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    echo "demo: nothing listens; $1 says:" >&2
    cat "$1" >&2
    return 1
}

# One stream: recorder, bad link, sender, in this order, so that nothing is lost but by the link.
stream() ( # name, rate, channels, packet's milliseconds
    started=()
    trap 'stop "${started[@]}"' EXIT
    name=$1
    rm -f "$out/$name-received.wav" "$out/$name-received.json"
    "$audiox" recv "rtp://127.0.0.1:0?codec=L16&rate=$2&channels=$3" \
        --to "$out/$name-received.wav" --once --json >"$out/$name-recv.log" 2>&1 &
    recorder=$!
    started+=("$recorder")
    heard=$(address "$out/$name-recv.log" "$recorder")
    "$audiox" link --listen udp://127.0.0.1:0 --to "$heard" \
        --loss "$loss" --jitter "$jitter" --overtake --dup 1% --seed "$seed" --json >"$out/$name-link.log" 2>&1 &
    link=$!
    started+=("$link")
    through=$(address "$out/$name-link.log" "$link")
    "$audiox" send "$out/$name.wav" --to "rtp://$through?ptime=$4" >"$out/$name-send.log" 2>&1 &
    sender=$!
    started+=("$sender")
    wait "$sender"
    wait "$recorder"
    kill -INT "$link"
    wait "$link"
    started=()
)

echo "Streaming speech and music over RTP, 11 s, through a link that loses $loss of the packets, delays each by up to $jitter so that they overtake each other, and doubles 1% …"
stream speech 24000 1 20 &
speech=$!
stream music 48000 2 5 &
music=$!
trap 'stop "$speech" "$music"' EXIT
failed=0
wait "$speech" || failed=1
wait "$music" || failed=1
if [ "$failed" = 1 ]; then
    grep -h '^audiox:' "$out"/*.log >&2 || true
    echo "demo: a stream failed; all that the processes said is in $out/*.log" >&2
    exit 1
fi

echo
cat "$out"/speech-send.log "$out"/music-send.log
echo
for name in speech music; do
    "$audiox" compare "$out/$name.wav" "$out/$name-received.wav"
done
echo
for name in speech music; do
    "$audiox" plot "$out/$name.wav" "$out/$name-received.wav" --output "$out/$name.svg" \
        --title "$name over RTP, $loss of the packets lost" --quiet
    "$audiox" plot "$out/$name.wav" "$out/$name-received.wav" --output "$out/$name-gap.svg" \
        --title "$name: one gap from close by" --gap 3 --quiet ||
        echo "(no third gap in $name to draw from close by)"
done
echo "pictures: $out/speech.svg  $out/music.svg, and a gap from close by: $out/speech-gap.svg  $out/music-gap.svg"
echo "sounds:   $out/speech.wav  $out/speech-received.wav  $out/music.wav  $out/music-received.wav"
