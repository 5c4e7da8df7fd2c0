//! Giving a file its final name without ever replacing what has that name.

use std::io;
use std::path::Path;

use crate::disk::Disk;

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
    pub(crate) fn rename(self, disk: &Disk, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::KernelFirst => match disk.rename_to_free_name(from, to) {
                Err(e) if lacks_it(&e) => link_then_unlink(disk, from, to),
                done => done,
            },
            Self::LinkThenUnlink => link_then_unlink(disk, from, to),
        }
    }
}

/// `EINVAL` is a file system's word for an unknown flag, `ENOSYS` (an unsupported kind) an old kernel's.
fn lacks_it(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

fn link_then_unlink(disk: &Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.link(from, to)?;
    // The file has its final name: what is left of the first is clean-up's work, not a failure.
    let _ = disk.remove(from);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{CallId, PublishError, Readers, RecordingsDir};

    const BOTH: [Renaming; 2] = [Renaming::KernelFirst, Renaming::LinkThenUnlink];

    #[test]
    fn neither_way_replaces_a_file_and_both_move_it() {
        for renaming in BOTH {
            let home = tempfile::tempdir().unwrap();
            let (from, to) = (home.path().join("from"), home.path().join("to"));
            fs::write(&from, "new").unwrap();
            fs::write(&to, "old").unwrap();
            let refused = renaming.rename(&Disk::System, &from, &to).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{renaming:?}");
            assert_eq!(fs::read(&to).unwrap(), b"old");
            assert_eq!(fs::read(&from).unwrap(), b"new");
            fs::remove_file(&to).unwrap();
            renaming.rename(&Disk::System, &from, &to).unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"new");
            assert!(!from.exists());
        }
    }

    #[test]
    fn a_dangling_link_is_not_replaced_either() {
        for renaming in BOTH {
            let home = tempfile::tempdir().unwrap();
            let (from, to) = (home.path().join("from"), home.path().join("to"));
            fs::write(&from, "new").unwrap();
            #[cfg(unix)]
            std::os::unix::fs::symlink("nowhere", &to).unwrap();
            #[cfg(not(unix))]
            fs::write(&to, "old").unwrap();
            assert_eq!(
                renaming.rename(&Disk::System, &from, &to).unwrap_err().kind(),
                io::ErrorKind::AlreadyExists
            );
        }
    }

    #[test]
    fn streams_that_begin_at_once_get_numbers_of_their_own_in_either_way() {
        for renaming in BOTH {
            let home = tempfile::tempdir().unwrap();
            let call = CallId::new("CA1").unwrap();
            let mut numbers: Vec<u32> = std::thread::scope(|scope| {
                let thread = || {
                    // A directory opened again stands for another process: nothing is shared but the files.
                    let dir = RecordingsDir::open_with(Disk::System, home.path(), renaming, Readers::Owner)
                        .unwrap();
                    let mut taken = Vec::new();
                    for _ in 0..25 {
                        let journal = dir.create_journal(&call, 1, dir.new_key(), b"header").unwrap();
                        taken.push(journal.number());
                        // Some finish at once, so that a number's journal is gone while others still look.
                        if journal.number().is_multiple_of(3) {
                            dir.create_partial(&call, journal.number(), "wav").unwrap().publish().unwrap();
                            journal.remove().unwrap();
                        }
                    }
                    taken
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(thread)).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=200).collect::<Vec<_>>(), "{renaming:?}");
            let dir = RecordingsDir::open(home.path()).unwrap();
            assert_eq!(dir.clean_up().unwrap().removed, 0, "nothing temporary is left behind");
        }
    }

    #[test]
    fn two_that_publish_one_stream_leave_one_whole_recording() {
        for renaming in BOTH {
            let home = tempfile::tempdir().unwrap();
            let call = CallId::new("CA1").unwrap();
            for number in 1..=20 {
                let published: usize = std::thread::scope(|scope| {
                    let publish = |byte: u8| {
                        let dir =
                            RecordingsDir::open_with(Disk::System, home.path(), renaming, Readers::Owner)
                                .unwrap();
                        let mut partial = dir.create_partial(&call, number, "wav").unwrap();
                        partial.write(&[byte; 1000]).unwrap();
                        match partial.publish() {
                            Ok(path) => {
                                assert_eq!(fs::read(path).unwrap(), [byte; 1000]);
                                1
                            }
                            Err(PublishError::AlreadyExists { .. }) => 0,
                            Err(other) => panic!("{other}"),
                        }
                    };
                    let threads: Vec<_> = (0..4).map(|byte| scope.spawn(move || publish(byte))).collect();
                    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
                });
                assert_eq!(published, 1);
            }
        }
    }
}
