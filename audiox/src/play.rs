//! Playing in a few words.

use std::time::Duration;

use audiox_core::format::SampleFormat;
use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_udp::node::Listen;
use audiox_udp::player::{Player, PlayerConfig, PlayerHandle};

use crate::sink::sink_from_str;
use crate::{Endpoint, Error};

/// Plays what comes to `from` (`udp://:port`, `rtp://:port?codec=…`, `session.sdp`; see
/// [`Endpoint`]) as a listener hears it, to `to` (`speaker`, `FILE.wav`, `-` or `null:`): with adaptive
/// delay, losses concealed, clocks brought into step, several senders mixed.
///
/// ```no_run
/// use audiox::core::playout::Profile;
///
/// let playing = audiox::play("session.sdp", "heard.wav").profile(Profile::Interactive).start()?;
/// # playing.stop();
/// println!("{} streams", playing.wait()?.streams.len());
/// # Ok::<(), audiox::Error>(())
/// ```
pub fn play(from: impl Into<String>, to: impl Into<String>) -> PlayBuilder {
    PlayBuilder {
        from: vec![from.into()],
        to: to.into(),
        playout: PlayoutConfig::default(),
        sample: SampleFormat::S16,
        duration: None,
        until_ended: false,
    }
}

/// What is to be played, and how. [`PlayerConfig`] has all the rest.
#[derive(Debug, Clone)]
#[must_use = "nothing is played before `start`"]
pub struct PlayBuilder {
    from: Vec<String>,
    to: String,
    playout: PlayoutConfig,
    sample: SampleFormat,
    duration: Option<Duration>,
    until_ended: bool,
}

impl PlayBuilder {
    /// Listens there too, and mixes.
    pub fn and(mut self, from: impl Into<String>) -> Self {
        self.from.push(from.into());
        self
    }

    /// Chooses between delay and unbroken sound; [`Profile::Balanced`] by default.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.playout = profile.config();
        self
    }

    /// Plays this long after the luckiest packets arrive, always.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.playout = PlayoutConfig::fixed(latency);
        self
    }

    /// How samples are stored; 16 bits by default.
    pub fn sample(mut self, sample: SampleFormat) -> Self {
        self.sample = sample;
        self
    }

    /// Ends after this time.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Ends once every stream that was heard has ended.
    pub fn until_ended(mut self) -> Self {
        self.until_ended = true;
        self
    }

    /// Starts playing on threads of its own.
    ///
    /// # Errors
    /// As [`Endpoint`], [`sink_from_str`] and [`Player::start`] say.
    pub fn start(self) -> Result<PlayerHandle, Error> {
        let mut listen = Vec::new();
        for url in &self.from {
            listen.extend(Listen::from_endpoint(&url.parse::<Endpoint>()?)?);
        }
        let config = PlayerConfig {
            duration: self.duration,
            codecs: crate::codecs(),
            stop_when_ended: self.until_ended,
            ..PlayerConfig::new(listen, self.playout)?
        };
        #[cfg(feature = "devices")]
        if let crate::SinkName::Speaker(choice) = self.to.parse()? {
            let playing = crate::device::play_on(crate::device::system(), &choice, config)?;
            return Ok(playing.player);
        }
        let sink = sink_from_str(&self.to, config.format, self.sample)?;
        Ok(Player::start(config, sink)?)
    }
}
