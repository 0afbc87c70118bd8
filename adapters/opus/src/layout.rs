use audiox_core::error::ConfigError;
use audiox_core::format::Channels;

/// Which channels are coded by which streams of a payload.
///
/// Opus codes mono and stereo; more channels are several such streams side by side (RFC 7845
/// section 5.1.1). Streams are numbered with the coupled (stereo) ones first; a coupled stream
/// has two places, its left and its right channel, and each channel names the place it comes
/// from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    streams: u8,
    coupled: u8,
    mapping: Box<[u8]>,
}

impl Layout {
    /// One mono stream.
    pub fn mono() -> Self {
        Self::known(1, 0, &[0])
    }

    /// One stereo stream.
    pub fn stereo() -> Self {
        Self::known(1, 1, &[0, 1])
    }

    /// 1 to 8 channels of a surround system, in the order of Vorbis: mono; L R; L C R;
    /// L R BL BR; L C R BL BR; L C R BL BR LFE; L C R SL SR BC LFE; L C R SL SR BL BR LFE
    /// (mapping family 1 of RFC 7845 section 5.1.1.2). Pairs are coupled, and bits go where
    /// they are heard.
    ///
    /// # Errors
    /// More than 8 channels.
    pub fn surround(channels: Channels) -> Result<Self, ConfigError> {
        match SURROUND.get(channels.get() - 1) {
            Some((streams, coupled, mapping)) => Ok(Self::known(*streams, *coupled, mapping)),
            None => Err(ConfigError::new(
                "channels",
                channels,
                "surround has 1 to 8; more are discrete channels",
            )),
        }
    }

    /// 1 to 255 channels that have nothing to do with each other, each in a stream of its own
    /// (mapping family 255 of RFC 7845 section 5.1.1.3).
    ///
    /// # Errors
    /// More than 255 channels.
    pub fn discrete(channels: Channels) -> Result<Self, ConfigError> {
        let too_many = |_| ConfigError::new("channels", channels, "Opus carries 1 to 255");
        let count = u8::try_from(channels.get()).map_err(too_many)?;
        Ok(Self::known(count, 0, &(0..count).collect::<Vec<_>>()))
    }

    /// What is usual for `channels`: mono, stereo, surround up to 8, discrete above.
    ///
    /// # Errors
    /// More than 255 channels.
    pub fn usual(channels: Channels) -> Result<Self, ConfigError> {
        Self::surround(channels).or_else(|_| Self::discrete(channels))
    }

    /// Any layout: `streams` streams of which the first `coupled` are stereo, and for each
    /// channel the place it comes from (0 and 1 are the first coupled stream's left and right),
    /// 255 for silence.
    ///
    /// # Errors
    /// No streams or more than 255 places, more coupled than streams, a place that no stream
    /// has, a place that no channel takes (an encoder would have nothing to put there), or a
    /// count of channels other than 1 to 255.
    pub fn new(
        streams: u8,
        coupled: u8,
        mapping: impl Into<Box<[u8]>>,
    ) -> Result<Self, ConfigError> {
        let mapping = mapping.into();
        let places = u16::from(streams) + u16::from(coupled);
        if streams == 0 || places > 255 {
            return Err(ConfigError::new(
                "num_streams",
                streams,
                "there are 1 to 255 streams, coupled ones counted twice",
            ));
        }
        if coupled > streams {
            return Err(ConfigError::new(
                "coupled_streams",
                coupled,
                format!("of {streams} streams no more can be coupled"),
            ));
        }
        if !(1..=255).contains(&mapping.len()) {
            return Err(ConfigError::new(
                "channel_mapping",
                format_args!("{} channels", mapping.len()),
                "1 to 255 channels can be mapped",
            ));
        }
        if let Some(odd) = mapping
            .iter()
            .find(|&&place| place != SILENT && u16::from(place) >= places)
        {
            return Err(ConfigError::new(
                "channel_mapping",
                odd,
                format!(
                    "{streams} streams, {coupled} of them coupled, have the places 0 to {}; 255 is silence",
                    places - 1
                ),
            ));
        }
        if let Some(empty) = (0..places).find(|&p| !mapping.iter().any(|&m| u16::from(m) == p)) {
            return Err(ConfigError::new(
                "channel_mapping",
                empty,
                "every place needs a channel",
            ));
        }
        Ok(Self {
            streams,
            coupled,
            mapping,
        })
    }

