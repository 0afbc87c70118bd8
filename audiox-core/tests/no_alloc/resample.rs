//! The resampler.

use audiox_core::format::{Channels, SampleRate};
use audiox_core::resample::{ResamplerQuality, resampler};

use crate::counting::assert_no_alloc;

const CYCLES: usize = 20_000;
const FRAMES: usize = 48;

#[test]
fn resampling_does_not_allocate() {
    for (from, to, channels) in [
        (48_000, 48_000, 2),
        (44_100, 48_000, 1),
        (96_000, 16_000, 3),
    ] {
        let [from, to] = [from, to].map(|hz| SampleRate::new(hz).unwrap());
        let count = Channels::new(channels).unwrap();
        let mut made = resampler(from, to, count, ResamplerQuality::Fast).unwrap();
        let channels = count.get();
        let input: Vec<f32> = (0..made.max_input(FRAMES) * channels)
            .map(|i| (i as f32 * 0.37).sin())
            .collect();
        let mut out = vec![0.0; FRAMES * channels];
        assert_no_alloc(|| {
            for n in 0..CYCLES {
                made.set_adjustment((n % 200) as f64 - 100.0);
                let needed = made.input_needed(FRAMES);
                let done = made.process_into(&input[..needed * channels], &mut out);
                assert_eq!((done.consumed, done.produced), (needed, FRAMES));
                if n % 1_000 == 0 {
                    made.prime(&input);
                }
            }
            made.reset();
        });
    }
}
