//! Files out of two parties' mu-law: callrec's libraries against the programs that most bots call.

use anyhow::{Context as _, ensure};
use std::fs;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cpu::{Bench, own_peak, peaks, seconds};
use crate::figure::Figure;
use crate::material::Material;
use crate::peers::Peers;
use crate::report::Report;
use crate::runs::median;

/// How hard callrec has LAME work: see `QUALITY` in `crates/encode/src/mp3.rs`.
const LAME_LEVEL: &str = "7";

/// So many samples of the line a file may be longer or shorter than the call, because of how it is coded: a fifth of a second.
const CODEC_DELAY: u64 = 1_600;
/// Less than this at the loudest is not what was said.
const LOUD: u16 = 8_000;

/// Measures one of them and adds the figures.
type Job<'a> = fn(&Jobs<'a>, &mut Report) -> anyhow::Result<()>;

/// Runs every job that is wanted.
pub(crate) fn run(
    bench: &Bench<'_>,
    material: &Material,
    peers: &Peers,
    work: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let jobs = Jobs { bench, material, peers, work };
    let all: [(&str, Job<'_>); 5] = [
        ("mp3", Jobs::mp3),
        ("flac", Jobs::flac),
        ("ogg", Jobs::ogg),
        ("wav", Jobs::wav),
        ("whole", Jobs::whole),
    ];
    for (name, job) in all {
        if bench.wants(name) {
            job(&jobs, report)?;
            report.done(name)?;
        }
    }
    Ok(())
}

/// callrec with a party as each channel.
pub(crate) fn ours(sides: &[PathBuf; 2], out: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    Ok(ours_of(&std::env::current_exe()?, sides, out, arguments))
}

/// The same, of this program.
fn ours_of(this: &Path, sides: &[PathBuf; 2], out: &Path, arguments: &[&str]) -> Command {
    let mut ours = Command::new(this);
    ours.arg("ours").args(sides).arg(out).args(arguments);
    ours
}

/// ffmpeg with a party as each channel.
pub(crate) fn ffmpeg(sides: &[PathBuf; 2], out: &Path, arguments: &[&str]) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-y"]);
    for side in sides {
        ffmpeg.args(["-f", "mulaw", "-ar", "8000", "-ac", "1", "-i"]).arg(side);
    }
    ffmpeg.args(["-filter_complex", "[0:a][1:a]join=inputs=2:channel_layout=stereo"]).args(arguments);
    ffmpeg.arg(out);
    ffmpeg
}

struct Jobs<'a> {
    bench: &'a Bench<'a>,
    material: &'a Material,
    peers: &'a Peers,
    work: &'a Path,
}

/// What does the same as callrec, and the row that it has.
struct Peer<'a> {
    what: &'a str,
    name: &'a str,
    /// Writes this file.
    command: &'a dyn Fn(&Path) -> Command,
    target: Option<f64>,
}

