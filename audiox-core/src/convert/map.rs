use super::{Gain, copy_channel};
use crate::error::ConfigError;
use crate::format::Channels;

/// One cell of a [`ChannelMap`]'s matrix: how much of an input channel an output channel gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    /// Output channel, counted from 0.
    pub output: usize,
    /// Input channel, counted from 0.
    pub input: usize,
    /// How much of it.
    pub gain: Gain,
}

/// Makes frames of one channel count from frames of another: each output channel is a weighted
/// sum of input channels, silent where it has no route.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelMap {
    inputs: Channels,
    outputs: Channels,
    kind: Kind,
}

/// The usual cases have loops of their own.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Identity,
    /// Every output is the one input.
    Spread,
    /// The one output is the mean of two inputs.
    StereoMean,
    /// The one output is this input.
    Pick(usize),
    /// Sorted by output.
    Matrix(Box<[Route]>),
}

impl ChannelMap {
    /// A map from the cells of its matrix that are not zero, in any order.
    ///
    /// # Errors
    /// A route names a channel that is not there, or the same pair twice.
    pub fn new(inputs: Channels, outputs: Channels, routes: &[Route]) -> Result<Self, ConfigError> {
        for r in routes {
            check("input", r.input, inputs)?;
            check("output", r.output, outputs)?;
        }
        let mut routes = Box::<[Route]>::from(routes);
        routes.sort_by_key(|r| (r.output, r.input));
        for pair in routes.windows(2) {
            if (pair[0].output, pair[0].input) == (pair[1].output, pair[1].input) {
                return Err(ConfigError::new(
                    "routes",
                    format_args!("input {} to output {}", pair[0].input, pair[0].output),
                    "each pair of channels may occur once",
                ));
            }
        }
        Ok(Self {
            inputs,
            outputs,
            kind: Kind::of(inputs, outputs, routes),
        })
    }

    /// Every channel to itself.
    pub const fn identity(channels: Channels) -> Self {
        Self {
            inputs: channels,
            outputs: channels,
            kind: Kind::Identity,
        }
    }

    /// One channel to all of `outputs`, unchanged.
    pub const fn mono_to(outputs: Channels) -> Self {
        Self {
            inputs: Channels::MONO,
            outputs,
            kind: Kind::Spread,
        }
    }

    /// Both channels at half gain: what both carry keeps its level, nothing can clip.
    pub const fn stereo_to_mono() -> Self {
        Self {
            inputs: Channels::STEREO,
            outputs: Channels::MONO,
            kind: Kind::StereoMean,
        }
    }

    /// Only channel `index` of `inputs`.
    ///
    /// # Errors
    /// There is no such channel.
    pub fn pick(inputs: Channels, index: usize) -> Result<Self, ConfigError> {
        check("input", index, inputs)?;
        Ok(Self {
            inputs,
            outputs: Channels::MONO,
            kind: Kind::Pick(index),
        })
    }

    /// What a player does unasked: equal counts pass, one channel is spread over all, all
    /// channels are averaged into one; otherwise channels keep their places, those without a
    /// place are left out, and places without a channel stay silent.
    pub fn between(inputs: Channels, outputs: Channels) -> Self {
        let (n, m) = (inputs.get(), outputs.get());
        let routes: Vec<Route> = match (n, m) {
            (_, 1) => (0..n)
                .map(|input| Route {
                    output: 0,
                    input,
                    gain: Gain::linear(1.0 / n as f32).expect("within 0 and 1"),
                })
                .collect(),
            (1, _) => return Self::mono_to(outputs),
            _ => (0..n.min(m)).map(Route::straight).collect(),
        };
        Self {
            inputs,
            outputs,
            kind: Kind::of(inputs, outputs, routes.into()),
        }
    }

    /// Channels of the frames it takes.
    pub const fn inputs(&self) -> Channels {
        self.inputs
    }

