use audiox_core::format::Channels;
use proptest::prelude::*;

use super::*;

const MONO: usize = 960;

fn layouts() -> [Layout; 5] {
    let six = Channels::new(6).unwrap();
    [
        Layout::mono(),
        Layout::stereo(),
        Layout::surround(six).unwrap(),
        Layout::discrete(six).unwrap(),
        Layout::new(2, 1, [2, 1, 0, 255]).unwrap(),
    ]
}

#[test]
fn slices_of_other_lengths_than_announced_are_refused_before_c_sees_them() {
    let mut encoder = RawEncoder::new(48_000, &Layout::stereo(), AUDIO).unwrap();
    let mut payload = [0; 100];
    let pcm = [0.0; 2 * MONO];
    for frames in [0, 1, MONO - 1, MONO + 1, usize::MAX, usize::MAX / 2 + 1] {
        let refused = encoder.encode(&pcm, frames, &mut payload);
        assert_eq!(refused, Err(Code::BAD_ARG), "{frames} frames");
    }
    // What the length says is right but no packet lasts, libopus refuses itself.
    let refused = encoder.encode(&pcm[..1_800], 900, &mut payload);
    assert_eq!(refused, Err(Code::BAD_ARG));
    assert!(encoder.encode(&pcm, MONO, &mut []).is_err());
    let len = encoder.encode(&pcm, MONO, &mut payload).unwrap();

    let mut decoder = RawDecoder::new(48_000, &Layout::stereo()).unwrap();
    let mut out = [0.0; 2 * MONO];
    for frames in [0, 1, MONO - 1, MONO + 1, usize::MAX, usize::MAX / 2 + 1] {
        for from in [From::Payload(&payload[..len]), From::Concealment] {
            let refused = decoder.decode(from, &mut out, frames);
            assert_eq!(refused, Err(Code::BAD_ARG), "{frames} frames");
        }
    }
    assert!(decoder.decode(From::Payload(&[]), &mut out, MONO).is_err());
    assert!(
        decoder
            .decode(From::Redundancy(&[]), &mut out, MONO)
            .is_err()
    );
    let all = From::Payload(&payload[..len]);
    assert_eq!(decoder.decode(all, &mut out, MONO), Ok(MONO));
    let short = &mut out[..2 * 480];
    assert!(decoder.decode(all, short, 480).is_err(), "no room for it");
}

#[test]
fn every_setting_is_one_that_every_encoder_takes() {
    let settings = [
        (Setting::Bitrate, 64_000),
        (Setting::Bitrate, AUTO),
        (Setting::Vbr, 1),
        (Setting::VbrConstraint, 0),
        (Setting::Complexity, 10),
        (Setting::MaxBandwidth, NARROWBAND),
        (Setting::InbandFec, 2),
        (Setting::PacketLossPercent, 100),
        (Setting::Dtx, 1),
    ];
    for layout in &layouts()[..4] {
        let mut encoder = RawEncoder::new(16_000, layout, VOIP).unwrap();
        for (setting, value) in settings {
            assert_eq!(encoder.set(setting, value), Ok(()), "{setting:?}");
        }
        assert_eq!(encoder.set(Setting::Complexity, 11), Err(Code::BAD_ARG));
        assert_eq!(encoder.get(Reading::Lookahead), Ok(104));
        assert!(encoder.get(Reading::Bitrate).unwrap() > 0);
    }
}

#[test]
fn what_cannot_be_made_is_an_error_and_not_a_null_pointer() {
    for layout in layouts() {
        assert_eq!(RawDecoder::new(44_100, &layout).err(), Some(Code::BAD_ARG));
        let made = RawEncoder::new(44_100, &layout, AUDIO);
        assert_eq!(made.err(), Some(Code::BAD_ARG));
        let made = RawEncoder::new(48_000, &layout, 7);
        assert_eq!(made.err(), Some(Code::BAD_ARG));
        assert!(RawDecoder::new(48_000, &layout).is_ok());
    }
    assert!(Code::BAD_ARG.text().contains("range") && !Code(1).text().is_empty());
}

#[test]
fn states_work_on_the_thread_they_are_moved_to_and_start_over_after_a_reset() {
    for layout in &layouts()[..4] {
        let mut encoder = RawEncoder::new(48_000, layout, AUDIO).unwrap();
        let mut decoder = RawDecoder::new(48_000, layout).unwrap();
        let samples = MONO * layout.channels();
        let pcm: Vec<f32> = (0..samples).map(|i| (i as f32 * 0.1).sin() * 0.5).collect();
        let mut run = move || {
            encoder.reset();
            decoder.reset();
            let mut payload = vec![0; 2_000];
            let mut out = vec![0.0; samples];
            let len = encoder.encode(&pcm, MONO, &mut payload).unwrap();
            let n = decoder.decode(From::Payload(&payload[..len]), &mut out, MONO);
            assert_eq!(n, Ok(MONO));
            assert_eq!(decoder.decode(From::Concealment, &mut out, MONO), Ok(MONO));
            (payload, out)
        };
        let here = run();
        let there = std::thread::spawn(run).join().unwrap();
        assert!(here == there);
    }
}

