//! What a run measures, job by job: shown and kept as soon as each is done.

use anyhow::{Context as _, ensure};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cpu::Bench;
use crate::figure::Figure;
use crate::jobs::{JOBS, Job, named};
use crate::material::{Material, NOISE_DBFS};
use crate::page;
use crate::peers::{Peers, version};
use crate::readme;
use crate::results::{self, Call, Commit, Measured};

/// The run, and what was measured of the job that is under way.
#[derive(Debug)]
pub(crate) struct Report {
    /// The page that the results go to, if they are to be kept.
    page: Option<PathBuf>,
    /// Why README could not be brought up to date with the page when that was last written.
    readme: anyhow::Result<()>,
    peers: Vec<String>,
    call: Call,
    /// How often each job is run that does not tell otherwise.
    runs: u64,
    /// What the job's results will be, with all that is the same for every job of this run.
    job: Measured,
}

impl Report {
    /// Of a run whose results go to a page, or are only shown.
    pub(crate) fn new(
        page: Option<&Path>,
        bench: &Bench<'_>,
        peers: &Peers,
        material: &Material,
    ) -> anyhow::Result<Self> {
        let wanted: Vec<&Job> = JOBS.iter().filter(|job| bench.wants(job.name)).collect();
        // Nothing is measured that could not be kept.
        if let Some(page) = page {
            results::read(&results::directory(page))?;
        }
        let peers = peers.versions();
        for peer in wanted.iter().flat_map(|job| job.peers) {
            ensure!(peers.iter().any(|it| page::name(it) == *peer), "the version of {peer} is not known");
        }
        let job = Measured {
            date: String::new(),
            run: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            alone: wanted.len() == 1,
            runs: bench.runs,
            seconds: None,
            apart: None,
            call: None,
            // Found out at first: whoever calls a server gets a processor of its own later.
            machine: machine(),
            callrec: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(),
            rustc: version("rustc", &["--version"]).unwrap_or_default(),
            peers: Vec::new(),
            figures: Vec::new(),
            notes: Vec::new(),
        };
        let call =
            Call { minutes: material.minutes, prompts: material.prompts, noise_dbfs: Some(NOISE_DBFS) };
        Ok(Self { page: page.map(Path::to_owned), readme: Ok(()), peers, call, runs: bench.runs, job })
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        self.job.figures.push(figure);
    }

    /// Adds what must be known of the figures.
    pub(crate) fn note(&mut self, note: String) {
        self.job.notes.push(note);
    }

    /// Tells for how many seconds the job measured live calls each time.
    pub(crate) fn windows(&mut self, seconds: u64) {
        self.job.seconds = Some(seconds);
    }

    /// Tells how often the job was run, where that is not as often as was asked.
    pub(crate) fn runs(&mut self, runs: u64) {
        self.job.runs = runs;
    }

    /// Tells whether its servers had a processor of their own.
    pub(crate) fn apart(&mut self, apart: bool) {
        self.job.apart = Some(apart);
    }

    /// The job of this name is done: shows what it found, keeps it, and writes the page with it.
    pub(crate) fn done(&mut self, name: &str) -> anyhow::Result<()> {
        let job = named(name)?;
        let next = Measured {
            runs: self.runs,
            seconds: None,
            apart: None,
            figures: Vec::new(),
            notes: Vec::new(),
            ..self.job.clone()
        };
        let mut measured = std::mem::replace(&mut self.job, next);
        measured.date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        measured.call = job.is_of_the_call.then_some(self.call);
        let used = job.peers.iter().flat_map(|peer| self.peers.iter().filter(|it| page::name(it) == *peer));
        measured.peers = used.cloned().collect();
        println!("{name}:");
        measured.figures.iter().for_each(|figure| println!("{}", figure.row()));
        measured.notes.iter().for_each(|note| println!("{note}"));
        let Some(page) = &self.page else { return Ok(()) };
        let directory = results::directory(page);
        results::keep(&directory, job, &measured)?;
        let text = page::write(page)?;
        println!("kept in {}, and written to {}", directory.display(), page.display());
        // Nothing that is still to be measured is lost by that.
        self.readme = readme::write(page, &text);
        Ok(())
    }

    /// The run is over.
    ///
    /// # Errors
    /// The README is not up to date.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.readme
    }
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    format!("{processors} processors, {model}, {}", version("uname", &["-sr"]).unwrap_or_default())
}

/// Of the tree that this was built of, as the build script found it; none where that was not git's.
fn commit() -> Option<Commit> {
    let hash = option_env!("CALLREC_COMMIT")?.to_owned();
    Some(Commit { hash, changed: option_env!("CALLREC_CHANGED").is_some() })
}

/// The page of what is kept, without measuring anything.
pub(crate) fn compose(path: &Path) -> anyhow::Result<()> {
    let text = page::write(path).context("the page cannot be composed")?;
    println!("written to {}", path.display());
    readme::write(path, &text)
}
