//! `callrec-load` in a process of its own.

use callrec_load::PlayoutLog;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Load {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    home: TempDir,
    /// Where its bot listens; empty if the provider sends both sides.
    pub(crate) bot: String,
}

impl Load {
    /// Starts it; it waits to be told where the server is.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_callrec-load"))
            .args(["--url", "-", "--listen", "127.0.0.1:0", "--log"])
            .arg(home.path().join("playout.jsonl"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        if !arguments.contains(&"--one-way") {
            stdout.read_line(&mut line).unwrap();
            assert!(line.starts_with("the bot listens on ws://"), "{line}");
        }
        let bot = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { child, stdin, stdout, home, bot }
    }

    /// Makes the calls, every one of which must go well, and gives what was heard in them.
    pub(crate) fn call(mut self, server: &str) -> Vec<PlayoutLog> {
        writeln!(self.stdin, "{server}").unwrap();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        print!("{said}");
        assert!(self.child.wait().unwrap().success(), "{said}");
        let log = std::fs::read_to_string(self.home.path().join("playout.jsonl")).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
