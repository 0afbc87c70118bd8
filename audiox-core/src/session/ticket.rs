/// Names one playout of a session, once: the place it has, and which in a row it is there.
///
/// A packet carries the ticket of the playout it was meant for, so one that was on the way while
/// a place changed hands reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ticket(u32);

impl Ticket {
    /// The first of place `slot`, below [`MAX_SLOTS`](Self::MAX_SLOTS).
    pub(super) fn first(slot: usize) -> Self {
        Self(slot as u32 & SLOT)
    }

    /// The next of the same place.
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(SLOT + 1))
    }

    /// The place.
    pub fn slot(self) -> usize {
        (self.0 & SLOT) as usize
    }

    pub(super) const MAX_SLOTS: usize = SLOT as usize + 1;
}

const SLOT: u32 = (1 << 10) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_of_a_place_differ_and_keep_the_place() {
        let first = Ticket::first(1_023);
        let next = first.next();
        assert_ne!(first, next);
        assert_eq!(
            (first.slot(), next.slot(), next.next().slot()),
            (1_023, 1_023, 1_023)
        );
        assert_eq!(Ticket::first(0).next().slot(), 0);
    }
}
