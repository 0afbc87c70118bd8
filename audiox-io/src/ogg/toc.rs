/// The duration of an Opus packet in ticks of 48 kHz, 120 to 5 760, by its first two bytes
/// (RFC 6716 section 3.1); of a packet of several streams it is that of the first. `None` where
/// these bytes are of no packet.
pub fn packet_ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = usize::from(toc >> 3);
    let frame = match config {
        0..=11 => [480, 960, 1_920, 2_880][config % 4],
        12..=15 => [480, 960][config % 2],
        _ => [120, 240, 480, 960][config % 4],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let ticks = frame * frames;
    (1..=MAX_TICKS).contains(&ticks).then_some(ticks)
}

/// Packets that ask the decoder to conceal `ticks`, in the place of those that were lost after
/// `toc` (RFC 7845 section 4.1): of its mode, bandwidth and channels, with frames of no bytes. What
/// is no multiple of 2.5 ms cannot be concealed and is left over; returns that.
pub(super) fn conceal(toc: u8, mut ticks: u64, mut each: impl FnMut(&[u8], u32)) -> u64 {
    // The usual frame first, since decoders know best how to go on with that; the rest in
    // shorter ones, at the end.
    for config in configs(toc >> 3) {
        let toc = config << 3 | toc & 4;
        let Some(frame) = packet_ticks(&[toc]).map(u64::from) else {
            continue;
        };
        let mut frames = ticks / frame;
        ticks %= frame;
        let most = u64::from(MAX_TICKS) / frame;
        while frames > 0 {
            let now = frames.min(most);
            frames -= now;
            let duration = (now * frame) as u32;
            match now {
                1 => each(&[toc], duration),
                _ => each(&[toc | 3, now as u8], duration),
            }
        }
    }
    ticks
}

/// Configurations to conceal with after one, the frames ever shorter: the same, the shortest of
/// its mode, and those of the transform coding of its bandwidth.
fn configs(config: u8) -> [u8; 4] {
    let (short, celt) = match config {
        0..=3 => (0, 16),
        // There is no transform coding at 6 kHz: the next wider one.
        4..=7 => (4, 20),
        8..=11 => (8, 20),
        12 | 13 => (12, 24),
        14 | 15 => (14, 28),
        _ => (config, config / 4 * 4),
    };
    [config, short, celt + 1, celt]
}

const MAX_TICKS: u32 = 5_760;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_the_table() {
        // RFC 6716 table 2.
        for (toc, ticks) in [
            (0, 480),
            (3 << 3, 2_880),
            (12 << 3, 480),
            (15 << 3, 960),
            (16 << 3, 120),
            (31 << 3, 960),
            (31 << 3 | 1, 1_920),
            (31 << 3 | 6, 1_920),
        ] {
            assert_eq!(packet_ticks(&[toc]), Some(ticks), "{toc}");
        }
        assert_eq!(packet_ticks(&[16 << 3 | 3, 48]), Some(5_760));
        assert_eq!(packet_ticks(&[16 << 3 | 3, 0xc0 | 2]), Some(240));
        for wrong in [&[][..], &[3], &[3, 0], &[31 << 3 | 3, 7]] {
            assert_eq!(packet_ticks(wrong), None);
        }
    }

    fn concealed(toc: u8, ticks: u64) -> (Vec<(Vec<u8>, u32)>, u64) {
        let mut all = Vec::new();
        let left = conceal(toc, ticks, |p, t| all.push((p.to_vec(), t)));
        for (packet, ticks) in &all {
            assert_eq!(packet_ticks(packet), Some(*ticks));
        }
        assert_eq!(
            all.iter().map(|(_, t)| u64::from(*t)).sum::<u64>() + left,
            ticks
        );
        (all, left)
    }

    #[test]
    fn a_gap_is_filled_as_the_rfc_does() {
        // RFC 7845 section 4.1: 95 ms after 20 ms of SILK are four such frames, one of 10 ms and
        // one of 5 ms in transform coding.
        let (packets, left) = concealed(9 << 3, 95 * 48);
        let expected = [
            (vec![9 << 3 | 3, 4], 3_840),
            (vec![8 << 3], 480),
            (vec![21 << 3], 240),
        ];
        assert_eq!((packets, left), (expected.to_vec(), 0));
        // Stereo stays stereo.
        assert_eq!(concealed(31 << 3 | 4, 960).0, [(vec![31 << 3 | 4], 960)]);
        let (packets, left) = concealed(31 << 3, 20 * 48_000 + 121);
        assert_eq!((packets.len(), left), (168, 1));
        for toc in 0..=255 {
            for ticks in [0, 119, 120, 360, 2_881, 5_760, 10_000] {
                assert_eq!(concealed(toc, ticks).1, ticks % 120);
            }
        }
    }
}
