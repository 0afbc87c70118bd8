//! Background noise: what is left when nothing is said.

/// Keeps the quietest stretch heard lately and plays it on, in overlapping pieces taken at random
/// places, so that its colour stays and no rhythm appears.
#[derive(Debug)]
pub(super) struct Noise {
    channels: usize,
    /// Frames of a piece; the stretch kept is several pieces long.
    piece: usize,
    kept: Box<[f32]>,
    /// Mean square of what is kept; `None` before anything was.
    level: Option<f32>,
    /// The stretch being listened to.
    heard: Box<[f32]>,
    heard_frames: usize,
    energy: f32,
    /// Starts of the two pieces that play, and how far the newer one got.
    starts: [usize; 2],
    place: usize,
    random: u32,
}

impl Noise {
    pub(super) fn new(rate: usize, channels: usize) -> Self {
        let piece = (rate * PIECE_MS / 1_000).max(2);
        Self {
            channels,
            piece,
            kept: vec![0.0; piece * PIECES * channels].into_boxed_slice(),
            level: None,
            heard: vec![0.0; piece * PIECES * channels].into_boxed_slice(),
            heard_frames: 0,
            energy: 0.0,
            starts: [0; 2],
            place: 0,
            random: 1,
        }
    }

    /// Listens to real audio.
    pub(super) fn listen(&mut self, mut played: &[f32]) {
        let ch = self.channels;
        while played.len() >= ch {
            let room = self.heard.len() - self.heard_frames * ch;
            let (now, later) = played.split_at(room.min(played.len() / ch * ch));
            let at = self.heard_frames * ch;
            self.heard[at..at + now.len()].copy_from_slice(now);
            self.energy += squares(now);
            self.heard_frames += now.len() / ch;
            if self.heard_frames * ch == self.heard.len() {
                self.judge();
            }
            played = later;
        }
    }

    /// Adds background noise to a frame.
    pub(super) fn add(&mut self, frame: &mut [f32], gain: f32) {
        if self.level.is_none() {
            return;
        }
        let ch = self.channels;
        let half = self.piece / 2;
        let along = self.place as f32 / half.max(1) as f32;
        // Uncorrelated pieces: their powers add up.
        let weights = [(1.0 - along).max(0.0).sqrt(), along.min(1.0).sqrt()];
        let at = [
            self.starts[0] + half + self.place,
            self.starts[1] + self.place,
        ];
        for (at, weight) in at.into_iter().zip(weights) {
            let from = at * ch;
            let piece = self.kept.get(from..from + ch).unwrap_or(&[]);
            for (o, n) in frame.iter_mut().zip(piece) {
                *o += n * weight * gain;
            }
        }
        self.place += 1;
        if self.place >= half {
            self.place = 0;
            self.starts[0] = self.starts[1];
            self.random = self
                .random
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            let places = self.piece * (PIECES - 1);
            self.starts[1] = (self.random >> 8) as usize % places;
        }
    }

    /// What comes next does not follow from what was listened to.
    pub(super) fn interrupt(&mut self) {
        self.heard_frames = 0;
        self.energy = 0.0;
    }

    pub(super) fn clear(&mut self) {
        self.level = None;
        self.interrupt();
    }

    /// Keeps what was heard where it is quieter than what is kept, which counts as a little
    /// louder each time, so that a background that grows is followed.
    fn judge(&mut self) {
        let level = self.energy / self.heard.len() as f32;
        let kept = self.level.map(|l| l * RISE);
        let quiet = level.is_finite() && level < LOUDEST;
        if quiet && kept.is_none_or(|k| level <= k) {
            std::mem::swap(&mut self.kept, &mut self.heard);
            self.level = Some(level);
        } else {
            self.level = kept.map(|k| k.min(LOUDEST));
        }
        self.heard_frames = 0;
        self.energy = 0.0;
    }
}

fn squares(samples: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (chunks, rest) = samples.as_chunks::<8>();
    for c in chunks {
        for (s, x) in sums.iter_mut().zip(c) {
            *s += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

const PIECE_MS: usize = 20;
const PIECES: usize = 3;
/// A stretch as quiet as the kept one is met again within some seconds: 0.3 dB in 60 ms.
const RISE: f32 = 1.07;
/// Mean square above which nothing is background: −40 dB.
const LOUDEST: f32 = 1e-4;
