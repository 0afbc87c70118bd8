//! Figures for `/metrics`.

use audiox_net::http::{MetricKind, MetricsSource, MetricsText};

use super::Player;

impl MetricsSource for Player {
    fn collect(&self, out: &mut MetricsText) {
        use MetricKind::{Counter, Gauge};
        let s = self.stats();
        for (name, kind, help, value) in [
            (
                "audiox_player_registry_available",
                Gauge,
                "1 while the registry of sessions answers",
                f64::from(u8::from(s.registry_is_available)),
            ),
            (
                "audiox_player_playing",
                Gauge,
                "Sessions that play on the server's device",
                s.playing as f64,
            ),
            (
                "audiox_player_playbacks_total",
                Counter,
                "Playbacks begun on the server's device",
                s.playbacks as f64,
            ),
            (
                "audiox_player_playback_errors_total",
                Counter,
                "Playbacks that failed",
                s.playback_errors as f64,
            ),
            (
                "audiox_player_streams",
                Gauge,
                "Downloads and listeners under way",
                s.streams as f64,
            ),
            (
                "audiox_player_downloads_total",
                Counter,
                "Downloads begun",
                s.downloads as f64,
            ),
            (
                "audiox_player_listeners",
                Gauge,
                "Pages and programs that hear of events",
                s.listeners as f64,
            ),
            (
                "audiox_player_buffer_characters_total",
                Counter,
                "Characters of buffers read from the registry",
                s.chars_read as f64,
            ),
            (
                "audiox_player_kept_bytes",
                Gauge,
                "Bytes of decoded buffers that are kept",
                s.bytes_kept as f64,
            ),
        ] {
            out.metric(name, kind, help).sample(&[], value);
        }
    }
}
