//! Relayed calls of callrec's load generator, which looks at every recording.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

use crate::cpu::run as run_to_end;
use crate::material::Material;

/// Within how many seconds all calls begin, and hang up.
pub(super) const RAMP: u64 = 10;

/// The load generator, in a process of its own.
#[derive(Clone, Copy)]
pub(super) struct Generator<'a> {
    /// How long each window is.
    pub(super) seconds: u64,
    pub(super) server: &'a Path,
    pub(super) work: &'a Path,
    pub(super) material: &'a Material,
}

impl Generator<'_> {
    /// What it reports of so many calls, recorded in MP3, with these arguments behind `--recording`.
    pub(super) fn run(&self, runs: u64, calls: &str, recording: &[&str]) -> anyhow::Result<Value> {
        let json = self.work.join("load.json");
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", "--calls", calls, "--set", "MP3_BITRATE=128k", "--recording"]).args(recording);
        for side in &self.material.sides {
            command.arg("--speech").arg(side);
        }
        command.arg("--server").arg(self.server).arg("--work").arg(self.work);
        command.args(["--ramp", &RAMP.to_string()]);
        command.args(["--runs", &runs.to_string(), "--seconds", &self.seconds.to_string(), "--json"]);
        run_to_end(command.arg(&json))?;
        Ok(serde_json::from_slice(&std::fs::read(&json)?)?)
    }
}

/// What was measured of so many calls.
pub(super) fn level<'a>(report: &'a Value, calls: u64, recording: &str) -> anyhow::Result<&'a Value> {
    let mut levels = report["levels"].as_array().into_iter().flatten();
    let level = levels.find(|level| level["calls"] == calls).context("no such level")?;
    ensure!(level[recording].is_object(), "nothing was measured of {calls} calls");
    Ok(&level[recording])
}

/// Of the delays one way, in milliseconds.
pub(super) fn p99(level: &Value, way: &str) -> anyhow::Result<f64> {
    number(&level[way], "p99")
}

pub(super) fn number(value: &Value, name: &str) -> anyhow::Result<f64> {
    value[name].as_f64().with_context(|| format!("no {name}"))
}
