//! The tools of others, as processes.

use callrec_encode::{Format, Spec};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; install ffmpeg, sox, libsox-fmt-mp3, flac and espeak-ng")
        });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    output.stdout
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

pub(crate) fn ffmpeg_decode(path: &Path, spec: &Spec) -> Vec<i16> {
    let (rate, channels) = (spec.rate.to_string(), spec.channels.to_string());
    let path = path.to_str().unwrap();
    samples(&run(
        "ffmpeg",
        &["-v", "error", "-i", path, "-f", "s16le", "-ar", &rate, "-ac", &channels, "-"],
        b"",
    ))
}

pub(crate) fn sox_decode(path: &Path, spec: &Spec) -> Vec<i16> {
    let (rate, channels) = (spec.rate.to_string(), spec.channels.to_string());
    let path = path.to_str().unwrap();
    // Without dither, which would change every sample of a lossless file.
    let raw = ["-D", path, "-t", "raw", "-e", "signed", "-b", "16", "-L", "-r", &rate, "-c", &channels, "-"];
    samples(&run("sox", &raw, b""))
}

/// The same audio by ffmpeg's own encoder, at the same settings.
pub(crate) fn ffmpeg_encode(pcm: &[i16], spec: &Spec, kbps: u32, path: &Path) {
    let (rate, channels) = (spec.rate.to_string(), spec.channels.to_string());
    let bitrate = format!("{kbps}k");
    let codec: &[&str] = match spec.format {
        Format::Mp3 => &["-c:a", "libmp3lame", "-b:a", &bitrate, "-joint_stereo", "0"],
        _ => &["-c:a", "libvorbis", "-q:a", "4"],
    };
    let input = ["-v", "error", "-y", "-f", "s16le", "-ar", &rate, "-ac", &channels, "-i", "-"];
    run("ffmpeg", &[&input, codec, &[path.to_str().unwrap()]].concat(), &bytes(pcm));
}

pub(crate) fn flac_accepts(path: &Path) {
    run("flac", &["-t", "-s", "--warnings-as-errors", path.to_str().unwrap()], b"");
}

/// What ffprobe shows of a file.
#[derive(Debug)]
pub(crate) struct Probed(Value);

impl Probed {
    pub(crate) fn frames(&self, rate: u32) -> u64 {
        let seconds = |name: &str| -> f64 {
            let shown = self.0["streams"][0][name].as_str().unwrap_or("0");
            shown.parse().unwrap()
        };
        // An MP3's codec delay counts as part of its duration, and as its start.
        ((seconds("duration") - seconds("start_time")) * f64::from(rate)).round() as u64
    }

    /// Of the file, or of its stream, where OGG has them.
    pub(crate) fn tag(&self, name: &str) -> Option<String> {
        let places = [&self.0["format"]["tags"], &self.0["streams"][0]["tags"]];
        places.into_iter().filter_map(Value::as_object).flatten().find_map(|(key, value)| {
            key.eq_ignore_ascii_case(name).then(|| value.as_str().unwrap_or_default().to_owned())
        })
    }
}

pub(crate) fn probe(path: &Path) -> Probed {
    let shown = ["-v", "error", "-show_format", "-show_streams", "-of", "json", path.to_str().unwrap()];
    Probed(serde_json::from_slice(&run("ffprobe", &shown, b"")).unwrap())
}

/// Speech of one of espeak-ng's voices, at a rate in Hz.
pub(crate) fn speech(voice: &str, text: &str, rate: u32) -> Vec<i16> {
    let spoken = run("espeak-ng", &["-v", voice, "--stdout", text], b"");
    let rate = rate.to_string();
    let raw =
        ["-D", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-L", "-r", &rate, "-c", "1", "-"];
    samples(&run("sox", &raw, &spoken))
}
