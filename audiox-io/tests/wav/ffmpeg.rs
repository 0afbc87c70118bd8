//! Held against ffmpeg: what it writes we read as it does, and what we write it reads.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use audiox_core::block::AudioRef;
use audiox_core::convert::Gain;
use audiox_core::format::{SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::{Colour, Signal, WavSink, WavSource};

use super::support::{format, native_bytes, samples};

/// What the program prints to standard output, which must be all it has to say.
pub(crate) fn output_of(program: &str, args: &[&str], file: &Path) -> Vec<u8> {
    let args = args.iter().map(|arg| match *arg {
        "FILE" => file.as_os_str(),
        arg => arg.as_ref(),
    });
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| {
            panic!("{program}: {e}; it comes with ffmpeg: scripts/bootstrap.sh test")
        });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{program}: {complaints}"
    );
    output.stdout
}

fn noise(stream: StreamFormat, path: &Path) {
    let mut noise = Signal::noise(stream, Colour::White, 5, Gain::UNITY).unwrap();
    let mut block = vec![0.0; 1_001 * stream.channels.get()];
    noise.read(&mut block).unwrap();
    let mut sink = WavSink::create(path, stream, SampleFormat::F32).unwrap();
    sink.write(AudioRef::new(&block, stream.channels)).unwrap();
    sink.finish().unwrap();
}

#[test]
fn what_ffmpeg_writes_is_read_as_ffmpeg_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.wav"), folder.path().join("out.wav"));
    for (codec, channels) in [
        ("pcm_u8", 1),
        ("pcm_s16le", 2),
        ("pcm_s24le", 6),
        ("pcm_s32le", 1),
        ("pcm_f32le", 2),
        ("pcm_f64le", 2),
        ("pcm_alaw", 1),
        ("pcm_mulaw", 2),
    ] {
        noise(format(44_100, channels), &from);
        let to_name = to.to_str().unwrap();
        for (rf64, target) in [("never", to_name), ("always", to_name), ("never", "-")] {
            let convert = ["-v", "error", "-y", "-i", "FILE", "-c:a", codec];
            let container = ["-rf64", rf64, "-f", "wav", target];
            let printed = output_of("ffmpeg", &[&convert[..], &container].concat(), &from);
            if target == "-" {
                // Streamed: ffmpeg could not go back and fill in the sizes.
                fs::write(&to, printed).unwrap();
            }
            let raw = ["-v", "error", "-i", "FILE", "-f", "f32le", "-"];
            let expected = output_of("ffmpeg", &raw, &to);
            let mut source = WavSource::open(&to).unwrap();
            assert_eq!(source.format(), format(44_100, channels));
            assert_eq!(source.notices().len(), usize::from(target == "-"));
            let got = samples(&mut source);
            let got: Vec<u8> = got.iter().flat_map(|x| x.to_le_bytes()).collect();
            assert!(got == expected, "{codec}, rf64 {rf64}, to {target}");
        }
    }
}

#[test]
fn what_is_written_here_ffmpeg_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (from, path) = (folder.path().join("in.wav"), folder.path().join("out.wav"));
    for (sample, codec, raw) in [
        (SampleFormat::U8, "pcm_u8", "u8"),
        (SampleFormat::S16, "pcm_s16le", "s16le"),
        (SampleFormat::S24, "pcm_s24le", "s24le"),
        (SampleFormat::S32, "pcm_s32le", "s32le"),
        (SampleFormat::F32, "pcm_f32le", "f32le"),
    ] {
        for channels in [1, 2, 3, 24] {
            let stream = StreamFormat::new(SampleRate::HZ_48000, format(1, channels).channels);
            noise(stream, &from);
            let block = samples(&mut WavSource::open(&from).unwrap());
            let mut sink = WavSink::create(&path, stream, sample).unwrap();
            sink.write(AudioRef::new(&block, stream.channels)).unwrap();
            sink.finish().unwrap();
            assert_eq!(
                probed(&path, "codec_name,sample_rate,channels,duration_ts"),
                format!("{codec},48000,{channels},1001")
            );
            let decode = ["-v", "error", "-i", "FILE", "-c:a", codec, "-f", raw, "-"];
            let got = output_of("ffmpeg", &decode, &path);
            assert_eq!(got, native_bytes(&mut WavSource::open(&path).unwrap()));
        }
    }
}

/// The stream's `fields` as ffprobe sees them, in its order, joined by commas.
pub(crate) fn probed(path: &Path, fields: &str) -> String {
    let entries = format!("stream={fields}");
    let show = ["-v", "error", "-of", "csv=p=0", "-show_entries", &entries];
    let printed = output_of("ffprobe", &[&show[..], &["FILE"]].concat(), path);
    String::from_utf8(printed).unwrap().trim().to_string()
}
