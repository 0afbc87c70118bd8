use proptest::prelude::*;

use super::*;
use crate::packet::rtp::RtpPacket;
use crate::sim::Pcg32;

/// Products by the definition: polynomials over bits, reduced by x⁸ + x⁴ + x³ + x² + 1.
fn product(a: u8, b: u8) -> u8 {
    let mut sum = 0u32;
    for bit in 0..8 {
        if b >> bit & 1 == 1 {
            sum ^= u32::from(a) << bit;
        }
    }
    for bit in (8..16).rev() {
        if sum >> bit & 1 == 1 {
            sum ^= 0x11d << (bit - 8);
        }
    }
    sum as u8
}

fn power(a: u8, n: usize) -> u8 {
    (0..n).fold(1, |p, _| product(p, a))
}

fn inverse(a: u8) -> u8 {
    (1..=255).find(|b| product(a, *b) == 1).unwrap()
}

/// V(k,k)⁻¹ · V(k,n) as the RFC writes it, by Gauss' and Jordan's elimination: row i, column j is
/// the coefficient of source symbol i in symbol j.
fn generator(points: &[u8], k: usize) -> Vec<Vec<u8>> {
    // Beside each other: V(k,k), which becomes the identity, and V(k,n).
    let v = |i: usize, j: usize| power(points[j], i);
    let mut rows: Vec<Vec<u8>> = (0..k)
        .map(|i| {
            (0..k)
                .chain(0..points.len())
                .map(|j| v(i, j))
                .collect::<Vec<u8>>()
        })
        .collect();
    for column in 0..k {
        let pivot = (column..k).find(|r| rows[*r][column] != 0).unwrap();
        rows.swap(column, pivot);
        let scale = inverse(rows[column][column]);
        rows[column]
            .iter_mut()
            .for_each(|c| *c = product(*c, scale));
        let chosen = rows[column].clone();
        for (r, row) in rows.iter_mut().enumerate() {
            let c = row[column];
            if r != column {
                row.iter_mut()
                    .zip(&chosen)
                    .for_each(|(a, b)| *a ^= product(*b, c));
            }
        }
    }
    rows.iter().map(|row| row[k..].to_vec()).collect()
}

fn points(which: Points, n: usize) -> Vec<u8> {
    let powers = (0..n).map(|i| power(2, i));
    match which {
        Points::Rfc5510 => powers.collect(),
        // As in Rizzo's program: the first is special.
        Points::OpenFec => std::iter::once(0).chain(powers).take(n).collect(),
    }
}

#[test]
fn coefficients_are_those_of_the_matrices() {
    for which in [Points::Rfc5510, Points::OpenFec] {
        for (k, n) in [(1, 5), (2, 6), (3, 255), (10, 40), (18, 28), (60, 255)] {
            let g = generator(&points(which, n), k);
            let mut code = Interpolation::new(which);
            code.set(0..k as u8);
            for j in 0..n {
                let column: Vec<u8> = g.iter().map(|row| row[j]).collect();
                let ours: Vec<u8> = code.coefficients(j as u8).collect();
                assert_eq!(ours, column, "{which:?} {k} {j}");
            }
        }
    }
}

/// By hand: the line through (1, a) and (2, b) is (2a + b) + (a + b)x over 3, which is at 4
/// (4 − 2) ÷ (1 − 2) a + (4 − 1) ÷ (2 − 1) b = 6 ÷ 3 a + 5 ÷ 3 b = 2a + 3b, and so on.
#[test]
fn the_two_codes_differ_from_the_first_repair_symbol_on() {
    let repair = |which, n: u8| {
        let mut code = Interpolation::new(which);
        code.set(0..2);
        code.coefficients(2 + n).collect::<Vec<u8>>()
    };
    assert_eq!(repair(Points::Rfc5510, 0), [2, 3]);
    assert_eq!(repair(Points::Rfc5510, 1), [6, 7]);
    assert_eq!(repair(Points::OpenFec, 0), [3, 2]);
    assert_eq!(repair(Points::OpenFec, 1), [5, 4]);
    // The names are right: 0, 1, 2, 4 and 1, 2, 4, 8.
    assert_eq!([0, 1, 2, 3].map(|n| Points::OpenFec.of(n)), [0, 1, 2, 4]);
    assert_eq!([0, 1, 2, 3].map(|n| Points::Rfc5510.of(n)), [1, 2, 4, 8]);
}

