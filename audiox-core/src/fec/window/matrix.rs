//! Equations over packets that are missing, always solved as far as they can be.

use std::ops::Range;

use crate::fec::gf256;

/// Rows of a linear system in reduced echelon form: each row's *pivot*, the oldest packet in it,
/// has the coefficient 1 there and 0 in every other row. A row with nothing but its pivot is that
/// packet.
///
/// Packets are numbered; those in it lie within as many numbers as there are columns.
#[derive(Debug)]
pub(super) struct Matrix {
    rows: Vec<Row>,
    capacity: usize,
    /// The oldest number that may occur.
    base: u64,
    columns: usize,
    width: usize,
    /// Row by row, and one more row in which equations are prepared.
    coefficients: Box<[u8]>,
    sums: Box<[u8]>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    pivot: u64,
    /// Bytes of the sum beyond which it is 0.
    len: usize,
    /// Packets in it.
    packets: usize,
}

impl Matrix {
    /// Room for `capacity` equations over `columns` packets, sums of up to `width` bytes.
    pub(super) fn new(capacity: usize, columns: usize, width: usize) -> Self {
        Self {
            rows: Vec::with_capacity(capacity),
            capacity,
            base: 0,
            columns,
            width,
            coefficients: vec![0; (capacity + 1) * columns].into_boxed_slice(),
            sums: vec![0; (capacity + 1) * width].into_boxed_slice(),
        }
    }

    /// Starts over, with `base` as the oldest number.
    pub(super) fn clear(&mut self, base: u64) {
        self.rows.clear();
        self.base = base;
    }

    /// Forgets equations over packets before `base`.
    pub(super) fn advance(&mut self, base: u64) {
        self.base = base;
        let mut n = 0;
        while n < self.rows.len() {
            if self.rows[n].pivot < base {
                self.remove(n);
            } else {
                n += 1;
            }
        }
    }

    /// Takes in that the sum of `packets`, each times `coefficient(packet)`, is `sum`. Returns
    /// whether that was new. Where there is no room the equation with the oldest packet goes.
    pub(super) fn insert(&mut self, packets: impl Iterator<Item = (u64, u8)>, sum: &[u8]) -> bool {
        if self.rows.len() == self.capacity {
            let oldest = self.rows.iter().enumerate().min_by_key(|(_, r)| r.pivot);
            if let Some((n, _)) = oldest {
                self.remove(n);
            }
        }
        let new = self.rows.len();
        let columns = self.columns_of(new);
        self.coefficients[columns].fill(0);
        for (packet, c) in packets {
            let at = self.at(new, packet);
            self.coefficients[at] = c;
        }
        let range = self.sum_of(new);
        let (head, rest) = self.sums[range].split_at_mut(sum.len());
        head.copy_from_slice(sum);
        rest.fill(0);
        self.settle(sum.len())
    }

    /// Takes in that `packet` is `symbol`.
    pub(super) fn know(&mut self, packet: u64, symbol: &[u8]) {
        let mut led = None;
        for n in 0..self.rows.len() {
            let at = self.at(n, packet);
            let c = std::mem::take(&mut self.coefficients[at]);
            if c == 0 {
                continue;
            }
            let range = self.sum_of(n);
            gf256::mul_add(&mut self.sums[range], symbol, c);
            let row = &mut self.rows[n];
            row.len = row.len.max(symbol.len());
            row.packets -= 1;
            if row.pivot == packet {
                led = Some(n);
            }
        }
        // A row that has lost its pivot finds another.
        if let Some(n) = led {
            let len = self.rows[n].len;
            let last = self.rows.len() - 1;
            self.swap(n, last);
            self.rows.pop();
            self.settle(len);
        }
    }

    /// A packet that is known now, with its symbol; it is no longer in here.
    pub(super) fn pop_solved(&mut self) -> Option<(u64, &[u8])> {
        let n = self.rows.iter().position(|r| r.packets == 1)?;
        let Row { pivot, len, .. } = self.rows[n];
        self.remove(n);
        // Removed rows stand behind those in use until the next change.
        let range = self.sum_of(self.rows.len());
        Some((pivot, &self.sums[range][..len]))
    }

    /// Makes a row of what stands behind the last one, whose sum is 0 beyond `len`; `false` where
    /// it says nothing that the others do not.
    fn settle(&mut self, len: usize) -> bool {
        let new = self.rows.len();
        let mut row = Row {
            pivot: 0,
            len,
            packets: 0,
        };
        for n in 0..new {
            let c = self.coefficients[self.at(new, self.rows[n].pivot)];
            self.add(new, n, c, self.rows[n].len);
            if c != 0 {
                row.len = row.len.max(self.rows[n].len);
            }
        }
        let numbers = self.base..self.base + self.columns as u64;
        let Some(pivot) = numbers
            .into_iter()
            .find(|p| self.coefficients[self.at(new, *p)] != 0)
        else {
            return false;
        };
        row.pivot = pivot;
        let scale = gf256::inv(self.coefficients[self.at(new, pivot)]);
        let (columns, sum) = (self.columns_of(new), self.sum_of(new));
        gf256::scale(&mut self.coefficients[columns], scale);
        gf256::scale(&mut self.sums[sum][..row.len], scale);
        row.packets = self.count(new);
        for n in 0..new {
            let c = self.coefficients[self.at(n, pivot)];
            if c != 0 {
                self.add(n, new, c, row.len);
                self.rows[n].len = self.rows[n].len.max(row.len);
                self.rows[n].packets = self.count(n);
            }
        }
        self.rows.push(row);
        true
    }

