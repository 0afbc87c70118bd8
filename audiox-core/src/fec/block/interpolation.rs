use super::MAX_SYMBOLS;
use crate::fec::gf256;

/// At which point of the polynomial each symbol is its value. Both ends have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Points {
    /// 0, 1, α, α², …: Rizzo's and OpenFEC's, so also roc-toolkit's. The default.
    #[default]
    OpenFec,
    /// 1, α, α², …: RFC 5510 section 8.2 to the letter.
    Rfc5510,
}

impl Points {
    /// The point of symbol `symbol`, which is below [`MAX_SYMBOLS`]; α is 2.
    pub const fn of(self, symbol: u8) -> u8 {
        match (self, symbol) {
            (Self::Rfc5510, n) => gf256::exp(n as usize),
            (Self::OpenFec, 0) => 0,
            (Self::OpenFec, n) => gf256::exp(n as usize - 1),
        }
    }
}

/// The polynomial through some symbols of a block, and what any other symbol is by it.
///
/// Lagrange's form in barycentric weights: setting it takes k² products, a coefficient one.
#[derive(Debug, Clone)]
pub struct Interpolation {
    points: Points,
    known: Vec<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    point: u8,
    /// 1 ÷ the product of its distances from the others.
    weight: u8,
}

impl Interpolation {
    /// Through no symbols yet.
    pub fn new(points: Points) -> Self {
        Self {
            points,
            known: Vec::with_capacity(MAX_SYMBOLS),
        }
    }

    /// From now on through `symbols`, all different; what is beyond [`MAX_SYMBOLS`] is left out.
    pub fn set(&mut self, symbols: impl Iterator<Item = u8>) {
        self.known.clear();
        for symbol in symbols.take(MAX_SYMBOLS) {
            let point = self.points.of(symbol);
            let mut distances = 1;
            for other in &mut self.known {
                let distance = other.point ^ point;
                other.weight = gf256::mul(other.weight, distance);
                distances = gf256::mul(distances, distance);
            }
            self.known.push(Known {
                point,
                weight: distances,
            });
        }
        for known in &mut self.known {
            known.weight = gf256::inv(known.weight);
        }
    }

    /// What each of the symbols it was [`set`](Self::set) to, in that order, has to be multiplied
    /// with for the sum to be `symbol`.
    pub fn coefficients(&self, symbol: u8) -> impl Iterator<Item = u8> + Clone + '_ {
        let at = self.points.of(symbol);
        let all = self
            .known
            .iter()
            .fold(1, |all, k| gf256::mul(all, k.point ^ at));
        self.known.iter().map(move |k| match all {
            // It is one of them.
            0 => u8::from(k.point == at),
            _ => gf256::mul(gf256::mul(all, k.weight), gf256::inv(k.point ^ at)),
        })
    }
}
