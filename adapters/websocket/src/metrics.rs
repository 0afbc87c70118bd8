//! Figures for `/metrics`.

use audiox_net::http::{MetricKind, MetricsSource, MetricsText};

use crate::Relay;

impl MetricsSource for Relay {
    fn collect(&self, out: &mut MetricsText) {
        let all = self.streams();
        let live = all.iter().filter(|s| s.is_live).count();
        let sum = |f: fn(&crate::StreamInfo) -> u64| all.iter().map(f).sum::<u64>() as f64;
        for (name, kind, help, value) in [
            (
                "audiox_relay_streams_live",
                MetricKind::Gauge,
                "Streams that take audio",
                live as f64,
            ),
            (
                "audiox_relay_streams_ended",
                MetricKind::Gauge,
                "Streams that have ended and are kept",
                (all.len() - live) as f64,
            ),
            (
                "audiox_relay_listeners",
                MetricKind::Gauge,
                "Listeners",
                sum(|s| (s.listeners + s.other_listeners) as u64),
            ),
            (
                "audiox_relay_bytes_total",
                MetricKind::Counter,
                "Bytes that senders sent",
                sum(|s| s.bytes),
            ),
            (
                "audiox_relay_refused_bytes_total",
                MetricKind::Counter,
                "Bytes that the archive did not take",
                sum(|s| s.refused),
            ),
        ] {
            out.metric(name, kind, help).sample(&[], value);
        }
    }
}
