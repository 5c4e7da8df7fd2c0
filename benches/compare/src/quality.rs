//! How MP3s sound beside ffmpeg's of the same bitrates, and the OGG beside ffmpeg's of the same quality, by the measures of speech PESQ and
//! ViSQOL.

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cpu;
use crate::figure::Figure;
use crate::files::{ffmpeg, ours};
use crate::peers::Peers;
use crate::report::Report;

/// By what `--only` chooses it.
pub(crate) const NAME: &str = "quality";
const PEER: &str = "ffmpeg";
const OGG_PEER: &str = "ffmpeg libvorbis";
/// How much lower the worst clip may be.
const LEAST: f64 = -0.02;
/// Samples of a clip at 8 kHz, of silence too: 9 s.
const CLIP: usize = 72_000;

/// What the script finds in a file.
#[derive(Debug, Deserialize)]
struct Score {
    pesq_nb: f64,
    pesq_wb: f64,
    visqol: f64,
    /// Samples that it comes too late.
    lag: i64,
    /// Energy above 3.4 kHz beside the whole, in dB, and that of what was encoded.
    above_db: f64,
    reference_above_db: f64,
    /// Of both channels, below full scale.
    levels_db: [f64; 2],
}

/// What it finds in a file of the line's own rate.
#[derive(Debug, Deserialize)]
struct NarrowScore {
    pesq_nb: f64,
    visqol: f64,
    lag: i64,
}

/// Of callrec's file and of ffmpeg's.
#[derive(Debug, Deserialize)]
struct Scores {
    /// MP3 at 16 kHz.
    wide: [Score; 2],
    /// MP3 at 8 kHz, OGG, and ffmpeg's MP3 in plain stereo.
    narrow: [NarrowScore; 5],
}

/// Measures every clip.
pub(crate) fn run(peers: &Peers, work: &Path, report: &mut Report) -> anyhow::Result<()> {
    let clips = clips(peers, work)?;
    let script = work.join("quality_score.py");
    fs::write(&script, include_str!("../peers/quality_score.py"))?;
    let scoring = Scoring { python: peers.python(), script, work };
    let bar = bar("scoring", clips.len() as u64 + 1);
    let mut scores = Vec::new();
    for (index, clip) in clips.iter().enumerate() {
        let sides = [clip.clone(), clips[(index + 1) % clips.len()].clone()];
        scores.push(scoring.pair(&sides).with_context(|| format!("{} could not be scored", clip.display()))?);
        bar.inc(1);
    }
    let silence = work.join("silence.ulaw");
    fs::write(&silence, [0xff; CLIP])?;
    let [our_leak, their_leak] =
        scoring.pair(&[clips[0].clone(), silence])?.wide.map(|score| score.levels_db[1]);
    bar.finish_and_clear();

    // What is made once is always the same.
    report.runs(1);
    tell(&clips, &scores, report);
    let what = format!(
        "level of a silent channel beside one that speaks ({our_leak:.0} and {their_leak:.0} dBFS; -200 is digital silence)"
    );
    report.add(Figure::told(&what, PEER, our_leak - their_leak));
    Ok(())
}

