//! The messages, as `proto/device.proto` has them.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    clippy::or_fun_call,
    reason = "generated from the schema, which has the words"
)]

tonic::include_proto!("com.opalcamera.test");

/// The schema's description, for reflection: an encoded `FileDescriptorSet`.
pub const SCHEMA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/device.bin"));
