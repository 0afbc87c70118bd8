use super::random::Random;
use crate::block::AudioRef;
use crate::codec::{DecodeError, Decoder, EncodeError, Encoder};
use crate::format::{Channels, StreamFormat};

/// Holds an encoder and the decoder of its payloads to what [`Encoder`] and [`Decoder`] promise:
/// lengths, errors that leave the state usable, finite output whatever the payload, and a
/// `reset` that makes the same input give the same output again.
///
/// Lossy codecs pass too: how close the output is to the input is for their own tests.
///
/// # Panics
/// A promise is broken.
pub fn codec(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    sizes(encoder, decoder);
    full_packets(encoder, decoder);
    short_packets(encoder, decoder);
    refused_input(encoder, decoder);
    refused_output(encoder, decoder);
    hostile_payloads(encoder, decoder);
    concealment(encoder, decoder);
    resets(encoder, decoder);
}

fn sizes(encoder: &dyn Encoder, decoder: &dyn Decoder) {
    assert_eq!(encoder.format(), decoder.format(), "formats differ");
    let clocks = [encoder.clock_rate(), decoder.clock_rate()].map(|r| r.get());
    assert_eq!(clocks[0], clocks[1], "clocks differ");
    let whole = clocks[0].is_multiple_of(encoder.format().rate.get());
    assert!(whole, "a clock of {} Hz", clocks[0]);
    assert!(encoder.frames_per_packet() > 0, "packets of no frames");
    assert!(
        decoder.max_frames() >= encoder.frames_per_packet(),
        "the decoder takes at most {} frames, the encoder makes {}",
        decoder.max_frames(),
        encoder.frames_per_packet()
    );
}

fn full_packets(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let frames = encoder.frames_per_packet();
    for packet in 0..PACKETS {
        let payload = encoded(encoder, packet * frames, frames);
        assert!(!payload.is_empty(), "a full packet has no payload");
        assert_eq!(decoder.frames_in(&payload), Ok(frames), "of a full packet");
        assert_eq!(decoded(decoder, &payload), Ok(frames), "of a full packet");
    }
}

/// A short block ends a stream, so each is tried on a stream of its own.
fn short_packets(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let full = encoder.frames_per_packet();
    for frames in [1, full / 2, full - 1].into_iter().filter(|&n| n > 0) {
        encoder.reset();
        decoder.reset();
        let payload = encoded(encoder, 0, frames);
        let found = decoder.frames_in(&payload);
        assert!(
            found.is_ok_and(|n| (frames..=full).contains(&n)),
            "{frames} frames of {full} became {found:?}"
        );
        assert_eq!(decoded(decoder, &payload), found, "of {frames} frames");
    }
    encoder.reset();
    decoder.reset();
}

fn refused_input(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let (full, channels) = (encoder.frames_per_packet(), encoder.format().channels);
    let mut payload = vec![0; encoder.max_payload_len()];

    let long = signal(encoder.format(), 0, full + 1);
    let result = encoder.encode(AudioRef::new(&long, channels), &mut payload);
    assert!(
        matches!(result, Err(EncodeError::TooLong { frames, max }) if (frames, max) == (full + 1, full)),
        "one frame too many: {result:?}"
    );

    let more = channels.get() + 1;
    let other = Channels::new(if more > 1_024 { 1 } else { more as u16 });
    let other = other.expect("a valid count");
    let result = encoder.encode(AudioRef::new(&vec![0.0; other.get()], other), &mut payload);
    assert!(
        matches!(result, Err(EncodeError::Channels { expected, actual })
            if (expected, actual) == (channels.get(), other.get())),
        "{other} channels: {result:?}"
    );

    let block = signal(encoder.format(), 0, full);
    let result = encoder.encode(AudioRef::new(&block, channels), &mut []);
    assert!(
        matches!(result, Err(EncodeError::BufferTooSmall { needed, available: 0 }) if needed > 0),
        "no room for the payload: {result:?}"
    );

    let payload = encoded(encoder, 0, full);
    assert_eq!(decoded(decoder, &payload), Ok(full), "after refusals");
}

fn refused_output(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let full = encoder.frames_per_packet();
    let payload = encoded(encoder, 0, full);
    let mut small = vec![0.0; (full - 1) * encoder.format().channels.get()];
    let result = decoder.decode(&payload, &mut small);
    assert!(
        matches!(result, Err(DecodeError::TooLong { frames, max }) if (frames, max) == (full, full - 1)),
        "output one frame too short: {result:?}"
    );
    assert_eq!(decoded(decoder, &payload), Ok(full), "after a refusal");
}

fn hostile_payloads(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let full = encoder.frames_per_packet();
    let payload = encoded(encoder, 0, full);
    let step = payload.len().div_ceil(PREFIXES);
    for end in (0..payload.len())
        .step_by(step)
        .chain(payload.len() - 1..payload.len())
    {
        survives(decoder, &payload[..end]);
    }
    let mut random = Random(0x5eed);
    for _ in 0..GARBAGE {
        let mut broken = payload.clone();
        let at = random.below(broken.len());
        broken[at] ^= 1 << random.below(8);
        survives(decoder, &broken);

        let len = random.below(encoder.max_payload_len() * 2 + 16);
        let garbage: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        survives(decoder, &garbage);
    }
    decoder.reset();
    assert_eq!(decoded(decoder, &payload), Ok(full), "after garbage");
}

