//! The identification header of Ogg Opus (RFC 7845 section 5.1).

use audiox_core::error::ParseError;

/// What an Ogg Opus stream says of itself before its first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusHead {
    /// Ticks at the beginning that are decoded and not heard.
    pub pre_skip: u16,
    /// Rate of what was encoded, for information; 0 is unknown.
    pub input_rate: u32,
    /// Decibels to amplify by, times 256.
    pub gain: i16,
    /// Which channels there are and in which streams.
    pub mapping: ChannelMapping,
}

/// How packets become channels (RFC 7845 section 5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelMapping {
    family: u8,
    streams: u8,
    coupled: u8,
    table: Box<[u8]>,
}

impl OpusHead {
    /// A header for streams of `mapping`, encoded from audio at `input_rate`, whose first
    /// `pre_skip` ticks are not heard.
    pub fn new(mapping: ChannelMapping, pre_skip: u16, input_rate: u32) -> Self {
        Self {
            pre_skip,
            input_rate,
            gain: 0,
            mapping,
        }
    }

    /// Reads the packet.
    ///
    /// # Errors
    /// It is too short, of another kind or version, or its channel mapping cannot be.
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let truncated = |expected| ParseError::Truncated {
            expected,
            actual: packet.len(),
        };
        let (fixed, rest) = packet
            .split_first_chunk::<19>()
            .ok_or_else(|| truncated(19))?;
        if !fixed.starts_with(MAGIC) {
            return Err(ParseError::Length(packet.len()));
        }
        // Section 5.1: versions up to 15 can be read as version 1.
        if fixed[8] > 15 || fixed[8] == 0 {
            return Err(ParseError::Version(fixed[8]));
        }
        let channels = fixed[9];
        let mapping = match fixed[18] {
            0 => ChannelMapping::single(channels),
            family => {
                let (counts, table) = rest.split_first_chunk::<2>().ok_or_else(|| truncated(21))?;
                let channels = usize::from(channels);
                let table = table
                    .get(..channels)
                    .ok_or_else(|| truncated(21 + channels))?;
                ChannelMapping::new(family, counts[0], counts[1], table)
            }
        };
        Ok(Self {
            pre_skip: u16::from_le_bytes([fixed[10], fixed[11]]),
            input_rate: u32::from_le_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]),
            gain: i16::from_le_bytes([fixed[16], fixed[17]]),
            mapping: mapping.ok_or_else(|| ParseError::Length(usize::from(channels)))?,
        })
    }

    /// The packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut packet = MAGIC.to_vec();
        packet.extend([1, self.mapping.channels()]);
        packet.extend(self.pre_skip.to_le_bytes());
        packet.extend(self.input_rate.to_le_bytes());
        packet.extend(self.gain.to_le_bytes());
        packet.push(self.mapping.family);
        if self.mapping.family > 0 {
            packet.extend([self.mapping.streams, self.mapping.coupled]);
            packet.extend(&self.mapping.table);
        }
        packet
    }

    /// The factor to amplify by (section 5.1, output gain).
    pub fn gain_factor(&self) -> f32 {
        10f32.powf(f32::from(self.gain) / (20.0 * 256.0))
    }
}

impl ChannelMapping {
    /// Mono or stereo (family 0); `None` for other counts.
    pub fn single(channels: u8) -> Option<Self> {
        let table: &[u8] = match channels {
            1 => &[0],
            2 => &[0, 1],
            _ => return None,
        };
        Some(Self {
            family: 0,
            streams: 1,
            coupled: channels - 1,
            table: table.into(),
        })
    }

    /// Surround in the order of Vorbis (family 1, up to 8 channels), or channels without an order
    /// (255): `table` has for each channel the place in the streams' decoded channels, coupled
    /// streams first, or 255 for silence. `None` where that cannot be (section 5.1.1).
    pub fn new(family: u8, streams: u8, coupled: u8, table: &[u8]) -> Option<Self> {
        let places = u16::from(streams) + u16::from(coupled);
        let most = if family == 1 { 8 } else { 255 };
        let sound = streams > 0
            && coupled <= streams
            && places <= 255
            && (1..=most).contains(&table.len())
            && table.iter().all(|p| *p == 255 || u16::from(*p) < places);
        (family > 0 && sound).then(|| Self {
            family,
            streams,
            coupled,
            table: table.into(),
        })
    }

