//! Compiles the schema, in Rust alone, and keeps its description for reflection.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let schema = protox::compile(["device.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("device.bin"), schema.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(schema)?;
    Ok(())
}
