//! The server as a process of its own, and what the system says it holds.

use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long it may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Open files and sockets.
    pub descriptors: u64,
    /// Its threads.
    pub threads: u64,
}

impl Held {
    /// What the process of this number holds now.
    ///
    /// # Errors
    /// It is gone, or the system does not tell as Linux does.
    pub fn by(id: u32) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("only Linux tells")?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Ok(Self {
            memory: number("VmRSS:").context("no VmRSS")? * 1_024,
            descriptors: std::fs::read_dir(format!("/proc/{id}/fd"))?.count() as u64,
            threads: number("Threads:").context("no Threads")?,
        })
    }
}

pub(crate) struct ServerProcess {
    child: Child,
    /// Host and port, once it listens.
    pub(crate) address: String,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts the shipped binary with these settings in a directory of its own, in which `responses` is where its recordings go.
    pub(crate) async fn start(
        program: &Path,
        home: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::spawn(program, &[], home, settings)?.listening().await
    }

    /// The same, without waiting: it does not listen yet.
    pub(crate) fn spawn(
        program: &Path,
        arguments: &[&str],
        home: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let log = home.join("server.log");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .envs([("PORT", "0"), ("RECORDINGS_DIRECTORY", "responses")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started (--server)", program.display()))?;
        Ok(Self { child, address: String::new(), log })
    }

    /// Waits until it listens.
    pub(crate) async fn listening(mut self) -> anyhow::Result<Self> {
        let stdout = self.child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line))
            .await
            .context("it does not listen")??;
        let address = line.trim().split_once("listening on http://").map(|(_, address)| address);
        self.address = address.with_context(|| format!("it does not start: {}", read(&self.log)))?.to_owned();
        Ok(self)
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server is gone")
    }

    /// What it holds now.
    pub(crate) fn held(&self) -> anyhow::Result<Held> {
        Held::by(self.id()?)
    }

    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// Tells it to end, and waits until every recording is finished.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let id = rustix::process::Pid::from_raw(self.id()?.try_into()?);
        rustix::process::kill_process(id.context("the server is gone")?, rustix::process::Signal::TERM)?;
        let ended = timeout(PATIENCE, self.child.wait()).await.context("it does not end")??;
        ensure!(ended.success(), "it ended badly: {ended}");
        Ok(())
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// A directory for recordings and journals that is removed behind them: in this one, or where the system has what is temporary.
pub(crate) fn scratch(within: Option<&Path>) -> anyhow::Result<TempDir> {
    match within {
        Some(within) => TempDir::new_in(within)
            .with_context(|| format!("no directory can be made in {} (--work)", within.display())),
        None => Ok(TempDir::new()?),
    }
}

/// What a program says it is: the first line that it has for `--version`.
///
/// # Errors
/// It cannot be started, or says nothing.
pub fn version(program: &Path) -> anyhow::Result<String> {
    let mut asking = std::process::Command::new(program);
    let told = asking.arg("--version").env_clear().output();
    let told = told.with_context(|| format!("{} cannot be started (--server)", program.display()))?;
    let line = String::from_utf8_lossy(&told.stdout).lines().next().map(|line| line.trim().to_owned());
    line.filter(|line| told.status.success() && !line.is_empty())
        .with_context(|| format!("{} does not say which version it is (--server)", program.display()))
}

/// The server's program: the one that was named. Without a name, under cargo, one that is built as this program was; else the one beside
/// this program, whatever was built there last.
///
/// # Errors
/// It is not there, or could not be built.
pub fn program(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(std::path::absolute(named)?);
    }
    let beside = std::env::current_exe()?.with_file_name("callrec");
    let Some(cargo) = std::env::var_os("CARGO") else {
        ensure!(
            beside.is_file(),
            "{} is not there: cargo build --release -p callrec-server",
            beside.display()
        );
        return Ok(beside);
    };
    let mut building = std::process::Command::new(cargo);
    building.args(["build", "--quiet", "-p", "callrec-server"]);
    if !cfg!(debug_assertions) {
        building.arg("--release");
    }
    ensure!(building.status()?.success(), "the server could not be built");
    Ok(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_say_which_version_it_is_is_not_taken() {
        let told = |program: &str| format!("{:#}", version(Path::new(program)).unwrap_err());
        assert!(told("false").contains("false does not say which version it is (--server)"));
        assert!(told("/nowhere/callrec").contains("/nowhere/callrec cannot be started (--server)"));
    }

    #[test]
    fn recordings_go_where_they_are_to_and_leave_nothing_there() {
        let here = tempfile::tempdir().unwrap();
        let made = scratch(Some(here.path())).unwrap();
        assert_eq!(made.path().parent(), Some(here.path()));
        drop(made);
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
        let nowhere = format!("{:#}", scratch(Some(&here.path().join("nowhere"))).unwrap_err());
        assert!(nowhere.contains("(--work)"), "{nowhere}");
    }
}