    /// Channels of the frames it makes.
    pub const fn outputs(&self) -> Channels {
        self.outputs
    }

    /// Whether frames pass unchanged, so that the caller may skip the map.
    pub const fn is_identity(&self) -> bool {
        matches!(self.kind, Kind::Identity)
    }

    /// Maps interleaved frames to interleaved frames and returns their number: what `input` holds
    /// whole, or what fits `out`.
    pub fn apply(&self, input: &[f32], out: &mut [f32]) -> usize {
        let (n, m) = (self.inputs.get(), self.outputs.get());
        let frames = (input.len() / n).min(out.len() / m);
        let (input, out) = (&input[..frames * n], &mut out[..frames * m]);
        match &self.kind {
            Kind::Identity => out.copy_from_slice(input),
            Kind::Spread if m == 2 => {
                for (o, &x) in out.as_chunks_mut::<2>().0.iter_mut().zip(input) {
                    *o = [x, x];
                }
            }
            Kind::Spread => {
                for (o, &x) in out.chunks_exact_mut(m).zip(input) {
                    o.fill(x);
                }
            }
            Kind::StereoMean => {
                for (o, [l, r]) in out.iter_mut().zip(input.as_chunks::<2>().0) {
                    *o = l * 0.5 + r * 0.5;
                }
            }
            Kind::Pick(index) => {
                copy_channel(input, self.inputs, *index, out);
            }
            Kind::Matrix(routes) => {
                out.fill(0.0);
                for r in routes {
                    let gain = r.gain.factor();
                    for (o, i) in out.chunks_exact_mut(m).zip(input.chunks_exact(n)) {
                        o[r.output] += i[r.input] * gain;
                    }
                }
            }
        }
        frames
    }
}

impl Route {
    const fn straight(channel: usize) -> Self {
        Self {
            output: channel,
            input: channel,
            gain: Gain::UNITY,
        }
    }
}

impl Kind {
    /// `routes` are sorted by output and input, and free of doubles.
    fn of(inputs: Channels, outputs: Channels, routes: Box<[Route]>) -> Self {
        let (n, m) = (inputs.get(), outputs.get());
        let unity = routes.iter().all(|r| r.gain == Gain::UNITY);
        if unity && n == m && routes.len() == n && routes.iter().all(|r| r.input == r.output) {
            Self::Identity
        } else if unity && n == 1 && routes.len() == m {
            Self::Spread
        } else if unity && m == 1 && routes.len() == 1 {
            Self::Pick(routes[0].input)
        } else if (n, m) == (2, 1)
            && routes.len() == 2
            && routes.iter().all(|r| r.gain.factor() == 0.5)
        {
            Self::StereoMean
        } else {
            Self::Matrix(routes)
        }
    }
}

