//! L16, L24, PCMU and PCMA with ffmpeg and GStreamer: to the bit, whatever the link in between
//! loses.
//!
//! The sound is noise, of which every packet is like no other: so what came is taken apart into
//! the packets that were sent, and those that are missing are as many as the link lost.

use audiox::core::codec::g711;
use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::source::Sink;
use audiox::io::WavSink;
use serde_json::Value;

use crate::peer::{Peer, is_long};
use crate::program::{Program, our_description, readdress, send_to_bound};
use crate::stream::{Codec, Stream};
use crate::support::{Folder, Running, data, free_ports};
use crate::table::{Way, described, passed};
use crate::wire::Wire;

#[test]
fn what_ffmpeg_sends_is_recorded_to_the_bit() {
    for stream in whole(Program::Ffmpeg, Codec::L16) {
        they_send(Program::Ffmpeg, stream, 0.0);
    }
}

#[test]
fn what_gstreamer_sends_is_recorded_to_the_bit() {
    for stream in whole(Program::GStreamer, Codec::L24) {
        they_send(Program::GStreamer, stream, 0.0);
    }
}

#[test]
fn what_we_send_ffmpeg_records_to_the_bit() {
    for stream in whole(Program::Ffmpeg, Codec::L24) {
        we_send(Program::Ffmpeg, stream, 0.0);
    }
}

#[test]
fn what_we_send_gstreamer_records_to_the_bit() {
    for stream in whole(Program::GStreamer, Codec::Pcmu) {
        we_send(Program::GStreamer, stream, 0.0);
    }
}

#[test]
fn what_is_left_of_what_ffmpeg_sends_is_in_its_place() {
    for stream in torn(Codec::Pcma) {
        they_send(Program::Ffmpeg, stream, LOSS);
    }
}

#[test]
fn what_is_left_of_what_gstreamer_sends_is_in_its_place() {
    for stream in torn(Codec::Pcmu) {
        they_send(Program::GStreamer, stream, LOSS);
    }
}

#[test]
fn ffmpeg_hears_what_is_left_of_what_we_send() {
    for stream in torn(Codec::L16) {
        we_send(Program::Ffmpeg, stream, LOSS);
    }
}

#[test]
fn gstreamer_hears_what_is_left_of_what_we_send() {
    for stream in torn(Codec::L24) {
        we_send(Program::GStreamer, stream, LOSS);
    }
}

/// Streams to try without loss, which the peer can do; one of them in the short form.
fn whole(peer: Program, short: Codec) -> Vec<Stream> {
    if !is_long() {
        return vec![Stream::usual(short)];
    }
    let mut streams = Vec::new();
    for codec in [Codec::L16, Codec::L24] {
        for (rate, packet_us) in [(16_000, 20_000), (48_000, 1_000), (48_000, 4_000)] {
            streams.extend([1, 2].map(|n| Stream::new(codec, rate, n, packet_us)));
        }
        // Longer packets are cut in two, so that they travel in one piece.
        streams.retain(|s| s.payload_len() <= 1_400);
        streams.push(Stream::new(codec, 44_100, 1, 10_000));
        streams.push(Stream::new(codec, 96_000, 2, 2_000));
    }
    for codec in [Codec::Pcmu, Codec::Pcma] {
        streams.extend([10_000, 20_000, 60_000].map(|us| Stream::new(codec, 8_000, 1, us)));
        // GStreamer has them as RFC 3551 does alone: of 8 000 Hz, in one channel.
        if peer == Program::Ffmpeg {
            streams.push(Stream::new(codec, 16_000, 2, 20_000));
        }
    }
    streams
}

/// Streams to try with loss.
fn torn(short: Codec) -> Vec<Stream> {
    match is_long() {
        true => Codec::LOSSLESS.map(Stream::usual).to_vec(),
        false => vec![Stream::usual(short)],
    }
}

/// Seconds that any of the codecs carries as they are; the file, and its sample data.
pub(crate) fn noise(folder: &Folder, stream: Stream, seconds: u32) -> (String, Vec<u8>) {
    let packets = (seconds * 1_000_000 / stream.packet_us) as usize;
    let samples = packets * stream.packet() * stream.channels;
    let mut state = 1u64;
    let codes = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let (width, _) = stream.codec.bytes();
    let mut noise: Vec<u8> = std::iter::repeat_with(codes)
        .take(samples * width)
        .collect();
    let decode = match stream.codec {
        Codec::Pcmu => Some(g711::decode_mulaw as fn(&[u8], &mut [f32]) -> usize),
        Codec::Pcma => Some(g711::decode_alaw as fn(&[u8], &mut [f32]) -> usize),
        _ => None,
    };
    if let Some(decode) = decode {
        // What their codes stand for.
        let mut values = vec![0.0; samples];
        decode(&noise[..samples], &mut values);
        let values = values.iter().map(|v| (v * 32_768.0) as i16);
        noise = values.flat_map(i16::to_le_bytes).collect();
    }
    let n = Channels::new(u16::try_from(stream.channels).unwrap()).unwrap();
    let format = StreamFormat::new(SampleRate::new(stream.rate).unwrap(), n);
    let sample = [SampleFormat::S16, SampleFormat::S24][usize::from(width == 3)];
    let mut sink = WavSink::create(folder.path("noise.wav"), format, sample).unwrap();
    sink.write_native(&noise).unwrap();
    sink.finish().unwrap();
    (folder.at("noise.wav"), noise)
}