const SSRC: u32 = 0xdead_beef;

/// RTP datagram `n` of `len` bytes.
fn packet(n: u64, len: usize) -> Vec<u8> {
    let mut rng = Pcg32::derive(n, 3);
    let mut p: Vec<u8> = (0..len).map(|_| rng.next_u32() as u8).collect();
    p[0] = 0x80;
    p[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    p[8..12].copy_from_slice(&SSRC.to_be_bytes());
    p
}

fn encoder(source: usize, rate: u32, first_block: u32) -> BlockEncoder {
    BlockEncoder::new(BlockConfig {
        source,
        rate,
        first_block,
        points: Points::OpenFec,
    })
    .unwrap()
}

enum Sent {
    Source(Vec<u8>),
    Repair(Vec<u8>),
}

/// What goes out for `packets`, in order.
fn sent(encoder: &mut BlockEncoder, packets: &[Vec<u8>]) -> Vec<Sent> {
    let mut all = Vec::new();
    let mut buf = [0; MAX_DATAGRAM + PayloadId::LEN];
    for p in packets {
        buf[..p.len()].copy_from_slice(p);
        let len = encoder.push(&mut buf, p.len()).unwrap();
        all.push(Sent::Source(buf[..len].to_vec()));
        while let Some(len) = encoder.poll_repair(&mut buf) {
            all.push(Sent::Repair(buf[..len].to_vec()));
        }
    }
    all
}

fn handle(decoder: &mut BlockDecoder, sent: &Sent) {
    match sent {
        Sent::Source(bytes) => {
            let (id, packet) = PayloadId::split_source(bytes).unwrap();
            decoder.handle_source(id, packet);
        }
        Sent::Repair(bytes) => decoder.handle_repair(bytes).unwrap(),
    }
}

fn recovered(decoder: &mut BlockDecoder) -> Vec<Vec<u8>> {
    let mut out = [0; MAX_DATAGRAM];
    std::iter::from_fn(|| decoder.poll_recovered(&mut out).map(|n| out[..n].to_vec())).collect()
}

#[test]
fn packets_are_laid_out_as_roc_lays_them_out() {
    let mut encoder = encoder(2, 500, 0x12_ffff);
    let rtp = |seq: u8, payload: [u8; 2]| {
        let mut p = vec![0x80, 10, 0, seq, 0, 0, 0, 9, 1, 2, 3, 4];
        p.extend(payload);
        p
    };
    let all = sent(&mut encoder, &[rtp(6, [0x0f, 0x80]), rtp(7, [0xf0, 0x01])]);
    let [Sent::Source(a), Sent::Source(b), Sent::Repair(r)] = &all[..] else {
        panic!("two source packets and a repair packet");
    };
    // The packet, then block 0x12ffff, symbol 0 of 2 source symbols.
    assert_eq!(
        a[..],
        [
            0x80, 10, 0, 6, 0, 0, 0, 9, 1, 2, 3, 4, 0x0f, 0x80, // RTP
            0x12, 0xff, 0xff, 0, 0, 2,
        ]
    );
    assert_eq!(b[14..], [0x12, 0xff, 0xff, 1, 0, 2]);
    // Symbol 2 is 3a + 2b. What a and b share stays as it is, since 3 + 2 = 1; 3 · 6 + 2 · 7 is
    // 10 + 14 = 4; 3 · 0x0f + 2 · 0xf0 is 0x11 + 0xfd = 0xec; 3 · 0x80 + 2 is 0x9d + 2 = 0x9f.
    assert_eq!(
        r[..],
        [
            0x12, 0xff, 0xff, 2, 0, 2, // payload ID
            0x80, 10, 0, 4, 0, 0, 0, 9, 1, 2, 3, 4, 0xec, 0x9f,
        ]
    );
    let mut decoder = BlockDecoder::new(Points::OpenFec);
    handle(&mut decoder, &all[1]);
    handle(&mut decoder, &all[2]);
    assert_eq!(recovered(&mut decoder), [rtp(6, [0x0f, 0x80])]);
    // The next block's number wraps nothing but its lower part.
    let next = sent(&mut encoder, &[rtp(8, [0, 0])]);
    let Sent::Source(next) = &next[0] else {
        panic!("a source packet");
    };
    assert_eq!(next[14..], [0x13, 0, 0, 0, 0, 2]);
}

/// Blocks so small that every pattern of losses can be tried.
#[test]
fn any_as_many_packets_as_source_packets_give_back_the_block() {
    for (k, r) in [(1, 1), (1, 3), (2, 2), (3, 3), (4, 4), (5, 2), (3, 6)] {
        let packets: Vec<Vec<u8>> = (0..k as u64).map(|n| packet(n, 40)).collect();
        let all = sent(&mut encoder(k, (1_000 * r / k) as u32, 7), &packets);
        let n = all.len();
        assert!(n >= k + r - 1);
        for lost in 0u32..1 << n {
            // The first packet of the one before, without which repair packets tell nothing.
            let mut decoder = BlockDecoder::new(Points::OpenFec);
            decoder.handle_source(
                PayloadId {
                    block: 6,
                    symbol: 0,
                    source: 1,
                },
                &packet(99, 40),
            );
            let arrived = |i: &usize| lost >> i & 1 == 0;
            (0..n)
                .filter(arrived)
                .for_each(|i| handle(&mut decoder, &all[i]));
            let back = recovered(&mut decoder);
            let missing = (0..k).filter(|i| !arrived(i)).map(|i| packets[i].clone());
            match lost.count_ones() as usize <= n - k {
                true => assert_eq!(back, missing.collect::<Vec<_>>(), "{k} {r} {lost:b}"),
                false => assert!(back.is_empty(), "{k} {r} {lost:b}"),
            }
        }
    }
}

#[test]
fn large_blocks_come_back_across_the_wrap_of_their_numbers() {
    let mut rng = Pcg32::new(2, 2);
    for (k, rate, len, first) in [
        (18, 556, 200, 0x00_fffe),
        (127, 1_000, 60, 0xff_fffe),
        (254, 3, MAX_DATAGRAM, 5),
        (51, 4_000, 12, 0xff_fffd),
    ] {
        let packets: Vec<Vec<u8>> = (0..6 * k as u64).map(|n| packet(n, len)).collect();
        let mut encoder = encoder(k, rate, first);
        let mut decoder = BlockDecoder::new(Points::OpenFec);
        for (b, block) in packets.chunks(k).enumerate() {
            let all = sent(&mut encoder, block);
            let repair = all.len() - k;
            let mut order: Vec<usize> = (0..all.len()).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, rng.below(i as u64 + 1) as usize);
            }
            // As many as can be lost, but the very first packet.
            let (lost, arrived) = order.split_at(repair);
            if b == 0 && lost.contains(&0) {
                handle(&mut decoder, &all[0]);
            }
            arrived.iter().for_each(|i| handle(&mut decoder, &all[*i]));
            let mut back = recovered(&mut decoder);
            back.sort();
            let mut missing: Vec<_> = lost
                .iter()
                .filter(|i| **i < k && (b > 0 || **i > 0))
                .map(|i| block[*i].clone())
                .collect();
            missing.sort();
            if b > 0 {
                assert_eq!(back, missing, "{k} {rate}");
            }
        }
        assert_eq!(decoder.stats().implausible, 0);
    }
}

