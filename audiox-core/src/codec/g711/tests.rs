use super::*;

/// The Recommendation's tables 1a and 2a, decision value by decision value: a sample belongs to
/// the interval whose lower end it has reached.
fn reference(x: i16, decisions: &[i32], signs: [u8; 2]) -> u8 {
    // A negative sample mirrors the positive one that is as many steps from its end of the axis.
    let (magnitude, sign) = match x {
        0.. => (i32::from(x), signs[0]),
        _ => (-(i32::from(x) + 1), signs[1]),
    };
    (decisions.iter().take_while(|&&d| magnitude >= d).count() as u8) ^ sign
}

/// Decision values above zero: eight segments, each with steps twice as long as the one before.
/// µ-law: 14-bit values 1, 3, … 31, then 35, …; A-law: 13-bit values 2, 4, … 32, 34, … 64, then
/// 68, …; both brought to 16 bits.
fn decisions(law: Law) -> Vec<i32> {
    let (mut at, scale, shared) = match law {
        Law::Mu => (1, 4, 0),
        Law::A => (2, 8, 1),
    };
    let mut decisions = Vec::new();
    for code in 1..128 {
        decisions.push(at * scale);
        at += 2 << (code / 16 - shared).max(0);
    }
    decisions
}

#[test]
fn every_sample_gets_the_code_of_the_recommendation() {
    let (mu, a) = (decisions(Law::Mu), decisions(Law::A));
    for x in i16::MIN..=i16::MAX {
        assert_eq!(mulaw_from_s16(x), reference(x, &mu, [0xff, 0x7f]), "{x}");
        assert_eq!(alaw_from_s16(x), reference(x, &a, [0xd5, 0x55]), "{x}");
    }
}

#[test]
fn every_code_stands_for_the_middle_of_its_interval() {
    let (mu, a) = (decisions(Law::Mu), decisions(Law::A));
    for code in 0..128u8 {
        let middle = |d: &[i32], from: i32, end: i32| {
            let low = code.checked_sub(1).map_or(from, |i| d[usize::from(i)]);
            let high = d.get(usize::from(code)).copied().unwrap_or(end);
            ((low + high) / 2) as i16
        };
        // The first µ-law interval reaches across zero; the last ends at 8159 of 14 bits.
        let m = middle(&mu, -4, 8_159 * 4);
        assert_eq!(mulaw_to_s16(code ^ 0xff), m, "{code}");
        assert_eq!(mulaw_to_s16(code ^ 0x7f), -m, "{code}");
        let m = middle(&a, 0, 4_096 * 8);
        assert_eq!(alaw_to_s16(code ^ 0xd5), m, "{code}");
        assert_eq!(alaw_to_s16(code ^ 0x55), -m, "{code}");
    }
}

#[test]
fn codes_survive_a_round_trip() {
    let codes: Vec<u8> = (0..=255).collect();
    let (mut samples, mut back) = ([0.0; 256], [0; 256]);
    assert_eq!(decode_alaw(&codes, &mut samples), 256);
    assert_eq!(encode_alaw(&samples, &mut back), 256);
    assert_eq!(back[..], codes);
    assert_eq!(decode_mulaw(&codes, &mut samples), 256);
    assert_eq!(encode_mulaw(&samples, &mut back), 256);
    // µ-law has two zeros; the negative one comes back as the positive.
    assert_eq!((back[0x7f], back[0xff]), (0xff, 0xff));
    back[0x7f] = 0x7f;
    assert_eq!(back[..], codes);
}

#[test]
fn slices_of_unequal_length_stop_at_the_shorter() {
    let mut out = [0xaa; 3];
    assert_eq!(encode_mulaw(&[1.0, -1.0], &mut out), 2);
    assert_eq!(out, [0x80, 0x00, 0xaa]);
    assert_eq!(encode_alaw(&[f32::NAN; 9], &mut out), 3);
    assert_eq!(out, [0xd5; 3]);
    let mut samples = [9.0; 2];
    assert_eq!(decode_mulaw(&[0xff], &mut samples), 1);
    assert_eq!(samples, [0.0, 9.0]);
    assert_eq!(decode_alaw(&[0xd5; 4], &mut samples), 2);
    assert_eq!(samples, [8.0 / 32_768.0; 2]);
}

#[test]
fn ffmpeg_decodes_and_encodes_alike() {
    for i in 0..128u8 {
        let (mu, a) = (FFMPEG_MULAW[usize::from(i)], FFMPEG_ALAW[usize::from(i)]);
        assert_eq!((mulaw_to_s16(i | 0x80), mulaw_to_s16(i)), (mu, -mu), "{i}");
        assert_eq!((alaw_to_s16(i | 0x80), alaw_to_s16(i)), (a, -a), "{i}");
    }
    let codes = FFMPEG_MULAW_CODES.iter().zip(FFMPEG_ALAW_CODES);
    for (i, (&mu, a)) in codes.enumerate() {
        let x = (-32_759 + 520 * i as i32) as i16;
        assert_eq!((mulaw_from_s16(x), alaw_from_s16(x)), (mu, a), "{x}");
    }
}

