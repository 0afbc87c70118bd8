//! Three people in a conference, in virtual time: each sends a tone over a network of its own,
//! one listener hears them mixed. One joins later, one leaves earlier, one is turned down.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::time::Duration;

use audiox_core::block::{AudioMut, AudioRef};
use audiox_core::codec::{CodecRegistry, PcmCoding, PcmEncoder};
use audiox_core::convert::{Gain, Level, levels};
use audiox_core::error::ConfigError;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::packet::Framing;
use audiox_core::playout::PlayoutConfig;
use audiox_core::sender::{Flow, Sender, SenderConfig};
use audiox_core::session::{Session, SessionConfig, SessionEvent, UniformPlayouts};
use audiox_core::sim::{Link, LinkConfig, Tone};
use audiox_core::time::{Instant, NtpTime, RtpTimestamp, SeqNum};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
const QUANTUM: usize = 480;
const PTIME: Duration = Duration::from_millis(10);

/// A sender, the network between it and the listener, and when it speaks, in steps of 10 ms.
struct Person {
    name: &'static str,
    sender: Sender,
    link: Link,
    tone: Tone,
    speaks: std::ops::Range<u64>,
}

impl Person {
    fn new(
        name: &'static str,
        hertz: u32,
        link: LinkConfig,
        speaks: std::ops::Range<u64>,
    ) -> Result<Self, ConfigError> {
        let config = SenderConfig {
            framing: Framing::Rtp,
            payload_type: 96,
            ssrc: hertz,
            first_seq: SeqNum(0),
            first_timestamp: RtpTimestamp(0),
            cname: name.into(),
            wall: (at(0), NtpTime(0xe000_0000_0000_0000)),
        };
        let encoder = PcmEncoder::new(PcmCoding::L16, FORMAT, QUANTUM)?;
        Ok(Self {
            name,
            sender: Sender::new(config, Box::new(encoder), at(speaks.start))?,
            link: Link::new(link)?,
            tone: Tone::new(FORMAT.rate, hertz, 0.5)?,
            speaks,
        })
    }

    /// Speaks for 10 ms, and says goodbye at the end.
    fn step(&mut self, step: u64, audio: &mut [f32]) {
        if self.speaks.contains(&step) {
            self.tone
                .write(step * QUANTUM as u64, audio, FORMAT.channels);
            self.sender.push(AudioRef::new(audio, FORMAT.channels));
        } else if step == self.speaks.end {
            self.sender.finish();
        }
        let mut datagram = [0; 2_048];
        while let Some(t) = self.sender.poll_transmit(at(step), &mut datagram) {
            let port = usize::from(t.flow == Flow::Reports);
            self.link.handle(at(step), port, &datagram[..t.len]);
        }
    }
}

fn at(step: u64) -> Instant {
    Instant::from_nanos(1_000_000_000) + PTIME * step as u32
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wire = LinkConfig {
        latency: Duration::from_millis(2),
        ..LinkConfig::default()
    };
    let wifi = LinkConfig {
        latency: Duration::from_millis(5),
        jitter: "20ms".parse()?,
        loss: "1%".parse()?,
        seed: 1,
        ..LinkConfig::default()
    };
    let far = LinkConfig {
        latency: Duration::from_millis(80),
        jitter: "30ms".parse()?,
        loss: "ge:1%,25%".parse()?,
        seed: 2,
        ..LinkConfig::default()
    };
    let mut people = [
        Person::new("ada", 440, wire, 0..6_000)?,
        Person::new("ben", 554, wifi, 1_000..6_000)?,
        Person::new("cleo", 659, far, 0..4_000)?,
    ];

    let types = [(96, "L16/48000/2".parse()?)];
    let playouts = UniformPlayouts::rtp(PlayoutConfig::default(), types, CodecRegistry::pcm());
    let framing = IngressFraming::Rtp(vec![(96, FORMAT.rate)]);
    let mut session = Session::new(SessionConfig::new(FORMAT, framing), playouts, at(0))?;

    let mut audio = [0.0; QUANTUM * 2];
    let mut names = Vec::new();
    for step in 0..6_200 {
        for person in &mut people {
            person.step(step, &mut audio);
            while let Some(d) = person.link.poll_output(at(step)) {
                match d.tag {
                    0 => drop(session.handle_datagram(d.due, Origin(0), d.bytes)),
                    _ => session.handle_rtcp(d.due, d.bytes)?,
                }
            }
        }
        session.pull(at(step), AudioMut::new(&mut audio, FORMAT.channels));
        session.handle_timeout(at(step));

        let clock = format!("{:5.1} s", step as f64 / 100.0);
        while let Some(event) = session.poll_event() {
            match event {
                SessionEvent::Started(id) => {
                    let ssrc = session.input().ingress().ssrc(id);
                    let name = people
                        .iter()
                        .find(|p| Some(p.sender.ssrc()) == ssrc)
                        .map_or("?", |p| p.name);
                    names.push((id, name));
                    println!("{clock}  {name} joins");
                    if name == "ben" {
                        session.input().set_gain(id, Gain::from_db(-6.0)?);
                        println!("{clock}  {name} is turned down by 6 dB");
                    }
                }
                SessionEvent::Ended { source, playback } => {
                    let name = names.iter().find(|(id, _)| *id == source);
                    let name = name.map_or("?", |(_, name)| name);
                    let p = playback.playout;
                    println!(
                        "{clock}  {name} leaves: {:.1} s heard, {:.2} % made up, {} packets late",
                        FORMAT.rate.duration_of(p.frames_decoded).as_secs_f64(),
                        p.concealed_ratio() * 100.0,
                        p.packets_late,
                    );
                }
                _ => {}
            }
        }
        if step % 1_000 == 999 {
            let mut level = [Level::default(); 2];
            levels(AudioRef::new(&audio, FORMAT.channels), &mut level);
            println!("{clock}  mix at {:.1} dBFS", level[0].rms_db());
        }
    }
    let (socket, mix) = (*session.input().stats(), *session.output().stats());
    println!(
        "{} packets, {} sources; the limiter held {:.1} % of the time, at most {:.1} dB",
        socket.packets_queued,
        socket.sources_started,
        mix.frames_limited as f64 / mix.frames_pulled as f64 * 100.0,
        20.0 * mix.lowest_gain.log10(),
    );
    if (socket.sources_started, socket.sources_ended) != (3, 3) {
        return Err("three should have come and gone".into());
    }
    Ok(())
}
