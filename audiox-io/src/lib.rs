//! Audio files and signals for audiox: WAV (and RF64) in and out, test signals, raw PCM streams.
#![forbid(unsafe_code)]
