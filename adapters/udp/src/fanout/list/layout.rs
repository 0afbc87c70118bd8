//! How a file of clients is laid out, so that it is saved as it stood.

use std::io::Write;

use serde_json::ser::Formatter;

/// As Python's `json` does by default, or indented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Blanks a level, on lines of their own; `None` for one line.
    pub(super) indent: Option<String>,
    /// Blanks behind commas and colons.
    pub(super) spaced: bool,
    /// Characters beyond ASCII are escaped.
    pub(super) ascii: bool,
    pub(super) newline: bool,
    pub(super) level: usize,
    /// Something stands in the innermost brackets.
    pub(super) filled: bool,
}

impl Layout {
    pub(super) fn of(text: &str) -> Self {
        let body = text.trim();
        let second = body.split_once('\n').map(|(_, rest)| rest);
        let indent = second.map(|rest| {
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            rest[..blanks].to_owned()
        });
        Self {
            spaced: body.contains("\": "),
            ascii: body.is_ascii(),
            newline: text.ends_with('\n'),
            indent,
            level: 0,
            filled: false,
        }
    }

    fn line<W: ?Sized + Write>(&self, out: &mut W) -> std::io::Result<()> {
        if let Some(indent) = &self.indent {
            out.write_all(b"\n")?;
            for _ in 0..self.level {
                out.write_all(indent.as_bytes())?;
            }
        }
        Ok(())
    }

    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: u8) -> std::io::Result<()> {
        self.level += 1;
        self.filled = false;
        out.write_all(&[bracket])
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: u8) -> std::io::Result<()> {
        self.level -= 1;
        if self.filled {
            self.line(out)?;
        }
        self.filled = true;
        out.write_all(&[bracket])
    }

    fn next<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if !first {
            let blank = self.spaced && self.indent.is_none();
            out.write_all(if blank { b", " } else { b"," })?;
        }
        self.filled = true;
        self.line(out)
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            indent: Some("    ".to_owned()),
            spaced: true,
            ascii: false,
            newline: true,
            level: 0,
            filled: false,
        }
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.open(out, b'[')
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.close(out, b']')
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.next(out, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.open(out, b'{')
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.close(out, b'}')
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(if self.spaced { b": " } else { b":" })
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        if !self.ascii || fragment.is_ascii() {
            return out.write_all(fragment.as_bytes());
        }
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit).ok().filter(u8::is_ascii) {
                Some(byte) => out.write_all(&[byte])?,
                None => write!(out, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}
