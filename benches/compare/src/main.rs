//! callrec beside its peers: the same material, in one run, CPU time against CPU time.
//!
//! `cargo run --release -p callrec-compare` installs the peers that are missing, runs them and callrec in turns, keeps what it finds
//! in `benches/results/`, a file for each job, and composes `benches/RESULTS.md` of that. Every figure there is made by it, and those
//! that README has too.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a command that measures")]

mod cpu;
mod decode;
mod figure;
mod files;
mod flac_crates;
mod jobs;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod load;
mod material;
mod ours;
mod page;
mod peers;
mod quality;
mod readme;
mod report;
mod results;
mod runs;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

use cpu::Bench;
use material::Material;
use report::Report;

/// The server's, so that what is measured beside it has it too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs callrec and its peers side by side, job by job, and writes benches/RESULTS.md.
///
/// Each pair does the same job on the same input, in turns; the figure is the ratio of the medians of their CPU times, those of
/// their children included. Peers that are missing are installed: with apt-get, for which it takes root or sudo, and with pip and npm
/// into target/compare.
///
/// What a job found is kept in benches/results as soon as it is done, and the page is composed of all that is kept there, with the
/// rows that README has of it: a run that is broken off loses one job, and jobs can be measured by themselves.
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
    /// Only jobs whose name has one of these in it; what is kept of the others stays. There are mp3, flac, ogg, wav, whole, quality,
    /// growth, delay, ingest, relay, length, hang-up, bots, pipecat.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Show what is found, and write nothing.
    #[arg(long)]
    show: bool,
    /// Where everything is made that may be thrown away.
    #[arg(long, default_value = "target/compare", value_name = "DIRECTORY")]
    work: PathBuf,
    /// The page that the results go to. They are kept in `results` beside it.
    #[arg(long, global = true, default_value = "benches/RESULTS.md", value_name = "FILE")]
    results: PathBuf,
    #[command(subcommand)]
    job: Option<Job>,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Composes the page of the results that are kept, and README's rows, without measuring anything.
    Page,
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
        Some(Job::Page) => return report::compose(&arguments.results),
        Some(Job::Ours(job)) => return job.run(),
        Some(Job::Material) => return material::write(&arguments.work, arguments.minutes),
        Some(Job::Decode(job)) => return job.run(),
        #[cfg(target_os = "linux")]
        Some(Job::Bare(job)) => return job.run(),
        #[cfg(target_os = "linux")]
        Some(Job::Load(options)) => return load::run(&options),
        None => jobs::check(&arguments.only)?,
    }
    std::fs::create_dir_all(&arguments.work)
        .with_context(|| format!("{} cannot be made", arguments.work.display()))?;
    let work = arguments.work.canonicalize()?;
    let bench = Bench { runs: arguments.runs, only: &arguments.only };
    let peers = peers::install(&work, bench.wants(quality::NAME))?;
    let material = Material::make(&work, arguments.minutes)?;
    // Before anything is measured: it is of the same tree then as this program is.
    #[cfg(target_os = "linux")]
    let server = callrec_load::process::program(None)?;
    let page = (!arguments.show).then_some(arguments.results.as_path());
    let mut report = Report::new(page, &bench, &peers, &material)?;
    files::run(&bench, &material, &peers, &work, &mut report)?;
    if bench.wants(quality::NAME) {
        quality::run(&peers, &work, &mut report)?;
        report.done(quality::NAME)?;
    }
    #[cfg(target_os = "linux")]
    live::run(&bench, arguments.seconds, &server, &material, &peers, &work, &mut report)?;
    report.end()
}