impl Jobs<'_> {
    fn mp3(&self, report: &mut Report) -> anyhow::Result<()> {
        let what = "MP3, 128 kbit/s at 16 kHz, from two mu-law files: decode, resample, encode";
        let same = ["-ar", "16000", "-b:a", "128k", "-compression_level", LAME_LEVEL];
        let unset = &same[..4];
        let unset = |out: &Path| ffmpeg(&self.material.sides, out, unset);
        let same = |out: &Path| ffmpeg(&self.material.sides, out, &same);
        let lame = |out: &Path| {
            let mut lame = Command::new("lame");
            lame.args(["--quiet", "-m", "s", "-b", "128", "--resample", "16"])
                .arg(&self.material.wav)
                .arg(out);
            lame
        };
        let arguments = ["--format", "mp3", "--rate", "16000", "--bitrate", "128k"];
        let level = format!("The same, both at level {LAME_LEVEL} of LAME");
        let told = format!("ffmpeg -compression_level {LAME_LEVEL}");
        let wav = "The same; `lame` from a WAV file of both";
        let peers = [
            Peer { what, name: "ffmpeg", command: &unset, target: Some(0.60) },
            Peer { what: &level, name: &told, command: &same, target: None },
            Peer { what: wav, name: "lame", command: &lame, target: None },
        ];
        self.encode("mp3", &arguments, &peers, report)?;
        report.note(format!(
            "callrec has LAME work at its level {LAME_LEVEL}; ffmpeg and `lame` are as they are unless told otherwise, at level 3, but for \
             the row that says so. What the level costs or does not is in the rows of PESQ and ViSQOL, in which ffmpeg is at its own. \
             `lame` writes plain stereo as callrec does, and resamples by a filter of its own; ffmpeg writes joint stereo. callrec's \
             files are made by a process that has jemalloc, as its server does, and the others by such as have the system's allocator."
        ));
        Ok(())
    }

    fn flac(&self, report: &mut Report) -> anyhow::Result<()> {
        let flac = |out: &Path| {
            let mut flac = Command::new("flac");
            flac.args(["-5", "--silent", "--force", "-o"]).arg(out).arg(&self.material.wav);
            flac
        };
        let this = std::env::current_exe()?;
        let arguments = ["--format", "flac", "--rate", "8000"];
        let by = |name: &'static str| {
            let this = &this;
            move |out: &Path| {
                let mut by = ours_of(this, &self.material.sides, out, &arguments);
                by.args(["--flac-crate", name]);
                by
            }
        };
        let (flacenc, flac_codec) = (by("flacenc"), by("flac-codec"));
        let what = "FLAC at 8 kHz; callrec from two mu-law files, `flac -5` from a WAV file of both";
        let instead = "The same; another encoder in callrec's place";
        let peers = [
            Peer { what, name: "flac -5", command: &flac, target: Some(0.70) },
            Peer { what: instead, name: "flacenc", command: &flacenc, target: None },
            Peer { what: instead, name: "flac-codec", command: &flac_codec, target: None },
        ];
        let sizes = self.encode("flac", &arguments, &peers, report)?;
        let what = "the size of that file";
        for (Peer { name, .. }, size) in peers.iter().zip(sizes) {
            report.add(match *name {
                "flac -5" => Figure::ratio(what, name, size, 1.00),
                _ => Figure::any_ratio(what, name, size),
            });
        }
        Ok(())
    }

    fn ogg(&self, report: &mut Report) -> anyhow::Result<()> {
        let ffmpeg = |out: &Path| ffmpeg(&self.material.sides, out, &["-c:a", "libvorbis", "-q:a", "4"]);
        let oggenc = |out: &Path| {
            let mut oggenc = Command::new("oggenc");
            oggenc.args(["--quiet", "--quality", "4", "--output"]).arg(out).arg(&self.material.wav);
            oggenc
        };
        let name = "ffmpeg libvorbis";
        let what = "OGG at 8 kHz, quality 4, from two mu-law files";
        let wav = "The same; `oggenc` from a WAV file of both";
        let peers = [
            Peer { what, name, command: &ffmpeg, target: Some(0.62) },
            Peer { what: wav, name: "oggenc", command: &oggenc, target: None },
        ];
        let sizes = self.encode("ogg", &["--format", "ogg", "--rate", "8000"], &peers, report)?;
        report.add(Figure::any_ratio("the size of that file", name, sizes[0]));
        Ok(())
    }

    fn wav(&self, report: &mut Report) -> anyhow::Result<()> {
        let ffmpeg = |out: &Path| ffmpeg(&self.material.sides, out, &[]);
        let sox = |out: &Path| {
            let mut sox = Command::new("sox");
            sox.arg("--combine").arg("merge");
            for side in &self.material.sides {
                sox.args(["-t", "ul", "-r", "8000", "-c", "1"]).arg(side);
            }
            sox.args(["-e", "signed-integer", "-b", "16"]).arg(out);
            sox
        };
        let what = "WAV from two mu-law files";
        let peers = [
            Peer { what, name: "ffmpeg", command: &ffmpeg, target: Some(0.30) },
            Peer { what, name: "sox", command: &sox, target: None },
        ];
        self.encode("wav", &["--format", "wav", "--rate", "8000"], &peers, report)?;
        Ok(())
    }

    fn ours(&self, out: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
        ours(&self.material.sides, out, arguments)
    }

    /// Measures a conversion beside each of its peers; gives the size of callrec's file by that of each one's.
    fn encode(
        &self,
        format: &str,
        arguments: &[&str],
        peers: &[Peer<'_>],
        report: &mut Report,
    ) -> anyhow::Result<Vec<f64>> {
        let out = |name: usize| self.work.join(format!("side{name}.{format}"));
        let command = self.ours(&out(0), arguments)?;
        let ours = || again(&command);
        let theirs = peers.iter().zip(1..).map(|(peer, side)| move || (peer.command)(&out(side)));
        let theirs: Vec<_> = theirs.collect();
        let sides = theirs.iter().map(|command| command as &dyn Fn() -> Command);
        let sides: Vec<_> = [&ours as &dyn Fn() -> Command].into_iter().chain(sides).collect();
        for side in 0..sides.len() {
            remove(&out(side))?;
        }
        let taken = self.bench.in_turns(format, &sides)?;
        for side in 0..sides.len() {
            holds_the_call(self.material, &out(side))?;
        }
        let ours = seconds(&taken[0]);
        for (Peer { what, name, target, .. }, theirs) in peers.iter().zip(&taken[1..]) {
            let figure = Figure::in_turns(what, name, [&ours, &seconds(theirs)], "s");
            report.add(match target {
                Some(target) => figure.at_most(*target),
                None => figure,
            });
        }
        let size = |side: usize| anyhow::Ok(fs::metadata(out(side))?.len() as f64);
        (1..sides.len()).map(|side| anyhow::Ok(size(0)? / size(side)?)).collect()
    }

    /// From frames to a file that was read back, against what most bots in Python do.
    fn whole(&self, report: &mut Report) -> anyhow::Result<()> {
        let home = self.work.join("recordings");
        let ours = self.ours(&home, &["--format", "mp3", "--rate", "8000", "--bitrate", "64k", "--whole"])?;
        let python = self.peers.python();
        let script = self.work.join("pydub_whole.py");
        fs::write(&script, include_str!("../peers/pydub_whole.py"))?;
        let theirs = self.work.join("theirs_whole.mp3");
        remove(&theirs)?;
        let pydub = |parameters: &[&str]| {
            let mut pydub = Command::new(&python);
            pydub.arg(&script).args(&self.material.sides).arg(&theirs);
            pydub.args(parameters);
            pydub
        };
        let ours = || {
            // Each run is another call.
            let _ = fs::remove_dir_all(&home);
            again(&ours)
        };
        let level = ["-compression_level", LAME_LEVEL];
        let taken = self.bench.in_turns("whole job", &[&ours, &|| pydub(&[]), &|| pydub(&level)])?;
        holds_the_call(self.material, &home.join("call_CA1_conversation.mp3"))?;
        holds_the_call(self.material, &theirs)?;
        let what = "The whole job, MP3 at 8 kHz and 64 kbit/s: frames in; ours with journal, read-back, transcript and summary";
        let peer = "pydub + ffmpeg";
        let [ours, theirs, same] = [0, 1, 2].map(|side| seconds(&taken[side]));
        report.add(Figure::in_turns(what, peer, [&ours, &theirs], "s").at_most(0.60));
        let [ours, theirs] = [0, 1].map(|side| peaks(&taken[side]));
        let medians = [&ours, &theirs].map(|peaks| median(peaks));
        let hidden = own_peak() as f64 / 1e6;
        ensure!(medians[0] > hidden, "callrec's peak is hidden behind the {hidden} MB of what started it");
        let what =
            format!("peak memory of the larger process of that ({:.1} and {:.1} MB)", medians[0], medians[1]);
        let peak = Figure::ratio(&what, peer, medians[0] / medians[1], 0.06);
        report.add(peak.over([&ours, &theirs]));
        let what = format!("The whole job, both at level {LAME_LEVEL} of LAME");
        let peer = format!("{peer} -compression_level {LAME_LEVEL}");
        report.add(Figure::in_turns(&what, &peer, [&seconds(&taken[0]), &same], "s"));
        Ok(())
    }
}

