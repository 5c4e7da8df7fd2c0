//! A server under measure: a process that says where it listens, and what it has used of its processor.

use anyhow::{Context as _, bail, ensure};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::processors::Processors;

/// How long a server may take to end once it was told to.
const FAREWELL: Duration = Duration::from_secs(60);
/// The threads of callrec that turn journals into files. Their names are as the system shows them.
const ENCODERS: [&str; 1] = ["callrec-worker"];

/// CPU time, user and system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Of the process, all its threads and all its children.
    pub(crate) whole: Duration,
    /// Of its encoding threads.
    pub(crate) encoding: Duration,
}

impl Used {
    /// What was used since then.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            whole: self.whole.saturating_sub(before.whole),
            encoding: self.encoding.saturating_sub(before.encoding),
        }
    }
}

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
        let mut child = processors.spawn(command).with_context(|| format!("{command:?} could not be run"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let address = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("http://")?;
            address.trim_end().trim_end_matches('/').parse().ok()
        });
        let mut server = Self { child, address: ([0; 4], 0).into(), log: log.to_owned() };
        server.address = address.with_context(|| format!("it does not listen: {}", server.said()))?;
        Ok(server)
    }

    /// What it used since it was started.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        let id = self.child.id();
        let mut used = Used { whole: with_children(id)?, encoding: Duration::ZERO };
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            let task = task?.path();
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            if ENCODERS.contains(&name.trim_end()) {
                used.encoding += ticks(&fs::read_to_string(task.join("stat"))?, &[13, 14])?;
            }
        }
        Ok(used)
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

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + FAREWELL;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "{} does not end", self.address);
            std::thread::sleep(Duration::from_millis(10));
        }
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

/// CPU time of a process, of children that are gone, and of those that live.
fn with_children(id: u32) -> anyhow::Result<Duration> {
    let mut used = ticks(&fs::read_to_string(format!("/proc/{id}/stat"))?, &[13, 14, 15, 16])?;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            used += with_children(child.parse()?)?;
        }
    }
    Ok(used)
}

/// The sum of these fields of a `stat` file, the first being number 0, which count ticks of the system's clock.
fn ticks(stat: &str, fields: &[usize]) -> anyhow::Result<Duration> {
    // The name, field 1, may have spaces in it.
    let Some((_, behind)) = stat.rsplit_once(") ") else { bail!("a stat file without a name") };
    let values: Vec<&str> = behind.split_whitespace().collect();
    let mut sum = 0;
    for field in fields {
        sum += values.get(field - 2).context("a short stat file")?.parse::<u64>()?;
    }
    Ok(Duration::from_secs_f64(sum as f64 / rustix::param::clock_ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticks_of_a_process_are_read_whatever_its_name_is() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 500 250 20 30 0";
        let hz = rustix::param::clock_ticks_per_second();
        assert_eq!(ticks(stat, &[13, 14]).unwrap(), Duration::from_millis(750_000 / hz));
        assert_eq!(ticks(stat, &[13, 14, 15, 16]).unwrap(), Duration::from_millis(800_000 / hz));
        assert!(ticks(stat, &[40]).is_err());
    }
}
