//! Writing an RTP packet, beside webrtc-rs' `rtp` and `rtp-types`.
//!
//! As a sender does it: sequence number and timestamp move on, then the packet is written into
//! the same buffer. Ours and `rtp` keep a header between packets (`rtp`'s is owned, its lists in
//! vectors); `rtp-types`' builder is consumed by its setters, so it is made anew each time, and
//! is measured made once, with nothing changed, as well. *Header* leaves the payload out, which
//! an encoder writes behind it in place; *packet* copies 960 bytes of it.
//!
//! `cargo bench -p audiox-benches --bench write`

use std::hint::black_box;

use audiox_benches::measured::{Measured, run};
use audiox_benches::rtp::{CSRCS, ELEMENTS, EXTENSION, PROFILE, full, payload, plain};
use audiox_core::packet::rtp::RtpPacket;
use bytes::Bytes;
use criterion::Criterion;
use rtp::header::{Extension, Header};
use rtp_types::RtpPacketBuilder;
use webrtc_util::marshal::Marshal;

fn write(c: &mut Criterion) {
    for (name, datagram, is_full) in [
        ("plain", plain(), false),
        ("csrc and extension", full(), true),
    ] {
        let payload = payload();
        let mut out = vec![0; 1_500];

        let mut header = RtpPacket::parse(&datagram).expect("sound").header();
        let mut theirs = rtp::packet::Packet {
            header: webrtc_header(is_full),
            payload: Bytes::copy_from_slice(&payload),
        };
        let built = builder(is_full, 0x1234, 0x0102_0304, &payload);
        let n = header.write_packet(&payload, 0, &mut out).expect("room");
        assert_eq!(out[..n], datagram);
        let n = theirs.marshal_to(&mut out).expect("room");
        assert_eq!(out[..n], datagram);
        let n = built.write_into(&mut out).expect("room");
        assert_eq!(out[..n], datagram);

        let mut group = c.benchmark_group(format!("write {name}"));
        group.bench_function("audiox header", |b| {
            b.iter(|| {
                header.seq = header.seq.wrapping_add(1);
                header.timestamp = header.timestamp.wrapping_add(480);
                header.write_into(black_box(&mut out))
            })
        });
        group.bench_function("webrtc-rs header", |b| {
            b.iter(|| {
                let header = &mut theirs.header;
                header.sequence_number = header.sequence_number.wrapping_add(1);
                header.timestamp = header.timestamp.wrapping_add(480);
                header.marshal_to(black_box(&mut out))
            })
        });
        group.bench_function("audiox packet", |b| {
            b.iter(|| {
                header.seq = header.seq.wrapping_add(1);
                header.timestamp = header.timestamp.wrapping_add(480);
                header.write_packet(black_box(&payload), 0, black_box(&mut out))
            })
        });
        group.bench_function("webrtc-rs packet", |b| {
            b.iter(|| {
                let header = &mut theirs.header;
                header.sequence_number = header.sequence_number.wrapping_add(1);
                header.timestamp = header.timestamp.wrapping_add(480);
                theirs.marshal_to(black_box(&mut out))
            })
        });
        let (mut seq, mut timestamp) = (0u16, 0u32);
        group.bench_function("rtp-types packet", |b| {
            b.iter(|| {
                seq = seq.wrapping_add(1);
                timestamp = timestamp.wrapping_add(480);
                builder(is_full, seq, timestamp, black_box(&payload))
                    .write_into(black_box(&mut out))
            })
        });
        group.bench_function("rtp-types packet, built before", |b| {
            b.iter(|| built.write_into(black_box(&mut out)))
        });
        group.finish();
    }
}

fn builder(
    is_full: bool,
    seq: u16,
    timestamp: u32,
    payload: &[u8],
) -> RtpPacketBuilder<&[u8], &[u8]> {
    let builder = RtpPacketBuilder::new()
        .payload_type(96)
        .sequence_number(seq)
        .timestamp(timestamp)
        .ssrc(0xdead_beef)
        .payload(payload);
    if is_full {
        CSRCS
            .iter()
            .fold(builder, |builder, &csrc| builder.add_csrc(csrc))
            .extension(PROFILE, &EXTENSION)
    } else {
        builder
    }
}

fn webrtc_header(is_full: bool) -> Header {
    let plain = Header {
        version: 2,
        payload_type: 96,
        sequence_number: 0x1234,
        timestamp: 0x0102_0304,
        ssrc: 0xdead_beef,
        ..Default::default()
    };
    if !is_full {
        return plain;
    }
    let element = |(id, content)| Extension {
        id,
        payload: Bytes::from_static(content),
    };
    Header {
        csrc: CSRCS.to_vec(),
        extension: true,
        extension_profile: PROFILE,
        extensions: ELEMENTS.map(element).to_vec(),
        ..plain
    }
}

const TABLES: &[Measured<'_>] = &[Measured {
    id: "write",
    label: "write",
    columns: &["plain", "full"],
    unit: "ns",
    per: 1.0,
    digits: 2,
    rows: &[
        (
            "audiox, header (an encoder writes the payload behind it)",
            &[
                "write plain/audiox header",
                "write csrc and extension/audiox header",
            ],
        ),
        (
            "webrtc-rs `Header::marshal_to`",
            &[
                "write plain/webrtc-rs header",
                "write csrc and extension/webrtc-rs header",
            ],
        ),
        (
            "audiox, packet with copied payload",
            &[
                "write plain/audiox packet",
                "write csrc and extension/audiox packet",
            ],
        ),
        (
            "webrtc-rs `Packet::marshal_to`",
            &[
                "write plain/webrtc-rs packet",
                "write csrc and extension/webrtc-rs packet",
            ],
        ),
        (
            "rtp-types builder, made for each packet",
            &[
                "write plain/rtp-types packet",
                "write csrc and extension/rtp-types packet",
            ],
        ),
        (
            "rtp-types builder, made once, nothing changed",
            &[
                "write plain/rtp-types packet, built before",
                "write csrc and extension/rtp-types packet, built before",
            ],
        ),
    ],
    note: "",
}];

fn main() {
    run(TABLES, write);
}
