//! Options of encoders that have some.

use std::time::Duration;

use audiox::core::ConfigError;
use audiox::net::endpoint::{EncodingOptions, Purpose, parse_bitrate};
use clap::{ArgAction, Args};

use super::value;

/// How Opus is encoded: in RTP and in files. They win over the URL's keys of the same names.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Opus")]
pub(super) struct EncodingArgs {
    /// Bits a second, all channels together, as in 64k; by the rate and channels where left out
    #[arg(long, value_name = "BITS", value_parser = bitrate)]
    bitrate: Option<u32>,
    /// Tune for voip, audio or lowdelay; audio where left out
    #[arg(long, value_name = "WHAT")]
    application: Option<Purpose>,
    /// Work put into quality, 0 to 10; 9 where left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=10))]
    complexity: Option<u8>,
    /// Leave silence out
    #[arg(long, action = ArgAction::SetTrue)]
    dtx: bool,
    /// Let each packet hold a coarse copy of so much of the past, up to 1.04s; takes a build with
    /// feature dred
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    history: Option<Duration>,
}

impl EncodingArgs {
    pub(super) fn options(&self) -> EncodingOptions {
        EncodingOptions {
            bitrate: self.bitrate,
            purpose: self.application,
            complexity: self.complexity,
            dtx: self.dtx.then_some(true),
            history: self.history,
        }
    }

    /// Whether any was given.
    pub(super) fn given(&self) -> bool {
        self.options() != EncodingOptions::default()
    }
}

fn bitrate(text: &str) -> Result<u32, ConfigError> {
    parse_bitrate(text)
}
