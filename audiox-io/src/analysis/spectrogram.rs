//! What frequencies there are when.

use std::fmt;
use std::sync::Arc;

use audiox_core::block::AudioRef;
use audiox_core::format::StreamFormat;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// The power in each of up to 96 bands, in at most 1 024 equal columns, all channels together.
///
/// Bands are as wide as hearing has them (the mel scale). Memory is bounded however long the audio is:
/// when the columns run out, neighbours are joined and each counts twice as many frames from
/// then on, so 513 to 1 024 columns come of anything that is longer than a moment.
pub struct Spectrogram {
    format: StreamFormat,
    fft: Arc<dyn Fft<f32>>,
    window: Box<[f32]>,
    buffer: Box<[Complex<f32>]>,
    scratch: Box<[Complex<f32>]>,
    /// Frames waiting for a transform.
    waiting: Vec<f32>,
    /// The first bin of each band, and the end of the last.
    edges: Box<[usize]>,
    /// Transforms a column, and in the last one so far.
    per_column: u64,
    in_column: u64,
    /// Sums of powers, column by column.
    columns: Vec<f32>,
}

impl Spectrogram {
    /// The spectrogram of nothing yet.
    pub fn new(format: StreamFormat) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(SIZE);
        let phase = |i: usize| std::f32::consts::TAU * (i as f32 + 0.5) / SIZE as f32;
        let window = (0..SIZE).map(|i| 0.5 - 0.5 * phase(i).cos()).collect();
        let scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
        Self {
            format,
            window,
            buffer: vec![Complex::default(); SIZE].into(),
            scratch: scratch.into(),
            waiting: Vec::with_capacity(SIZE),
            edges: edges(format.rate.get()),
            per_column: 1,
            in_column: 0,
            columns: Vec::new(),
            fft,
        }
    }

    /// Takes what comes next. A block of another channel count is passed over.
    pub fn push(&mut self, block: AudioRef<'_>) {
        let channels = self.format.channels;
        if block.channels() != channels {
            return;
        }
        let scale = 1.0 / channels.get() as f32;
        for frame in block.samples().chunks_exact(channels.get()) {
            self.waiting.push(frame.iter().sum::<f32>() * scale);
            if self.waiting.len() == SIZE {
                self.transform();
            }
        }
    }

    /// Bands of a column.
    pub fn bands(&self) -> usize {
        self.edges.len() - 1
    }

    /// The frequency in Hz at which a band begins; that of [`bands`](Self::bands) is the end of the last.
    pub fn edge_hz(&self, band: usize) -> f32 {
        let bin = self.edges.get(band).copied().unwrap_or(SIZE / 2);
        bin as f32 * self.format.rate.get() as f32 / SIZE as f32
    }

    /// Frames a column.
    pub fn column_frames(&self) -> u64 {
        self.per_column * SIZE as u64
    }

    /// The columns in order: of each band, the lowest first, its power; 255 is that of a sine at full
    /// scale, and 0 is 100 dB less and everything below.
    pub fn columns(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let bands = self.bands();
        let count = self.columns.len() / bands;
        self.columns
            .chunks(bands)
            .enumerate()
            .map(move |(i, column)| {
                let transforms = match i + 1 == count && self.in_column > 0 {
                    true => self.in_column,
                    false => self.per_column,
                };
                let level = |power: &f32| {
                    let db = 10.0 * (power / transforms as f32 / FULL).max(1e-12).log10();
                    ((db + RANGE_DB) * 255.0 / RANGE_DB).clamp(0.0, 255.0) as u8
                };
                column.iter().map(level).collect()
            })
    }

    fn transform(&mut self) {
        for ((out, x), w) in self.buffer.iter_mut().zip(&self.waiting).zip(&self.window) {
            *out = Complex::new(x * w, 0.0);
        }
        self.waiting.clear();
        self.fft
            .process_with_scratch(&mut self.buffer, &mut self.scratch);
        let bands = self.bands();
        if self.in_column == 0 {
            if self.columns.len() == MAX_COLUMNS * bands {
                self.halve();
            }
            self.columns.resize(self.columns.len() + bands, 0.0);
        }
        let from = self.columns.len() - bands;
        for (sum, edge) in self.columns[from..].iter_mut().zip(self.edges.windows(2)) {
            let power: f32 = self.buffer[edge[0]..edge[1]]
                .iter()
                .map(Complex::norm_sqr)
                .sum();
            *sum += if power.is_finite() { power } else { 0.0 };
        }
        self.in_column = (self.in_column + 1) % self.per_column;
    }

    fn halve(&mut self) {
        let bands = self.bands();
        let pairs = self.columns.len() / bands / 2;
        for column in 0..pairs {
            for band in 0..bands {
                let pair = self.columns[2 * column * bands + band]
                    + self.columns[(2 * column + 1) * bands + band];
                self.columns[column * bands + band] = pair;
            }
        }
        self.columns.truncate(pairs * bands);
        self.per_column *= 2;
    }
}

impl fmt::Debug for Spectrogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spectrogram")
            .field("format", &self.format)
            .field("per_column", &self.per_column)
            .finish_non_exhaustive()
    }
}

/// First bins of bands that are equally wide in mel, one bin at least.
fn edges(rate: u32) -> Box<[usize]> {
    let mel = |hz: f64| (1.0 + hz / 700.0).ln();
    let half = f64::from(rate) / 2.0;
    let mut edges = vec![1];
    for band in 1..=BANDS {
        let hz = 700.0 * ((mel(half) * band as f64 / BANDS as f64).exp() - 1.0);
        let bin = (hz / half * (SIZE / 2) as f64).round() as usize;
        let last = edges.last().copied().unwrap_or(0);
        if bin > last {
            edges.push(bin.min(SIZE / 2));
        }
    }
    edges.into()
}

/// Frames of a transform.
const SIZE: usize = 1_024;
const BANDS: usize = 96;
const MAX_COLUMNS: usize = 1_024;
/// The power of a sine at full scale under the window, in the bins that it falls into: half the sum of the
/// window's squares times half its length.
const FULL: f32 = (SIZE as f32 * 0.375) * (SIZE as f32 / 4.0);
const RANGE_DB: f32 = 100.0;
