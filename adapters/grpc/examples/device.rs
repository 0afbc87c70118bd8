//! The smallest device: connects to the server that is given, goes to mode 1, plays, and prints
//! what it is told. Without a server it starts one itself.
#![allow(clippy::print_stdout, reason = "a program that tells what it does")]

use std::sync::mpsc::channel;

use audiox_core::codec::CodecRegistry;
use audiox_grpc::client::{Client, ClientConfig, Update};
use audiox_grpc::device::{Button, Rgba};
use audiox_grpc::server::{DeviceServer, ServerConfig, ServerHandle};
use audiox_grpc::sound::LibraryConfig;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = std::env::args().len() < 2;
    let server = own.then(serve).transpose()?;
    let url = std::env::args().nth(1);
    let url = url.or_else(|| Some(server.as_ref()?.url().to_owned()));
    let (tell, told) = channel();
    let on = move |update| drop(tell.send(update));
    let device = Client::spawn(ClientConfig::new(url.unwrap_or_default(), "example"), on)?;
    loop {
        match told.recv()? {
            Update::Connected => {
                println!("connected");
                device.tap(Button::Two);
                device.tap(Button::Four);
            }
            Update::Disconnected { reason } => return Err(reason.into()),
            Update::Leds(leds) => println!("LEDs {leds:?}"),
            Update::SoundEnded => break,
            _ => {}
        }
    }
    println!("{} packets", device.state().packets);
    assert_eq!(device.state().leds[1], Rgba::MAGENTA);
    Ok(())
}

fn serve() -> Result<ServerHandle, audiox_grpc::Error> {
    let mut codecs = CodecRegistry::empty();
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    let bind = "127.0.0.1:0".parse().expect("an address");
    DeviceServer::bind(ServerConfig::new(bind, LibraryConfig::new(codecs)))?.spawn()
}
