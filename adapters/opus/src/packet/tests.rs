use audiox_core::format::Channels;
use proptest::prelude::*;

use super::*;
use crate::raw::tests::read;

fn parse(payload: &[u8]) -> Result<(usize, usize), ParseError> {
    OpusPacket::parse(payload).map(|p| (p.coded_frames(), p.ticks()))
}

#[test]
fn first_bytes_say_what_table_2_of_rfc_6716_says() {
    use Bandwidth::*;
    use Mode::*;
    let all = |config: u8| {
        let toc = Toc(config << 3);
        (toc.mode(), toc.bandwidth(), toc.frame_ticks())
    };
    let table = [
        (0, Silk, Narrowband, &[480, 960, 1_920, 2_880][..]),
        (4, Silk, Mediumband, &[480, 960, 1_920, 2_880]),
        (8, Silk, Wideband, &[480, 960, 1_920, 2_880]),
        (12, Hybrid, SuperWideband, &[480, 960]),
        (14, Hybrid, Fullband, &[480, 960]),
        (16, Celt, Narrowband, &[120, 240, 480, 960]),
        (20, Celt, Wideband, &[120, 240, 480, 960]),
        (24, Celt, SuperWideband, &[120, 240, 480, 960]),
        (28, Celt, Fullband, &[120, 240, 480, 960]),
    ];
    let mut seen = 0;
    for (first, mode, bandwidth, ticks) in table {
        for (config, ticks) in (first..).zip(ticks) {
            assert_eq!(all(config), (mode, bandwidth, *ticks), "config {config}");
            seen += 1;
        }
    }
    assert_eq!(seen, 32);
    assert!(Toc(4).is_stereo() && !Toc(0xfb).is_stereo());
    for bandwidth in [Narrowband, Mediumband, Wideband, SuperWideband, Fullband] {
        let rate = SampleRate::new(bandwidth.rate()).unwrap();
        assert_eq!(Bandwidth::of_rate(rate), bandwidth);
    }
}

#[test]
fn the_rules_of_rfc_6716_section_3_4_are_kept() {
    // R1: at least one byte.
    assert!(parse(&[]).is_err());
    // Code 0: one frame, perhaps of no bytes.
    assert_eq!(parse(&[0x08]), Ok((1, 960)));
    assert_eq!(parse(&[0x08, 1, 2]), Ok((1, 960)));
    // R2: no frame above 1 275 bytes.
    assert_eq!(parse(&[0; 1_276]), Ok((1, 480)));
    assert_eq!(parse(&[0; 1_277]), Err(ParseError::Limit { limit: 1_275 }));
    // R3: two equal frames need an even number of bytes.
    assert_eq!(parse(&[0x09, 1, 2]), Ok((2, 1_920)));
    assert_eq!(parse(&[0x09, 1, 2, 3]), Err(ParseError::Length(3)));
    // R4: the first length stands in one or two bytes and fits.
    assert_eq!(parse(&[0x0a, 1, 9, 8]), Ok((2, 1_920)));
    assert_eq!(parse(&[0x0a, 0]), Ok((2, 1_920)));
    assert!(parse(&[0x0a]).is_err() && parse(&[0x0a, 252]).is_err());
    assert!(parse(&[0x0a, 2, 9]).is_err());
    let mut long = vec![0x0a, 252, 1];
    long.resize(3 + 256, 0);
    assert_eq!(parse(&long), Ok((2, 1_920)));
    // R5: 1 to 48 frames, 120 ms at most.
    assert!(parse(&[0x0b]).is_err() && parse(&[0x0b, 0]).is_err());
    assert_eq!(parse(&[0x0b, 6]), Ok((6, 5_760)));
    assert_eq!(parse(&[0x0b, 7]), Err(ParseError::Length(7)));
    assert_eq!(parse(&[0x83, 48]), Ok((48, 5_760)));
    assert_eq!(parse(&[0x83, 49]), Err(ParseError::Length(49)));
    // R6: equal frames and the padding share what is there.
    assert_eq!(parse(&[0x0b, 2, 1, 1]), Ok((2, 1_920)));
    assert!(parse(&[0x0b, 2, 1]).is_err());
    assert_eq!(parse(&[0x0b, 0x42, 1, 7, 7, 0]), Ok((2, 1_920)));
    assert!(parse(&[0x0b, 0x42, 3, 0, 0]).is_err());
    assert!(parse(&[0x0b, 0x42]).is_err() && parse(&[0x0b, 0x41, 255]).is_err());
    // R7: lengths of all but the last.
    assert_eq!(parse(&[0x0b, 0x83, 1, 0, 5, 6]), Ok((3, 2_880)));
    assert!(parse(&[0x0b, 0x83, 1, 2, 5, 6]).is_err());
    assert!(parse(&[0x0b, 0x83, 1]).is_err());
}

#[test]
fn padding_is_found_behind_the_frames() {
    let mut payload = vec![0x0b, 0x41, 255, 2, 7];
    payload.extend([9; 256]);
    let packet = OpusPacket::parse(&payload).unwrap();
    assert_eq!((packet.first, packet.padding()), (&[7][..], &[9; 256][..]));
}

#[test]
fn streams_delimit_themselves_but_for_the_last() {
    let layout = Layout::discrete(Channels::new(3).unwrap()).unwrap();
    // Code 0 with a length; code 1 with the length of each; code 0 to the end.
    let payload = [0x08, 2, 1, 1, 0x01, 1, 4, 5, 0x08, 6, 7, 8];
    assert_eq!(ticks(&payload, &layout), Ok(960));
    let firsts: Vec<_> = Streams::new(&payload, &layout)
        .map(|p| p.unwrap().first.to_vec())
        .collect();
    assert_eq!(firsts, [&[1, 1][..], &[4], &[6, 7, 8]]);
    // Streams of other durations, and streams that are not there.
    let uneven = [0x08, 2, 1, 1, 0x00, 1, 4, 0x08, 6];
    assert!(ticks(&uneven, &layout).is_err());
    for len in 0..9 {
        assert!(ticks(&payload[..len], &layout).is_err(), "{len} bytes");
    }
}

proptest! {
    /// Few lengths, so that rules meet: first byte and frame count free, the rest small.
    #[test]
    fn what_is_well_formed_is_what_libopus_takes(
        head in any::<[u8; 2]>(),
        body in proptest::collection::vec(prop_oneof![0..6u8, any::<u8>()], 0..60),
        long in prop_oneof![Just(0usize), 0..2_600usize],
    ) {
        let mut payload = head.to_vec();
        payload.extend(body);
        payload.resize(payload.len() + long, 1);
        for payload in [&payload[..], &payload[..1]] {
            let ours = OpusPacket::parse(payload);
            let ours = ours.ok().map(|p| (p.coded_frames(), p.has_fec()));
            prop_assert_eq!(ours, read(payload), "{:?}", payload);
        }
    }
}