#[test]
fn the_rate_is_kept_on_average_and_changed_between_blocks() {
    let mut encoder = encoder(24, 200, 0);
    let packets: Vec<Vec<u8>> = (0..24 * 10).map(|n| packet(n, 30)).collect();
    let repairs = |all: &[Sent]| all.iter().filter(|s| matches!(s, Sent::Repair(_))).count();
    let by_block: Vec<usize> = packets
        .chunks(24)
        .map(|block| repairs(&sent(&mut encoder, block)))
        .collect();
    assert_eq!(by_block, [4, 5, 5, 5, 5, 4, 5, 5, 5, 5]);
    // In the middle of a block nothing changes.
    let begun = sent(&mut encoder, &packets[..10]);
    encoder.set(4, 1_000).unwrap();
    let rest = sent(&mut encoder, &packets[10..28]);
    assert_eq!(repairs(&begun) + repairs(&rest), 4 + 4);
    let Some(Sent::Source(last)) = rest.iter().rfind(|s| matches!(s, Sent::Source(_))) else {
        panic!("source packets");
    };
    let (id, _) = PayloadId::split_source(last).unwrap();
    assert_eq!((id.block, id.symbol, id.source), (11, 3, 4));
    for (source, rate, field) in [
        (0, 1, "source"),
        (255, 0, "source"),
        (1, 4_001, "rate"),
        (254, 5, "rate"),
        (52, 4_000, "rate"),
    ] {
        assert_eq!(encoder.set(source, rate).unwrap_err().field, field);
    }
    encoder.set(254, 0).unwrap();
    assert_eq!(repairs(&sent(&mut encoder, &packets)), 0);
}

