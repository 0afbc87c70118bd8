//! The seeds of the wire formats' fuzz targets, made here and checked in.
//!
//! `AUDIOX_WRITE_SEEDS=1 cargo test -p audiox-core --test fuzz_seeds` writes them.
#![cfg(test)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use audiox_core::fec::block::{BlockConfig, BlockEncoder};
use audiox_core::fec::window::WindowEncoder;
use audiox_core::packet::red::{self, RedBlock};
use audiox_core::packet::rtcp::{CompoundWriter, ReportBlock, SenderInfo};
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::playout::Profile;
use audiox_core::sim::{LinkConfig, Pair};
use audiox_core::time::{NtpTime, RtpTimestamp, SeqNum};
use audiox_core::trace::TraceWriter;

type Seeds = Vec<(String, Vec<u8>)>;

#[test]
fn the_checked_in_seeds_are_the_ones_made_here() {
    let made = [
        ("rtp", rtp()),
        ("rtcp", rtcp()),
        ("raw", raw()),
        ("receiver_ops", operations(700)),
        ("feedback", operations(1_500)),
        ("jitter_ops", operations(300)),
        ("trace", traces()),
        ("segment_key", segment_keys()),
        ("segmenter_ops", operations(400)),
        ("red", red()),
        ("fec", fec()),
        ("fec_block", fec_block()),
    ];
    for (target, seeds) in made {
        let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus")).join(target);
        for (name, bytes) in seeds {
            let file = corpus.join(name);
            if std::env::var_os("AUDIOX_WRITE_SEEDS").is_some() {
                fs::create_dir_all(&corpus).unwrap();
                fs::write(&file, &bytes).unwrap();
            }
            let found = fs::read(&file).unwrap_or_default();
            assert_eq!(
                found,
                bytes,
                "{}: to write the seeds set AUDIOX_WRITE_SEEDS=1",
                file.display()
            );
        }
    }
}

fn segment_keys() -> Seeds {
    [
        ("key", "0b3e8a52-9a5f-4f4e-8a0e-0d8c3a5d9f11/1700000000.raw"),
        ("id", "studio_A-2"),
        ("zero", "a/0.raw"),
        ("leading-zero", "a/07.raw"),
        ("parent", "../../etc/passwd"),
        ("escaped", "a%2f..%2fb/1.raw"),
        ("nul", "a\0/1.raw"),
        ("most", "a/18446744073709551615.raw"),
        ("too-much", "a/18446744073709551616.raw"),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into()
}

fn red() -> Seeds {
    (0..4u8)
        .map(|n| {
            let payload = vec![n; 10 + usize::from(n)];
            let blocks = (0..n).map(|i| RedBlock {
                payload_type: 96,
                offset: u16::from(n - i) * 160,
                payload: &payload,
            });
            let mut out = [0; 200];
            let len = red::write(blocks, (96, &payload), &mut out).unwrap();
            (format!("{n}-blocks"), out[..len].to_vec())
        })
        .collect()
}

/// Source packets of which some are lost, and the repair packets that bring them back.
fn fec() -> Seeds {
    [(2, 1_000), (8, 500)]
        .into_iter()
        .map(|(window, rate)| {
            let mut encoder = WindowEncoder::new(window, rate).unwrap();
            let mut bytes = Vec::new();
            for n in 0..16u16 {
                let mut packet = vec![n as u8; 16 + 2 * usize::from(n % 4)];
                packet[0] = 0x80;
                packet[2..4].copy_from_slice(&n.wrapping_add(65_530).to_be_bytes());
                packet[8..12].copy_from_slice(&7u32.to_be_bytes());
                encoder.push(&packet);
                if n % 5 != 3 {
                    bytes.push(packet.len() as u8);
                    bytes.extend_from_slice(&packet);
                }
                let mut out = [0; 100];
                while let Some(len) = encoder.poll_repair(&mut out) {
                    // Odd: padded where it is not.
                    bytes.push((len | 1) as u8);
                    bytes.extend_from_slice(&out[..len | 1]);
                }
            }
            (format!("window-{window}"), bytes)
        })
        .collect()
}

/// Blocks of which some packets are lost, and the repair packets that bring them back.
fn fec_block() -> Seeds {
    [(1, 1_000), (4, 500), (8, 1_000)]
        .into_iter()
        .map(|(source, rate)| {
            let mut encoder = BlockEncoder::new(BlockConfig {
                source,
                rate,
                first_block: 0xff_ffff,
                ..BlockConfig::default()
            })
            .unwrap();
            let mut bytes = Vec::new();
            for n in 0..16u16 {
                let mut buf = [n as u8; 100];
                buf[0] = 0x80;
                let len = encoder.push(&mut buf, 16).unwrap();
                if n % 5 != 3 {
                    bytes.push(len as u8);
                    bytes.extend_from_slice(&buf[..len]);
                }
                while let Some(len) = encoder.poll_repair(&mut buf) {
                    bytes.push(len as u8 | 0x80);
                    bytes.extend_from_slice(&buf[..len]);
                }
            }
            (format!("block-{source}"), bytes)
        })
        .collect()
}

/// Short streams as they are traced.
fn traces() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, link, raw) in [
        ("clean", "none", false),
        ("jitter", "20ms", false),
        ("raw", "5ms", true),
    ] {
        let mut builder = Pair::builder()
            .ptime(Duration::from_millis(20))
            .playout(Profile::Balanced.config())
            .seed(3)
            .link(LinkConfig {
                jitter: link.parse().unwrap(),
                loss: "10%".parse().unwrap(),
                ..LinkConfig::default()
            });
        if raw {
            builder = builder.raw();
        }
        let mut pair = builder.build().unwrap();
        let (head, mut events) = pair.trace(1_000);
        pair.run_for(Duration::from_millis(400));
        let mut bytes = Vec::new();
        let mut writer = TraceWriter::begin(&head, &mut bytes);
        while let Some(event) = events.poll() {
            writer.write(&event, &mut bytes);
        }
        seeds.push((name.to_owned(), bytes));
    }
    seeds
}