    /// 0 mono and stereo, 1 surround, 255 channels without an order; others are told and not
    /// understood here.
    pub fn family(&self) -> u8 {
        self.family
    }

    /// Streams in a packet.
    pub fn streams(&self) -> u8 {
        self.streams
    }

    /// How many of them, the first ones, are stereo.
    pub fn coupled(&self) -> u8 {
        self.coupled
    }

    /// For each channel its place in the decoded streams, or 255.
    pub fn table(&self) -> &[u8] {
        &self.table
    }

    /// Samples a frame, 1 to 255.
    pub fn channels(&self) -> u8 {
        self.table.len() as u8
    }
}

/// The comment header, with no comments (section 5.2).
pub(super) fn tags() -> Vec<u8> {
    let vendor = "audiox";
    let mut packet = TAGS_MAGIC.to_vec();
    packet.extend((vendor.len() as u32).to_le_bytes());
    packet.extend(vendor.as_bytes());
    packet.extend(0u32.to_le_bytes());
    packet
}

pub(super) const MAGIC: &[u8; 8] = b"OpusHead";
pub(super) const TAGS_MAGIC: &[u8; 8] = b"OpusTags";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_is_laid_out_as_the_rfc_says() {
        let mut head = OpusHead::new(ChannelMapping::single(2).unwrap(), 312, 44_100);
        head.gain = -256;
        let bytes = head.to_bytes();
        assert_eq!(bytes, b"OpusHead\x01\x02\x38\x01\x44\xac\0\0\0\xff\0");
        assert_eq!(OpusHead::parse(&bytes), Ok(head.clone()));
        assert!((head.gain_factor() - 0.891_25).abs() < 1e-4);
        // More may come behind it.
        let longer = [&bytes[..], b"more"].concat();
        assert_eq!(OpusHead::parse(&longer), Ok(head));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = OpusHead::new(ChannelMapping::new(1, 2, 1, &[0, 2, 1]).unwrap(), 312, 0);
        let good = good.to_bytes();
        assert!(OpusHead::parse(&good).is_ok());
        for len in 0..good.len() {
            assert!(OpusHead::parse(&good[..len]).is_err(), "{len}");
        }
        for (at, value) in [
            (0, b'o'),
            (8, 0),
            (8, 16),
            (9, 0),
            (9, 9),
            (18, 0),
            (19, 0),
            (20, 3),
            (21, 3),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(OpusHead::parse(&bad).is_err(), "{at} {value}");
        }
        assert_eq!(ChannelMapping::single(0), None);
        assert_eq!(ChannelMapping::single(3), None);
        assert_eq!(ChannelMapping::new(255, 200, 100, &[0]), None);
    }

    fn mappings() -> impl Strategy<Value = ChannelMapping> {
        let streams = (1u8..20).prop_flat_map(|streams| (Just(streams), 0..=streams));
        streams.prop_flat_map(|(streams, coupled)| {
            let place = prop_oneof![0..streams + coupled, Just(255)];
            let table = prop::collection::vec(place, 1..=8);
            (1u8..=255, table).prop_map(move |(family, table)| {
                ChannelMapping::new(family, streams, coupled, &table).unwrap()
            })
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read_to_the_same_again(bytes in prop::collection::vec(any::<u8>(), 0..40), real: bool) {
            let bytes = if real { [&MAGIC[..], &[1], &bytes].concat() } else { bytes };
            if let Ok(head) = OpusHead::parse(&bytes) {
                prop_assert_eq!(OpusHead::parse(&head.to_bytes()), Ok(head));
            }
        }

        #[test]
        fn headers_survive(pre_skip: u16, input_rate: u32, gain: i16, mapping in mappings()) {
            let head = OpusHead { pre_skip, input_rate, gain, mapping };
            prop_assert_eq!(OpusHead::parse(&head.to_bytes()), Ok(head));
        }
    }
}
