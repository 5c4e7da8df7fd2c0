//! What was measured, kept as data: a file for each job.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::figure::Figure;
use crate::jobs::{JOBS, Job};

/// The results of a job, and how they were come by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    /// The day on which it was done.
    pub(crate) date: String,
    /// When the run began that it was measured in; what was measured in one run has this in common.
    pub(crate) run: String,
    /// Whether that run was of this job only.
    pub(crate) alone: bool,
    /// How often each side was run.
    pub(crate) runs: u64,
    /// For how many seconds live calls were measured each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<u64>,
    /// Whether servers had a processor of their own, where the server's CPU time was measured of live calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) apart: Option<bool>,
    /// The call of which files were made, if it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<Call>,
    pub(crate) machine: String,
    /// The version.
    pub(crate) callrec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<Commit>,
    pub(crate) rustc: String,
    /// The peers that were used, each with its version behind its name.
    pub(crate) peers: Vec<String>,
    pub(crate) figures: Vec<Figure>,
    /// What must be known of the figures.
    pub(crate) notes: Vec<String>,
}

/// What the call was made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) minutes: u64,
    pub(crate) prompts: usize,
    /// How loud the noise on the caller's line is, in dB below full scale; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) noise_dbfs: Option<f64>,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commit {
    pub(crate) hash: String,
    /// Whether there were changes to it.
    pub(crate) changed: bool,
}

/// Where the results of a page are kept: beside it.
pub(crate) fn directory(page: &Path) -> PathBuf {
    page.with_file_name("results")
}

fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.json"))
}

/// Keeps the results of a job instead of those that it had.
pub(crate) fn keep(directory: &Path, job: &Job, measured: &Measured) -> anyhow::Result<()> {
    measured.figures.iter().try_for_each(Figure::check)?;
    let path = file(directory, job.name);
    let text = serde_json::to_string_pretty(measured)? + "\n";
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// The results of every job, in the order of the page; none of those that were never measured.
pub(crate) fn read(directory: &Path) -> anyhow::Result<Vec<(&'static Job, Option<Measured>)>> {
    let read = JOBS.iter().map(|job| Ok((job, read_one(&file(directory, job.name))?)));
    let read: Vec<_> = read.collect::<anyhow::Result<_>>()?;
    // One that was given another name would be missing, and nobody would know why.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry?.path();
        ensure!(JOBS.iter().any(|job| file(directory, job.name) == path), "{} is of no job", path.display());
    }
    Ok(read)
}

fn read_one(path: &Path) -> anyhow::Result<Option<Measured>> {
    match fs::read(path) {
        Ok(text) => {
            let measured = serde_json::from_slice(&text);
            Ok(Some(measured.with_context(|| format!("{} cannot be understood", path.display()))?))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_no_job_and_a_figure_that_is_no_number_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let there = directory.path().join("results");
        assert!(read(&there).unwrap().iter().all(|(_, measured)| measured.is_none()));
        let figures = vec![Figure::ratio("a", "b", 1.0, 1.0)];
        let measured = Measured { figures, ..crate::page::tests::measured("2026-01-01", 1) };
        keep(&there, &JOBS[1], &measured).unwrap();
        let kept = read(&there).unwrap();
        assert_eq!(kept[1].1.as_ref(), Some(&measured));
        let broken = Measured { figures: vec![Figure::ratio("a", "b", f64::NAN, 1.0)], ..measured };
        assert!(keep(&there, &JOBS[1], &broken).is_err());
        assert_eq!(kept, read(&there).unwrap());
        fs::write(there.join("other.json"), "{}").unwrap();
        assert!(read(&there).unwrap_err().to_string().contains("other.json is of no job"));
    }
}
