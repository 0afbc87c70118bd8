//! What befalls a stream.

use std::fmt;
use std::time::Duration;

use audiox_core::sim::link::wifi_trace;
use audiox_core::sim::{Jitter, LinkConfig, Order, Pcg32, Restart};

use crate::stream::Stream;

/// A network that is bad in changing ways, and a route that changes for good.
pub(crate) struct Troubles {
    latency: Duration,
    wifi: Vec<Duration>,
}

/// A time of trouble.
pub(crate) struct Trouble {
    pub(crate) there: LinkConfig,
    pub(crate) back: LinkConfig,
    pub(crate) length: Duration,
    pub(crate) restart: Option<Restart>,
    pub(crate) pause: Option<Duration>,
    kinds: Vec<&'static str>,
}

impl Troubles {
    pub(crate) fn new(stream: &Stream, rng: &mut Pcg32) -> Self {
        Self {
            latency: ms(ROUTES[rng.below(3) as usize]),
            wifi: wifi_trace(stream.ptime),
        }
    }

    /// The network at its best, either way.
    pub(crate) fn calm(&self) -> (LinkConfig, LinkConfig) {
        let link = LinkConfig {
            latency: self.latency,
            jitter: Jitter::Uniform { max: ms(3) },
            ..LinkConfig::default()
        };
        (link.clone(), link)
    }

    /// One to three troubles at once.
    pub(crate) fn draw(&mut self, rng: &mut Pcg32) -> Trouble {
        let (there, back) = self.calm();
        let mut trouble = Trouble {
            there,
            back,
            length: ms(2_000 + rng.below(120_000)),
            restart: None,
            pause: None,
            kinds: Vec::new(),
        };
        for _ in 0..=rng.below(3) {
            self.add(rng, &mut trouble);
        }
        // The way back is as bad in every other trouble.
        if rng.below(2) == 0 {
            trouble.back = trouble.there.clone();
        }
        trouble
    }

    fn add(&mut self, rng: &mut Pcg32, trouble: &mut Trouble) {
        let t = &mut trouble.there;
        let kind = KINDS[rng.below(KINDS.len() as u64) as usize];
        match kind {
            "bursts" => t.loss = "ge:2%,25%".parse().unwrap(),
            "long bursts" => t.loss = "bursts:5%,30".parse().unwrap(),
            "half lost" => t.loss = "50%".parse().unwrap(),
            "outage" => {
                t.loss = "100%".parse().unwrap();
                trouble.length = ms(500 + rng.below(300_000));
            }
            "spikes" => t.jitter = "spikes:200ms/2s".parse().unwrap(),
            "jitter" => t.jitter = Jitter::Uniform { max: ms(80) },
            "jitter that reorders" => {
                t.jitter = Jitter::Uniform { max: ms(60) };
                t.order = Order::Free;
            }
            "wireless" => t.jitter = Jitter::Trace(self.wifi.clone()),
            "reordering" => t.reorder = "5%/50ms".parse().unwrap(),
            "copies" => t.duplicate = "10%".parse().unwrap(),
            // Less than what the stream and its redundancy take.
            "bottleneck" => t.rate = Some("60kbit/150ms".parse().unwrap()),
            "another route" => {
                self.latency = ms(ROUTES[rng.below(ROUTES.len() as u64) as usize]);
                t.latency = self.latency;
            }
            "a pause" => trouble.pause = Some(ms(40 + rng.below(40_000))),
            "a restart" => trouble.restart = Some(Restart::NewSsrc),
            _ => trouble.restart = Some(Restart::SameSsrc),
        }
        trouble.kinds.push(kind);
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:?}", self.kinds.join(", "), self.length)
    }
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const KINDS: [&str; 15] = [
    "bursts",
    "long bursts",
    "half lost",
    "outage",
    "spikes",
    "jitter",
    "jitter that reorders",
    "wireless",
    "reordering",
    "copies",
    "bottleneck",
    "another route",
    "a pause",
    "a restart",
    "a restart under the same name",
];
/// Latencies in milliseconds. A stream of fixed latency bridges any change among the first
/// three, and begins anew where the last comes.
const ROUTES: [u64; 4] = [10, 40, 70, 600];