#[test]
fn packets_of_different_length_are_padded_or_end_their_block() {
    let mut encoder = encoder(4, 500, 0);
    let mut decoder = BlockDecoder::new(Points::OpenFec);
    let mut repairs = 0;
    // The third is padded; the sixth is too long for its block and begins another, in which the
    // shorter ones after it are padded; the ninth is too short even for that.
    let lens = [
        100, 100, 60, 100, 100, 200, 120, 130, 140, 700, 300, 700, 700, 700, 700,
    ];
    let packets: Vec<Vec<u8>> = lens.iter().zip(0..).map(|(l, n)| packet(n, *l)).collect();
    for (n, p) in packets.iter().enumerate() {
        for s in sent(&mut encoder, std::slice::from_ref(p)) {
            match &s {
                Sent::Source(bytes) => {
                    let (id, rtp) = PayloadId::split_source(bytes).unwrap();
                    let parsed = RtpPacket::parse(rtp).unwrap();
                    assert_eq!(parsed.payload(), &p[12..], "{n}");
                    // One is lost in each block.
                    if id.symbol != 2 {
                        handle(&mut decoder, &s);
                    }
                }
                Sent::Repair(_) => {
                    repairs += 1;
                    handle(&mut decoder, &s);
                }
            }
        }
        for back in recovered(&mut decoder) {
            let parsed = RtpPacket::parse(&back).unwrap();
            let original = &packets[usize::from(parsed.seq().0)];
            assert_eq!(parsed.payload(), &original[12..]);
            assert_eq!((back[1], &back[2..12]), (original[1], &original[2..12]));
        }
    }
    let stats = encoder.stats();
    assert_eq!((stats.blocks, stats.cut), (3, 3));
    assert_eq!(stats.padding, 40 + 80 + 70 + 60);
    assert_eq!((repairs, decoder.stats().recovered), (6, 3));
}

#[test]
fn padding_that_is_there_grows() {
    let mut encoder = encoder(2, 500, 0);
    let mut padded = packet(1, 50);
    padded[0] |= 0x20;
    padded[49] = 9;
    let all = sent(&mut encoder, &[packet(0, 80), padded.clone()]);
    let Sent::Source(second) = &all[1] else {
        panic!("a source packet");
    };
    let (_, rtp) = PayloadId::split_source(second).unwrap();
    let parsed = RtpPacket::parse(rtp).unwrap();
    assert_eq!((parsed.payload(), parsed.padding()), (&padded[12..41], 39));
    // A count of its own leaves no room for more than 255.
    padded[49] = 30;
    sent(&mut encoder, &[packet(0, 290), padded]);
    assert_eq!(encoder.stats().cut, 1);
}

