//! Decisions drawn from the bytes of an input.

/// Bytes as a source of small decisions; zeros once they are used up.
pub(super) struct Dice<'a>(pub(super) &'a [u8]);

impl<'a> Dice<'a> {
    pub(super) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }
}
