//! Reading an RTP packet, beside webrtc-rs' `rtp` and `rtp-types`.
//!
//! The three do not do the same. Ours and `rtp-types` give a view that checks the header and
//! reads fields when asked, so both are also measured with every field read. `rtp` builds, and
//! drops, an owned header with CSRCs and extension elements in vectors and the payload in
//! `Bytes`; it gets the datagram as `Bytes`, which spares it the copy of the payload, and its
//! header alone is measured beside.
//!
//! `cargo bench -p audiox-benches --bench parse`

use std::hint::black_box;

use audiox_benches::measured::{Measured, run};
use audiox_benches::rtp::{full, plain};
use audiox_core::packet::rtp::RtpPacket;
use bytes::Bytes;
use criterion::Criterion;
use webrtc_util::marshal::Unmarshal;

fn parse(c: &mut Criterion) {
    for (name, datagram) in [("plain", plain()), ("csrc and extension", full())] {
        let shared = Bytes::copy_from_slice(&datagram);
        let mut group = c.benchmark_group(format!("parse {name}"));
        group.bench_function("audiox", |b| {
            b.iter(|| RtpPacket::parse(black_box(&datagram)).expect("sound"))
        });
        group.bench_function("audiox, all fields", |b| {
            b.iter(|| {
                let p = RtpPacket::parse(black_box(&datagram)).expect("sound");
                black_box((
                    p.marker(),
                    p.payload_type(),
                    p.seq(),
                    p.timestamp(),
                    p.ssrc(),
                ));
                black_box((p.extension(), p.payload()));
                p.csrcs().for_each(|csrc| {
                    black_box(csrc);
                });
            })
        });
        group.bench_function("rtp-types", |b| {
            b.iter(|| rtp_types::RtpPacket::parse(black_box(&datagram)).expect("sound"))
        });
        group.bench_function("rtp-types, all fields", |b| {
            b.iter(|| {
                let p = rtp_types::RtpPacket::parse(black_box(&datagram)).expect("sound");
                black_box((p.marker_bit(), p.payload_type(), p.sequence_number()));
                black_box((p.timestamp(), p.ssrc(), p.extension(), p.payload()));
                p.csrc().for_each(|csrc| {
                    black_box(csrc);
                });
            })
        });
        group.bench_function("webrtc-rs packet", |b| {
            b.iter(|| {
                rtp::packet::Packet::unmarshal(&mut black_box(&shared).clone()).expect("sound")
            })
        });
        group.bench_function("webrtc-rs header", |b| {
            b.iter(|| rtp::header::Header::unmarshal(&mut black_box(&datagram[..])).expect("sound"))
        });
        group.finish();
    }
}

const TABLES: &[Measured<'_>] = &[Measured {
    id: "parse",
    label: "parse",
    columns: &["plain", "full"],
    unit: "ns",
    per: 1.0,
    digits: 2,
    rows: &[
        (
            "audiox, view",
            &["parse plain/audiox", "parse csrc and extension/audiox"],
        ),
        (
            "audiox, every field read",
            &[
                "parse plain/audiox, all fields",
                "parse csrc and extension/audiox, all fields",
            ],
        ),
        (
            "rtp-types 0.1.2, view",
            &[
                "parse plain/rtp-types",
                "parse csrc and extension/rtp-types",
            ],
        ),
        (
            "rtp-types, every field read",
            &[
                "parse plain/rtp-types, all fields",
                "parse csrc and extension/rtp-types, all fields",
            ],
        ),
        (
            "webrtc-rs rtp 0.17.2, header only",
            &[
                "parse plain/webrtc-rs header",
                "parse csrc and extension/webrtc-rs header",
            ],
        ),
        (
            "webrtc-rs, packet from `Bytes`",
            &[
                "parse plain/webrtc-rs packet",
                "parse csrc and extension/webrtc-rs packet",
            ],
        ),
    ],
    note: "",
}];

fn main() {
    run(TABLES, parse);
}
