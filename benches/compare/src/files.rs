//! Files out of two parties' mu-law: callrec's libraries against the programs that most bots call.

use anyhow::ensure;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cpu::{Bench, own_peak};
use crate::figure::Figure;
use crate::material::Material;
use crate::peers::Peers;
use crate::report::Report;

/// Runs every job that is wanted.
pub(crate) fn run(
    bench: &Bench<'_>,
    material: &Material,
    peers: &Peers,
    work: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let jobs = Jobs { bench, material, peers, work };
    if bench.wants("mp3") {
        let what = "MP3, 128 kbit/s at 16 kHz, from two mu-law files: decode, resample, encode";
        let theirs = |out: &Path| jobs.ffmpeg(&["-ar", "16000", "-b:a", "128k"], out);
        jobs.encode(
            "mp3",
            what,
            &["--format", "mp3", "--rate", "16000", "--bitrate", "128k"],
            "ffmpeg",
            theirs,
            0.60,
            report,
        )?;
        report.done("mp3")?;
    }
    if bench.wants("flac") {
        let what = "FLAC at 8 kHz; callrec from two mu-law files, `flac -5` from a WAV file of both";
        let theirs = |out: &Path| {
            let mut flac = Command::new("flac");
            flac.args(["-5", "--silent", "--force", "-o"]).arg(out).arg(&material.wav);
            flac
        };
        let [ours, theirs] = jobs.encode(
            "flac",
            what,
            &["--format", "flac", "--rate", "8000"],
            "flac -5",
            theirs,
            0.70,
            report,
        )?;
        let size = fs::metadata(ours)?.len() as f64 / fs::metadata(theirs)?.len() as f64;
        report.add(Figure::ratio("the size of that file", "flac -5", size, 1.00));
        report.done("flac")?;
    }
    if bench.wants("ogg") {
        let what = "OGG at 8 kHz, quality 4, from two mu-law files";
        let theirs = |out: &Path| jobs.ffmpeg(&["-c:a", "libvorbis", "-q:a", "4"], out);
        jobs.encode(
            "ogg",
            what,
            &["--format", "ogg", "--rate", "8000"],
            "ffmpeg libvorbis",
            theirs,
            0.62,
            report,
        )?;
        report.done("ogg")?;
    }
    if bench.wants("wav") {
        let what = "WAV from two mu-law files";
        let theirs = |out: &Path| jobs.ffmpeg(&[], out);
        jobs.encode("wav", what, &["--format", "wav", "--rate", "8000"], "ffmpeg", theirs, 0.30, report)?;
        report.done("wav")?;
    }
    if bench.wants("whole") {
        jobs.whole(report)?;
        report.done("whole")?;
    }
    Ok(())
}

/// callrec with a party as each channel.
pub(crate) fn ours(sides: &[PathBuf; 2], out: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut ours = Command::new(std::env::current_exe()?);
    ours.arg("ours").args(sides).arg(out).args(arguments);
    Ok(ours)
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

impl Jobs<'_> {
    fn ours(&self, out: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
        ours(&self.material.sides, out, arguments)
    }

    fn ffmpeg(&self, arguments: &[&str], out: &Path) -> Command {
        ffmpeg(&self.material.sides, out, arguments)
    }

    /// Measures a conversion; gives the files that both wrote.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the sentence that a job is")]
    fn encode(
        &self,
        format: &str,
        what: &str,
        arguments: &[&str],
        peer: &str,
        theirs: impl Fn(&Path) -> Command,
        target: f64,
        report: &mut Report,
    ) -> anyhow::Result<[PathBuf; 2]> {
        let outs = ["ours", "theirs"].map(|side| self.work.join(format!("{side}.{format}")));
        let ours = self.ours(&outs[0], arguments)?;
        let [ours, theirs] = self.bench.pair(format, || again(&ours), || theirs(&outs[1]))?;
        for out in &outs {
            ensure!(fs::metadata(out)?.len() > 0, "{} is empty", out.display());
        }
        report.add(Figure::cpu(what, peer, [ours, theirs], target));
        Ok(outs)
    }

    /// From frames to a file that was read back, against what most bots in Python do.
    fn whole(&self, report: &mut Report) -> anyhow::Result<()> {
        let home = self.work.join("recordings");
        let ours = self.ours(&home, &["--format", "mp3", "--rate", "8000", "--bitrate", "64k", "--whole"])?;
        let python = self.peers.python();
        let script = self.work.join("pydub_whole.py");
        fs::write(&script, include_str!("../peers/pydub_whole.py"))?;
        let theirs = || {
            let mut theirs = Command::new(&python);
            theirs.arg(&script).args(&self.material.sides).arg(self.work.join("theirs_whole.mp3"));
            theirs
        };
        let ours = || {
            // Each run is another call.
            let _ = fs::remove_dir_all(&home);
            again(&ours)
        };
        let [ours, theirs] = self.bench.pair("whole job", ours, theirs)?;
        ensure!(home.join("call_CA1_conversation.mp3").exists(), "there is no recording");
        let what = "The whole job, MP3 at 8 kHz and 64 kbit/s: frames in; ours with journal, read-back, transcript and summary";
        report.add(Figure::cpu(what, "pydub + ffmpeg", [ours, theirs], 0.60));
        let hidden = own_peak();
        ensure!(ours.peak > hidden, "callrec's peak is hidden behind the {hidden} bytes of what started it");
        let peak = ours.peak as f64 / theirs.peak as f64;
        let [ours, theirs] = [ours, theirs].map(|taken| taken.peak as f64 / 1e6);
        let what = format!("peak memory of the larger process of that ({ours:.1} and {theirs:.1} MB)");
        report.add(Figure::ratio(&what, "pydub + ffmpeg", peak, 0.06));
        Ok(())
    }
}

/// The same command once more.
fn again(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args());
    again
}
