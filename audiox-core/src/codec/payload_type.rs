use super::{CodecSpec, EncodingName};
use crate::error::ConfigError;
use crate::format::{Channels, SampleRate, StreamFormat};

/// What a static payload type stands for (RFC 3551 table 4), of those that PCM can carry: 0 is
/// PCMU/8000/1, 8 PCMA/8000/1, 10 L16/44100/2, 11 L16/44100/1.
pub const fn static_payload_type(payload_type: u8) -> Option<CodecSpec> {
    const TELEPHONY: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    const CD: SampleRate = SampleRate::HZ_44100;
    let (encoding, format) = match payload_type {
        0 => (EncodingName::PCMU, TELEPHONY),
        8 => (EncodingName::PCMA, TELEPHONY),
        10 => (EncodingName::L16, StreamFormat::new(CD, Channels::STEREO)),
        11 => (EncodingName::L16, StreamFormat::new(CD, Channels::MONO)),
        _ => return None,
    };
    Some(CodecSpec::new(encoding, format))
}

impl CodecSpec {
    /// The static payload type that stands for exactly this; a stream without one takes a
    /// dynamic payload type, 96 to 127, told by SDP.
    pub fn static_payload_type(&self) -> Option<u8> {
        STATIC
            .into_iter()
            .find(|&pt| static_payload_type(pt).as_ref() == Some(self))
    }
}

/// Whether a stream of `spec` may be sent under `payload_type`.
///
/// # Errors
/// A payload type above 127, one with a fixed meaning that is another (the error names the field
/// that differs and what it would have to be), or one that RTCP could be mistaken for.
pub fn check_payload_type(payload_type: u8, spec: &CodecSpec) -> Result<(), ConfigError> {
    if let Some(fixed) = static_payload_type(payload_type) {
        let only = |what: &dyn std::fmt::Display| {
            format!("payload type {payload_type} is {fixed}, so {what} only; {DYNAMIC}")
        };
        return if spec.encoding != fixed.encoding {
            let encoding = &fixed.encoding;
            Err(ConfigError::new("encoding", &spec.encoding, only(encoding)))
        } else if spec.rate != fixed.rate {
            Err(ConfigError::new("rate", spec.rate, only(&fixed.rate)))
        } else if spec.channels != fixed.channels {
            let channels = format_args!("{} ch", fixed.channels).to_string();
            Err(ConfigError::new("channels", spec.channels, only(&channels)))
        } else {
            Ok(())
        };
    }
    match payload_type {
        // RFC 3551 table 4 gives these to other codecs or reserves them.
        0..=34 => Err(ConfigError::new(
            "payload type",
            payload_type,
            format!("it does not stand for {spec}; {DYNAMIC}"),
        )),
        // RFC 5761 section 4: with the marker bit these look like RTCP packet types 192 to 223.
        64..=95 => Err(ConfigError::new(
            "payload type",
            payload_type,
            format!("64 to 95 could be mistaken for RTCP; {DYNAMIC}"),
        )),
        35..=127 => Ok(()),
        128.. => Err(ConfigError::new(
            "payload type",
            payload_type,
            "it has 7 bits; a dynamic one is 96 to 127",
        )),
    }
}

const STATIC: [u8; 4] = [0, 8, 10, 11];
const DYNAMIC: &str = "use a dynamic payload type, 96 to 127";

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(s: &str) -> CodecSpec {
        s.parse().unwrap()
    }

    #[test]
    fn static_types_map_both_ways() {
        let expected = [
            (0, "PCMU/8000/1"),
            (8, "PCMA/8000/1"),
            (10, "L16/44100/2"),
            (11, "L16/44100/1"),
        ];
        for (pt, s) in expected {
            assert_eq!(static_payload_type(pt), Some(spec(s)));
            assert_eq!(spec(s).static_payload_type(), Some(pt));
        }
        let known = (0..=255u8).filter(|&pt| static_payload_type(pt).is_some());
        assert_eq!(known.collect::<Vec<_>>(), STATIC);
        assert_eq!(spec("L16/48000/2").static_payload_type(), None);
        assert_eq!(spec("PCMU/16000/1").static_payload_type(), None);
    }

    #[test]
    fn errors_name_the_field_and_what_is_allowed() {
        let err = |pt, s: &str| check_payload_type(pt, &spec(s)).unwrap_err();
        let e = err(10, "L16/48000/2");
        assert_eq!(e.field, "rate");
        assert_eq!(
            e.to_string(),
            "rate: 48000 Hz is not possible; payload type 10 is L16/44100/2, \
             so 44100 Hz only; use a dynamic payload type, 96 to 127"
        );
        assert_eq!(err(11, "L16/44100/2").field, "channels");
        assert_eq!(err(0, "PCMA/8000/1").field, "encoding");
        assert_eq!(err(0, "PCMU/16000/1").field, "rate");
        for pt in [3, 9, 34, 72, 95, 128, 255] {
            assert_eq!(err(pt, "L16/48000/2").field, "payload type", "{pt}");
        }
    }

    #[test]
    fn fitting_static_and_all_dynamic_types_pass() {
        for pt in STATIC {
            check_payload_type(pt, &static_payload_type(pt).unwrap()).unwrap();
        }
        for pt in (35..64).chain(96..=127) {
            check_payload_type(pt, &spec("PCMU/48000/2")).unwrap();
        }
    }
}
