use proptest::prelude::*;

use super::*;
use crate::fec::symbol::MAX_DATAGRAM;
use crate::sim::Pcg32;
use crate::time::ExtSeq;

const SSRC: u32 = 0xdead_beef;

/// Packet `n`, of a length and content of its own.
fn packet(n: u64, longest: usize) -> Vec<u8> {
    let mut rng = Pcg32::derive(n, 3);
    let len = 12 + rng.below(longest as u64 - 11) as usize;
    let mut p: Vec<u8> = (0..len).map(|_| rng.next_u32() as u8).collect();
    p[0] = 0x80;
    p[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    p[8..12].copy_from_slice(&SSRC.to_be_bytes());
    p
}

/// Sends packets `from` to `to` and returns everything in order: `(number, datagram)` of source
/// packets, `(u64::MAX, payload)` of repair packets.
fn sent(from: u64, to: u64, window: usize, rate: u32, longest: usize) -> Vec<(u64, Vec<u8>)> {
    let mut encoder = WindowEncoder::new(window, rate).unwrap();
    let mut all = Vec::new();
    let mut out = [0; MAX_DATAGRAM + 8];
    for n in from..to {
        let p = packet(n, longest);
        encoder.push(&p);
        all.push((n, p));
        while let Some(len) = encoder.poll_repair(&mut out) {
            all.push((u64::MAX, out[..len].to_vec()));
        }
    }
    all
}

/// What a receiver has after all that is not `lost` arrived, in order.
fn received(all: &[(u64, Vec<u8>)], lost: impl Fn(usize) -> bool, longest: usize) -> Vec<u64> {
    let mut decoder = WindowDecoder::new(SSRC);
    let mut back = Vec::new();
    let mut out = [0; MAX_DATAGRAM];
    for (i, (n, bytes)) in all.iter().enumerate() {
        if lost(i) {
            continue;
        }
        match *n {
            u64::MAX => decoder.handle_repair(bytes).unwrap(),
            n => decoder.handle_source(ExtSeq(n), bytes),
        }
        while let Some((seq, len)) = decoder.poll_recovered(&mut out) {
            assert_eq!(out[..len], packet(seq.0, longest), "{seq:?}");
            back.push(seq.0);
        }
    }
    assert_eq!(decoder.stats().implausible, 0);
    assert_eq!(decoder.stats().recovered, back.len() as u64);
    back
}

#[test]
fn packets_of_any_length_come_back_as_they_were_across_the_wrap_of_numbers() {
    for (window, longest) in [(1, 40), (4, 200), (16, MAX_DATAGRAM), (96, 60)] {
        let all = sent(65_500, 65_900, window, 1_000, longest);
        // Every fifth source packet, never a repair packet.
        let lost = |i: usize| all[i].0 != u64::MAX && all[i].0 % 5 == 3;
        let back = received(&all, lost, longest);
        let gone: Vec<u64> = (65_500..65_900).filter(|n| n % 5 == 3).collect();
        assert_eq!(back, gone, "{window}");
    }
}

#[test]
fn repair_packets_alone_lead_no_further_than_a_window_ahead() {
    let mut decoder = WindowDecoder::new(SSRC);
    let all = sent(1_000, 1_040, 4, 1_000, 60);
    let mut out = [0; MAX_DATAGRAM];
    let mut back = 0;
    for (i, (n, bytes)) in all.iter().enumerate() {
        // Somebody makes them up, each further ahead than the last.
        for k in 1..20u16 {
            if i != 2 {
                break;
            }
            let header = RepairHeader {
                ssrc: SSRC,
                first: 1_001 + k * 90,
                packets: MAX_WINDOW as u8,
                key: 3,
            };
            let mut forged = [0x55; RepairHeader::LEN + 40];
            header.write(forged.first_chunk_mut().unwrap());
            decoder.handle_repair(&forged).unwrap();
        }
        match *n {
            u64::MAX => decoder.handle_repair(bytes).unwrap(),
            n if n % 5 == 3 => {}
            n => decoder.handle_source(ExtSeq(n), bytes),
        }
        while let Some((seq, len)) = decoder.poll_recovered(&mut out) {
            assert_eq!(out[..len], packet(seq.0, 60));
            back += 1;
        }
    }
    assert_eq!(back, 8);
}

#[test]
fn any_as_many_repair_packets_bring_back_a_burst_in_their_window() {
    // Sixteen packets, then sixteen repair packets that cover all of them: any choice will do.
    let mut encoder = WindowEncoder::new(16, 0).unwrap();
    let mut out = [0; MAX_DATAGRAM];
    let packets: Vec<Vec<u8>> = (70_000..70_016).map(|n| packet(n, 80)).collect();
    packets[..15].iter().for_each(|p| encoder.push(p));
    encoder.set(16, 4_000).unwrap();
    encoder.push(&packets[15]);
    let mut repairs = Vec::new();
    for _ in 0..4 {
        while let Some(n) = encoder.poll_repair(&mut out) {
            repairs.push(out[..n].to_vec());
        }
        // The same window again.
        encoder.credit += 4_000;
    }
    let mut rng = Pcg32::new(3, 3);
    for _ in 0..300 {
        let mut decoder = WindowDecoder::new(SSRC);
        decoder.handle_source(ExtSeq(69_999), &packet(69_999, 80));
        let lost: Vec<bool> = (0..16).map(|_| rng.next_u32().is_multiple_of(2)).collect();
        for (n, p) in (70_000..).zip(&packets) {
            if !lost[n as usize - 70_000] {
                decoder.handle_source(ExtSeq(n), p);
            }
        }
        let missing = lost.iter().filter(|l| **l).count();
        let mut order: Vec<usize> = (0..repairs.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        for (used, r) in order.iter().enumerate() {
            assert_eq!(
                decoder.stats().recovered,
                if used < missing { 0 } else { missing as u64 }
            );
            decoder.handle_repair(&repairs[*r]).unwrap();
            while let Some((seq, n)) = decoder.poll_recovered(&mut out) {
                assert_eq!(out[..n], packets[seq.0 as usize - 70_000]);
            }
        }
    }
}

#[test]
fn packets_that_come_late_or_twice_or_after_their_repair_do_no_harm() {
    let all = sent(5, 400, 12, 500, 100);
    let mut rng = Pcg32::new(1, 8);
    let mut shuffled: Vec<(u64, &(u64, Vec<u8>))> = Vec::new();
    for (i, p) in all.iter().enumerate() {
        if rng.next_u32() % 100 < 5 {
            continue;
        }
        for _ in 0..1 + rng.next_u32() % 2 {
            shuffled.push((i as u64 + rng.below(30), p));
        }
    }
    shuffled.sort_by_key(|(due, _)| *due);
    let mut decoder = WindowDecoder::new(SSRC);
    let mut have = vec![false; 400];
    let mut out = [0; MAX_DATAGRAM];
    for (_, (n, bytes)) in shuffled {
        match *n {
            u64::MAX => decoder.handle_repair(bytes).unwrap(),
            n => {
                have[n as usize] = true;
                decoder.handle_source(ExtSeq(n), bytes);
            }
        }
        while let Some((seq, len)) = decoder.poll_recovered(&mut out) {
            assert_eq!(out[..len], packet(seq.0, 100));
            have[seq.0 as usize] = true;
        }
    }
    let missing = have[30..].iter().filter(|h| !**h).count();
    assert!(missing <= 2, "{missing}");
}

#[test]
fn another_window_another_rate_and_a_restart() {
    let mut encoder = WindowEncoder::new(8, 250).unwrap();
    let mut out = [0; MAX_DATAGRAM];
    let mut repairs = 0;
    let mut covered = Vec::new();
    for n in 0..40 {
        if n == 20 {
            encoder.set(3, 2_000).unwrap();
        }
        let seq = if n < 30 { n } else { n + 1_000 };
        encoder.push(&packet(seq, 50));
        while let Some(len) = encoder.poll_repair(&mut out) {
            let (header, _) = RepairHeader::parse(&out[..len]).unwrap();
            assert_eq!(header.ssrc, SSRC);
            assert_eq!(u64::from(header.first) + u64::from(header.packets), seq + 1);
            covered.push(header.packets);
            repairs += 1;
        }
    }
    assert_eq!(repairs, 5 + 40);
    assert_eq!(covered[..7], [4, 8, 8, 8, 8, 3, 3]);
    // After the jump the window fills anew.
    assert_eq!(covered[25..31], [1, 1, 2, 2, 3, 3]);
    for (window, rate, field) in [(0, 1, "window"), (97, 1, "window"), (1, 4_001, "rate")] {
        assert_eq!(encoder.set(window, rate).unwrap_err().field, field);
    }

    // The decoder starts over with a jump by itself, and on demand.
    let mut decoder = WindowDecoder::new(SSRC);
    decoder.handle_source(ExtSeq(10), &packet(10, 50));
    decoder.handle_source(ExtSeq(10_000), &packet(10_000, 50));
    decoder.handle_source(ExtSeq(11), &packet(11, 50));
    decoder.reset();
    assert!(decoder.poll_recovered(&mut out).is_none());
}

/// Losses beyond what can be brought back at 60 ms of 2.5 ms packets.
fn residual(loss: u32, rate: u32, packets: u64, seed: u64) -> f64 {
    const DELAY: u64 = 24;
    let mut encoder = WindowEncoder::new(DELAY as usize, rate).unwrap();
    let mut decoder = WindowDecoder::new(SSRC);
    let mut rng = Pcg32::new(seed, 4);
    let mut out = [0; 100];
    let mut have = vec![true; packets as usize];
    let mut gone = 0;
    for n in 0..packets {
        let p = packet(n + 70_000, 30);
        encoder.push(&p);
        let hit = |rng: &mut Pcg32| rng.next_u32() % 1_000 < loss;
        have[n as usize] = n == 0 || !hit(&mut rng);
        if have[n as usize] {
            decoder.handle_source(ExtSeq(n + 70_000), &p);
        }
        while let Some(len) = encoder.poll_repair(&mut out) {
            if !hit(&mut rng) {
                decoder.handle_repair(&out[..len]).unwrap();
            }
        }
        while let Some((seq, _)) = decoder.poll_recovered(&mut out) {
            have[(seq.0 - 70_000) as usize] = true;
        }
        // 60 ms after it was sent a packet is heard, just before packet 24 behind it comes.
        gone += u64::from(n + 1 >= DELAY && !have[(n + 1 - DELAY) as usize]);
    }
    gone as f64 / packets as f64
}

#[test]
fn a_burst_of_eight_comes_back_whole_within_60_ms() {
    for phase in 0..24 {
        let all = sent(70_000, 70_200, 24, 600, 60);
        // Eight source packets in a row, and the repair packets between them.
        let from = all.iter().position(|(n, _)| *n == 70_080 + phase).unwrap();
        let to = all.iter().position(|(n, _)| *n == 70_088 + phase).unwrap();
        let heard_from = all.iter().position(|(n, _)| *n == 70_080 + phase + 24);
        let back = received(&all[..heard_from.unwrap()], |i| (from..to).contains(&i), 60);
        assert_eq!(back.len(), 8, "{phase}");
    }
}

#[test]
fn what_is_promised_of_60_ms_in_short() {
    assert!(residual(100, 600, 100_000, 1) <= 0.000_1);
    let at_20 = residual(200, 600, 50_000, 2);
    assert!(at_20 <= 0.005, "{at_20}");
    let at_30 = residual(300, 600, 50_000, 3);
    assert!(at_30 <= 0.07, "{at_30}");
    let full = residual(300, 1_000, 50_000, 4);
    assert!(full <= 0.005, "{full}");
}

proptest! {
    #[test]
    fn any_bytes_and_any_order_are_survived(
        payloads in prop::collection::vec(
            (any::<bool>(), 0u64..600, prop::collection::vec(any::<u8>(), 0..40)),
            0..200,
        ),
    ) {
        let mut decoder = WindowDecoder::new(SSRC);
        let mut out = [0; MAX_DATAGRAM];
        for (repair, n, mut bytes) in payloads {
            if repair {
                if bytes.len() > 8 {
                    bytes[..4].copy_from_slice(&SSRC.to_be_bytes());
                    bytes[4..6].copy_from_slice(&(n as u16).to_be_bytes());
                    bytes[6] %= 97;
                    bytes[7] &= 0x7f;
                }
                let _ = decoder.handle_repair(&bytes);
            } else {
                decoder.handle_source(ExtSeq(n), &packet(n, 30));
            }
            while let Some((_, len)) = decoder.poll_recovered(&mut out) {
                prop_assert!((12..=MAX_DATAGRAM).contains(&len));
            }
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written(
        ssrc in any::<u32>(), first in any::<u16>(), packets in any::<u8>(), key in any::<u8>(),
    ) {
        let header = RepairHeader { ssrc, first, packets, key };
        let mut bytes = [0; 20];
        let Some((head, _)) = bytes.split_first_chunk_mut() else { unreachable!() };
        header.write(head);
        let good = (1..=96).contains(&packets) && key < 128;
        match RepairHeader::parse(&bytes) {
            Ok((read, symbol)) => prop_assert!(good && read == header && symbol.len() == 12),
            Err(_) => prop_assert!(!good),
        }
    }
}
