//! Live calls: what a server takes of its processor for each message or second of a call, callrec's beside its peers'.

mod bare;
mod calls;
mod frames;
mod ingest;
mod messages;
mod process;
mod processors;
mod queues;
mod recorded;
mod relay;
mod talks;
mod timeline;

use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) use bare::Bare;
use messages::Payloads;
use process::ServerProcess;
use processors::Processors;

use crate::cpu::Bench;
use crate::material::Material;
use crate::peers::Peers;
use crate::report::Report;

/// What all jobs with live calls have in common.
struct Live<'a> {
    bench: &'a Bench<'a>,
    work: &'a Path,
    window: Duration,
    processors: Processors,
    /// The server's program.
    callrec: PathBuf,
    /// The caller's side.
    codes: Vec<u8>,
    payloads: Payloads,
    /// The assistant's.
    answers: Payloads,
    material: &'a Material,
}

/// Runs every job that is wanted.
pub(crate) fn run(
    bench: &Bench<'_>,
    seconds: u64,
    material: &Material,
    peers: &Peers,
    work: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    if !["ingest", "relay", "bots", "pipecat"].iter().any(|job| bench.wants(job)) {
        return Ok(());
    }
    let codes = std::fs::read(&material.sides[0])?;
    let live = Live {
        bench,
        work,
        window: Duration::from_secs(seconds),
        processors: Processors::choose()?,
        callrec: build()?,
        payloads: messages::payloads(&codes),
        answers: messages::payloads(&std::fs::read(&material.sides[1])?),
        codes,
        material,
    };
    report.note(format!(
        "Of live calls CPU time is that of the server's process, by the system's count (`/proc`), over windows of {seconds} s \
         behind a warm-up; {}.",
        live.processors.told()
    ));
    live.processors.send_here()?;
    allow_many_files()?;
    if bench.wants("ingest") {
        ingest::run(&live, report)?;
    }
    if bench.wants("relay") {
        relay::against_floor(&live, report)?;
    }
    if bench.wants("bots") {
        ingest::against_peers(&live, peers, report)?;
    }
    if bench.wants("pipecat") {
        relay::against_pipecat(&live, peers, report)?;
    }
    Ok(())
}

impl Live<'_> {
    /// Starts callrec with these settings beside those that a test of speed needs; its recordings go to `recordings`.
    fn callrec(&self, recordings: &Path, settings: &[(&str, &str)]) -> anyhow::Result<ServerProcess> {
        // Each server starts with nothing.
        if recordings.exists() {
            std::fs::remove_dir_all(recordings)?;
        }
        let mut command = Command::new(&self.callrec);
        // Away from anybody's settings in files.
        command.current_dir(self.work).env_clear().env("PORT", "0").env("MAX_CALLS", "2000");
        command.env("RECORDINGS_DIRECTORY", recordings).envs(settings.iter().copied());
        self.start(&mut command)
    }

    /// Starts one of the floor's servers.
    fn bare(&self, arguments: &[&str]) -> anyhow::Result<ServerProcess> {
        self.start(Command::new(std::env::current_exe()?).arg("bare").args(arguments))
    }

    fn start(&self, command: &mut Command) -> anyhow::Result<ServerProcess> {
        ServerProcess::start(command, &self.work.join("server.log"), &self.processors)
    }

    /// How long it is waited before anything is measured.
    fn warm_up(&self) -> Duration {
        self.window.min(Duration::from_secs(5))
    }
}

/// Builds the server as this program was built, and says where it is.
fn build() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("callrec");
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut building = Command::new(cargo);
        building.args(["build", "--quiet", "-p", "callrec-server"]);
        if !cfg!(debug_assertions) {
            building.arg("--release");
        }
        ensure!(building.status()?.success(), "the server could not be built");
    }
    ensure!(beside.is_file(), "{} is not there: cargo build --release -p callrec-server", beside.display());
    Ok(beside)
}

/// Each call is a socket of ours.
fn allow_many_files() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