/// Adds the figures: of each measure the clip in which callrec is furthest behind.
fn tell(clips: &[PathBuf], scores: &[Scores], report: &mut Report) {
    type Measure = (&'static str, fn(&Score) -> f64);
    let measures: [Measure; 3] = [
        ("PESQ, narrow band at 8 kHz", |score| score.pesq_nb),
        ("PESQ, wide band at 16 kHz", |score| score.pesq_wb),
        ("ViSQOL, speech at 16 kHz", |score| score.visqol),
    ];
    for (name, measure) in measures {
        let scores = scores.iter().map(|scores| [0, 1].map(|side| measure(&scores.wide[side])));
        let what = format!("{name}, of MP3 at 16 kHz and 128 kbit/s");
        let (what, worst) = worst(&what, clips, &scores.collect::<Vec<_>>());
        report.add(Figure::difference(&what, PEER, worst, LEAST));
    }
    type NarrowMeasure = (&'static str, fn(&NarrowScore) -> f64);
    let measures: [NarrowMeasure; 2] = [
        ("PESQ, narrow band at 8 kHz", |score| score.pesq_nb),
        ("ViSQOL, speech at 16 kHz", |score| score.visqol),
    ];
    // What ffmpeg's own differ by, where only its mode of stereo is callrec's, is no quality but what a single clip's luck is.
    for (file, peer, pair) in [
        ("MP3 at 8 kHz and 64 kbit/s", PEER, [0, 1]),
        ("ffmpeg's own such MP3 in plain stereo, as callrec's is", PEER, [4, 1]),
        ("OGG at 8 kHz and quality 4", OGG_PEER, [2, 3]),
    ] {
        for (name, measure) in measures {
            let scores = scores.iter().map(|scores| pair.map(|file| measure(&scores.narrow[file])));
            let (what, worst) = worst(&format!("{name}, of {file}"), clips, &scores.collect::<Vec<_>>());
            report.add(Figure::any_difference(&what, peer, worst));
        }
    }
    let wide = |of: &dyn Fn(&[Score; 2]) -> f64| mean(scores.iter().map(|scores| of(&scores.wide)));
    let [ours, theirs] = [0, 1].map(|side| wide(&|score| score[side].above_db));
    let what = format!(
        "energy above 3.4 kHz beside the whole, mean of those clips in MP3 ({ours:.2} and {theirs:.2} dB; {:.2} before encoding)",
        wide(&|score| score[0].reference_above_db)
    );
    report.add(Figure::told(&what, PEER, ours - theirs));
    let lags = |scores: &Scores| {
        let wide = scores.wide.each_ref().map(|score| score.lag);
        wide.into_iter().chain(scores.narrow.each_ref().map(|score| score.lag))
    };
    let lags: Vec<i64> = scores.iter().flat_map(lags).collect();
    let late = lags.iter().filter(|lag| **lag != 0).count();
    report.note(format!(
        "Clips of quality are 9 s of speech, each by another voice, recorded or synthetic, and the next one is on the other channel; files are \
         decoded by ffmpeg. {late} of {} files were moved in time, and were put back before they were scored.",
        lags.len()
    ));
}

/// By how much callrec is behind in the worst clip, and what that is called, with both means.
fn worst(what: &str, clips: &[PathBuf], scores: &[[f64; 2]]) -> (String, f64) {
    let differences = scores.iter().map(|[ours, theirs]| ours - theirs);
    let worst = differences.zip(clips).min_by(|a, b| a.0.total_cmp(&b.0));
    let clip = worst.and_then(|(_, clip)| clip.file_stem()).unwrap_or_default().to_string_lossy();
    let [ours, theirs] = [0, 1].map(|side| mean(scores.iter().map(|score| score[side])));
    let count = scores.len();
    let lower = scores.iter().filter(|[ours, theirs]| ours < theirs).count();
    let what = format!(
        "{what}: the worst of {count} clips, {clip} (means {ours:.3} and {theirs:.3}; lower in {lower} of them)"
    );
    (what, worst.map_or(f64::NAN, |(worst, _)| worst))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

struct Scoring<'a> {
    python: PathBuf,
    script: PathBuf,
    work: &'a Path,
}

impl Scoring<'_> {
    /// callrec's files and ffmpeg's of the same two sides.
    fn pair(&self, sides: &[PathBuf; 2]) -> anyhow::Result<Scores> {
        let files =
            |format: &str| ["ours", "theirs"].map(|side| self.work.join(format!("{side}_quality.{format}")));
        let wide = files("mp3");
        cpu::run(&mut ours(sides, &wide[0], &["--format", "mp3", "--rate", "16000", "--bitrate", "128k"])?)?;
        cpu::run(&mut ffmpeg(sides, &wide[1], &["-ar", "16000", "-b:a", "128k"]))?;
        let narrow = files("8k.mp3");
        cpu::run(&mut ours(sides, &narrow[0], &["--format", "mp3", "--rate", "8000", "--bitrate", "64k"])?)?;
        cpu::run(&mut ffmpeg(sides, &narrow[1], &["-ar", "8000", "-b:a", "64k"]))?;
        let plain = self.work.join("plain_quality.8k.mp3");
        cpu::run(&mut ffmpeg(sides, &plain, &["-ar", "8000", "-b:a", "64k", "-joint_stereo", "0"]))?;
        let ogg = files("ogg");
        cpu::run(&mut ours(sides, &ogg[0], &["--format", "ogg", "--rate", "8000"])?)?;
        cpu::run(&mut ffmpeg(sides, &ogg[1], &["-c:a", "libvorbis", "-q:a", "4"]))?;
        let mut scoring = Command::new(&self.python);
        scoring.arg(&self.script).arg(&sides[0]);
        scoring.arg("--wide").args(&wide).arg("--narrow").args(&narrow).args(&ogg).arg(&plain);
        let scored = scoring.output()?;
        ensure!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stderr));
        Ok(serde_json::from_slice(&scored.stdout)?)
    }
}

/// Has every voice speak that has not yet.
fn clips(peers: &Peers, work: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let script = work.join("quality_clips.py");
    let directory = work.join("clips");
    let speaking = include_str!("../peers/quality_clips.py");
    // What was made another way is not used again.
    if directory.exists() && fs::read_to_string(&script).ok().as_deref() != Some(speaking) {
        fs::remove_dir_all(&directory)?;
    }
    fs::write(&script, speaking)?;
    let mut making =
        Command::new(peers.python()).arg(&script).arg(&directory).stdout(Stdio::piped()).spawn()?;
    let bar = bar("clips", 20);
    let mut clips = Vec::new();
    for name in making.stdout.take().into_iter().flat_map(|said| BufReader::new(said).lines()) {
        clips.push(directory.join(format!("{}.ulaw", name?)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    ensure!(making.wait()?.success() && clips.len() > 1, "the clips could not be made");
    Ok(clips)
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("  {msg:24} {bar:40} {pos} of {len} clips, {eta} left") {
        bar.set_style(style);
    }
    bar
}
