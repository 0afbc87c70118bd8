//! Conversions and PCM codecs.

use audiox_core::block::AudioRef;
use audiox_core::codec::{CodecRegistry, PcmCoding};
use audiox_core::convert::{
    ChannelMap, Gain, GainRamp, Level, LevelMeter, Route, apply_gain, deinterleave, interleave,
    levels,
};
use audiox_core::format::Channels;

use crate::counting::assert_no_alloc;

const CYCLES: usize = 100_000;
const FRAMES: usize = 48;

fn signal(samples: usize) -> Vec<f32> {
    (0..samples).map(|i| (i as f32 * 0.37).sin()).collect()
}

#[test]
fn pcm_encodes_and_decodes_and_refuses_without_allocating() {
    let registry = CodecRegistry::pcm();
    let specs: Vec<_> = registry
        .names()
        .map(|name| format!("{name}/48000/2").parse().unwrap())
        .collect();
    let samples = signal(FRAMES * 2);
    let mut payload = vec![0; FRAMES * 2 * 4];
    let mut out = vec![0.0; FRAMES * 2];
    for spec in &specs {
        let mut encoder = registry.encoder(spec, FRAMES).unwrap();
        let mut decoder = registry.decoder(spec, FRAMES).unwrap();
        let block = AudioRef::new(&samples, spec.channels);
        let wrong = AudioRef::new(&samples, Channels::MONO);
        assert_no_alloc(|| {
            for _ in 0..CYCLES / specs.len() {
                let n = encoder.encode(block, &mut payload).unwrap();
                assert_eq!(decoder.frames_in(&payload[..n]), Ok(FRAMES));
                assert_eq!(decoder.decode(&payload[..n], &mut out), Ok(FRAMES));
                assert!(decoder.decode(&payload[..n - 1], &mut out).is_err());
                assert!(encoder.encode(wrong, &mut payload).is_err());
                encoder.reset();
                decoder.reset();
            }
        });
    }
}

#[test]
fn conversions_do_not_allocate() {
    let (mut samples, mut out) = (signal(FRAMES * 6), vec![0.0; FRAMES * 12]);
    let mut bytes = vec![0; FRAMES * 6 * 4];
    let codings = [
        "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "PCMU",
        "PCMA",
    ]
    .map(|name| name.parse::<PcmCoding>().unwrap());
    assert_no_alloc(|| {
        for coding in codings {
            let n = coding.encode(&samples, &mut bytes);
            assert_eq!(coding.decode(&bytes[..n], &mut samples), FRAMES * 6);
        }
        for n in [1, 2, 6] {
            let channels = Channels::new(n).unwrap();
            let frames = deinterleave(&samples, channels, &mut out);
            let planar = &out[..samples.len()];
            assert_eq!(interleave(planar, channels, &mut samples), frames);
        }
    });
}

#[test]
fn gain_levels_and_channel_maps_do_not_allocate() {
    let six = Channels::new(6).unwrap();
    let cross = [(0, 1), (1, 0)].map(|(input, output)| Route {
        output,
        input,
        gain: Gain::UNITY,
    });
    let maps = [
        ChannelMap::identity(six),
        ChannelMap::mono_to(Channels::STEREO),
        ChannelMap::stereo_to_mono(),
        ChannelMap::pick(six, 5).unwrap(),
        ChannelMap::between(six, Channels::MONO),
        ChannelMap::new(Channels::STEREO, Channels::STEREO, &cross).unwrap(),
    ];
    let (mut samples, mut out) = (signal(FRAMES * 6), vec![0.0; FRAMES * 12]);
    let mut ramp = GainRamp::new(Gain::UNITY, six);
    let mut meter = LevelMeter::new(six);
    let mut measured = [Level::default(); 6];
    assert_no_alloc(|| {
        for map in &maps {
            map.apply(&samples, &mut out);
        }
        apply_gain(&mut samples, Gain::from_db(-6.0).unwrap());
        ramp.set(Gain::SILENCE, FRAMES as u32);
        ramp.apply(&mut samples);
        let block = AudioRef::new(&out, six);
        meter.push(block);
        assert_eq!(meter.levels().count(), 6);
        meter.reset();
        assert_eq!(levels(block, &mut measured), 6);
    });
}
