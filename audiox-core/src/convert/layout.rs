use crate::format::Channels;

/// Sorts interleaved samples by channel and returns the number of frames.
///
/// `planar` holds as many frames as `interleaved` does: all of channel 0, then all of channel 1,
/// and so on. Where it is too short for that, the frames it can hold are taken, and its channels
/// lie at multiples of that number.
pub fn deinterleave(interleaved: &[f32], channels: Channels, planar: &mut [f32]) -> usize {
    let n = channels.get();
    let frames = interleaved.len().min(planar.len()) / n;
    if frames == 0 {
        return 0;
    }
    let interleaved = &interleaved[..frames * n];
    match n {
        1 => planar[..frames].copy_from_slice(interleaved),
        2 => {
            let (left, right) = planar[..frames * 2].split_at_mut(frames);
            let (pairs, _) = interleaved.as_chunks::<2>();
            for ((l, r), p) in left.iter_mut().zip(right).zip(pairs) {
                [*l, *r] = *p;
            }
        }
        _ => {
            for (c, out) in planar.chunks_exact_mut(frames).take(n).enumerate() {
                copy_channel(interleaved, channels, c, out);
            }
        }
    }
    frames
}

/// The inverse of [`deinterleave`]: `planar` holds channel after channel, each of
/// `planar.len() / channels` frames. Returns the number of frames written: that many, or what
/// `interleaved` can hold.
pub fn interleave(planar: &[f32], channels: Channels, interleaved: &mut [f32]) -> usize {
    let n = channels.get();
    let stride = planar.len() / n;
    let frames = stride.min(interleaved.len() / n);
    if frames == 0 {
        return 0;
    }
    let interleaved = &mut interleaved[..frames * n];
    match n {
        1 => interleaved.copy_from_slice(&planar[..frames]),
        2 => {
            let (left, right) = planar.split_at(stride);
            let (pairs, _) = interleaved.as_chunks_mut::<2>();
            for ((l, r), p) in left.iter().zip(right).zip(pairs) {
                *p = [*l, *r];
            }
        }
        _ => {
            for (c, plane) in planar.chunks_exact(stride).take(n).enumerate() {
                write_channel(plane, interleaved, channels, c);
            }
        }
    }
    frames
}

/// Copies channel `index` out of interleaved frames and returns the number of frames; 0 where
/// there is no such channel.
pub fn copy_channel(
    interleaved: &[f32],
    channels: Channels,
    index: usize,
    out: &mut [f32],
) -> usize {
    let n = channels.get();
    if index >= n {
        return 0;
    }
    let frames = interleaved.chunks_exact(n);
    let count = frames.len().min(out.len());
    for (o, f) in out.iter_mut().zip(frames) {
        *o = f[index];
    }
    count
}

/// Writes `samples` into channel `index` of interleaved frames, leaves the other channels as
/// they are, and returns the number of frames; 0 where there is no such channel.
pub fn write_channel(
    samples: &[f32],
    interleaved: &mut [f32],
    channels: Channels,
    index: usize,
) -> usize {
    let n = channels.get();
    if index >= n {
        return 0;
    }
    let frames = interleaved.chunks_exact_mut(n);
    let count = frames.len().min(samples.len());
    for (f, s) in frames.zip(samples) {
        f[index] = *s;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaving_undoes_deinterleaving_for_any_channel_count() {
        for n in 1..=9u16 {
            let channels = Channels::new(n).unwrap();
            for frames in [0usize, 1, 2, 7, 16, 33] {
                let len = frames * usize::from(n);
                let interleaved: Vec<f32> = (0..len).map(|i| i as f32).collect();
                let mut planar = vec![-1.0; len];
                assert_eq!(deinterleave(&interleaved, channels, &mut planar), frames);
                for c in 0..usize::from(n) {
                    for f in 0..frames {
                        let expected = interleaved[f * usize::from(n) + c];
                        assert_eq!(planar[c * frames + f], expected);
                    }
                }
                let mut back = vec![-1.0; len];
                assert_eq!(interleave(&planar, channels, &mut back), frames);
                assert_eq!(back, interleaved);
            }
        }
    }

    #[test]
    fn short_outputs_and_partial_frames_are_cut_at_whole_frames() {
        let mut planar = [0.0; 5];
        let frames = deinterleave(&[1.0, 2.0, 3.0, 4.0, 5.0], Channels::STEREO, &mut planar);
        assert_eq!((frames, planar), (2, [1.0, 3.0, 2.0, 4.0, 0.0]));
        let mut out = [0.0; 3];
        let frames = interleave(&[1.0, 3.0, 2.0, 4.0], Channels::STEREO, &mut out);
        assert_eq!((frames, out), (1, [1.0, 2.0, 0.0]));
    }

    #[test]
    fn one_channel_is_read_and_written_alone() {
        let mut out = [0.0; 4];
        let data = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(copy_channel(&data, Channels::STEREO, 1, &mut out), 2);
        assert_eq!(out, [2.0, 4.0, 0.0, 0.0]);
        assert_eq!(copy_channel(&data, Channels::STEREO, 2, &mut out), 0);
        let mut frames = [0.0; 6];
        assert_eq!(
            write_channel(&[7.0, 8.0], &mut frames, Channels::STEREO, 0),
            2
        );
        assert_eq!(frames, [7.0, 0.0, 8.0, 0.0, 0.0, 0.0]);
        assert_eq!(write_channel(&[7.0], &mut frames, Channels::STEREO, 2), 0);
    }
}
