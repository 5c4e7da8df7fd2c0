//! A server under measure: a process that says where it listens, and what it has used of its processor.

use anyhow::{Context as _, ensure};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use callrec_load::cpu::Snapshot;
use callrec_load::process::Held;
use callrec_load::processors::Processors;

/// How long a server may take to end once it was told to.
const FAREWELL: Duration = Duration::from_secs(60);
/// The server.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a server, which prints the address it listens on behind `http://`.
    pub(crate) fn start(command: &mut Command, log: &Path, processors: &Processors) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?);
        let child = processors.on_the_servers(|| command.spawn())?;
        let mut child = child.with_context(|| format!("{command:?} could not be run"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let address = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("http://")?;
            address.trim_end().trim_end_matches('/').parse().ok()
        });
        let mut server = Self { child, address: ([0; 4], 0).into(), log: log.to_owned() };
        server.address = address.with_context(|| format!("it does not listen: {}", server.said()))?;
        Ok(server)
    }

    /// What it, its threads and its children used since it was started.
    pub(crate) fn used(&self) -> anyhow::Result<Snapshot> {
        Snapshot::with_children(self.child.id())
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        Ok(Held::by(self.child.id())?.memory)
    }

    /// The body of its answer to a GET.
    pub(crate) fn ask(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        let address = self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer to {path}"))?;
        Ok(body.to_owned())
    }

    /// Tells it to end, and waits until it has; fails unless it did by itself, or because it was told to.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + FAREWELL;
        let ended = loop {
            if let Some(ended) = self.child.try_wait()? {
                break ended;
            }
            ensure!(Instant::now() < deadline, "{} does not end", self.address);
            std::thread::sleep(Duration::from_millis(10));
        };
        let told = Some(rustix::process::Signal::TERM.as_raw());
        ensure!(ended.success() || ended.signal() == told, "it ended badly ({ended}): {}", self.said());
        Ok(())
    }

    /// What it wrote to its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
