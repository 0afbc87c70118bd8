//! Base64 as applications leave it (RFC 4648 sections 4 and 5), piece by piece: both alphabets,
//! with line breaks, without padding, behind `data:…;base64,`, or several encodings one after
//! another.

/// A text that is not Base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Base64Error {
    #[error("{} at character {at} is not Base64", Shown(*.byte))]
    Character { at: u64, byte: u8 },
    #[error("padding at character {at} behind a single character of its group")]
    Padding { at: u64 },
    #[error("a data: URL of another encoding than Base64, or without end")]
    Url,
}

/// Turns text into bytes. What it stands before, it remembers: a clone can go on from there.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoder {
    /// Characters taken.
    at: u64,
    /// Bits of the group that has begun, and how many of its characters there are.
    bits: u32,
    held: u8,
}

impl Decoder {
    /// Takes more text; the first piece has the whole of a `data:` prefix.
    ///
    /// # Errors
    /// The text is not Base64. What came before the place is in `out`.
    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Base64Error> {
        let mut left = text;
        if self.at == 0
            && text
                .get(..5)
                .is_some_and(|p| p.eq_ignore_ascii_case(b"data:"))
        {
            let prefix = data_prefix(text).ok_or(Base64Error::Url)?;
            left = &text[prefix..];
            self.at = prefix as u64;
        }
        out.reserve(left.len() / 4 * 3 + 3);
        while !left.is_empty() {
            if self.held == 0 {
                left = self.groups(left, out);
            }
            let Some((&byte, rest)) = left.split_first() else {
                break;
            };
            left = rest;
            match TABLE[usize::from(byte)] {
                BLANK => {}
                PAD => self.end_group(out)?,
                BAD => return Err(Base64Error::Character { at: self.at, byte }),
                six => {
                    self.bits = self.bits << 6 | u32::from(six);
                    self.held += 1;
                    if self.held == 4 {
                        out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                        (self.bits, self.held) = (0, 0);
                    }
                }
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Takes the end. Says whether the text stops inside a byte, so that something is missing.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> bool {
        self.end_group(out).is_err()
    }

    /// Whole groups, of which most texts consist; what is left of the text.
    fn groups<'a>(&mut self, text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let (groups, _) = text.as_chunks::<4>();
        let mut taken = 0;
        for group in groups {
            let [a, b, c, d] = group.map(|c| TABLE[usize::from(c)]);
            if (a | b | c | d) >= 64 {
                break;
            }
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
            taken += 4;
        }
        self.at += taken as u64;
        &text[taken..]
    }

    /// What a group that is not whole still holds.
    fn end_group(&mut self, out: &mut Vec<u8>) -> Result<(), Base64Error> {
        match self.held {
            1 => return Err(Base64Error::Padding { at: self.at }),
            2 => out.push((self.bits >> 4) as u8),
            3 => out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => {}
        }
        (self.bits, self.held) = (0, 0);
        Ok(())
    }
}

/// Characters up to the comma of a `data:` URL (RFC 2397) that says Base64.
fn data_prefix(text: &[u8]) -> Option<usize> {
    let head = &text[..text.len().min(MAX_PREFIX)];
    let comma = head.iter().position(|b| *b == b',')?;
    let says = head[..comma].to_ascii_lowercase();
    says.ends_with(b";base64").then_some(comma + 1)
}

/// What must hold for any text: the body of a fuzz target.
///
/// # Panics
/// It does not.
#[cfg(feature = "fuzzing")]
pub(crate) fn check(text: &[u8]) {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let decode = |step: usize| {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        // The first piece has all of a prefix.
        let (first, rest) = text.split_at(text.len().min(MAX_PREFIX + step));
        for piece in std::iter::once(first).chain(rest.chunks(step)) {
            if let Err(e) = decoder.push(piece, &mut out) {
                return (out, Err(e));
            }
        }
        let is_cut = decoder.finish(&mut out);
        (out, Ok(is_cut))
    };
    let whole = decode(text.len().max(1));
    assert!(whole.0.len() <= text.len());
    for step in [1, 3, 64] {
        assert_eq!(decode(step), whole, "in pieces of {step}");
    }
    if let Err(e) = &whole.1 {
        let told = e.to_string();
        assert!(
            told.len() < 100 && !told.contains(char::is_control),
            "{told}"
        );
    }
    if let Ok(strict) = STANDARD.decode(text) {
        assert_eq!(whole, (strict, Ok(false)));
    }
}

/// A byte for people.
struct Shown(u8);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            b if b.is_ascii_graphic() => write!(f, "{:?}", char::from(b)),
            b => write!(f, "byte 0x{b:02x}"),
        }
    }
}

/// Longest `data:` prefix, in characters.
pub(super) const MAX_PREFIX: usize = 256;

const BLANK: u8 = 0x40;
const PAD: u8 = 0x41;
const BAD: u8 = 0x42;

const TABLE: [u8; 256] = {
    let mut table = [BAD; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut n = 0;
    while n < letters.len() {
        table[letters[n] as usize] = n as u8;
        n += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\r' as usize] = BLANK;
    table[b'\n' as usize] = BLANK;
    table
};

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> Result<(Vec<u8>, bool), Base64Error> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        decoder.push(text.as_bytes(), &mut out)?;
        let cut = decoder.finish(&mut out);
        Ok((out, cut))
    }

    #[test]
    fn what_applications_write_is_read() {
        let whole = |bytes: &[u8]| Ok((bytes.to_vec(), false));
        assert_eq!(decode(""), whole(b""));
        for text in [
            "aGVsbG8h",
            "aGVs\r\nbG8h\n",
            " aGVsbG8h",
            "data:a/b;base64,aGVsbG8h",
        ] {
            assert_eq!(decode(text), whole(b"hello!"), "{text:?}");
        }
        for text in ["aGk=", "aGk", "aGk==", "a G k ="] {
            assert_eq!(decode(text), whole(b"hi"), "{text:?}");
        }
        assert_eq!(decode("-_8="), whole(&[0xfb, 0xff]));
        assert_eq!(decode("+/8="), whole(&[0xfb, 0xff]));
        // Each packet of a recording was encoded by itself.
        assert_eq!(decode("aA==aGk=aGVs"), whole(b"hhihel"));
        assert_eq!(
            decode("DATA:audio/webm;codecs=opus;base64,aGk="),
            whole(b"hi")
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |text| decode(text).unwrap_err().to_string();
        assert_eq!(told("aGVs!"), "'!' at character 4 is not Base64");
        assert_eq!(told("aGVsbG\0"), "byte 0x00 at character 6 is not Base64");
        assert_eq!(
            told("data:a;base64,aG%"),
            "'%' at character 16 is not Base64"
        );
        assert!(told("a===").contains("character 1"));
        assert!(told("data:text/plain,hello").contains("data: URL"));
        assert_eq!(decode("aGVsb"), Ok((b"hel".to_vec(), true)));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_however_the_text_is_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cuts in proptest::collection::vec(0..400usize, 0..6),
            url in any::<bool>(),
        ) {
            let text = if url { URL_SAFE_NO_PAD.encode(&bytes) } else { STANDARD.encode(&bytes) };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            for pair in cuts.windows(2) {
                decoder.push(&text.as_bytes()[pair[0]..pair[1]], &mut out).unwrap();
            }
            prop_assert!(!decoder.finish(&mut out));
            prop_assert_eq!(out, bytes);
        }

        #[test]
        fn any_text_is_taken_or_refused(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            if decoder.push(&text, &mut out).is_ok() {
                decoder.finish(&mut out);
            }
            prop_assert!(out.len() <= text.len());
        }
    }
}