// Output of ffmpeg 5.1: codes 128 to 255 through `-f mulaw` and `-f alaw` to s16le (codes 0 to
// 127 give the negatives), and the samples -32759, -32239, … 32241 from s16le to both.
const FFMPEG_MULAW: [i16; 128] = [
    32124, 31100, 30076, 29052, 28028, 27004, 25980, 24956, 23932, 22908, 21884, 20860, 19836,
    18812, 17788, 16764, 15996, 15484, 14972, 14460, 13948, 13436, 12924, 12412, 11900, 11388,
    10876, 10364, 9852, 9340, 8828, 8316, 7932, 7676, 7420, 7164, 6908, 6652, 6396, 6140, 5884,
    5628, 5372, 5116, 4860, 4604, 4348, 4092, 3900, 3772, 3644, 3516, 3388, 3260, 3132, 3004, 2876,
    2748, 2620, 2492, 2364, 2236, 2108, 1980, 1884, 1820, 1756, 1692, 1628, 1564, 1500, 1436, 1372,
    1308, 1244, 1180, 1116, 1052, 988, 924, 876, 844, 812, 780, 748, 716, 684, 652, 620, 588, 556,
    524, 492, 460, 428, 396, 372, 356, 340, 324, 308, 292, 276, 260, 244, 228, 212, 196, 180, 164,
    148, 132, 120, 112, 104, 96, 88, 80, 72, 64, 56, 48, 40, 32, 24, 16, 8, 0,
];
const FFMPEG_MULAW_CODES: [u8; 126] = [
    0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14,
    14, 15, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 33, 35, 37, 39, 41,
    43, 45, 47, 50, 54, 58, 62, 69, 77, 91, 255, 219, 205, 197, 190, 186, 182, 178, 175, 173, 171,
    169, 167, 165, 163, 161, 159, 158, 157, 156, 155, 154, 153, 152, 151, 150, 149, 148, 147, 146,
    145, 144, 143, 143, 142, 142, 141, 141, 140, 140, 139, 139, 138, 138, 137, 137, 136, 136, 135,
    134, 134, 133, 133, 132, 132, 131, 131, 130, 130, 129, 129, 128, 128,
];
const FFMPEG_ALAW: [i16; 128] = [
    5504, 5248, 6016, 5760, 4480, 4224, 4992, 4736, 7552, 7296, 8064, 7808, 6528, 6272, 7040, 6784,
    2752, 2624, 3008, 2880, 2240, 2112, 2496, 2368, 3776, 3648, 4032, 3904, 3264, 3136, 3520, 3392,
    22016, 20992, 24064, 23040, 17920, 16896, 19968, 18944, 30208, 29184, 32256, 31232, 26112,
    25088, 28160, 27136, 11008, 10496, 12032, 11520, 8960, 8448, 9984, 9472, 15104, 14592, 16128,
    15616, 13056, 12544, 14080, 13568, 344, 328, 376, 360, 280, 264, 312, 296, 472, 456, 504, 488,
    408, 392, 440, 424, 88, 72, 120, 104, 24, 8, 56, 40, 216, 200, 248, 232, 152, 136, 184, 168,
    1376, 1312, 1504, 1440, 1120, 1056, 1248, 1184, 1888, 1824, 2016, 1952, 1632, 1568, 1760, 1696,
    688, 656, 752, 720, 560, 528, 624, 592, 944, 912, 1008, 976, 816, 784, 880, 848,
];
const FFMPEG_ALAW_CODES: [u8; 126] = [
    42, 42, 43, 43, 40, 40, 41, 41, 46, 46, 47, 47, 44, 44, 45, 45, 34, 34, 35, 35, 32, 32, 33, 33,
    38, 38, 39, 39, 36, 36, 37, 37, 58, 59, 56, 57, 62, 63, 60, 61, 50, 51, 48, 49, 54, 55, 52, 53,
    11, 9, 15, 13, 3, 1, 7, 5, 25, 29, 17, 21, 109, 101, 117, 213, 245, 229, 237, 149, 145, 157,
    153, 133, 135, 129, 131, 141, 143, 137, 139, 181, 180, 183, 182, 177, 176, 179, 178, 189, 188,
    191, 190, 185, 184, 187, 186, 165, 165, 164, 164, 167, 167, 166, 166, 161, 161, 160, 160, 163,
    163, 162, 162, 173, 173, 172, 172, 175, 175, 174, 174, 169, 169, 168, 168, 171, 171, 170,
];