/// Removes a file of an earlier run, so that what is looked at afterwards is of this one.
fn remove(file: &Path) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Fails unless ffmpeg finds the whole call in a file, and both parties in it.
pub(crate) fn holds_the_call(material: &Material, file: &Path) -> anyhow::Result<()> {
    let mut decoding = Command::new("ffmpeg");
    decoding.args(["-nostdin", "-loglevel", "error", "-i"]).arg(file);
    decoding.args(["-f", "s16le", "-ac", "2", "-ar", "8000", "-"]).stdout(Stdio::piped());
    let mut decoding = decoding.spawn().context("ffmpeg could not be run")?;
    let mut pcm = BufReader::new(decoding.stdout.take().context("no standard output")?);
    let (mut frames, mut frame, mut loudest) = (0_u64, [0; 4], [0; 2]);
    while pcm.read_exact(&mut frame).is_ok() {
        frames += 1;
        let [left, more, right, most] = frame;
        for (sample, loudest) in [[left, more], [right, most]].into_iter().zip(&mut loudest) {
            *loudest = i16::from_le_bytes(sample).unsigned_abs().max(*loudest);
        }
    }
    ensure!(decoding.wait()?.success(), "ffmpeg cannot decode {}", file.display());
    let off = frames.abs_diff(material.minutes * 60 * 8_000);
    ensure!(off <= CODEC_DELAY, "{} is off by {off} samples of 8 kHz", file.display());
    ensure!(loudest.iter().all(|loudest| *loudest >= LOUD), "{} is at most {loudest:?} loud", file.display());
    Ok(())
}

/// The same command once more.
fn again(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args());
    again
}
