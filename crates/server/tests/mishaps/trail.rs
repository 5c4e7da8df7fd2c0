//! What a server does to its files that a power loss may undo, in order: every sync, and every name that is given, changed or
//! taken away. It is traced from its first system call on, with every thread that it begins.

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::LONG;
use crate::spawned::Spawned;
use crate::traced::{self, At};

/// What is done to a file. Of a write it is not told what is written, nor how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    MakeDirectory,
    Write,
    /// Its bytes, and all that is known of it.
    Fsync,
    /// Its bytes and its length.
    Fdatasync,
    /// Everything on its file system.
    Syncfs,
    /// A piece of it, and nothing that is known of it.
    SyncFileRange,
    /// Everything there is.
    Sync,
    Rename,
    /// The same, to a name that nothing may have.
    RenameToFreeName,
    Link,
    Unlink,
}

/// One thing that was done, and with success.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) deed: Deed,
    /// The file, from the server's home.
    pub(crate) of: String,
    /// The name that it gets, if it gets one.
    pub(crate) to: Option<String>,
    /// When it was begun and when it was done, in numbers that all of a server share.
    pub(crate) begun: u64,
    pub(crate) done: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deed = match self.deed {
            Deed::MakeDirectory => "mkdir",
            Deed::Write => "write",
            Deed::Fsync => "fsync",
            Deed::Fdatasync => "fdatasync",
            Deed::Syncfs => "syncfs",
            Deed::SyncFileRange => "sync_file_range",
            Deed::Sync => "sync",
            Deed::Rename => "rename",
            Deed::RenameToFreeName => "rename to free name",
            Deed::Link => "link",
            Deed::Unlink => "unlink",
        };
        write!(f, "{deed} {}", self.of)?;
        self.to.as_ref().map_or(Ok(()), |to| write!(f, " -> {to}"))
    }
}

/// A server that leaves a trail.
pub(crate) struct Trailed {
    pub(crate) server: Spawned,
    steps: Arc<Mutex<Vec<Step>>>,
    tracer: JoinHandle<()>,
}

impl Trailed {
    /// Starts it, in a home without symbolic links in its path. `script` is what a shell sets before.
    pub(crate) fn start(home: &Path, script: &str, variables: &[(&str, &str)]) -> Self {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let tells = home.join("shell");
        let _ = std::fs::remove_file(&tells);
        let tracer = std::thread::spawn({
            let (home, tells, steps) = (home.to_owned(), tells.clone(), Arc::clone(&steps));
            move || trace(&home, &tells, &steps)
        });
        // The shell waits to be traced, and then the server takes its place.
        let script = format!("{script} echo $$ > '{}'; kill -STOP $$", tells.display());
        Self { server: Spawned::start_after(&script, home, variables), steps, tracer }
    }