fn they_send(from: Program, stream: Stream, loss: f64) {
    let folder = Folder::new();
    let (source, sent) = noise(&folder, stream, if loss > 0.0 { 2 } else { 1 });
    let (here, heard) = (free_ports(), folder.at("heard.wav"));
    let there = if loss > 0.0 { free_ports() } else { here };
    let sdp = from.describe(&folder, stream, &source, there);
    let wire = (loss > 0.0).then(|| Wire::losing(loss, there, here));
    readdress(&sdp, there, here);
    let args = ["recv", &sdp, "--to", &heard, "--once", "--idle", "1s"];
    let (receiver, _) = Running::listening(&args);
    Peer::start(&mut from.sends(stream, &source, there)).finish();
    let told = receiver.wait().clean().summary();
    let link = wire.map(Wire::finish);

    let (told, name) = (&told["streams"][0], from.name());
    let what = format!(
        "{name} to us, {} {stream}: {told} {link:?}",
        stream.codec.name()
    );
    let came = joined(&data(&heard), told, stream, &what);
    let missing = missing_packets(&came, &sent, stream, &what);
    let all = sent.len() / bytes(stream);
    let lost = link.map_or(0, |link| link.lost as usize);
    assert_eq!(missing.len(), lost, "{what}");
    assert!(
        link.is_none_or(|link| link.handled as usize == all),
        "{what}"
    );
    let inner = missing.iter().filter(|m| **m > 0 && **m + 1 < all).count();
    assert_eq!(inner, lost, "the ends are lost: {what}");
    assert_eq!(told["packets_lost"], lost, "{what}");
    tell(stream, name, Way::ToUs, all, lost);
}

fn we_send(to: Program, stream: Stream, loss: f64) {
    let folder = Folder::new();
    let (source, sent) = noise(&folder, stream, if loss > 0.0 { 2 } else { 1 });
    let (there, heard) = (free_ports(), folder.at("heard.wav"));
    let port = if loss > 0.0 { free_ports() } else { there };
    let (name, ptime) = (stream.codec.name(), stream.ptime());
    let url = format!("rtp://127.0.0.1:{port}?codec={name}&ptime={ptime}");
    let sdp = our_description(&folder, &source, &url);
    readdress(&sdp, port, there);
    let wire = (loss > 0.0).then(|| Wire::losing(loss, port, there));
    let receiver = Peer::start(&mut to.hears(stream, &sdp, &heard));
    let sender = send_to_bound(there, &source, &url);
    // It ends at our goodbye.
    let said = receiver.finish();
    let told = sender.wait().clean().summary();
    let link = wire.map(Wire::finish);

    let what = format!(
        "us to {}, {name} {stream}: {said} {told} {link:?}",
        to.name()
    );
    let missing = missing_packets(&data(&heard), &sent, stream, &what);
    let all = told["streams"][0]["packets"].as_u64().unwrap() as usize;
    assert_eq!(all * bytes(stream), sent.len(), "{what}");
    // At our goodbye, which comes by another socket, GStreamer throws away what still waits to be
    // played, ffmpeg what it has not read yet: a tenth of a second at most.
    let ends = missing.iter().rev().zip((0..all).rev());
    let at_the_end = ends.take_while(|(m, n)| *m == n).count();
    let lost = link.map_or(0, |link| link.lost as usize);
    let thrown = missing.len().checked_sub(lost);
    assert!(
        thrown.is_some_and(|n| n <= at_the_end && n * stream.packet_us as usize <= 100_000),
        "{missing:?} {what}"
    );
    tell(stream, to.name(), Way::FromUs, all, lost);
}

fn tell(stream: Stream, peer: &str, way: Way, all: usize, lost: usize) {
    described(peer, way, stream);
    let (name, how) = (stream.codec.name(), stream.to_string());
    if lost == 0 {
        let came = format!("{all} packets, to the bit");
        return passed(name, peer, way, &how, &came);
    }
    let how = format!("{how}, {:.0} % lost", LOSS * 100.0);
    let came = format!("{lost} of {all} packets missing, as the link says; the rest to the bit");
    passed(name, peer, way, &how, &came);
}

/// Bytes of a packet's samples in a WAV file.
fn bytes(stream: Stream) -> usize {
    stream.packet() * stream.frame()
}

/// A recording without its gaps, which are silent and as listed.
fn joined(recorded: &[u8], told: &Value, stream: Stream, what: &str) -> Vec<u8> {
    let (mut came, mut at) = (Vec::new(), 0);
    let mut lost = 0;
    for gap in told["gaps"].as_array().into_iter().flatten() {
        assert_eq!(gap["cause"], "lost", "{what}");
        let of = |key: &str| gap[key].as_u64().unwrap() as usize * stream.frame();
        let (start, len) = (of("start_frame"), of("frames"));
        came.extend_from_slice(&recorded[at..start]);
        at = start + len;
        assert!(recorded[start..at].iter().all(|b| *b == 0), "{what}");
        lost += len;
    }
    came.extend_from_slice(&recorded[at..]);
    let told = told["packets_lost"].as_u64().unwrap() as usize;
    assert_eq!(lost, told * bytes(stream), "{what}");
    came
}

/// Which of the packets sent did not come; all that came must be such, whole and in order.
pub(crate) fn missing_packets(came: &[u8], sent: &[u8], stream: Stream, what: &str) -> Vec<usize> {
    let (mut rest, mut missing) = (came, Vec::new());
    for (n, packet) in sent.chunks(bytes(stream)).enumerate() {
        match rest.strip_prefix(packet) {
            Some(behind) => rest = behind,
            None => missing.push(n),
        }
    }
    let at = came.len() - rest.len();
    assert!(
        rest.is_empty(),
        "byte {at} of {} is not what was sent: {what}",
        came.len()
    );
    missing
}

/// Share of the packets that a link loses.
const LOSS: f64 = 0.08;