#[test]
fn a_sender_that_starts_over_is_followed_and_stragglers_are_not() {
    let packets: Vec<Vec<u8>> = (0..40).map(|n| packet(n, 40)).collect();
    let mut decoder = BlockDecoder::new(Points::OpenFec);
    // Repair packets before any source packet tell nothing.
    let first = sent(&mut encoder(4, 500, 1_000), &packets);
    handle(&mut decoder, &first[4]);
    assert_eq!(decoder.stats().refused, 1);
    first.iter().for_each(|s| handle(&mut decoder, s));
    assert_eq!(decoder.stats().redundant, 20);
    // A straggler of the first block changes nothing.
    handle(&mut decoder, &first[0]);
    handle(&mut decoder, &first[4]);
    assert_eq!(
        (decoder.stats().refused, recovered(&mut decoder).len()),
        (2, 0)
    );
    // Started over, far behind and far ahead; a whole block of source packets is lost.
    for block in [0, 30_000, 29_000] {
        let all = sent(&mut encoder(4, 1_000, block), &packets[..8]);
        handle(&mut decoder, &all[0]);
        all[4..6].iter().for_each(|s| handle(&mut decoder, s));
        assert_eq!(recovered(&mut decoder).len(), 0);
        handle(&mut decoder, &all[6]);
        assert_eq!(recovered(&mut decoder), packets[1..4]);
        all[12..].iter().for_each(|s| handle(&mut decoder, s));
        assert_eq!(recovered(&mut decoder), packets[4..8]);
    }
    // What was not fetched goes with its block, and on demand.
    let all = sent(&mut encoder(4, 1_000, 500), &packets[..8]);
    all[1..5].iter().for_each(|s| handle(&mut decoder, s));
    decoder.reset();
    assert!(recovered(&mut decoder).is_empty());
}

#[test]
fn repair_packets_alone_lead_no_further_than_two_blocks_ahead() {
    let packets: Vec<Vec<u8>> = (0..24).map(|n| packet(n, 40)).collect();
    let all = sent(&mut encoder(4, 500, 7), &packets);
    let mut decoder = BlockDecoder::new(Points::OpenFec);
    handle(&mut decoder, &all[0]);
    // Somebody makes them up, each a block further ahead.
    for block in 8..90 {
        let id = PayloadId {
            block,
            symbol: 4,
            source: 4,
        };
        let mut forged = [0x80; PayloadId::LEN + 30];
        id.write(forged.first_chunk_mut().unwrap());
        decoder.handle_repair(&forged).unwrap();
    }
    // A packet of each block is lost; the forged ones came first in two of them.
    let mut back = Vec::new();
    for (i, sent) in all.iter().enumerate().skip(1) {
        if i % 6 != 1 {
            handle(&mut decoder, sent);
        }
        back.extend(recovered(&mut decoder));
    }
    let lost = [0, 3, 4, 5].map(|block| packets[4 * block + 1].clone());
    assert_eq!(back, lost);
}

