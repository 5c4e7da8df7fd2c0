//! What calls cost: the shipped server under paced calls, measured from outside, and every recording looked at afterwards.

mod arrivals;
mod check;
mod forwarded;
mod heard;
mod probes;
mod report;
mod spread;
mod trial;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
pub use report::Report;
use report::Server;
use serde::Serialize;
use std::path::PathBuf;
use trial::Setup;

use crate::descriptors::allow_many_files;
use crate::process::{program, version};
use crate::processors::Processors;
use crate::{Sound, Speech, Voice};

/// How it is measured.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many calls, those that measure included; of several numbers, such as 50,250, one after another.
    #[arg(long, value_delimiter = ',', default_value = "50", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub calls: Vec<u64>,
    /// For how many seconds it is measured. All of them are live by then, for five seconds or, where it is less, a quarter of
    /// that.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=86_400))]
    pub seconds: u64,
    /// Within how many seconds they begin, one after another, and hang up. Those that measure delays begin before that, and hang up when
    /// it has been measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub ramp: u64,
    /// The format of the recordings.
    #[arg(long, default_value = "mp3", value_parser = ["mp3", "wav", "ogg", "flac"])]
    pub format: String,
    /// The provider sends both sides, and there is no bot.
    #[arg(long)]
    pub one_way: bool,
    /// Whether calls are recorded, or each lot of them in turn with and without. Without: RECORD_CONVERSATIONS=false,
    /// RELAY_MARKS=off.
    #[arg(long, value_enum, default_value_t = Recording::Alternate)]
    pub recording: Recording,
    /// How often everything is measured. What is shown are medians; but of what is told at the most the greatest of all runs, and of lost
    /// frames the sum.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub runs: u64,
    /// How many of the calls are held at both ends, to see how long messages are under way.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub probes: u64,
    /// How many processors the server has of its own, if there are more.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub processors: u64,
    /// A setting of the server's, such as MP3_BITRATE=64k. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// How everybody sounds.
    #[arg(long, value_enum, default_value_t = Voice::Noise)]
    pub voice: Voice,
    /// Speech that everybody says instead: mu-law at 8,000 Hz without a header, of the caller and of the bot, or one file for both.
    #[arg(long, value_delimiter = ',', value_name = "FILES", conflicts_with = "voice")]
    pub speech: Vec<PathBuf>,
    /// What the calls are drawn from: the same seed gives the same calls.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A relay to measure as well, each lot of calls in turn: a program that relays to a bot and records nothing when it is called with
    /// `bare --bot URL`, and says where it listens.
    #[arg(long, value_name = "FILE", conflicts_with = "one_way")]
    pub bare: Option<PathBuf>,
    /// The server's program; without it, under cargo it is built, otherwise the one beside this program is taken.
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
    /// In which directory journals and recordings are made; they are removed. The default is the system's temporary directory. Where that
    /// is in memory, syncing costs nothing, and the wait for a recording is shorter than on any disk.
    #[arg(long, value_name = "DIRECTORY")]
    pub work: Option<PathBuf>,
    /// Where all figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Whether calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Recording {
    /// They are.
    On,
    /// They are not.
    Off,
    /// One lot is, the next is not.
    Alternate,
}

impl Recording {
    /// What there is in each run, in order.
    const fn lots(self) -> &'static [Lot] {
        match self {
            Self::On => &[Lot::Recording],
            Self::Off => &[Lot::Without],
            Self::Alternate => &[Lot::Recording, Lot::Without],
        }
    }
}

/// What a lot of calls goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Lot {
    /// The server, which records.
    Recording,
    /// The server, which does not.
    Without,
    /// A relay that does nothing else.
    Bare,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Measures, and tells what came of it.
///
/// # Errors
/// The server could not be started or measured.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    // Before any other thread is started: all run where this one does.
    let processors = Processors::part(options.processors)?;
    // A call is a socket of the provider's and one of the bot's.
    allow_many_files(2 * options.calls.iter().max().copied().unwrap_or_default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let program = program(options.server.as_deref())?;
        let sound = match options.speech.as_slice() {
            [] => options.voice.into(),
            files => Sound::Speech(Speech::read(files).context("--speech")?),
        };
        let server = Server { version: version(&program)?, program: program.clone() };
        let setup = Setup { options, sound, program, processors };
        let mut trials = Vec::new();
        for _ in 0..options.runs {
            for calls in &options.calls {
                let bare = options.bare.as_ref().map(|_| Lot::Bare);
                for lot in options.recording.lots().iter().copied().chain(bare) {
                    trials.push(setup.trial(*calls, lot).await?);
                }
            }
        }
        anyhow::Ok(Report::new(options, server, &setup.processors, trials))
    })?;
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(file, json).with_context(|| format!("cannot write {} (--json)", file.display()))?;
    }
    Ok(report)
}
