//! How the MP3 sounds beside ffmpeg's of the same bitrate, by the measures of speech PESQ and ViSQOL.

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
    let [our_leak, their_leak] = scoring.pair(&[clips[0].clone(), silence])?.map(|score| score.levels_db[1]);
    bar.finish_and_clear();

    tell(&clips, &scores, report);
    let what = format!(
        "level of a silent channel beside one that speaks ({our_leak:.0} and {their_leak:.0} dBFS; -200 is digital silence)"
    );
    report.add(Figure::told(&what, PEER, our_leak - their_leak));
    Ok(())
}

/// Adds the figures: of each measure the clip in which callrec is furthest behind.
fn tell(clips: &[PathBuf], scores: &[[Score; 2]], report: &mut Report) {
    type Measure = (&'static str, fn(&Score) -> f64);
    let measures: [Measure; 3] = [
        ("PESQ, narrow band at 8 kHz", |score| score.pesq_nb),
        ("PESQ, wide band at 16 kHz", |score| score.pesq_wb),
        ("ViSQOL, speech at 16 kHz", |score| score.visqol),
    ];
    let mean = |of: &dyn Fn(&[Score; 2]) -> f64| scores.iter().map(of).sum::<f64>() / scores.len() as f64;
    for (name, measure) in measures {
        let differences = scores.iter().map(|[ours, theirs]| measure(ours) - measure(theirs));
        let worst = differences.zip(clips).min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((worst, clip)) = worst else { continue };
        let clip = clip.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let means = [0, 1].map(|side| mean(&|score| measure(&score[side])));
        let what = format!(
            "{name}, of MP3 at 16 kHz and 128 kbit/s: the worst of {} clips, {clip} (means {:.3} and {:.3})",
            scores.len(),
            means[0],
            means[1]
        );
        report.add(Figure::difference(&what, PEER, worst, LEAST));
    }
    let [ours, theirs] = [0, 1].map(|side| mean(&|score| score[side].above_db));
    let what = format!(
        "energy above 3.4 kHz beside the whole, mean of those clips ({ours:.2} and {theirs:.2} dB; {:.2} before encoding)",
        mean(&|score| score[0].reference_above_db)
    );
    report.add(Figure::told(&what, PEER, ours - theirs));
    let late = scores.iter().flatten().filter(|score| score.lag != 0).count();
    report.note(format!(
        "Clips of quality are 9 s of speech by recorded and synthetic voices, another on the other channel; both files are decoded \
         by ffmpeg. {late} of {} files were moved in time, and were put back before they were scored.",
        2 * scores.len()
    ));
}

struct Scoring<'a> {
    python: PathBuf,
    script: PathBuf,
    work: &'a Path,
}

impl Scoring<'_> {
    /// callrec's file and ffmpeg's of the same two sides.
    fn pair(&self, sides: &[PathBuf; 2]) -> anyhow::Result<[Score; 2]> {
        let outs = ["ours", "theirs"].map(|side| self.work.join(format!("{side}_quality.mp3")));
        cpu::run(&mut ours(sides, &outs[0], &["--format", "mp3", "--rate", "16000", "--bitrate", "128k"])?)?;
        cpu::run(&mut ffmpeg(sides, &outs[1], &["-ar", "16000", "-b:a", "128k"]))?;
        let scored = Command::new(&self.python).arg(&self.script).arg(&sides[0]).args(&outs).output()?;
        ensure!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stderr));
        Ok(serde_json::from_slice(&scored.stdout)?)
    }
}

/// Has every voice speak that has not yet.
fn clips(peers: &Peers, work: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let script = work.join("quality_clips.py");
    fs::write(&script, include_str!("../peers/quality_clips.py"))?;
    let directory = work.join("clips");
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