#[test]
fn what_is_at_odds_with_its_block_is_left_out() {
    let mut decoder = BlockDecoder::new(Points::OpenFec);
    let all = sent(
        &mut encoder(3, 1_000, 0),
        &[packet(0, 40), packet(1, 40), packet(2, 40)],
    );
    handle(&mut decoder, &all[0]);
    let other = sent(
        &mut encoder(3, 1_000, 0),
        &[packet(0, 41), packet(1, 41), packet(2, 41)],
    );
    let fewer = sent(&mut encoder(2, 1_000, 0), &[packet(0, 40), packet(1, 40)]);
    handle(&mut decoder, &other[4]);
    handle(&mut decoder, &fewer[2]);
    assert_eq!(decoder.stats().refused, 2);
    handle(&mut decoder, &all[3]);
    handle(&mut decoder, &all[3]);
    assert_eq!(decoder.stats().redundant, 1);
    handle(&mut decoder, &all[5]);
    assert_eq!(recovered(&mut decoder), [packet(1, 40), packet(2, 40)]);
    // Repair packets that do not belong to the source packets: half of what comes out is no RTP.
    let mut implausible = 0;
    for n in 0..64 {
        decoder.reset();
        handle(&mut decoder, &all[0]);
        let Sent::Repair(mut bad) = sent(&mut encoder(2, 500, 0), &[packet(n, 40), packet(n, 40)])
            .pop()
            .unwrap()
        else {
            panic!("a repair packet");
        };
        bad[5] = 3;
        bad[3] = 3;
        bad[6] ^= n as u8;
        decoder.handle_repair(&bad).unwrap();
        bad[3] = 4;
        decoder.handle_repair(&bad).unwrap();
        implausible = decoder.stats().implausible;
        recovered(&mut decoder);
    }
    assert!(implausible > 20, "{implausible}");
}

proptest! {
    #[test]
    fn a_payload_id_is_read_as_it_was_written(
        block in 0u32..1 << 24, symbol in any::<u8>(), source in any::<u8>(),
        content in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let id = PayloadId { block, symbol, source };
        let mut bytes = [0; 6];
        id.write(&mut bytes);
        let behind = [&content[..], &bytes[..]].concat();
        let before = [&bytes[..], &content[..]].concat();
        let whole = content.len() >= 12 && source > 0;
        match PayloadId::split_source(&behind) {
            Ok(read) => prop_assert!(whole && symbol < source && read == (id, &content[..])),
            Err(_) => prop_assert!(!whole || symbol >= source),
        }
        match PayloadId::split_repair(&before) {
            Ok(read) => prop_assert!(whole && symbol >= source && read == (id, &content[..])),
            Err(_) => prop_assert!(!whole || symbol < source || symbol == 255),
        }
    }

    #[test]
    fn any_bytes_and_any_order_are_survived(
        packets in prop::collection::vec(
            (any::<bool>(), 0u8..6, 0u8..5, 0u8..8, prop::collection::vec(any::<u8>(), 0..20)),
            0..200,
        ),
    ) {
        let mut decoder = BlockDecoder::new(Points::Rfc5510);
        let mut out = [0; MAX_DATAGRAM];
        for (repair, block, source, symbol, bytes) in packets {
            let id = [0, 0, block, symbol, 0, source];
            if repair {
                let _ = decoder.handle_repair(&[&id[..], &bytes[..]].concat());
                let _ = decoder.handle_repair(&bytes);
            } else {
                let id = PayloadId { block: block.into(), symbol, source };
                decoder.handle_source(id, &bytes);
            }
            while let Some(len) = decoder.poll_recovered(&mut out) {
                prop_assert!((12..=20).contains(&len) && out[0] >> 6 == 2);
            }
        }
    }

    #[test]
    fn any_datagrams_are_encoded_or_refused(
        packets in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 0..60), 0usize..80),
            0..60,
        ),
    ) {
        let mut encoder = encoder(3, 1_000, 0xff_ffff);
        for (rtp, bytes, room) in packets {
            let mut buf = bytes.clone();
            buf.resize(bytes.len().max(room), 0);
            if rtp && !buf.is_empty() {
                buf[0] = buf[0] & 0x3f | 0x80;
            }
            let before = buf.clone();
            match encoder.push(&mut buf, bytes.len()) {
                Some(len) => {
                    let (_, packet) = PayloadId::split_source(&buf[..len]).unwrap();
                    prop_assert!(packet.len() >= bytes.len());
                    prop_assert_eq!(&packet[1..bytes.len()], &before[1..bytes.len()]);
                }
                None => prop_assert_eq!(&buf, &before),
            }
            while let Some(len) = encoder.poll_repair(&mut buf) {
                PayloadId::split_repair(&buf[..len]).unwrap();
            }
        }
    }
}
