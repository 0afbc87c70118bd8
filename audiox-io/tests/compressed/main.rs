//! FLAC, MP3, Ogg Vorbis and AAC files, made by ffmpeg while the tests run.
#![cfg(test)]

mod damaged;
mod kinds;
mod matroska;
mod mp4;
mod support;