    /// Streams in a payload.
    pub fn streams(&self) -> u8 {
        self.streams
    }

    /// How many of them, the first ones, are stereo.
    pub fn coupled(&self) -> u8 {
        self.coupled
    }

    /// For each channel the place it comes from.
    pub fn mapping(&self) -> &[u8] {
        &self.mapping
    }

    /// Samples a frame.
    pub fn channels(&self) -> usize {
        self.mapping.len()
    }

    /// Whether it is the usual surround layout of three channels or more.
    pub fn is_surround(&self) -> bool {
        self.channels() > 2
            && SURROUND
                .get(self.channels() - 1)
                .is_some_and(|(streams, coupled, mapping)| {
                    (*streams, *coupled, *mapping) == (self.streams, self.coupled, &*self.mapping)
                })
    }

    /// Whether it is plain mono or stereo, as `opus` in RTP is.
    pub fn is_single(&self) -> bool {
        self.streams == 1 && matches!((self.coupled, &*self.mapping), (0, [0]) | (1, [0, 1]))
    }

    fn known(streams: u8, coupled: u8, mapping: &[u8]) -> Self {
        Self {
            streams,
            coupled,
            mapping: mapping.into(),
        }
    }
}

/// A channel of silence.
const SILENT: u8 = 255;

/// Streams, coupled streams and mapping by channel count (RFC 7845 section 5.1.1.2 has the
/// channels, the streams are those that libopus couples them to).
const SURROUND: [(u8, u8, &[u8]); 8] = [
    (1, 0, &[0]),
    (1, 1, &[0, 1]),
    (2, 1, &[0, 2, 1]),
    (2, 2, &[0, 1, 2, 3]),
    (3, 2, &[0, 4, 1, 2, 3]),
    (4, 2, &[0, 4, 1, 2, 3, 5]),
    (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
    (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(n: u16) -> Channels {
        Channels::new(n).unwrap()
    }

    #[test]
    fn usual_layouts_are_valid_ones() {
        for n in [1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 255] {
            let usual = Layout::usual(channels(n)).unwrap();
            let again = Layout::new(usual.streams(), usual.coupled(), usual.mapping());
            assert_eq!(again, Ok(usual.clone()));
            assert_eq!(usual.channels(), usize::from(n));
            assert_eq!(usual.is_single(), n <= 2);
            assert_eq!(usual.is_surround(), (3..=8).contains(&n));
        }
        assert_eq!(Layout::usual(channels(1)), Ok(Layout::mono()));
        assert_eq!(Layout::usual(channels(2)), Ok(Layout::stereo()));
        assert_eq!(Layout::discrete(channels(2)).unwrap().streams(), 2);
        assert!(!Layout::discrete(channels(2)).unwrap().is_single());
    }

    #[test]
    fn impossible_layouts_are_refused_by_field() {
        let field = |streams, coupled, mapping: &[u8]| {
            let err = Layout::new(streams, coupled, mapping).unwrap_err();
            (err.field, err.value)
        };
        assert_eq!(field(0, 0, &[0]), ("num_streams", "0".into()));
        assert_eq!(field(200, 100, &[0]), ("num_streams", "200".into()));
        assert_eq!(field(1, 2, &[0]), ("coupled_streams", "2".into()));
        assert_eq!(field(1, 0, &[1]), ("channel_mapping", "1".into()));
        assert_eq!(field(2, 0, &[0, 0]), ("channel_mapping", "1".into()));
        assert_eq!(field(1, 0, &[]), ("channel_mapping", "0 channels".into()));
        assert_eq!(
            field(1, 0, &[0; 256]),
            ("channel_mapping", "256 channels".into())
        );
        assert!(Layout::discrete(channels(256)).is_err());
        assert!(Layout::surround(channels(9)).is_err());
        let silent = Layout::new(1, 0, [0, 255]).unwrap();
        assert!(!silent.is_single() && silent.channels() == 2);
    }
}