fn check(field: &'static str, index: usize, channels: Channels) -> Result<(), ConfigError> {
    if index < channels.get() {
        Ok(())
    } else {
        Err(ConfigError::new(
            field,
            index,
            format!("channels are 0 to {}", channels.get() - 1),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(n: u16) -> Channels {
        Channels::new(n).unwrap()
    }

    fn route(input: usize, output: usize, gain: f32) -> Route {
        let gain = Gain::linear(gain).unwrap();
        Route {
            output,
            input,
            gain,
        }
    }

    fn apply(map: &ChannelMap, input: &[f32]) -> Vec<f32> {
        let frames = input.len() / map.inputs().get();
        let mut out = vec![f32::NAN; frames * map.outputs().get()];
        assert_eq!(map.apply(input, &mut out), frames);
        out
    }

    #[test]
    fn the_usual_maps_do_what_their_names_say() {
        let stereo = [1.0, 2.0, 3.0, 5.0];
        let same = ChannelMap::identity(Channels::STEREO);
        assert_eq!(apply(&same, &stereo), stereo);
        let mean = ChannelMap::stereo_to_mono();
        assert_eq!(apply(&mean, &stereo), [1.5, 4.0]);
        let right = ChannelMap::pick(Channels::STEREO, 1).unwrap();
        assert_eq!(apply(&right, &stereo), [2.0, 5.0]);
        let spread = ChannelMap::mono_to(Channels::STEREO);
        assert_eq!(apply(&spread, &[1.0, 2.0]), [1.0, 1.0, 2.0, 2.0]);
        let spread = ChannelMap::mono_to(channels(3));
        assert_eq!(apply(&spread, &[1.0, 2.0]), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn a_matrix_weighs_inputs_and_leaves_unrouted_outputs_silent() {
        let routes = [route(2, 0, 0.5), route(0, 0, 1.0), route(1, 2, 2.0)];
        let map = ChannelMap::new(channels(3), channels(4), &routes).unwrap();
        let out = apply(&map, &[1.0, 2.0, 4.0, -1.0, 0.0, 1.0]);
        assert_eq!(out, [3.0, 0.0, 4.0, 0.0, -0.5, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn matrices_of_the_usual_cases_are_recognised() {
        let made =
            |n, m, routes: &[Route]| ChannelMap::new(channels(n), channels(m), routes).unwrap();
        let straight = [route(1, 1, 1.0), route(0, 0, 1.0)];
        assert!(made(2, 2, &straight).is_identity());
        assert!(!made(2, 2, &[route(0, 1, 1.0), route(1, 0, 1.0)]).is_identity());
        assert!(!made(3, 2, &straight).is_identity());
        let halves = [route(0, 0, 0.5), route(1, 0, 0.5)];
        assert_eq!(made(2, 1, &halves), ChannelMap::stereo_to_mono());
        let picked = ChannelMap::pick(channels(3), 2).unwrap();
        assert_eq!(made(3, 1, &[route(2, 0, 1.0)]), picked);
        let both = [route(0, 0, 1.0), route(0, 1, 1.0)];
        assert_eq!(made(1, 2, &both), ChannelMap::mono_to(Channels::STEREO));
    }

    #[test]
    fn between_any_two_counts_there_is_a_map() {
        let between = |n, m| ChannelMap::between(channels(n), channels(m));
        assert!(between(1, 1).is_identity() && between(6, 6).is_identity());
        assert_eq!(between(2, 1), ChannelMap::stereo_to_mono());
        assert_eq!(between(1, 2), ChannelMap::mono_to(Channels::STEREO));
        assert_eq!(apply(&between(4, 1), &[1.0, 2.0, 3.0, 6.0]), [3.0]);
        assert_eq!(apply(&between(3, 2), &[1.0, 2.0, 3.0]), [1.0, 2.0]);
        assert_eq!(apply(&between(2, 3), &[1.0, 2.0]), [1.0, 2.0, 0.0]);
    }

    #[test]
    fn routes_to_nowhere_and_doubles_are_refused() {
        let new = |routes: &[Route]| ChannelMap::new(channels(2), channels(1), routes);
        assert_eq!(new(&[route(2, 0, 1.0)]).unwrap_err().field, "input");
        assert_eq!(new(&[route(0, 1, 1.0)]).unwrap_err().field, "output");
        let doubled = new(&[route(0, 0, 1.0), route(1, 0, 1.0), route(0, 0, 0.5)]);
        assert_eq!(doubled.unwrap_err().field, "routes");
        let err = ChannelMap::pick(channels(2), 2).unwrap_err().to_string();
        assert!(err.contains("0 to 1"), "{err}");
    }

    #[test]
    fn short_outputs_take_whole_frames_only() {
        let map = ChannelMap::mono_to(Channels::STEREO);
        let mut out = [0.0; 5];
        assert_eq!(map.apply(&[1.0, 2.0, 3.0], &mut out), 2);
        assert_eq!(out, [1.0, 1.0, 2.0, 2.0, 0.0]);
        assert_eq!(map.apply(&[], &mut out), 0);
    }
}
