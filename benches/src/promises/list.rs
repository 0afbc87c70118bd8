//! Every number that was set before the code was written.

use super::How::{Above, AtLeast, AtMost, NoneUpTo, Said, Sum, Times};
use super::{Promise, at};

const NO_ALLOC: &str = "cargo nextest run -p audiox-core --all-features --test no_alloc";
const ENGINE: &str = "cargo nextest run -p audiox-core --all-features --test engine";
const PLAYER: &str =
    "cargo nextest run -p audiox-core --all-features --test soak_player --no-capture";
const REAL_TIME: &str = "real time (default)";
const SLOPE: &str = "the line through the errors of all packets scatters with the worst of many streams; the \
    schedule itself has no drift";
const FULL: &str = "two cores are full with 3 000 clients and the relay in the same machine; it depends on the run";

pub(super) const PROMISES: &[Promise] = &[
    Promise(
        "an RTP packet with a header of 12 bytes is parsed in 10 ns",
        AtMost(at("parse", "audiox, every field read", "plain"), 10.0, "ns"),
        "",
    ),
    Promise(
        "four times as fast as webrtc-rs' `unmarshal`",
        Times(
            at("parse", "webrtc-rs, packet from `Bytes`", "plain"),
            at("parse", "audiox, every field read", "plain"),
            4.0,
        ),
        "",
    ),
    Promise(
        "written no slower than its `marshal_to`",
        Times(
            at("write", "webrtc-rs `Packet::marshal_to`", "plain"),
            at("write", "audiox, packet with copied payload", "plain"),
            1.0,
        ),
        "",
    ),
    Promise(
        "jitter buffer: insert and take in 150 ns",
        AtMost(
            at("jitter", "audiox, ring by sequence number", ""),
            150.0,
            "ns",
        ),
        "",
    ),
    Promise(
        "no allocation after the start, over 10⁵ packets with loss and reordering",
        Said("0", true, NO_ALLOC),
        "",
    ),
    Promise(
        "pacing, 1 to 100 streams: drift of 0 frames",
        AtMost(at("streams", "", "drift").cell(REAL_TIME), 0.0, "frames"),
        "a stall of the machine at the very last packet counts",
    ),
    Promise(
        "slope of all send times over 33 s within 1 ppm, 1 stream",
        AtMost(at("streams", "1", "slope").cell(REAL_TIME), 1.0, "ppm"),
        SLOPE,
    ),
    Promise(
        "… 10 streams",
        AtMost(at("streams", "10", "slope").cell(REAL_TIME), 1.0, "ppm"),
        SLOPE,
    ),
    Promise(
        "… 50 streams",
        AtMost(at("streams", "50", "slope").cell(REAL_TIME), 1.0, "ppm"),
        SLOPE,
    ),
    Promise(
        "… 100 streams",
        AtMost(at("streams", "100", "slope").cell(REAL_TIME), 1.0, "ppm"),
        SLOPE,
    ),
    Promise(
        "first packets of all streams within 1 ms",
        AtMost(at("streams", "", "first").cell(REAL_TIME), 1_000.0, "µs"),
        "",
    ),
    Promise(
        "p99 off the schedule by 1 ms",
        AtMost(at("streams", "", "p99").cell(REAL_TIME), 1_000.0, "µs"),
        "other load on the machine",
    ),
    Promise(
        "3 % of a core for 50 streams",
        AtMost(at("streams", "50", "CPU").cell(REAL_TIME), 3.0, "%"),
        "",
    ),
    Promise(
        "packets of 10 ms: none late",
        AtMost(at("short-packets", "10", "late"), 0.0, "late"),
        "a stall of the machine",
    ),
    Promise(
        "the shortest packets of which none is late are found and told",
        NoneUpTo(at("short-packets", "", "late")),
        "",
    ),
    Promise(
        "samples of 16 bits to `f32` in 0.3 ns",
        AtMost(at("convert", "s16le", "to f32"), 0.3, "ns"),
        "",
    ),
    Promise(
        "… and back",
        AtMost(at("convert", "s16le", "from f32"), 0.3, "ns"),
        "",
    ),
    Promise(
        "24 virtual hours of one stream within a minute",
        Said(
            "within the 60 s at which the test is stopped",
            true,
            "cargo nextest run -p audiox-core --all-features --test day",
        ),
        "",
    ),
    Promise(
        "Ethernet with jitter of 12 ms: target within 5 s at 20 ms (`interactive`), 30 ms (default), and no packet late after that",
        Said(
            "15 and 15 ms, none late",
            true,
            "cargo nextest run -p audiox-core --all-features ethernet_with_peaks",
        ),
        "",
    ),
    Promise(
        "Wi-Fi with a spike of 140 ms each 1 to 2 s, ten minutes: target 150 ms, 0.1 % made up after 10 s, within 20 % of the floor 10 s after the load",
        Said("asserted in all profiles", true, ENGINE),
        "",
    ),
    Promise(
        "insert and pull of 10 ms stereo, nothing to decode: 1 µs",
        AtMost(
            at("playout-cost", "audiox, insert + pull", "nothing to decode"),
            1_000.0,
            "ns",
        ),
        "",
    ),
    Promise(
        "insert: 150 ns",
        AtMost(
            at("playout-cost", "audiox, insert alone", "nothing to decode"),
            150.0,
            "ns",
        ),
        "",
    ),
    Promise(
        "… with the drift measured",
        AtMost(
            at(
                "playout-cost",
                "audiox, insert alone, drift measured",
                "nothing to decode",
            ),
            150.0,
            "ns",
        ),
        "promised without it; noise of the machine decides",
    ),
    Promise(
        "drift within 5 ppm after 30 s, white jitter of 1 ms (95 % of runs)",
        AtMost(at("drift", "normal, σ 1 ms", "95 % within"), 5.0, "ppm"),
        "",
    ),
    Promise(
        "… in the worst of 200 runs",
        AtMost(at("drift", "normal, σ 1 ms", "worst"), 5.0, "ppm"),
        "no straight line through 3 000 such arrivals has a standard deviation below 2.1 ppm",
    ),
    Promise(
        "1.5 ppm after 120 s, in the worst run",
        AtMost(at("drift", "normal, σ 1 ms", "worst").nth(1), 1.5, "ppm"),
        "",
    ),
    Promise(
        "24 virtual hours at ±200 ppm with wander: latency within ±1 ms, nothing made up",
        Said(
            "−0.21 to 0.08 ms, 0",
            true,
            "AUDIOX_LONG=1 cargo nextest run --profile long -p audiox-core --all-features --test soak_drift",
        ),
        "",
    ),
    Promise(
        "resampler, top preset: 110 dB of signal-to-noise ratio at 1 kHz",
        AtLeast(at("resample-quality", "audiox best", "1 kHz"), 110.0, "dB"),
        "",
    ),
    Promise(
        "… 100 dB at 10 kHz",
        AtLeast(at("resample-quality", "audiox best", "10 kHz"), 100.0, "dB"),
        "",
    ),
    Promise(
        "default preset: 0.5 % of a core for stereo at 48 kHz (50 µs each 10 ms)",
        AtMost(
            at(
                "resample",
                "audiox `Balanced` (64 taps)",
                "48 to 48 kHz stereo",
            ),
            50.0,
            "µs",
        ),
        "",
    ),
    Promise(
        "10 % of packets lost, speech: 6 dB nearer than silence",
        Above(
            at("loss-speech", "queue, 60 ms ahead", "in place"),
            at("loss-speech", "audiox", "in place"),
            6.0,
            "dB",
        ),
        "",
    ),
    Promise(
        "… music",
        Above(
            at("loss-music", "queue, 60 ms ahead", "in place"),
            at("loss-music", "audiox", "in place"),
            6.0,
            "dB",
        ),
        "",
    ),
    Promise(
        "speech: 3 dB nearer than neteq",
        Above(
            at("loss-speech", "neteq, at least 0 ms", "in place"),
            at("loss-speech", "audiox", "in place"),
            3.0,
            "dB",
        ),
        "",
    ),
    Promise(
        "… music",
        Above(
            at("loss-music", "neteq, at least 0 ms", "in place"),
            at("loss-music", "audiox", "in place"),
            3.0,
            "dB",
        ),
        "",
    ),
    Promise(
        "… speech, where neteq is held to 80 ms of delay",
        Above(
            at("loss-speech", "neteq, at least 80 ms", "in place"),
            at("loss-speech", "audiox", "in place"),
            3.0,
            "dB",
        ),
        "it plays the neighbouring packet in place of the lost one; the hole follows, see *made up*",
    ),
    Promise(
        "bursts of 40 ms fade without clicks",
        Said(
            "asserted",
            true,
            "cargo nextest run -p audiox-core no_clicks_where_it_begins",
        ),
        "",
    ),
    Promise(
        "60 ms of delay, 2.5 ms packets, 60 % repair: of 10 % lost 0.01 % remain",
        AtMost(
            at("fec", "10 %", "sliding window").cells(["single", "0.6"]),
            0.01,
            "%",
        ),
        "",
    ),
    Promise(
        "… of 20 % lost 0.5 %",
        AtMost(
            at("fec", "20 %", "sliding window").cells(["single", "0.6"]),
            0.5,
            "%",
        ),
        "",
    ),
    Promise(
        "… of 30 % lost 7 %",
        AtMost(
            at("fec", "30 %", "sliding window").cells(["single", "0.6"]),
            7.0,
            "%",
        ),
        "",
    ),
    Promise(
        "100 % repair: of 30 % lost 0.5 %",
        AtMost(
            at("fec", "30 %", "sliding window").cells(["single", "1.0"]),
            0.5,
            "%",
        ),
        "",
    ),
    Promise(
        "a burst of 8 packets comes back whole",
        Said(
            "wherever it begins",
            true,
            "cargo nextest run -p audiox-core a_burst_of_eight",
        ),
        "",
    ),
    Promise(
        "repair, encode and decode: 2 µs a packet of 1 ms stereo, window of 16",
        Sum(
            at("fec-cost", "audiox, window, encode", "time"),
            at("fec-cost", "audiox, window, decode, 10 % lost", "time"),
            2.0,
            "µs",
        ),
        "",
    ),
    Promise(
        "Opus through bursts of 200 ms by deep redundancy, waiting longer than the burst: distance halved (48 kbit/s)",
        Times(at("dred", "48", "classic"), at("dred", "48", "220 ms"), 2.0),
        "",
    ),
    Promise(
        "… waiting 60 ms",
        Times(
            at("dred", "48", "classic"),
            at("dred", "48", "redundancy, 60 ms"),
            2.0,
        ),
        "to be published beside it: redundancy comes after the burst, so 60 ms reach its last three blocks alone",
    ),
    Promise(
        "Opus, 20 ms: 1 % over libopus",
        AtMost(at("opus-wrapper", "", "ratio"), 1.01, "times"),
        "noise: both sides do the same work",
    ),
    Promise(
        "no allocation a packet",
        Said(
            "0",
            true,
            "cargo nextest run -p audiox-opus --all-features --test no_alloc",
        ),
        "",
    ),
    Promise(
        "microphone to speaker on virtual devices, the original's 56 ms (its newer client) well undercut",
        AtMost(at("latency", "audiox interactive, L16", "p50"), 50.0, "ms"),
        "",
    ),
    Promise(
        "the library's own share, devices and packet time aside: 5 ms",
        Said("3.1 to 3.5 ms", true, PLAYER),
        "",
    ),
    Promise(
        "64 channels to 64 clients: 10 % of a core",
        AtMost(at("fanout", "64", "256 frames: audiox"), 10.0, "%"),
        "",
    ),
    Promise(
        "256 clients hold",
        AtMost(at("fanout", "256", "256 frames: audiox"), 100.0, "%"),
        "",
    ),
    Promise(
        "an hour at ±150 ppm between capture and playback: no gap, delay within ±2 ms",
        Said("0, ±1.7 ms", true, PLAYER),
        "",
    ),
    Promise(
        "two players of one stream begin within 5 ms of each other, devices that ask for up to 14 ms",
        Said("4.4 ms", true, PLAYER),
        "",
    ),
    Promise(
        "… devices that ask for 23 ms, `--profile interactive`",
        Said("12.9 ms", false, PLAYER),
        "the quantum is longer than the delay aimed at and decides; `balanced` or `--latency` agree",
    ),
    Promise(
        "a device that comes back is opened again within 1 s",
        Said(
            "asserted, by the frames it was stood in for",
            true,
            "cargo nextest run -p audiox-io --all-features an_unplugged_device",
        ),
        "",
    ),
    Promise(
        "the audio callback: no allocation, no lock",
        Said(
            "0",
            true,
            "cargo nextest run -p audiox-io --all-features --test no_alloc",
        ),
        "",
    ),
    Promise(
        "its p99 is published (10 ms at hand)",
        AtMost(
            at(
                "device-playback",
                "one stream, jitter buffer to device",
                "p99",
            ),
            10_000.0,
            "µs",
        ),
        "",
    ),
    Promise(
        "relay, 1 000 Socket.IO listeners: p50 15 ms",
        AtMost(
            at("relay", "audiox, Socket.IO", "p50").cell("1 000"),
            15.0,
            "ms",
        ),
        "relay and listeners share two cores",
    ),
    Promise(
        "… p99 60 ms",
        AtMost(
            at("relay", "audiox, Socket.IO", "p99").cell("1 000"),
            60.0,
            "ms",
        ),
        "relay and listeners share two cores",
    ),
    Promise(
        "… all heard, at the pace of the stream",
        AtLeast(
            at("relay", "audiox, Socket.IO", "heard").cell("1 000"),
            100.0,
            "%",
        ),
        "relay and listeners share two cores",
    ),
    Promise(
        "3 000 WebSocket listeners: p99 100 ms",
        AtMost(
            at("relay", "audiox, WebSocket", "p99").cell("3 000"),
            100.0,
            "ms",
        ),
        FULL,
    ),
    Promise(
        "the store away for 60 s: no delay on the live path, the archive whole",
        Said(
            "p99 8.2 ms before and meanwhile, 5.9 afterwards",
            true,
            "AUDIOX_LONG=1 cargo nextest run -p audiox --test soak_relay --profile long --no-capture",
        ),
        "",
    ),
    Promise(
        "64 KiB an idle listener, no growth by joins and leaves",
        Said(
            "8.5 KiB by WebSocket, 13.3 by Socket.IO; 20.1 to 20.4 MB over 15 000",
            true,
            "scripts/relay-memory.py",
        ),
        "",
    ),
    Promise(
        "a page of 100 of 10 000 sessions: 50 ms",
        AtMost(
            at("sessions", "audiox, a page of 100", "median"),
            50.0,
            "ms",
        ),
        "",
    ),
    Promise(
        "… 1 MB read from Redis",
        AtMost(
            at("sessions", "audiox, a page of 100", "sent by Redis"),
            1e6,
            "bytes",
        ),
        "",
    ),
    Promise(
        "10 MB of WebM as WAV: the download begins within 100 ms",
        AtMost(
            at("sound", "first bytes of a WAV file of it", "Opus in WebM"),
            100.0,
            "ms",
        ),
        "",
    ),
    Promise(
        "ten minutes analysed: PCM in 1 s",
        AtMost(at("sound", "analysis", "WAV"), 1_000.0, "ms"),
        "",
    ),
    Promise(
        "… Opus in 2 s",
        AtMost(at("sound", "analysis", "Opus in WebM"), 2_000.0, "ms"),
        "",
    ),
    Promise(
        "500 devices, 100 playing: event to acknowledgement p99 5 ms",
        AtMost(at("devices", "event to acknowledgement", "p99"), 5.0, "ms"),
        "other load on the machine",
    ),
    Promise(
        "… play to first packet p99 20 ms",
        AtMost(at("devices", "play to first packet", "p99"), 20.0, "ms"),
        "other load on the machine",
    ),
    Promise(
        "… packets off their schedule p99 5 ms",
        AtMost(at("devices", "packet off its schedule", "p99"), 5.0, "ms"),
        "other load on the machine",
    ),
    Promise(
        "a sound is encoded once for all that play it: cheaper than an encoder each",
        AtMost(
            at("devices-cost", "so for 100 playing devices", ""),
            100.0,
            "% of a core",
        ),
        "",
    ),
    Promise(
        "2 000 idle devices: 200 MiB",
        AtMost(
            at("devices-cost", "2000 idle devices", "").cell("MiB"),
            200.0,
            "MiB",
        ),
        "",
    ),
];
