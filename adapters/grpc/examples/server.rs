//! The smallest server: six modes with built-in sounds, on the address that is given. Without one it
//! serves a device of its own until that has heard a sound.
#![allow(clippy::print_stdout, reason = "a program that tells what it does")]

use std::io::stdin;
use std::sync::mpsc::channel;

use audiox_core::codec::CodecRegistry;
use audiox_grpc::client::{Client, ClientConfig, Update};
use audiox_grpc::device::Button;
use audiox_grpc::server::{DeviceServer, ServerConfig};
use audiox_grpc::sound::LibraryConfig;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let bind = address.as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let mut codecs = CodecRegistry::empty();
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    let server =
        DeviceServer::bind(ServerConfig::new(bind, LibraryConfig::new(codecs)))?.spawn()?;
    println!("{}", server.url());
    if address.is_some() {
        // Until the line, or the input, ends.
        stdin().read_line(&mut String::new())?;
    } else {
        let (tell, told) = channel();
        let on = move |update| drop(tell.send(update));
        let device = Client::spawn(ClientConfig::new(server.url(), "example"), on)?;
        while told.recv()? != Update::Connected {}
        device.tap(Button::Four);
        while told.recv()? != Update::SoundEnded {}
        println!("{} packets heard", device.state().packets);
        assert!(device.state().packets > 150, "a sound of more than 3 s");
    }
    server.stop()?;
    Ok(())
}
