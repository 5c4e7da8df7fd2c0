//! The server as a process of its own, and what the system says it holds.

use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long it may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held {
    /// Resident memory, in bytes.
    pub(crate) memory: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
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
        let id = self.id()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("only Linux tells")?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Ok(Held {
            memory: number("VmRSS:").context("no VmRSS")? * 1_024,
            descriptors: std::fs::read_dir(format!("/proc/{id}/fd"))?.count() as u64,
            threads: number("Threads:").context("no Threads")?,
        })
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

/// The server's program: the one that was named, or one built as this program was, beside it.
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
