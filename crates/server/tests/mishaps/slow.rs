//! A slow disk under a running server: its own threads wait where a slow disk would let them wait.
//!
//! The threads that write journals and recordings are traced (`ptrace`), and held for a while whenever they enter a system call
//! that brings something to the disk. Nothing else of the process is touched, and nothing has to be built into it.

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::LONG;

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
            .map(|task| {
                let thread = Pid::from_raw(task.file_name().unwrap().to_str().unwrap().parse().unwrap());
                let (call, held) = (task.join("syscall"), Arc::clone(&held));
                let (tell, told) = std::sync::mpsc::channel();
                // Only the thread that began to trace another may go on with it.
                let tracer = std::thread::spawn(move || {
                    let traced = ptrace::seize(thread, ptrace::Options::PTRACE_O_TRACESYSGOOD)
                        .and_then(|()| ptrace::interrupt(thread));
                    tell.send(traced).unwrap();
                    let _ =
                        trace(thread, || std::fs::read_to_string(&call).unwrap_or_default(), slowness, &held);
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

/// The directories of a server's threads that have to do with files.
fn threads_of(server: u32) -> Vec<PathBuf> {
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
            return ours.map(|(_, task)| task).collect();
        }
        assert!(began.elapsed() < LONG, "no such threads: {named:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets a thread go on from system call to system call, until it ends.
fn trace(
    thread: Pid,
    call: impl Fn() -> String,
    slowness: Slowness,
    held: &[AtomicU64; 2],
) -> nix::Result<()> {
    let mut enters = true;
    loop {
        match waitpid(thread, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceSyscall(_) => {
                let number = call().split(' ').next().and_then(|number| number.parse().ok());
                if enters && let Some((which, delay)) = number.and_then(|number| delayed(number, slowness)) {
                    std::thread::sleep(delay);
                    held[which].fetch_add(1, Ordering::Relaxed);
                }
                enters = !enters;
                ptrace::syscall(thread, None)?;
            }
            WaitStatus::PtraceEvent(..) => ptrace::syscall(thread, None)?,
            WaitStatus::Stopped(_, signal) => ptrace::syscall(thread, signal)?,
            _ => return Ok(()),
        }
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
