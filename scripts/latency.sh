#!/usr/bin/env bash
# How long sound takes from in front of a microphone to out of a speaker, over loopback, on
# devices that a sound server makes up, beside what the devices alone take and what the player
# says that its delay is made of. Close everything else first.
#
#   scripts/latency.sh [PTIME_MS [BUFFER_FRAMES [IMPULSES]]]
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
ptime=${1:-5} buffer=${2:-480} impulses=${3:-40}
scripts/bootstrap.sh test
audiox=${AUDIOX:-target/release/audiox}
[ -x "$audiox" ] || cargo build --release --package audiox

dir=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$dir"
}
trap finish EXIT

# `voice` is a speaker in front of the microphone `mic`; `tap` hears what the speaker `out` plays.
cat >"$dir/script.pa" <<PA
load-module module-native-protocol-unix auth-anonymous=1 socket=$dir/native
load-module module-null-sink sink_name=voice rate=48000 channels=2 format=float32le norewinds=1
load-module module-null-sink sink_name=out rate=48000 channels=2 format=float32le norewinds=1
PA
for pcm in out:out tap:out.monitor voice:voice mic:voice.monitor; do
    echo "pcm.${pcm%%:*} { type pulse server \"unix:$dir/native\" device \"${pcm#*:}\"" \
        "hint { show on description \"virtual ${pcm%%:*}\" } }"
done >"$dir/asound.conf"
HOME=$dir XDG_RUNTIME_DIR=$dir PULSE_RUNTIME_PATH=$dir PULSE_STATE_PATH=$dir \
    pulseaudio -n -F "$dir/script.pa" --daemonize=no --system=no --exit-idle-time=-1 \
    --use-pid-file=no --realtime=no --high-priority=no --log-level=error </dev/null >/dev/null 2>&1 &
started+=($!)
export ALSA_CONFIG_PATH=$dir/asound.conf PULSE_SERVER=unix:$dir/native
until pactl info >/dev/null 2>&1; do sleep 0.05; done

field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
round_trip() { # output, input, impulses: a line of JSON
    "$audiox" loopback --output "$1" --input "$2" --buffer "$buffer" --impulses "$3" \
        --every 300ms --json | tail -n 1
}

devices=$(round_trip out tap "$impulses" | field round_trip_ms_p50)
# What measures has its devices first: a sound server that opens one more stalls those that run.
round_trip voice tap $((impulses + 15)) >"$dir/heard.json" &
heard=$!
sleep 1
port=57123
"$audiox" play "rtp://127.0.0.1:$port?codec=L16&rate=48000&channels=1" --profile interactive \
    --to "speaker:out,buffer=$buffer" --json >"$dir/play.json" &
player=$!
started+=("$player")
"$audiox" send "mic:mic,channels=1,buffer=$buffer" --to "rtp://127.0.0.1:$port?ptime=$ptime" \
    --quiet >/dev/null &
started+=($!)
wait "$heard"
kill -INT "$player"
wait "$player" || true
for part in p50 p95; do
    all=$(field "round_trip_ms_$part" <"$dir/heard.json")
    awk -v all="$all" -v devices="$devices" -v part="$part" 'BEGIN {
        printf "microphone to speaker, %s        %6.1f ms\n", part, all - devices
    }'
done
printf "speaker to microphone, no network %6.1f ms\n" "$devices"
echo "impulses played and heard: $(field played <"$dir/heard.json"), $(field came_back <"$dir/heard.json")"
echo "the player's own ledger: $(tail -n 1 "$dir/play.json" | sed -n 's/.*"latency_ms":{\([^}]*\)}.*/\1/p')"
