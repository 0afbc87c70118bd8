#!/usr/bin/env bash
# Streams speech and music in real time over RTP, each through a link that loses, delays and
# reorders packets: once to a recorder, which keeps what arrived and where it belongs, and once to
# a player, which makes of it what a listener hears. Shows both. All on loopback, on free ports.
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

# One stream: receiver, bad link, sender, in this order, so that nothing is lost but by the link.
# The link's seed is the same for recorder and player, so both lose the same packets.
stream() ( # name, rate, channels, packet's milliseconds, recv or play
    started=()
    trap 'stop "${started[@]}"' EXIT
    name=$1 how=$5
    case $how in
    recv) log=$out/$name-recv to=$out/$name-received.wav more=() ;;
    play) log=$out/$name-play to=$out/$name-heard.wav more=(--trace "$out/$name.trace") ;;
    esac
    rm -f "$to" "${to%.wav}.json" "$log"*.log
    [ "$how" = recv ] || rm -f "$out/$name.trace"
    "$audiox" "$how" "rtp://127.0.0.1:0?codec=L16&rate=$2&channels=$3" \
        --to "$to" --once --json "${more[@]}" >"$log.log" 2>&1 &
    receiver=$!
    started+=("$receiver")
    heard=$(address "$log.log" "$receiver")
    "$audiox" link --listen udp://127.0.0.1:0 --to "$heard" \
        --loss "$loss" --jitter "$jitter" --overtake --dup 1% --seed "$seed" --json >"$log-link.log" 2>&1 &
    link=$!
    started+=("$link")
    through=$(address "$log-link.log" "$link")
    "$audiox" send "$out/$name.wav" --to "rtp://$through?ptime=$4" >"$log-send.log" 2>&1 &
    sender=$!
    started+=("$sender")
    wait "$sender"
    wait "$receiver"
    kill -INT "$link"
    wait "$link"
    started=()
)

echo "Streaming speech and music over RTP, 11 s, through a link that loses $loss of the packets, delays each by up to $jitter so that they overtake each other, and doubles 1% …"
streams=()
for how in recv play; do
    stream speech 24000 1 20 "$how" &
    streams+=("$!")
    stream music 48000 2 5 "$how" &
    streams+=("$!")
done
trap 'stop "${streams[@]}"' EXIT
failed=0
for pid in "${streams[@]}"; do
    wait "$pid" || failed=1
done
if [ "$failed" = 1 ]; then
    grep -h '^audiox:' "$out"/*.log >&2 || true
    echo "demo: a stream failed; all that the processes said is in $out/*.log" >&2
    exit 1
fi

echo
cat "$out"/speech-recv-send.log "$out"/music-recv-send.log
echo
echo "Recorded, every frame in its place:"
for name in speech music; do
    "$audiox" compare "$out/$name.wav" "$out/$name-received.wav"
done
echo
echo "Heard, as the three profiles play what arrived:"
for name in speech music; do
    echo "$name"
    "$audiox" replay "$out/$name.trace" --plot "$out/$name-delay.svg" | sed 's/^/  /'
done
echo
echo "What the doctor says of the network:"
"$audiox" doctor "$out/music.trace" | sed 's/^/  /'
for name in speech music; do
    "$audiox" plot "$out/$name.wav" "$out/$name-received.wav" --output "$out/$name.svg" \
        --title "$name over RTP, $loss of the packets lost" --quiet
    "$audiox" plot "$out/$name.wav" "$out/$name-received.wav" --output "$out/$name-gap.svg" \
        --title "$name: one gap from close by" --gap 3 --quiet ||
        echo "(no third gap in $name to draw from close by)"
done
echo
echo "pictures: $out/speech.svg  $out/music.svg, and a gap from close by: $out/speech-gap.svg  $out/music-gap.svg"
echo "          $out/speech-delay.svg  $out/music-delay.svg: delay, what was wanted, and what was made up"
echo "sounds:   as sent $out/speech.wav  $out/music.wav"
echo "          as recorded, with the gaps $out/speech-received.wav  $out/music-received.wav"
echo "          as heard $out/speech-heard.wav  $out/music-heard.wav"
