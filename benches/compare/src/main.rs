//! callrec beside its peers: the same material, in one run, CPU time against CPU time.
//!
//! `cargo run --release -p callrec-compare` installs the peers that are missing, runs them and callrec in turns, and writes
//! `benches/RESULTS.md`. Every figure there is made by it.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a command that measures")]

mod cpu;
mod decode;
mod files;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod load;
mod material;
mod ours;
mod peers;
mod quality;
mod report;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

use cpu::Bench;
use material::Material;
use report::Report;

/// Runs callrec and its peers side by side and writes benches/RESULTS.md.
///
/// Each pair does the same job on the same input, in turns; the figure is the ratio of the medians of their CPU times, those of
/// their children included. Peers that are missing are installed: with apt-get, for which it takes root or sudo, and with pip and npm
/// into target/compare.
#[derive(Debug, Parser)]
#[command(name = "callrec-compare", version)]
struct Arguments {
    /// How long the call is of which files are made, in minutes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// How often each is run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=99))]
    runs: u64,
    /// For how many seconds live calls are measured each time, behind a warm-up.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Only jobs whose name has one of these in it, such as mp3,flac. The results are shown and not written.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Where everything is made that may be thrown away.
    #[arg(long, default_value = "target/compare", value_name = "DIRECTORY")]
    work: PathBuf,
    /// Where the results go.
    #[arg(long, default_value = "benches/RESULTS.md", value_name = "FILE")]
    results: PathBuf,
    #[command(subcommand)]
    job: Option<Job>,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// callrec's side of one job, to be measured as a process.
    #[command(hide = true)]
    Ours(ours::Ours),
    /// The call of which files are made.
    #[command(hide = true)]
    Material,
    /// The decoder's share of a job.
    #[command(hide = true)]
    Decode(decode::Decode),
    /// A server that does as little as can be, to be measured beside callrec's.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Bare(live::Bare),
    /// Paced calls through a server.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Load(callrec_load::measure::Options),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.job {
        Some(Job::Ours(job)) => return job.run(),
        Some(Job::Material) => return material::write(&arguments.work, arguments.minutes),
        Some(Job::Decode(job)) => return job.run(),
        #[cfg(target_os = "linux")]
        Some(Job::Bare(job)) => return job.run(),
        #[cfg(target_os = "linux")]
        Some(Job::Load(options)) => return load::run(&options),
        None => {}
    }
    std::fs::create_dir_all(&arguments.work)
        .with_context(|| format!("{} cannot be made", arguments.work.display()))?;
    let work = arguments.work.canonicalize()?;
    let bench = Bench { runs: arguments.runs, only: &arguments.only };
    let peers = peers::install(&work, bench.wants(quality::NAME))?;
    let material = Material::make(&work, arguments.minutes)?;
    let mut report = Report::new(arguments.runs, &material);
    files::run(&bench, &material, &peers, &work, &mut report)?;
    if bench.wants(quality::NAME) {
        quality::run(&peers, &work, &mut report)?;
    }
    #[cfg(target_os = "linux")]
    live::run(&bench, arguments.seconds, &material, &peers, &work, &mut report)?;
    let text = report.text(&peers);
    println!("\n{text}");
    if arguments.only.is_empty() {
        write(&arguments.results, &text)?;
        println!("written to {}", arguments.results.display());
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
