//! Live calls: what a server takes of its processor for each message or second of a call, callrec's beside its peers'.

mod bare;
mod calls;
mod delay;
mod frames;
mod generator;
mod growth;
mod hang_up;
mod ingest;
mod length;
mod messages;
mod process;
mod queues;
mod recorded;
mod relay;
mod talks;
mod timeline;

use callrec_load::descriptors::allow_many_files;
use callrec_load::processors::Processors;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) use bare::Bare;
use generator::Generator;
use messages::Payloads;
use process::ServerProcess;

use crate::cpu::Bench;
use crate::material::Material;
use crate::peers::Peers;
use crate::report::Report;
use crate::runs;

/// What makes the server record MP3 as it does by itself.
const MP3: [(&str, &str); 2] = [("DEFAULT_AUDIO_FORMAT", "mp3"), ("MP3_BITRATE", "128k")];

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

/// Runs every job that is wanted, with this program as callrec's server.
pub(crate) fn run(
    bench: &Bench<'_>,
    seconds: u64,
    server: &Path,
    material: &Material,
    peers: &Peers,
    work: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let generator = Generator { seconds: seconds.max(2), server, work, material };
    if bench.wants("growth") {
        growth::run(bench, &generator, report)?;
        report.windows(generator.seconds);
        report.done("growth")?;
    }
    if bench.wants("delay") {
        delay::run(bench, &generator, report)?;
        report.windows(generator.seconds);
        report.done("delay")?;
    }
    if !["ingest", "relay", "bots", "pipecat", "length", "hang-up"].iter().any(|job| bench.wants(job)) {
        return Ok(());
    }
    let codes = std::fs::read(&material.sides[0])?;
    let live = Live {
        bench,
        work,
        window: Duration::from_secs(seconds),
        processors: Processors::part(1)?,
        callrec: server.to_owned(),
        payloads: messages::payloads(&codes),
        answers: messages::payloads(&std::fs::read(&material.sides[1])?),
        codes,
        material,
    };
    // The most calls that any job makes are one-way; where there are bots, there are few.
    allow_many_files(ingest::CALLS as u64)?;
    if bench.wants("ingest") {
        ingest::run(&live, report)?;
        live.tell_windows(report);
        report.done("ingest")?;
    }
    if bench.wants("relay") {
        relay::against_floor(&live, report)?;
        live.tell_windows(report);
        report.done("relay")?;
    }
    if bench.wants("length") {
        length::run(&live, report)?;
        report.apart(live.processors.are_parted());
        report.done("length")?;
    }
    if bench.wants("hang-up") {
        hang_up::run(&live, report)?;
        report.apart(live.processors.are_parted());
        report.done("hang-up")?;
    }
    if bench.wants("bots") {
        ingest::against_peers(&live, peers, report)?;
        live.tell_windows(report);
        report.done("bots")?;
    }
    if bench.wants("pipecat") {
        relay::against_pipecat(&live, peers, report)?;
        live.tell_windows(report);
        report.done("pipecat")?;
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

    /// Tells over what time, and where, the server's CPU time was measured.
    fn tell_windows(&self, report: &mut Report) {
        report.windows(self.window.as_secs());
        report.apart(self.processors.are_parted());
    }

    /// How long it is waited before anything is measured.
    fn warm_up(&self) -> Duration {
        self.window.min(Duration::from_secs(5))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    runs::middle(&mut values)
}
