//! What a delay of 60 ms brings back of packets of 2.5 ms: the sliding window code and the block
//! code over links that lose packets singly and in bursts, media and repair alike, beside what a
//! block code can do at best.
//!
//! `cargo run --release --package audiox-core --features sim --example fec_table [PACKETS]`
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::num::ParseIntError;

use audiox_core::fec::block::{BlockConfig, BlockDecoder, BlockEncoder, PayloadId, Points};
use audiox_core::fec::window::{WindowDecoder, WindowEncoder};
use audiox_core::sim::Pcg32;
use audiox_core::time::ExtSeq;

/// Packets of the delay: 60 ms of 2.5 ms.
const DELAY: u64 = 24;
const SSRC: u32 = 7;

/// A link in two states, as Gilbert's and Elliott's: good, where nothing is lost, and bad, where
/// everything is.
struct Loss {
    rng: Pcg32,
    /// From good to bad, and from bad to good, each with this probability a packet.
    change: [f64; 2],
    bad: bool,
}

impl Loss {
    fn new(rate: f64, burst: f64) -> Self {
        let leave = 1.0 / burst;
        Self {
            rng: Pcg32::new(1, 1),
            change: [leave * rate / (1.0 - rate), leave],
            bad: false,
        }
    }

    fn hits(&mut self) -> bool {
        if self.rng.unit() < self.change[usize::from(self.bad)] {
            self.bad = !self.bad;
        }
        self.bad
    }
}

fn main() -> Result<(), ParseIntError> {
    let packets = std::env::args().nth(1).map_or(Ok(20_000), |n| n.parse())?;
    println!(
        "{packets} packets a row, 60 ms, 2.5 ms each. Lost beyond repair, in %:\n\ntable: fec"
    );
    println!(
        "| loss | mean burst | repair per packet | without | sliding window | block | ideal block |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (loss, burst) in [
        (0.1, 0.0),
        (0.2, 0.0),
        (0.3, 0.0),
        (0.05, 3.0),
        (0.1, 3.0),
        (0.1, 6.0),
        (0.2, 3.0),
    ] {
        for rate in [200, 400, 600, 1_000] {
            row(loss, burst, rate, packets);
        }
    }
    Ok(())
}

fn row(loss: f64, burst: f64, rate: u32, packets: u64) {
    // Losses that do not depend on each other come in bursts too, of this mean length.
    let single = 1.0 / (1.0 - loss);
    let link = || Loss::new(loss, if burst > 0.0 { burst } else { single });
    let (lost, window) = window(link(), rate, packets);
    let (_, block) = block(link(), rate, packets);
    let share = |n: u64| n as f64 / packets as f64 * 100.0;
    let ideal = match burst > 0.0 {
        true => "".to_owned(),
        false => format!("{:.4}", ideal(loss, rate) * 100.0),
    };
    let burst = match burst > 0.0 {
        true => format!("{burst}"),
        false => "single".to_owned(),
    };
    println!(
        "| {:.0} % | {burst} | {:.1} | {:.2} | {:.4} | {:.4} | {ideal} |",
        loss * 100.0,
        f64::from(rate) / 1_000.0,
        share(lost),
        share(window),
        share(block),
    );
}

/// Packets lost on the way, and missing when they are heard.
fn window(mut link: Loss, rate: u32, packets: u64) -> (u64, u64) {
    let mut encoder = WindowEncoder::new(DELAY as usize, rate).expect("24 packets at most 96");
    let mut decoder = WindowDecoder::new(SSRC);
    let mut heard = Heard::new(packets);
    let mut out = [0; 100];
    for n in 0..packets {
        let packet = packet(n);
        encoder.push(&packet);
        if heard.arrives(n, &mut link) {
            decoder.handle_source(ExtSeq(n + BEGIN), &packet);
        }
        while let Some(len) = encoder.poll_repair(&mut out) {
            if !link.hits() {
                decoder
                    .handle_repair(&out[..len])
                    .expect("nothing was damaged");
            }
        }
        while let Some((seq, _)) = decoder.poll_recovered(&mut out) {
            heard.have[(seq.0 - BEGIN) as usize] = true;
        }
        heard.next(n);
    }
    (heard.lost, heard.gone)
}

