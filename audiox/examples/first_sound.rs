//! Sends a WAV file over RTP, and records what another sends: `first_sound FILE TO FROM RECORDING`.
//! Without arguments it talks to itself.
#![allow(clippy::print_stdout, reason = "a program's output")]

fn main() -> Result<(), audiox::Error> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let file = arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav"));
    let to = arg("rtp://127.0.0.1:46004");
    let from = arg("rtp://127.0.0.1:46004?codec=L16&rate=24000&channels=1");
    let recording = arg(&std::env::temp_dir().join("heard.wav").to_string_lossy());

    let receiving = audiox::recv(from, recording).until_ended().start()?;
    let sending = audiox::send(file, to).start()?;

    println!("sent {} packets", sending.wait()?.packets());
    for stream in receiving.wait()?.streams {
        let (packets, lost) = (stream.source.packets_received, stream.source.packets_lost);
        println!("heard {packets} packets, {lost} lost, in {:?}", stream.file);
    }
    Ok(())
}
