//! The shipped binary in a process of its own, as it is started, killed and told to end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// A callrec server on a free port. What it logs goes into `server.log` in its working directory.
pub(crate) struct Spawned {
    child: Child,
    /// `http://` and its address.
    pub(crate) base: String,
    log: PathBuf,
}

impl Spawned {
    /// Starts it in a working directory of its own, which keeps its recordings.
    pub(crate) fn start(home: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_callrec")), home, variables)
    }

    /// A server that can write no file longer than this: further writes fail, as on a disk that is full.
    pub(crate) fn start_limited(home: &Path, kib: u32, variables: &[(&str, &str)]) -> Self {
        // Units are 512 bytes (POSIX).
        Self::start_after(&format!("ulimit -f {}", kib * 2), home, variables)
    }

    /// A server for which a shell has set something before.
    pub(crate) fn start_after(script: &str, home: &Path, variables: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{script}; exec \"$0\""), env!("CARGO_BIN_EXE_callrec")]);
        Self::spawn(shell, home, variables)
    }

    /// A server that logs into a pipe, which is to be read by whoever starts it.
    pub(crate) fn start_piped(home: &Path, variables: &[(&str, &str)]) -> (Self, ChildStderr) {
        let mut server = Self::spawn_with(
            Command::new(env!("CARGO_BIN_EXE_callrec")),
            home,
            variables,
            Stdio::piped(),
            home.join("server.log"),
        );
        let log = server.child.stderr.take().unwrap();
        (server, log)
    }

    fn spawn(command: Command, home: &Path, variables: &[(&str, &str)]) -> Self {
        let log = home.join("server.log");
        let appended = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        Self::spawn_with(command, home, variables, appended.into(), log)
    }

    fn spawn_with(
        mut command: Command,
        home: &Path,
        variables: &[(&str, &str)],
        logged: Stdio,
        log: PathBuf,
    ) -> Self {
        let mut child = command
            .current_dir(home)
            .env("PORT", "0")
            .env("DEFAULT_AUDIO_FORMAT", "wav")
            .env_remove("RUST_LOG")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(logged)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("callrec listening on ");
        let base = base.unwrap_or_else(|| panic!("it does not start: {}", read(&log))).to_owned();
        Self { child, base, log }
    }

    /// Where media streams are taken.
    pub(crate) fn media(&self) -> String {
        format!("{}/media-stream", self.base.replace("http", "ws"))
    }

    /// Kills it: SIGKILL, which no process can catch or put off.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to end, as a service manager does.
    pub(crate) fn tell_to_end(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Holds it up, as a machine does that has no time for it.
    pub(crate) fn hold(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Tells it to end, and gives whether it did so well, and its log.
    pub(crate) fn terminate(mut self) -> (bool, String) {
        self.tell_to_end();
        (self.ended().success(), self.log())
    }

    /// What it, and those before it in this directory, logged.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}
