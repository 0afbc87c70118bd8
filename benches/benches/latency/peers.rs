//! The same way through others' programs.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::network::{Network, Road};
use crate::ours::{Encoding, OPUS};

/// How little a pipeline of GStreamer is asked to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// `latency` of `rtpjitterbuffer`, in milliseconds.
    pub(crate) jitter_buffer: u32,
    /// `buffer-time` of both devices, in milliseconds; `latency-time` is half of it.
    pub(crate) device: u32,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            jitter_buffer,
            device,
        } = self;
        write!(f, "jitter buffer {jitter_buffer} ms, devices {device} ms")
    }
}

/// Programs that run side by side until they are dropped.
pub(crate) struct Peer {
    programs: Vec<Child>,
    _network: Option<Network>,
    _folder: Option<TempDir>,
}

impl Peer {
    /// `pulsesrc` to `udpsink`, `udpsrc` through `rtpjitterbuffer` to `pulsesink`.
    pub(crate) fn gstreamer(encoding: Encoding, hold: Hold, road: Road) -> Self {
        let (name, pt) = (encoding.name, encoding.payload_type);
        let (rate, ptime) = (encoding.rate, u64::from(encoding.ptime) * 1_000_000);
        let device = format!(
            "buffer-time={} latency-time={}",
            hold.device * 1_000,
            hold.device * 500
        );
        let (pay, depay, named) = match encoding {
            OPUS => (
                format!("opusenc frame-size={} ! rtpopuspay pt={pt}", encoding.ptime),
                "rtpopusdepay ! opusdec plc=true".to_owned(),
                "OPUS,encoding-params=(string)2,sprop-stereo=(string)0",
            ),
            _ => (
                format!("audioconvert ! rtp{name}pay pt={pt} min-ptime={ptime} max-ptime={ptime}"),
                format!("rtp{name}depay"),
                "L16,channels=1",
            ),
        };
        let receiver = free();
        let network = Network::to(receiver, road);
        // Sinks add 20 ms for their own processing unless told not to.
        let receive = format!(
            "udpsrc address=127.0.0.1 port={} \
             caps=application/x-rtp,media=audio,clock-rate={rate},encoding-name={named},payload={pt} \
             ! rtpjitterbuffer latency={} ! {depay} ! audioconvert ! audioresample \
             ! pulsesink device=out {device} processing-deadline=0",
            receiver.port(),
            hold.jitter_buffer,
        );
        let send = format!(
            "pulsesrc device=voice.monitor {device} ! audio/x-raw,rate={rate},channels=1 \
             ! {pay} ! udpsink host=127.0.0.1 port={} sync=false async=false",
            network.address().port(),
        );
        let start = |pipeline: &str| {
            let mut command = Command::new("gst-launch-1.0");
            run(command.arg("-q").args(pipeline.split_whitespace()))
        };
        let receiving = start(&receive);
        std::thread::sleep(SET_UP);
        Self {
            programs: vec![start(&send), receiving],
            _network: Some(network),
            _folder: None,
        }
    }

    /// ffmpeg at both ends, both devices asked to hold `device` milliseconds.
    pub(crate) fn ffmpeg(encoding: Encoding, device: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let (rate, pt) = (encoding.rate, encoding.payload_type);
        let to = free();
        let description = format!(
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
             m=audio {} RTP/AVP {pt}\na=rtpmap:{pt} {}/{rate}/1\n",
            to.port(),
            encoding.name,
        );
        let sdp = folder.path().join("session.sdp");
        std::fs::write(&sdp, description).expect("the folder can be written");
        let bytes = rate * encoding.ptime / 1_000 * 2;
        let quiet = ["-hide_banner", "-loglevel", "error", "-nostdin"];
        let mut receive = Command::new("ffmpeg");
        receive
            .args(quiet)
            .args([
                "-fflags",
                "nobuffer",
                "-flags",
                "low_delay",
                "-probesize",
                "32",
            ])
            .args([
                "-analyzeduration",
                "0",
                "-protocol_whitelist",
                "file,udp,rtp",
            ])
            .args(["-reorder_queue_size", "0", "-i"])
            .arg(&sdp)
            .args(["-f", "pulse", "-buffer_duration", &device.to_string()])
            .args(["-device", "out", "audiox"]);
        let mut send = Command::new("ffmpeg");
        send.args(quiet)
            .args(["-fflags", "nobuffer", "-flags", "low_delay", "-f", "pulse"])
            .args([
                "-fragment_size",
                &(rate * device / 1_000 / 2 * 2).to_string(),
            ])
            .args(["-sample_rate", &rate.to_string(), "-channels", "1"])
            .args(["-i", "voice.monitor", "-c:a", "pcm_s16be", "-f", "rtp"])
            .args(["-flush_packets", "1", "-payload_type", &pt.to_string()])
            .arg(format!("rtp://{to}?pkt_size={}", bytes + 12));
        let receiving = run(&mut receive);
        std::thread::sleep(SET_UP);
        Self {
            programs: vec![run(&mut send), receiving],
            _network: None,
            _folder: Some(folder),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for program in &mut self.programs {
            // It may have ended, badly, which shows in what was heard.
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// Programs need a moment to open their devices and sockets.
const SET_UP: Duration = Duration::from_millis(700);

fn free() -> SocketAddr {
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr());
    free.expect("loopback has a free port")
}

fn run(command: &mut Command) -> Child {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    quiet
        .spawn()
        .expect("run scripts/bootstrap.sh bench for the peers")
}
