//! Giving a file its final name without ever replacing what has that name.

use std::fs;
use std::io;
use std::path::Path;

/// How a file gets a name that nothing may have yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Renaming {
    /// One step by the kernel (Linux `renameat2` with `RENAME_NOREPLACE`); where kernel or file system lack it, as below.
    KernelFirst,
    /// A second name by a hard link, which no system lets replace a file, then the first name is removed. A crash
    /// between the two leaves both names on the same file; the first is a temporary one, and clean-up removes it.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "chosen by tests; in use where the kernel lacks the one step")
    )]
    LinkThenUnlink,
}

impl Renaming {
    /// Renames; fails with [`io::ErrorKind::AlreadyExists`] if `to` is taken by anything at all.
    pub(crate) fn rename(self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::KernelFirst => match kernel(from, to) {
                Err(e) if lacks_it(&e) => link_then_unlink(from, to),
                done => done,
            },
            Self::LinkThenUnlink => link_then_unlink(from, to),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn kernel(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn kernel(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `EINVAL` is a file system's word for an unknown flag, `ENOSYS` (an unsupported kind) an old kernel's.
fn lacks_it(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

fn link_then_unlink(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    // The file has its final name: what is left of the first is clean-up's work, not a failure.
    let _ = fs::remove_file(from);
    Ok(())
}
