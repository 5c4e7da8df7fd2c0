//! Recordings and texts: whole or not at all, never replaced or replaced in one step, for their owner alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use callrec_store::{CallId, JournalKey, MAX_TEXT, PublishError, Readers, RecordingsDir, StoreError};

const KEY: JournalKey = JournalKey::new(0x5eed);

fn call(name: &str) -> CallId {
    CallId::new(name).unwrap()
}

#[test]
fn a_recording_appears_whole_under_its_name() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut partial = dir.create_partial(&call("CA1"), 2, "wav").unwrap();
    assert!(partial.is_empty());
    partial.write(b"????rest").unwrap();
    partial.patch(0, b"head").unwrap();
    assert!(partial.patch(5, b"long").is_err(), "a patch does not lengthen");
    assert_eq!(partial.len(), 8);
    let mut back = String::new();
    partial.reopen().unwrap().read_to_string(&mut back).unwrap();
    assert_eq!(back, "headrest");
    partial.write(b"!").unwrap();
    assert_eq!(dir.recording_of(&call("CA1"), 2).unwrap(), None);
    let path = partial.publish().unwrap();
    assert_eq!(path, home.path().join("call_CA1_conversation_2.wav"));
    assert_eq!(fs::read(&path).unwrap(), b"headrest!");
    assert_eq!(dir.recording_of(&call("CA1"), 2).unwrap(), Some(path));
    assert_eq!(dir.recording_of(&call("CA1"), 1).unwrap(), None);
    assert_eq!(fs::read_dir(home.path().join(".journal")).unwrap().count(), 0);
}

#[test]
fn publishing_never_replaces_and_hands_the_file_back() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let there = home.path().join("call_CA1_conversation.mp3");
    fs::write(&there, "first").unwrap();
    // In another format it would be a second recording of the same stream: refused as well.
    for extension in ["mp3", "flac"] {
        let mut partial = dir.create_partial(&call("CA1"), 1, extension).unwrap();
        partial.write(b"second").unwrap();
        let refused = partial.publish().unwrap_err();
        assert!(matches!(&refused, PublishError::AlreadyExists { path, .. } if *path == there), "{refused}");
        let partial = refused.into_partial().unwrap();
        assert_eq!(fs::read(&there).unwrap(), b"first");
        assert_eq!(fs::read(partial.path()).unwrap(), b"second");
        fs::rename(&there, home.path().join("away")).unwrap();
        let path = partial.publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        fs::remove_file(path).unwrap();
        fs::rename(home.path().join("away"), &there).unwrap();
    }
}

#[test]
fn a_discarded_partial_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    dir.create_partial(&call("CA1"), 1, "ogg").unwrap().discard().unwrap();
    assert_eq!(fs::read_dir(home.path().join(".journal")).unwrap().count(), 0);
}

#[test]
fn a_text_is_replaced_in_one_step() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    assert_eq!(dir.read_file("call_CA1.txt").unwrap(), None);
    dir.write_atomic("call_CA1.txt", &[0; 5000]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for byte in 1..100u8 {
                dir.write_atomic("call_CA1.txt", &vec![byte; 5000 + usize::from(byte)]).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let text = dir.read_file("call_CA1.txt").unwrap().unwrap();
            assert_eq!(text, vec![text[0]; 5000 + usize::from(text[0])]);
        }
    });
    assert_eq!(fs::read_dir(home.path().join(".journal")).unwrap().count(), 0);
}

#[test]
fn a_text_that_cannot_be_written_leaves_the_old_one_and_no_temporary_file() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    fs::create_dir(home.path().join("call_CA1.txt")).unwrap();
    let refused = dir.write_atomic("call_CA1.txt", b"text").unwrap_err();
    assert!(refused.to_string().contains("call_CA1.txt"), "{refused}");
    assert_eq!(fs::read_dir(home.path().join(".journal")).unwrap().count(), 0);
    assert!(matches!(dir.read_file("call_CA1.txt"), Err(StoreError::NotAFile { .. })));
}