fn rtp() -> Seeds {
    let mut seeds = Seeds::new();
    let content = [0x10, 0xff, 0x00, 0x00, 0x21, 1, 2, 3];
    for csrcs in [0, 1, 2, 15] {
        for extension in [None, Some(0), Some(4), Some(8)] {
            for padding in [0, 1, 4] {
                let mut header = RtpHeader::new(96, SeqNum(65_535), RtpTimestamp(u32::MAX), 7)
                    .and_then(|h| h.with_csrcs(&[0x0102_0304; 15][..csrcs]))
                    .unwrap();
                header.marker = csrcs == 1;
                if let Some(len) = extension {
                    header = header.with_extension(0xbede, &content[..len]).unwrap();
                }
                let mut out = [0; 200];
                let len = header
                    .write_packet(&[1, 2, 3, 4, 5, 6], padding, &mut out)
                    .unwrap();
                let extension = extension.map_or_else(|| "none".into(), |len| len.to_string());
                let name = format!("csrcs-{csrcs}-extension-{extension}-padding-{padding}");
                seeds.push((name, out[..len].to_vec()));
            }
        }
    }
    let whole = seeds.last().unwrap().1.clone();
    for len in [0, 1, 11, 12, 13, 71, 72, 75, 76] {
        seeds.push((format!("cut-to-{len}"), whole[..len].to_vec()));
    }
    for (name, at, to) in [
        ("version-0", 0, 0x3f),
        ("version-3", 0, 0xff),
        ("extension-too-long", 74, 0xff),
        ("padding-0", whole.len() - 1, 0),
        ("padding-all", whole.len() - 1, 10),
        ("padding-too-long", whole.len() - 1, 11),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = to;
        seeds.push((name.into(), bytes));
    }
    seeds
}

