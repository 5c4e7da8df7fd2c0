//! A slow disk under a running server: its own threads wait where a slow disk would let them wait.
//!
//! The threads that write journals and recordings are traced (`ptrace`), and held for a while whenever they enter a system call
//! that brings something to the disk. Nothing else of the process is touched, and nothing has to be built into it.

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::LONG;
use crate::traced::{self, At};

/// The names of the threads that have to do with files, as the system cuts them.
const THREADS: [&str; 3] = ["callrec-journal", "callrec-sync", "callrec-worker"];

/// How slow a disk is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slowness {
    /// What each write takes longer.
    pub(crate) write: Duration,
    /// What each sync takes longer.
    pub(crate) sync: Duration,
}

/// A disk that is slow for a server until the server has ended.
pub(crate) struct SlowDisk {
    tracers: Vec<JoinHandle<()>>,
    held: Arc<[AtomicU64; 2]>,
}

impl SlowDisk {
    /// The disk of a server becomes slow.
    pub(crate) fn under(server: u32, slowness: Slowness) -> Self {
        let held = Arc::new([const { AtomicU64::new(0) }; 2]);
        let tracers: Vec<_> = threads_of(server)
            .into_iter()
            .map(|thread| {
                let held = Arc::clone(&held);
                let (tell, told) = std::sync::mpsc::channel();
                // One waits while the others go on: each has a tracer of its own.
                let tracer = std::thread::spawn(move || {
                    let traced = traced::seize(thread, ptrace::Options::empty())
                        .and_then(|()| ptrace::interrupt(thread));
                    tell.send(traced).unwrap();
                    traced::follow(|thread, at| hold(thread, at, slowness, &held));
                });
                let traced: Result<(), Errno> = told.recv().unwrap();
                traced.expect("a child process may be traced");
                tracer
            })
            .collect();
        Self { tracers, held }
    }

    /// How many writes and syncs were held up, once the server has ended.
    pub(crate) fn ended(self) -> [u64; 2] {
        for tracer in self.tracers {
            tracer.join().unwrap();
        }
        [self.held[0].load(Ordering::Relaxed), self.held[1].load(Ordering::Relaxed)]
    }
}

/// A server's threads that have to do with files.
fn threads_of(server: u32) -> Vec<Pid> {
    let began = Instant::now();
    loop {
        let tasks =
            std::fs::read_dir(format!("/proc/{server}/task")).unwrap().map(|task| task.unwrap().path());
        let named = tasks.map(|task| (std::fs::read_to_string(task.join("comm")).unwrap_or_default(), task));
        let named: Vec<_> = named.map(|(name, task)| (name.trim().to_owned(), task)).collect();
        let count = |wanted: &str| named.iter().filter(|(name, _)| name == wanted).count();
        // A thread that has just begun has the name of the one that began it.
        if count("callrec") == 1 && THREADS.iter().all(|name| count(name) > 0) {
            let ours = named.into_iter().filter(|(name, _)| THREADS.contains(&name.as_str()));
            let number = |task: PathBuf| task.file_name().unwrap().to_str().unwrap().parse::<i32>().unwrap();
            return ours.map(|(_, task)| Pid::from_raw(number(task))).collect();
        }
        assert!(began.elapsed() < LONG, "no such threads: {named:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Holds a thread up where it enters a system call that has to wait for the disk.
fn hold(thread: Pid, at: At, slowness: Slowness, held: &[AtomicU64; 2]) {
    let call = if at == At::Entry { traced::call_of(thread) } else { None };
    if let Some((which, delay)) = call.and_then(|(number, _)| delayed(number, slowness)) {
        std::thread::sleep(delay);
        held[which].fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a system call has to wait for the disk: 0 for a write, 1 for a sync, and how long.
fn delayed(number: i64, slowness: Slowness) -> Option<(usize, Duration)> {
    match number {
        libc::SYS_pwrite64 | libc::SYS_ftruncate => Some((0, slowness.write)),
        libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_syncfs => Some((1, slowness.sync)),
        _ => None,
    }
}