#[test]
fn an_unreadable_text_is_set_aside_without_replacing_another() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    for (round, expected) in ["x.json.bad", "x.json.bad.2", "x.json.bad.3"].iter().enumerate() {
        dir.write_atomic("x.json", &[round as u8]).unwrap();
        let aside = dir.set_aside("x.json").unwrap();
        assert!(aside.ends_with(expected), "{}", aside.display());
        assert_eq!(fs::read(aside).unwrap(), [round as u8]);
    }
    assert!(dir.set_aside("x.json").is_err());
}

#[test]
fn reading_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    fs::File::create(home.path().join("big.txt")).unwrap().set_len(MAX_TEXT + 1).unwrap();
    assert!(matches!(dir.read_file("big.txt"), Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_text_that_could_not_be_read_again_is_not_written() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let longest = vec![b' '; MAX_TEXT as usize];
    dir.write_atomic("x.json", &longest).unwrap();
    let longer = [&longest[..], b" "].concat();
    assert!(matches!(dir.write_atomic("x.json", &longer), Err(StoreError::TooLarge { .. })));
    assert_eq!(dir.read_file("x.json").unwrap().unwrap(), longest);
    assert_eq!(fs::read_dir(home.path().join(".journal")).unwrap().count(), 0, "nothing is left of it");
}

#[test]
fn the_sum_of_a_recording_is_that_of_its_bytes() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let path = home.path().join("call_CA1_conversation.wav");
    // FIPS 180-2, appendix B.3: a million times the letter a.
    fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(dir.sha256_of(&path).unwrap(), (million.to_owned(), 1_000_000));
    assert_eq!(dir.sha256_of(Path::new("/moved/call_CA1_conversation.wav")).unwrap().0, million);
    let missing = dir.sha256_of(Path::new("call_CA2_conversation.wav")).unwrap_err();
    assert!(matches!(missing, StoreError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound));
}

#[test]
fn finished_calls_are_listed_once_the_latest_first() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
    let files = [
        ("call_b_summary.txt", 1),
        ("call_b_summary.json", 5),
        ("call_a_summary.json", 5),
        ("call_c_summary.txt", 3),
    ];
    for (name, seconds) in files {
        dir.write_atomic(name, b"{}").unwrap();
        let file = fs::File::options().write(true).open(home.path().join(name)).unwrap();
        file.set_modified(day + Duration::from_secs(seconds)).unwrap();
    }
    for other in ["call_d.txt", "call_e_summary.txt.bad", "call__summary.txt", "x", "call_é_summary.txt"] {
        fs::write(home.path().join(other), "").unwrap();
    }
    fs::create_dir(home.path().join("call_f_summary.txt")).unwrap();
    let found: Vec<_> = dir.calls().unwrap().into_iter().map(|call| call.call.to_string()).collect();
    assert_eq!(found, ["a", "b", "c"]);
    assert_eq!(dir.calls().unwrap()[1].modified, day + Duration::from_secs(5));
}

#[test]
fn a_summary_is_changed_by_one_at_a_time_and_locks_leave_few_files() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let dir = RecordingsDir::open(home.path()).unwrap();
                for _ in 0..50 {
                    let _lock = dir.lock_call(&call("CA1")).unwrap();
                    let old = dir.read_file("count.txt").unwrap().unwrap_or_default();
                    let next = String::from_utf8(old).unwrap().parse::<u32>().unwrap_or(0) + 1;
                    dir.write_atomic("count.txt", next.to_string().as_bytes()).unwrap();
                }
            });
        }
    });
    let dir = RecordingsDir::open(home.path()).unwrap();
    assert_eq!(dir.read_file("count.txt").unwrap().unwrap(), b"200");
    for number in 0..1000 {
        drop(dir.lock_call(&call(&format!("CA{number}"))).unwrap());
    }
    dir.clean_up().unwrap();
    assert_eq!(fs::read_dir(home.path().join(".journal")).unwrap().count(), 64);
}

#[test]
fn a_place_that_is_no_directory_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let told = RecordingsDir::open(&file).unwrap_err().to_string();
    assert!(told.contains("file is not a directory"), "{told}");
    let told = RecordingsDir::open(file.join("below")).unwrap_err().to_string();
    assert!(told.contains("file/below"), "{told}");
    fs::write(home.path().join(".journal"), "").unwrap();
    assert!(matches!(RecordingsDir::open(home.path()), Err(StoreError::NotADirectory { .. })));
}