    /// Waits until this is true of what was done.
    pub(crate) async fn wait(&self, what: &str, is_true: impl Fn(&[Step]) -> bool) {
        let began = Instant::now();
        while !is_true(&self.steps.lock().unwrap()) {
            assert!(began.elapsed() < LONG, "{what} does not come; there is:\n{}", self.shown());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn shown(&self) -> String {
        self.steps.lock().unwrap().iter().map(|step| format!("  {step}\n")).collect()
    }

    /// Tells the server to end; gives what it did.
    pub(crate) fn end(mut self) -> Vec<Step> {
        self.server.tell_to_end();
        // As long as it is traced, who waits for its end would be told of each of its stops.
        self.tracer.join().unwrap();
        assert!(self.server.ended().success(), "{}", self.server.log());
        std::mem::take(&mut self.steps.lock().unwrap())
    }
}

/// Traces a shell that tells its number and waits, and what takes its place.
fn trace(home: &Path, tells: &Path, steps: &Mutex<Vec<Step>>) {
    let shell = wait_for(tells);
    let options = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACEEXIT;
    traced::seize(shell, options).expect("a child process may be traced");
    kill(shell, Signal::SIGCONT).unwrap();
    let (mut moment, mut begun, mut names) = (0, HashMap::new(), HashMap::new());
    traced::follow(|thread, at| {
        moment += 1;
        match at {
            At::Entry => {
                let step = traced::call_of(thread)
                    .and_then(|(number, given)| step(home, thread, number, given))
                    .map(|step| Step { begun: moment, of: name_now(&names, step.of), ..step });
                begun.extend(step.map(|step| (thread, step)));
            }
            At::Exit => {
                let step = begun.remove(&thread).filter(|_| has_succeeded(thread));
                let step = step.map(|step| Step { done: moment, ..step });
                if let Some(Step { deed: Deed::Link, of, to: Some(to), .. }) = &step {
                    names.insert(format!("{of} (deleted)"), to.clone());
                }
                steps.lock().unwrap().extend(step);
            }
        }
    });
}

/// The system knows an open file by the name that it was opened by, though that be gone and another, given by a link, be left.
fn name_now(names: &HashMap<String, String>, name: String) -> String {
    names.get(&name).cloned().unwrap_or(name)
}

/// The number of a process that has written it to a file and stopped.
fn wait_for(tells: &Path) -> Pid {
    let began = Instant::now();
    loop {
        let number = std::fs::read_to_string(tells).ok().and_then(|told| told.trim().parse::<i32>().ok());
        let state = number.and_then(|number| std::fs::read_to_string(format!("/proc/{number}/stat")).ok());
        if let Some(number) = number.filter(|_| state.is_some_and(|state| state.contains(") T "))) {
            return Pid::from_raw(number);
        }
        assert!(began.elapsed() < LONG, "the shell does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a system call is to do to a file in the server's home, if that is of interest.
fn step(home: &Path, thread: Pid, number: i64, given: [u64; 6]) -> Option<Step> {
    let path = |directory: u64, name: u64| path_of(home, thread, directory, name);
    #[cfg(target_arch = "x86_64")]
    let here = |name: u64| path(libc::AT_FDCWD as u64, name);
    let (deed, of, to) = match number {
        libc::SYS_pwrite64 => (Deed::Write, file_of(home, thread, given[0]), None),
        libc::SYS_fsync => (Deed::Fsync, file_of(home, thread, given[0]), None),
        libc::SYS_fdatasync => (Deed::Fdatasync, file_of(home, thread, given[0]), None),
        libc::SYS_syncfs => (Deed::Syncfs, file_of(home, thread, given[0]), None),
        libc::SYS_sync_file_range => (Deed::SyncFileRange, file_of(home, thread, given[0]), None),
        libc::SYS_sync => (Deed::Sync, Some(String::new()), None),
        libc::SYS_mkdirat => (Deed::MakeDirectory, path(given[0], given[1]), None),
        libc::SYS_unlinkat => (Deed::Unlink, path(given[0], given[1]), None),
        libc::SYS_linkat => (Deed::Link, path(given[0], given[1]), path(given[2], given[3])),
        libc::SYS_renameat2 if given[4] == u64::from(libc::RENAME_NOREPLACE) => {
            (Deed::RenameToFreeName, path(given[0], given[1]), path(given[2], given[3]))
        }
        libc::SYS_renameat | libc::SYS_renameat2 => {
            (Deed::Rename, path(given[0], given[1]), path(given[2], given[3]))
        }
        // Newer architectures have none of these.
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => (Deed::MakeDirectory, here(given[0]), None),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink => (Deed::Unlink, here(given[0]), None),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link => (Deed::Link, here(given[0]), here(given[1])),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => (Deed::Rename, here(given[0]), here(given[1])),
        _ => return None,
    };
    Some(Step { deed, of: of?, to, begun: 0, done: 0 })
}

/// The file that an open descriptor leads to.
fn file_of(home: &Path, thread: Pid, descriptor: u64) -> Option<String> {
    let file = std::fs::read_link(format!("/proc/{thread}/fd/{}", descriptor as i32)).ok()?;
    from_home(home, &file)
}

/// The file that a path in the memory of a thread names, looked at from an open directory.
fn path_of(home: &Path, thread: Pid, directory: u64, name: u64) -> Option<String> {
    let from = match directory as i32 {
        libc::AT_FDCWD => std::fs::read_link(format!("/proc/{thread}/cwd")).ok()?,
        directory => std::fs::read_link(format!("/proc/{thread}/fd/{directory}")).ok()?,
    };
    from_home(home, &from.join(text_at(thread, name)?))
}

/// The text that is at an address of a thread's memory, to the zero byte behind it.
fn text_at(thread: Pid, address: u64) -> Option<String> {
    let mut text = vec![0; libc::PATH_MAX as usize];
    // Less is read where the memory ends.
    let read = File::open(format!("/proc/{thread}/mem")).ok()?.read_at(&mut text, address).ok()?;
    text.truncate(text[..read].iter().position(|byte| *byte == 0)?);
    String::from_utf8(text).ok()
}

/// A path from the home; none of one that is elsewhere.
fn from_home(home: &Path, path: &Path) -> Option<String> {
    let inside = path.components().collect::<PathBuf>().strip_prefix(home).ok()?.to_str()?.to_owned();
    Some(if inside.is_empty() { ".".to_owned() } else { inside })
}

/// Whether a system call that has just ended did what it was to do.
fn has_succeeded(thread: Pid) -> bool {
    #[cfg(target_arch = "x86_64")]
    let given = ptrace::getregs(thread).map(|registers| registers.rax);
    #[cfg(target_arch = "aarch64")]
    let given = ptrace::getregs(thread).map(|registers| registers.regs[0]);
    given.is_ok_and(|given| given.cast_signed() >= 0)
}