/// The same of blocks that take the whole delay, repair packets right behind the last.
fn block(mut link: Loss, rate: u32, packets: u64) -> (u64, u64) {
    let mut encoder = BlockEncoder::new(BlockConfig {
        source: DELAY as usize,
        rate,
        ..BlockConfig::default()
    })
    .expect("24 and 24 packets at most 255");
    let mut decoder = BlockDecoder::new(Points::default());
    let mut heard = Heard::new(packets);
    let mut out = [0; 100];
    for n in 0..packets {
        let packet = packet(n);
        out[..packet.len()].copy_from_slice(&packet);
        let len = encoder.push(&mut out, packet.len()).expect("room for more");
        if heard.arrives(n, &mut link) {
            let (id, packet) = PayloadId::split_source(&out[..len]).expect("nothing was damaged");
            decoder.handle_source(id, packet);
        }
        while let Some(len) = encoder.poll_repair(&mut out) {
            if !link.hits() {
                decoder
                    .handle_repair(&out[..len])
                    .expect("nothing was damaged");
            }
        }
        while decoder.poll_recovered(&mut out).is_some() {
            let n = out[12..20].first_chunk().map(|n| u64::from_be_bytes(*n));
            heard.have[n.expect("eight bytes") as usize] = true;
        }
        heard.next(n);
    }
    (heard.lost, heard.gone)
}

/// Which packets are there, and were not when they were heard.
struct Heard {
    have: Vec<bool>,
    lost: u64,
    gone: u64,
}

impl Heard {
    fn new(packets: u64) -> Self {
        Self {
            have: vec![true; packets as usize],
            lost: 0,
            gone: 0,
        }
    }

    /// Whether `link` lets packet `n` through; the first always.
    fn arrives(&mut self, n: u64, link: &mut Loss) -> bool {
        let arrives = n == 0 || !link.hits();
        self.have[n as usize] = arrives;
        self.lost += u64::from(!arrives);
        arrives
    }

    /// 60 ms after it was sent a packet is heard, just before packet 24 behind it comes.
    fn next(&mut self, n: u64) {
        self.gone += u64::from(n + 1 >= DELAY && !self.have[(n + 1 - DELAY) as usize]);
    }
}

/// Residual loss of a block code that needs no more than as many packets as a block has, and whose
/// blocks take the whole delay: what the block code has to come to.
fn ideal(loss: f64, rate: u32) -> f64 {
    let owed = DELAY * u64::from(rate);
    // Some blocks have one repair packet more than the others.
    let more = (owed % 1_000) as f64 / 1_000.0;
    let n = DELAY + owed / 1_000;
    (1.0 - more) * residual(loss, n) + more * residual(loss, n + 1)
}

/// The same where each block has `n` packets.
fn residual(loss: f64, n: u64) -> f64 {
    // Of n packets m are lost: beyond n − k none of the block's own lost ones come back.
    let mut p = (1.0 - loss).powi(n as i32);
    let mut residual = 0.0;
    for m in 0..=n {
        if m > n - DELAY {
            residual += p * m as f64 / n as f64;
        }
        p *= (n - m) as f64 / (m + 1) as f64 * loss / (1.0 - loss);
    }
    residual
}

fn packet(n: u64) -> [u8; 20] {
    let mut packet = [0x80; 20];
    let seq = (n + BEGIN) as u16;
    packet[2..4].copy_from_slice(&seq.to_be_bytes());
    packet[8..12].copy_from_slice(&SSRC.to_be_bytes());
    packet[12..].copy_from_slice(&n.to_be_bytes());
    packet
}

const BEGIN: u64 = 70_000;