#[test]
fn a_working_directory_passes_the_probe_and_is_left_clean() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path().join("a/b")).unwrap();
    dir.probe().unwrap();
    assert_eq!(fs::read_dir(home.path().join("a/b/.journal")).unwrap().count(), 0);
    fs::remove_dir(home.path().join("a/b/.journal")).unwrap();
    let told = dir.probe().unwrap_err().to_string();
    assert!(told.contains("a/b/.journal/"), "{told}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_directories_are_for_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/responses");
        let dir = RecordingsDir::open(&path).unwrap();
        let journal = dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap();
        let recording = dir.create_partial(&call("CA1"), 1, "mp3").unwrap().publish().unwrap();
        let text = dir.write_atomic("call_CA1.txt", b"").unwrap();
        let _lock = dir.lock_call(&call("CA1")).unwrap();
        for made in [&home.path().join("a"), &path, &path.join(".journal")] {
            assert_eq!(mode(made), 0o700, "{}", made.display());
        }
        for made in [journal.path(), &recording, &text] {
            assert_eq!(mode(made), 0o600, "{}", made.display());
        }
        for lock in fs::read_dir(path.join(".journal")).unwrap() {
            assert_eq!(mode(&lock.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn what_is_finished_can_be_let_to_the_group_and_what_is_not_stays_the_owners() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/responses");
        // One that was made when the owner alone was to read.
        let closed = home.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        for path in [&path, &closed] {
            let dir = RecordingsDir::open_for(path, Readers::Group).unwrap();
            let journal = dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap();
            let partial = dir.create_partial(&call("CA1"), 1, "mp3").unwrap();
            let recording = partial.publish().unwrap();
            let text = dir.write_atomic("call_CA1.txt", b"").unwrap();
            let _lock = dir.lock_call(&call("CA1")).unwrap();
            assert_eq!((mode(path), mode(&path.join(".journal"))), (0o750, 0o700));
            assert_eq!((mode(&recording), mode(&text), mode(journal.path())), (0o640, 0o640, 0o600));
            assert_eq!(dir.lets_strangers_in().unwrap(), []);
            for unfinished in fs::read_dir(path.join(".journal")).unwrap() {
                assert_eq!(mode(&unfinished.unwrap().path()), 0o600);
            }
        }
        assert_eq!(mode(&home.path().join("a")), 0o750);
    }

    #[test]
    fn a_directory_that_lets_strangers_in_is_left_so_and_told() {
        let home = tempfile::tempdir().unwrap();
        let told = |dir: &RecordingsDir| -> Vec<(PathBuf, u32, u32)> {
            let open = dir.lets_strangers_in().unwrap().into_iter();
            open.map(|open| (open.path, open.mode, open.right)).collect()
        };
        for (found, owners, groups) in
            [(0o700, false, false), (0o750, true, false), (0o755, true, true), (0o770, true, true)]
        {
            let path = home.path().join(format!("{found:o}"));
            let journals = path.join(".journal");
            let set = |path: &Path, mode| {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            };
            fs::create_dir(&path).unwrap();
            set(&path, found);
            let to_owner = Vec::from_iter(owners.then(|| (path.clone(), found, 0o700)));
            assert_eq!(told(&RecordingsDir::open(&path).unwrap()), to_owner);
            assert_eq!(mode(&path), found);
            let to_group = Vec::from_iter(groups.then(|| (path.clone(), found, 0o750)));
            assert_eq!(told(&RecordingsDir::open_for(&path, Readers::Group).unwrap()), to_group);

            // What is not finished is the owner's, whoever reads.
            set(&journals, found);
            let dir = RecordingsDir::open_for(&path, Readers::Group).unwrap();
            let unfinished = (found != 0o700).then(|| (journals.clone(), found, 0o700));
            assert_eq!(told(&dir), [to_group, Vec::from_iter(unfinished)].concat());
            assert_eq!(mode(&journals), found);
        }
    }

    #[test]
    fn a_file_is_opened_to_be_sent_only_if_it_is_one_and_here() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path().join("responses")).unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        symlink("../secret", dir.path().join("call_CA1.txt")).unwrap();
        let text = dir.write_atomic("call_CA2.txt", b"text").unwrap();
        let read = |path: &Path| dir.open_file(path).map(|file| std::io::read_to_string(file).unwrap());
        assert!(matches!(read(Path::new("call_CA1.txt")), Err(StoreError::NotAFile { .. })));
        assert!(read(&home.path().join("secret")).is_err(), "only the last component counts");
        assert!(read(Path::new("..")).is_err() && read(Path::new(".journal")).is_err());
        assert_eq!(read(&text).unwrap(), "text");
    }

    #[test]
    fn the_directory_may_be_a_link_but_its_journal_directory_may_not() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        fs::create_dir(home.path().join("real")).unwrap();
        symlink("real", &link).unwrap();
        let dir = RecordingsDir::open(&link).unwrap();
        dir.write_atomic("call_CA1.txt", b"x").unwrap();
        assert!(home.path().join("real/call_CA1.txt").exists());

        for target in ["elsewhere", "nowhere"] {
            let other = home.path().join(format!("to-{target}"));
            fs::create_dir_all(home.path().join("elsewhere")).unwrap();
            fs::create_dir(&other).unwrap();
            symlink(home.path().join(target), other.join(".journal")).unwrap();
            assert!(matches!(RecordingsDir::open(&other), Err(StoreError::SymbolicLink { .. })));
        }
    }

    #[test]
    fn nor_may_it_become_one_while_it_is_in_use() {
        let home = tempfile::tempdir().unwrap();
        let outside = home.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let dir = RecordingsDir::open(home.path().join("responses")).unwrap();
        let mut writer = dir.create_journal(&call("CAold"), 1, KEY, b"header").unwrap();
        drop(dir.create_journal(&call("CAleft"), 1, KEY, b"header").unwrap());
        let found = dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap();
        fs::rename(dir.path().join(".journal"), home.path().join("away")).unwrap();
        symlink(&outside, dir.path().join(".journal")).unwrap();
        let refused = |error: StoreError| matches!(error, StoreError::SymbolicLink { .. });
        assert!(refused(writer.sync().unwrap_err()), "its name is not there any more");
        assert!(refused(found.sync().unwrap_err()));
        assert!(refused(dir.lets_strangers_in().unwrap_err()));
        let look = callrec_store::ReadOnlyDir::new(dir.path());
        assert!(refused(look.journals_of(&call("CAold")).unwrap_err()), "nor looked at");
        assert!(refused(dir.create_journal(&call("CA1"), 1, KEY, b"header").unwrap_err()));
        assert!(refused(dir.create_partial(&call("CA1"), 1, "mp3").unwrap_err()));
        assert!(refused(dir.write_atomic("call_CA1.txt", b"text").unwrap_err()));
        assert!(refused(dir.lock_call(&call("CA1")).err().unwrap()));
        assert!(refused(dir.probe().unwrap_err()));
        assert!(refused(dir.free_journals().err().unwrap()), "nor looked for");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing is made there");
    }

    #[test]
    fn no_link_is_followed_to_a_recording_text_or_journal() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path()).unwrap();
        let secret = home.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        symlink(&secret, home.path().join("call_CA1_conversation.mp3")).unwrap();
        symlink(&secret, home.path().join("call_CA1.txt")).unwrap();
        let recording = dir.open_recording(Path::new("call_CA1_conversation.mp3"));
        assert!(matches!(recording, Err(StoreError::NotAFile { .. })));
        assert!(matches!(dir.read_file("call_CA1.txt"), Err(StoreError::NotAFile { .. })));
        // Writing replaces the link, not what it leads to; publishing does not even replace a link.
        dir.write_atomic("call_CA1.txt", b"text").unwrap();
        assert!(dir.create_partial(&call("CA1"), 1, "mp3").unwrap().publish().is_err());
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
    }

    #[test]
    fn a_pipe_in_the_place_of_a_text_does_not_stop_the_reader() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path()).unwrap();
        let pipe = home.path().join("call_CA1.txt");
        // Without a process of its own, which would hold this one's locks for a moment.
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(dir.read_file("call_CA1.txt"), Err(StoreError::NotAFile { .. })));
    }
}
