//! The command as people run it: real processes, real sockets on loopback.
#![cfg(test)]
#![cfg(feature = "cli")]

mod bad_input;
mod browser;
mod compare;
#[cfg(feature = "grpc")]
mod device;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod devices;
mod fanout;
mod files;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod heard;
mod interrupt;
mod link;
mod manual;
mod media;
mod network;
mod ogg;
#[cfg(all(feature = "grpc", feature = "player", feature = "relay"))]
mod packaging;
mod play;
#[cfg(feature = "player")]
mod player;
mod record;
#[cfg(feature = "redis")]
#[path = "../../../adapters/redis/tests/support/server.rs"]
mod redis_server;
#[cfg(feature = "relay")]
mod relay;
#[cfg(feature = "relay")]
mod relay_calls;
#[cfg(feature = "relay")]
mod relay_page;
mod repair;
#[cfg(feature = "relay")]
#[path = "../../../adapters/s3/tests/support/s3.rs"]
mod s3;
#[cfg(feature = "redis")]
mod session;
mod support;
#[cfg(all(feature = "devices", target_os = "linux"))]
mod virtual_devices;
