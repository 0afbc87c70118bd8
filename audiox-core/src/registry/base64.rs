/// Whether `text` can be appended to a buffer: whole groups of four characters of the standard
/// alphabet (RFC 4648 section 4), padding nowhere but at the end.
///
/// # Errors
/// What is wrong with it.
pub fn check_base64(text: &str) -> Result<(), &'static str> {
    if !text.len().is_multiple_of(4) {
        return Err("base64 comes in whole groups of four characters");
    }
    let body = text.strip_suffix('=').unwrap_or(text);
    let body = body.strip_suffix('=').unwrap_or(body);
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    match body.bytes().all(known) {
        true => Ok(()),
        false => Err("base64 has letters, digits, + and /, and = at its end alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_groups_pass_and_nothing_else() {
        for good in ["", "AAAA", "ab+/", "AAAAAA==", "AAAAAAA=", "GkXf"] {
            assert_eq!(check_base64(good), Ok(()), "{good}");
        }
        for bad in [
            "A",
            "AAA",
            "AAAAA",
            "A===",
            "====",
            "AA==AAAA",
            "AA=A",
            "AA-_",
            "AA\nA",
            "AAÄ",
            "AAAA\n\n\n\n",
        ] {
            assert!(check_base64(bad).is_err(), "{bad}");
        }
    }
}
