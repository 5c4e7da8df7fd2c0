//! A disk that hangs under a running server: whoever asks it for anything waits until it is back.
//!
//! The process is traced (`ptrace`), threads that it begins meanwhile too, and each is held when it enters a system call that has to do
//! with a file of one directory. It does not matter which thread that is: one that must not wait for a disk waits as well.

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A disk that hangs until it is told to come back.
pub(crate) struct HungDisk {
    hangs: Arc<AtomicBool>,
    waiting: Arc<Mutex<Vec<String>>>,
    tracer: JoinHandle<()>,
}

impl HungDisk {
    /// The disk of a server hangs, as far as it has to do with this directory.
    pub(crate) fn under(server: u32, directory: &Path) -> Self {
        let hangs = Arc::new(AtomicBool::new(true));
        let waiting = Arc::new(Mutex::new(Vec::new()));
        let mut tracer = Tracer {
            process: PathBuf::from(format!("/proc/{server}")),
            directory: directory.to_owned(),
            is_inside: HashMap::new(),
            held: Vec::new(),
            hangs: Arc::clone(&hangs),
            waiting: Arc::clone(&waiting),
        };
        let (tell, told) = std::sync::mpsc::channel();
        // Only the thread that began to trace another may go on with it.
        let tracer = std::thread::spawn(move || {
            tell.send(tracer.begin(server)).unwrap();
            tracer.go_on();
        });
        told.recv().unwrap().expect("a child process may be traced");
        Self { hangs, waiting, tracer }
    }

    /// The names of the threads that wait for it, as the system cuts them.
    pub(crate) fn waiting(&self) -> Vec<String> {
        self.waiting.lock().unwrap().clone()
    }

    /// It is back; whoever waited goes on. To be [ended](Self::ended) when the server has.
    pub(crate) fn come_back(&self) {
        self.hangs.store(false, Ordering::Release);
    }

    /// Waits until none of the server's threads is left.
    pub(crate) fn ended(self) {
        self.tracer.join().unwrap();
    }
}

struct Tracer {
    process: PathBuf,
    directory: PathBuf,
    /// Whether a thread is inside a system call: it stops on its way in and on its way out.
    is_inside: HashMap<Pid, bool>,
    held: Vec<Pid>,
    hangs: Arc<AtomicBool>,
    waiting: Arc<Mutex<Vec<String>>>,
}

impl Tracer {
    /// Begins to trace all threads but the first: that one is the child whose end somebody else waits for, and begins no other.
    fn begin(&self, server: u32) -> nix::Result<()> {
        let first = Pid::from_raw(server.try_into().unwrap());
        let mut traced = HashSet::from([first]);
        loop {
            let tasks = std::fs::read_dir(self.process.join("task")).unwrap();
            let name = |task: std::io::Result<std::fs::DirEntry>| task.unwrap().file_name();
            let threads = tasks.map(|task| Pid::from_raw(name(task).to_str().unwrap().parse().unwrap()));
            let new: Vec<Pid> = threads.filter(|thread| !traced.contains(thread)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for thread in new {
                // One that a traced thread has begun is traced already, and one may just have ended.
                let seized =
                    ptrace::seize(thread, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE);
                match seized.and_then(|()| ptrace::interrupt(thread)) {
                    Err(error) if traced.len() == 1 => return Err(error),
                    _ => traced.insert(thread),
                };
            }
        }
    }

    /// Until none of the threads is left.
    fn go_on(&mut self) {
        // Of this thread alone: others of this process have children too.
        let ours = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
        loop {
            if !self.hangs.load(Ordering::Acquire) {
                for thread in self.held.drain(..) {
                    let _ = ptrace::detach(thread, None);
                }
                self.waiting.lock().unwrap().clear();
            }
            match waitpid(None, Some(ours)) {
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_micros(200)),
                Ok(status) => self.stopped(status),
                Err(_) => return,
            }
        }
    }

    fn stopped(&mut self, status: WaitStatus) {
        let (thread, signal) = match status {
            WaitStatus::PtraceSyscall(thread) => {
                let is_inside = self.is_inside.entry(thread).or_default();
                *is_inside = !*is_inside;
                if *is_inside && self.hangs.load(Ordering::Acquire) && self.needs_the_disk(thread) {
                    let name = std::fs::read_to_string(self.task(thread).join("comm")).unwrap_or_default();
                    self.waiting.lock().unwrap().push(name.trim().to_owned());
                    self.held.push(thread);
                    return;
                }
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            WaitStatus::PtraceEvent(thread, ..) => (thread, None),
            // It has ended.
            _ => return,
        };
        // One that is killed meanwhile cannot go on.
        let _ = match self.hangs.load(Ordering::Acquire) {
            true => ptrace::syscall(thread, signal),
            false => ptrace::detach(thread, signal),
        };
    }

    fn task(&self, thread: Pid) -> PathBuf {
        self.process.join(format!("task/{thread}"))
    }

    /// Whether the system call that a thread enters has to do with a file in the directory.
    fn needs_the_disk(&self, thread: Pid) -> bool {
        let call = std::fs::read_to_string(self.task(thread).join("syscall")).unwrap_or_default();
        let mut words = call.split_whitespace();
        let Some(number) = words.next().and_then(|number| number.parse::<i64>().ok()) else { return false };
        let arguments: Vec<u64> =
            words.filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect();
        let path = match number {
            libc::SYS_read
            | libc::SYS_write
            | libc::SYS_pread64
            | libc::SYS_pwrite64
            | libc::SYS_fsync
            | libc::SYS_fdatasync
            | libc::SYS_syncfs
            | libc::SYS_ftruncate
            | libc::SYS_getdents64
            | libc::SYS_fstat
            | libc::SYS_fstatfs => std::fs::read_link(self.process.join(format!("fd/{}", arguments[0]))).ok(),
            libc::SYS_statfs => self.path_at(arguments[0]),
            libc::SYS_openat
            | libc::SYS_newfstatat
            | libc::SYS_statx
            | libc::SYS_faccessat
            | libc::SYS_mkdirat
            | libc::SYS_unlinkat
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_linkat => self.path_at(arguments[1]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open
            | libc::SYS_stat
            | libc::SYS_lstat
            | libc::SYS_access
            | libc::SYS_mkdir
            | libc::SYS_unlink
            | libc::SYS_rename
            | libc::SYS_link => self.path_at(arguments[0]),
            _ => return false,
        };
        path.is_some_and(|path| path.starts_with(&self.directory))
    }

    /// A path in the memory of the process.
    fn path_at(&self, address: u64) -> Option<PathBuf> {
        let mut bytes = [0; 512];
        let length = std::fs::File::open(self.process.join("mem")).ok()?.read_at(&mut bytes, address).ok()?;
        let path = bytes[..length].split(|byte| *byte == 0).next()?;
        Some(std::str::from_utf8(path).ok()?.into())
    }
}