#[cfg(feature = "dred")]
#[test]
fn redundancy_is_decoded_only_once_it_was_read_and_in_spans_that_fit() {
    let mut encoder = RawEncoder::new(48_000, &Layout::mono(), VOIP).unwrap();
    encoder.set(Setting::Bitrate, 64_000).unwrap();
    encoder.set(Setting::PacketLossPercent, 20).unwrap();
    assert_eq!(encoder.set(Setting::DredDuration, 104), Ok(()));
    assert_eq!(encoder.set(Setting::DredDuration, 105), Err(Code::BAD_ARG));
    let mut six = RawEncoder::new(48_000, &layouts()[2], AUDIO).unwrap();
    assert!(six.set(Setting::DredDuration, 1).is_err());

    let mut payload = [0; 1_200];
    let mut len = 0;
    for n in 0..30 {
        let samples = (0..MONO).map(|i| ((n * MONO + i) as f32 * 0.02).sin() * 0.3);
        let pcm: Vec<f32> = samples.collect();
        len = encoder.encode(&pcm, MONO, &mut payload).unwrap();
    }
    let payload = &payload[..len];
    let mut dred = RawDred::new().unwrap();
    let mut decoder = RawDecoder::new(48_000, &Layout::mono()).unwrap();
    let mut out = vec![0.0; 4 * MONO];
    let block = &mut out[..MONO];
    assert_eq!(
        decoder.recover(&dred, MONO, block, MONO),
        Err(Code::BAD_ARG)
    );
    assert!(dred.read(&[], MONO, 48_000).is_err());
    assert!(dred.read(&[3], MONO, 48_000).is_err());
    assert_eq!(dred.read(&[8, 1, 2], MONO, 48_000), Ok(None));
    assert_eq!(
        decoder.recover(&dred, MONO, block, MONO),
        Err(Code::BAD_ARG)
    );
    let (begin, end) = dred.read(payload, usize::MAX, 48_000).unwrap().unwrap();
    assert!(begin > 4 * MONO && end < begin, "{begin} to {end}");
    assert_eq!(decoder.recover(&dred, MONO, block, MONO), Ok(MONO));
    assert_eq!(
        decoder.recover(&dred, MONO, block, MONO - 1),
        Err(Code::BAD_ARG)
    );
    assert!(decoder.recover(&dred, usize::MAX, block, MONO).is_err());
    assert!(
        decoder
            .recover(&dred, 4 * MONO, &mut out, 4 * MONO)
            .is_err()
    );
    let mut six = RawDecoder::new(48_000, &layouts()[2]).unwrap();
    let mut all = vec![0.0; 6 * MONO];
    assert!(six.recover(&dred, MONO, &mut all, MONO).is_err());
}

/// Coded frames in a payload and whether it has in-band error correction, as libopus reads it.
pub(crate) fn read(payload: &[u8]) -> Option<(usize, bool)> {
    let mut sizes = [0i16; 48];
    let len = i32::try_from(payload.len()).unwrap();
    // SAFETY: `payload` has `len` bytes, and 48 sizes are all that is written; the other
    // pointers may be null.
    let frames = unsafe {
        sys::opus_packet_parse(
            payload.as_ptr(),
            len,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            sizes.as_mut_ptr(),
            std::ptr::null_mut(),
        )
    };
    let frames = usize::try_from(frames).ok().filter(|&n| n > 0)?;
    // SAFETY: `payload` has `len` bytes.
    let fec = unsafe { sys::opus_packet_has_lbrr(payload.as_ptr(), len) };
    Some((frames, fec == 1))
}

proptest! {
    #[test]
    fn random_bytes_decode_to_finite_audio_or_an_error(
        payload in proptest::collection::vec(any::<u8>(), 1..400),
        which in 0..5usize,
    ) {
        let layout = &layouts()[which];
        let mut decoder = RawDecoder::new(48_000, layout).unwrap();
        let mut out = vec![0.0; 5_760 * layout.channels()];
        for from in [From::Payload(&payload[..]), From::Redundancy(&payload), From::Concealment] {
            let n = decoder.decode(from, &mut out, 5_760);
            prop_assert!(n.is_ok_and(|n| n <= 5_760) || n.is_err());
            prop_assert!(out.iter().all(|x| x.is_finite()));
        }
    }
}
