//! Threads that are traced (`ptrace`), from system call to system call. It needs no privilege, and nothing that would have to be
//! built into what is traced.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::HashSet;

/// Where a thread stands that is about to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// It asks the system for something.
    Entry,
    /// It has got it, or not.
    Exit,
}

/// Begins to trace a thread, or a process that has but one. Only the thread that calls this may [`follow`] it.
pub(crate) fn seize(thread: Pid, options: ptrace::Options) -> nix::Result<()> {
    ptrace::seize(thread, options | ptrace::Options::PTRACE_O_TRACESYSGOOD)
}

/// Lets everything that this thread traces go on from system call to system call, until all of it has ended.
pub(crate) fn follow(mut stopped: impl FnMut(Pid, At)) {
    // Those that are in a system call. One that is seen for the first time is in none, or in one whose end is not shown.
    let mut inside = HashSet::new();
    loop {
        // Of this thread alone: other tests have children too.
        let stop = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Ok(stop) => stop,
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        // One that was killed meanwhile cannot go on: that is told next.
        let _ = match stop {
            WaitStatus::PtraceSyscall(thread) => {
                let enters = inside.insert(thread);
                if !enters {
                    inside.remove(&thread);
                }
                stopped(thread, if enters { At::Entry } else { At::Exit });
                ptrace::syscall(thread, None)
            }
            // It is left alone for its last step, so that who started it is told of its end.
            WaitStatus::PtraceEvent(thread, _, nix::libc::PTRACE_EVENT_EXIT) => {
                inside.remove(&thread);
                ptrace::detach(thread, None)
            }
            WaitStatus::PtraceEvent(thread, ..) => ptrace::syscall(thread, None),
            WaitStatus::Stopped(thread, signal) => ptrace::syscall(thread, signal),
            _ => Ok(()),
        };
    }
}

/// What a thread that stands at a system call asks for: its number and what is given to it; none if the thread was killed.
pub(crate) fn call_of(thread: Pid) -> Option<(i64, [u64; 6])> {
    let told = std::fs::read_to_string(format!("/proc/{thread}/syscall")).ok()?;
    let mut words = told.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut given = [0; 6];
    for argument in &mut given {
        *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    Some((number, given))
}