fn rtcp() -> Seeds {
    let info = SenderInfo {
        ntp: NtpTime(0xe000_0000_8000_0000),
        timestamp: RtpTimestamp(48_000),
        packet_count: 100,
        octet_count: 96_000,
    };
    let block = ReportBlock {
        ssrc: 2,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_seq: 0x0001_0007,
        jitter: 48,
        last_sr: 0xb705_2000,
        delay_since_last_sr: 0x0005_4000,
    };
    let blocks = [block; 31];
    let seed = |name: &str, fill: &dyn Fn(&mut CompoundWriter<'_>)| {
        let mut out = [0; 1_500];
        let mut writer = CompoundWriter::reduced_size(&mut out);
        fill(&mut writer);
        let len = writer.finish();
        (name.to_string(), out[..len].to_vec())
    };
    let mut seeds = vec![
        seed("sr", &|w| w.sender_report(1, &info, &[]).unwrap()),
        seed("sr-1", &|w| {
            w.sender_report(1, &info, &blocks[..1]).unwrap()
        }),
        seed("sr-31", &|w| w.sender_report(1, &info, &blocks).unwrap()),
        seed("rr", &|w| w.receiver_report(1, &[]).unwrap()),
        seed("rr-2", &|w| w.receiver_report(1, &blocks[..2]).unwrap()),
        seed("sr-sdes", &|w| {
            w.sender_report(1, &info, &blocks[..1]).unwrap();
            w.sdes_cname(1, "audiox@host").unwrap();
        }),
        seed("rr-sdes-bye", &|w| {
            w.receiver_report(1, &blocks[..1]).unwrap();
            w.sdes_cname(1, "a").unwrap();
            w.bye(&[1], Some("end")).unwrap();
        }),
        seed("rr-rr-sdes", &|w| {
            w.receiver_report(1, &blocks).unwrap();
            w.receiver_report(1, &blocks[..1]).unwrap();
            w.sdes_cname(1, "abc").unwrap();
        }),
        seed("bye-nobody", &|w| w.bye(&[], None).unwrap()),
        seed("bye-2", &|w| w.bye(&[1, 2], Some("")).unwrap()),
        seed("app", &|w| w.other(204, 3, b"\0\0\0\x01name").unwrap()),
        seed("nack", &|w| w.other(205, 1, &[1; 12]).unwrap()),
        seed("rr-xr", &|w| {
            w.receiver_report(1, &[]).unwrap();
            w.other(207, 0, &[0, 0, 0, 1, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0])
                .unwrap();
        }),
        seed("sdes-two-sources", &|w| {
            let body = *b"\0\0\0\x01\x06\x02ok\x01\x01x\0\0\0\0\x02\x01\x02yz\0\0\0\0";
            w.other(202, 2, &body).unwrap();
        }),
        seed("sdes-private", &|w| {
            let body = *b"\0\0\0\x01\x08\x05\x03abcd\0\0\0\0\0";
            w.other(202, 1, &body).unwrap();
        }),
        seed("sdes-endless", &|w| {
            w.other(202, 1, b"\0\0\0\x01\x01\x02ab").unwrap();
        }),
        seed("sdes-item-too-long", &|w| {
            w.other(202, 1, b"\0\0\0\x01\x01\x09ab").unwrap();
        }),
        seed("sdes-no-zeros", &|w| {
            w.other(202, 1, b"\0\0\0\x01\x01\x03abc\0zz").unwrap();
        }),
        seed("bye-reason-too-long", &|w| {
            w.other(203, 0, b"\x04abc").unwrap();
        }),
        seed("bye-too-few", &|w| w.other(203, 2, &[0; 4]).unwrap()),
        seed("sr-short", &|w| w.other(200, 0, &[0; 20]).unwrap()),
        seed("rr-extension", &|w| {
            w.other(201, 0, &[0, 0, 0, 1, 9, 9, 9, 9]).unwrap();
        }),
    ];
    let mut padded = seeds[6].1.clone();
    let bye = padded.len() - 12;
    padded[bye] |= 0x20;
    padded[bye + 3] += 1;
    padded.extend([0, 0, 0, 4]);
    for count in [0, 3, 16] {
        let mut bytes = padded.clone();
        *bytes.last_mut().unwrap() = count;
        seeds.push((format!("padding-{count}"), bytes));
    }
    let mut first = padded.clone();
    first[0] |= 0x20;
    seeds.push(("padding-first".into(), first));
    for len in [0, 3, 4, 31, padded.len() - 4] {
        seeds.push((format!("cut-to-{len}"), padded[..len].to_vec()));
    }
    let mut version = padded.clone();
    version[bye] ^= 0x40;
    seeds.push(("version-3".into(), version));
    seeds.push(("padding-4".into(), padded));
    seeds
}

/// Two bytes of frame length, then two of each datagram's.
fn raw() -> Seeds {
    let mut seeds = vec![("empty".into(), vec![]), ("half-a-number".into(), vec![0])];
    for frame in [0u16, 1, 2, 3, 4, 6, 8, 12, 64, 4_096, 65_535] {
        for (name, datagrams) in [
            ("steady", [960u16; 6]),
            ("odd", [961, 959, 1, 0, 1_472, 65_507]),
        ] {
            let numbers = std::iter::once(frame).chain(datagrams);
            let bytes = numbers.flat_map(u16::to_be_bytes).collect();
            seeds.push((format!("frame-{frame}-{name}"), bytes));
        }
    }
    seeds
}

/// Bytes that draw long and varied sequences of operations.
fn operations(len: usize) -> Seeds {
    (0..12u64)
        .map(|seed| {
            let mut x = seed;
            let bytes = (0..len).map(|_| {
                x = x
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (x >> 56) as u8
            });
            (format!("sequence-{seed:02}"), bytes.collect())
        })
        .collect()
}
