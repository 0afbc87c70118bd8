//! How many streams follow each other in an Ogg file (RFC 3533 section 4, sequential multiplexing):
//! the demuxer would pass over all but the first without a word.

use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};

/// Whether another stream begins after pages of audio. What is malformed ends the search.
///
/// # Errors
/// Reading fails.
pub(super) fn is_chained(reader: &mut (impl Read + Seek)) -> io::Result<bool> {
    reader.seek(SeekFrom::Start(0))?;
    // Page by page through the buffer: a seek in it costs no call of the system.
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let mut has_begun = false;
    loop {
        let mut header = [0; HEADER];
        if !whole(&mut reader, &mut header)? || !header.starts_with(b"OggS") {
            return Ok(false);
        }
        match header[5] & FIRST != 0 {
            // First pages of streams side by side come before all others.
            true if has_begun => return Ok(true),
            is_first => has_begun = !is_first,
        }
        let mut lacing = [0; 255];
        let lacing = &mut lacing[..usize::from(header[26])];
        if !whole(&mut reader, lacing)? {
            return Ok(false);
        }
        let body: i64 = lacing.iter().map(|l| i64::from(*l)).sum();
        reader.seek_relative(body)?;
    }
}

/// Reads all of `out`; `false` where the file ends before.
fn whole(reader: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(out) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

const HEADER: usize = 27;
const FIRST: u8 = 2;
const BUFFER: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn page(flags: u8, body: usize) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend([0; 20]);
        page.extend([1, body as u8]);
        page.extend(vec![0x55; body]);
        page
    }

    fn chained(pages: &[(u8, usize)]) -> bool {
        let bytes: Vec<u8> = pages.iter().flat_map(|(f, n)| page(*f, *n)).collect();
        is_chained(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn a_first_page_after_others_is_of_a_further_stream() {
        assert!(!chained(&[(2, 30), (0, 50), (0, 200), (4, 9)]));
        // Side by side.
        assert!(!chained(&[(2, 30), (2, 40), (0, 50), (4, 9), (4, 9)]));
        assert!(chained(&[(2, 30), (0, 50), (4, 9), (2, 30), (4, 50)]));
        assert!(!is_chained(&mut Cursor::new(page(2, 200)[..100].to_vec())).unwrap());
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let all = [page(2, 9), bytes].concat();
            let _ = is_chained(&mut Cursor::new(all)).unwrap();
        }
    }
}