    /// Adds `c` times row `from`, whose sum is 0 beyond `len`, to row `to`.
    fn add(&mut self, to: usize, from: usize, c: u8, len: usize) {
        if c == 0 {
            return;
        }
        let (a, b) = two(&mut self.coefficients, self.columns, to, from);
        gf256::mul_add(a, b, c);
        let (a, b) = two(&mut self.sums, self.width, to, from);
        gf256::mul_add(&mut a[..len], b, c);
    }

    fn count(&self, row: usize) -> usize {
        let coefficients = &self.coefficients[self.columns_of(row)];
        coefficients.iter().filter(|c| **c != 0).count()
    }

    fn remove(&mut self, n: usize) {
        let last = self.rows.len() - 1;
        self.swap(n, last);
        self.rows.pop();
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            self.rows.swap(a, b);
            let (x, y) = two(&mut self.coefficients, self.columns, a, b);
            x.swap_with_slice(y);
            let (x, y) = two(&mut self.sums, self.width, a, b);
            x.swap_with_slice(y);
        }
    }

    fn at(&self, row: usize, packet: u64) -> usize {
        row * self.columns + (packet % self.columns as u64) as usize
    }

    fn columns_of(&self, row: usize) -> Range<usize> {
        row * self.columns..(row + 1) * self.columns
    }

    fn sum_of(&self, row: usize) -> Range<usize> {
        row * self.width..(row + 1) * self.width
    }
}

/// Two different rows of `width`.
fn two(all: &mut [u8], width: usize, a: usize, b: usize) -> (&mut [u8], &mut [u8]) {
    let (low, high) = (a.min(b), a.max(b));
    let (front, back) = all.split_at_mut(high * width);
    let (low, high) = (&mut front[low * width..][..width], &mut back[..width]);
    if a < b { (low, high) } else { (high, low) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Pcg32;

    /// As many random equations as packets give all of them, and what is not new says so.
    #[test]
    fn equations_are_solved_as_soon_as_they_can_be() {
        let mut rng = Pcg32::new(1, 1);
        for packets in 1..12u64 {
            let mut m = Matrix::new(16, 16, 8);
            m.clear(100);
            let symbols: Vec<[u8; 8]> =
                (0..packets).map(|_| rng.next_u64().to_be_bytes()).collect();
            let equation = |rng: &mut Pcg32| {
                let c: Vec<u8> = (0..packets).map(|_| rng.next_u32() as u8 | 1).collect();
                let mut sum = [0; 8];
                for (c, s) in c.iter().zip(&symbols) {
                    gf256::mul_add(&mut sum, s, *c);
                }
                (c, sum)
            };
            let mut found = vec![false; packets as usize];
            // One is known from the start, one becomes known on the way.
            m.know(100, &symbols[0]);
            while found.iter().filter(|f| **f).count() < packets as usize {
                let (c, sum) = equation(&mut rng);
                m.insert((100..).zip(c.iter().copied()), &sum);
                assert!(m.rows.len() <= packets as usize);
                if m.rows.len() == packets as usize / 2 + 1 && packets > 4 && !found[3] {
                    m.know(103, &symbols[3]);
                    found[3] = true;
                }
                while let Some((packet, symbol)) = m.pop_solved() {
                    assert_eq!(symbol, symbols[(packet - 100) as usize]);
                    found[(packet - 100) as usize] = true;
                }
            }
            let (c, mut sum) = equation(&mut rng);
            for (c, s) in c.iter().zip(&symbols) {
                gf256::mul_add(&mut sum, s, *c);
            }
            assert!(!m.insert(std::iter::empty(), &sum));
        }
    }

    #[test]
    fn what_is_older_than_the_window_goes_with_its_equations() {
        let mut m = Matrix::new(4, 8, 1);
        m.clear(10);
        assert!(m.insert([(10, 1), (12, 2)].into_iter(), &[1]));
        assert!(m.insert([(11, 1), (13, 3)].into_iter(), &[2]));
        assert!(m.insert([(12, 1), (13, 1)].into_iter(), &[3]));
        assert!(!m.insert([(12, 1), (13, 1)].into_iter(), &[3]));
        assert_eq!(m.rows.len(), 3);
        m.advance(11);
        assert_eq!(m.rows.len(), 2);
        // Without room the oldest goes.
        for n in 14..17 {
            assert!(m.insert([(n, 1), (18, n as u8)].into_iter(), &[9]));
        }
        assert_eq!(m.rows.len(), 4);
        assert!(m.pop_solved().is_none());
        m.know(18, &[7]);
        assert_eq!(m.rows.len(), 4);
        assert!(m.pop_solved().is_some());
    }
}