fn survives(decoder: &mut dyn Decoder, payload: &[u8]) {
    let announced = decoder.frames_in(payload);
    if let Ok(frames) = announced {
        assert!(frames <= decoder.max_frames(), "{frames} frames announced");
    }
    if let Ok(frames) = decoded(decoder, payload) {
        assert_eq!(announced, Ok(frames), "frames announced and decoded");
    }
    let mut out = output(decoder);
    let channels = decoder.format().channels.get();
    if let Ok(frames @ 1..) = decoder.decode_fec(payload, &mut out) {
        let all = decoder.max_frames();
        assert!(frames <= all, "{frames} frames recovered of {all}");
        // Without a concealment of its own it leaves the rest alone.
        let written = if decoder.conceals() { all } else { frames };
        check_output(decoder, &out[(all - written) * channels..], written);
    }
    let block = decoder.max_frames().div_ceil(2);
    for ahead in [0, block, 2 * block, 9 * block] {
        let mut out = vec![f32::NAN; block * channels];
        if let Ok(frames @ 1..) = decoder.recover(payload, ahead, &mut out) {
            assert!(frames <= block, "{frames} frames recovered of {block}");
            check_output(decoder, &out, block);
        }
    }
}

fn concealment(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let full = encoder.frames_per_packet();
    let payload = encoded(encoder, 0, full);
    for fresh in [true, false] {
        if fresh {
            decoder.reset();
        } else {
            let decoded = decoded(decoder, &payload);
            assert_eq!(decoded, Ok(full), "before concealment");
        }
        let mut out = vec![f32::NAN; full * encoder.format().channels.get()];
        let frames = decoder.conceal(&mut out);
        assert!(frames == 0 || frames == full, "{frames} frames concealed");
        check_output(decoder, &out, frames);
        assert_eq!(decoder.conceal(&mut []), 0, "nothing to conceal");
    }
}

fn resets(encoder: &mut dyn Encoder, decoder: &mut dyn Decoder) {
    let full = encoder.frames_per_packet();
    let mut run = || {
        encoder.reset();
        decoder.reset();
        let (mut payloads, mut samples) = (Vec::new(), Vec::new());
        for packet in 0..PACKETS {
            let payload = encoded(encoder, packet * full, full);
            let mut out = output(decoder);
            let result = decoder.decode(&payload, &mut out);
            assert_eq!(result, Ok(full), "after a reset");
            out.truncate(full * decoder.format().channels.get());
            samples.extend(out.into_iter().map(f32::to_bits));
            payloads.push(payload);
        }
        (payloads, samples)
    };
    let (first, second) = (run(), run());
    assert!(first.0 == second.0, "payloads differ after a reset");
    assert!(first.1 == second.1, "samples differ after a reset");
}

/// The payload of `frames` frames of the [`signal`] from `start` on.
fn encoded(encoder: &mut dyn Encoder, start: usize, frames: usize) -> Vec<u8> {
    let samples = signal(encoder.format(), start, frames);
    let mut payload = vec![0; encoder.max_payload_len()];
    let block = AudioRef::new(&samples, encoder.format().channels);
    match encoder.encode(block, &mut payload) {
        Ok(len) => {
            assert!(len <= payload.len(), "{len} bytes in {}", payload.len());
            payload.truncate(len);
            payload
        }
        Err(e) => panic!("{} frames were refused: {e}", block.frames()),
    }
}

fn decoded(decoder: &mut dyn Decoder, payload: &[u8]) -> Result<usize, DecodeError> {
    let mut out = output(decoder);
    let frames = decoder.decode(payload, &mut out)?;
    check_output(decoder, &out, frames);
    Ok(frames)
}

/// Filled with NaN, so that samples that were not written show.
fn output(decoder: &dyn Decoder) -> Vec<f32> {
    vec![f32::NAN; decoder.max_frames() * decoder.format().channels.get()]
}

fn check_output(decoder: &dyn Decoder, out: &[f32], frames: usize) {
    let written = out.get(..frames * decoder.format().channels.get());
    assert!(
        written.is_some_and(|w| w.iter().all(|x| x.is_finite())),
        "{frames} frames said to be written are not all there and finite"
    );
}

/// A chord with a little noise, each channel at a level of its own.
fn signal(format: StreamFormat, start: usize, frames: usize) -> Vec<f32> {
    let channels = format.channels.get();
    let rate = format.rate.get() as f32;
    let mut random = Random(start as u64);
    let mut samples = Vec::with_capacity(frames * channels);
    for frame in start..start + frames {
        let t = frame as f32 / rate * std::f32::consts::TAU;
        let chord = (t * 440.0).sin() * 0.4 + (t * 1_100.0).sin() * 0.2;
        for channel in 0..channels {
            let noise = random.below(2_001) as f32 / 1_000.0 - 1.0;
            samples.push((chord + noise * 0.02) / (channel + 1) as f32);
        }
    }
    samples
}

const PACKETS: usize = 5;
const PREFIXES: usize = 64;
const GARBAGE: usize = 500;
