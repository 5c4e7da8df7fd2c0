//! `callrec recover`, as a process: what it finishes, what it leaves, and what it says of that.
#![cfg(all(unix, feature = "wav"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use callrec::{Audio, CallOptions, Format, Recorder, Settings};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the server's recordings are, in its working directory.
const JOURNAL: &str = "responses/.journal/CA1_1.journal";
const RECORDING: &str = "responses/call_CA1_conversation.wav";

/// A working directory with the journal of two minutes, as it is when the process is killed that writes it.
fn left_behind() -> (tempfile::TempDir, Vec<u8>) {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = Settings::default().with_format(Format::Wav);
    let recorder = Recorder::builder(elsewhere.path()).settings(settings).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    (0..120).for_each(|second| call.caller_at(second * 1_000, Audio::mulaw(&[0x10; 8_000])));
    assert!(call.flush());
    std::fs::create_dir_all(home.path().join("responses/.journal")).unwrap();
    let left = std::fs::read(elsewhere.path().join(".journal/CA1_1.journal")).unwrap();
    std::fs::write(home.path().join(JOURNAL), &left).unwrap();
    (home, left)
}

/// How it ended, and what is on its standard output and its standard error.
struct Recovered {
    well: bool,
    code: Option<i32>,
    told: String,
    error: String,
}

/// Has a shell run it, behind something that is set before.
fn recover(home: &Path, script: &str, variables: &[(&str, &str)]) -> Recovered {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{script} exec \"$0\" recover"), env!("CARGO_BIN_EXE_callrec")]);
    shell.current_dir(home).env_remove("RUST_LOG").envs(variables.iter().copied());
    let output = shell.output().unwrap();
    let [told, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    Recovered { well: output.status.success(), code: output.status.code(), told, error }
}

fn partial_files(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join("responses/.journal")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension() == Some("partial".as_ref())).collect()
}

#[test]
fn recover_finishes_what_is_left_and_tells_how_much() {
    let home = tempfile::tempdir().unwrap();
    let nothing = recover(home.path(), "", &[]);
    assert!(nothing.well, "{}", nothing.error);
    assert_eq!(nothing.told, "recordings finished: 0; failed: 0; in use by a running server: 0\n");
}

#[test]
fn recover_takes_nothing_of_what_is_to_stay_free_of_the_disk_and_says_what_to_do() {
    let (home, left) = left_behind();
    // More than any disk has.
    let low = recover(home.path(), "", &[("MIN_FREE_DISK_MB", "1000000000")]);
    assert_eq!(
        (low.well, low.told.as_str()),
        (false, "recordings finished: 0; failed: 1; in use by a running server: 0\n")
    );
    let line = low.error.lines().last().unwrap();
    assert!(line.starts_with("callrec: some journals could not be finished"), "{}", low.error);
    for part in
        ["they are kept", "For want of room: 1;", " 1000000000 MB are to stay free", "lower MIN_FREE_DISK_MB"]
    {
        assert!(line.contains(part), "{part}: {}", low.error);
    }
    let (journal, recording) = (home.path().join(JOURNAL), home.path().join(RECORDING));
    assert_eq!(std::fs::read(&journal).unwrap(), left);
    assert!(!recording.exists() && partial_files(home.path()).is_empty());

    let well = recover(home.path(), "", &[("MIN_FREE_DISK_MB", "0")]);
    assert_eq!(well.told, "recordings finished: 1; failed: 0; in use by a running server: 0\n");
    assert!(well.well && !journal.exists(), "{}", well.error);
    assert_eq!(hound::WavReader::open(recording).unwrap().duration(), 120 * 8_000);
}

/// Two minutes are four megabytes, and no file may be longer than one (2,048 units of 512 bytes).
#[test]
fn recover_is_not_killed_where_no_file_may_be_as_long_as_the_recording_and_says_what_is_left() {
    let (home, left) = left_behind();
    let limited = recover(home.path(), "ulimit -f 2048;", &[("MIN_FREE_DISK_MB", "0")]);
    assert_eq!(limited.code, Some(1), "it ends by itself: {}", limited.error);
    assert_eq!(limited.told, "recordings finished: 0; failed: 1; in use by a running server: 0\n");
    assert!(limited.error.contains("File too large"), "{}", limited.error);
    assert_eq!(std::fs::read(home.path().join(JOURNAL)).unwrap(), left);
    assert!(!home.path().join(RECORDING).exists() && partial_files(home.path()).is_empty());
}

/// As another user's server has left it, which root can play; whoever is not root finds enough that is root's.
#[test]
fn recover_refuses_what_belongs_to_another_user_and_makes_nothing_there() {
    use std::os::unix::fs::chown;
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    let journals = responses.join(".journal");
    let refused = |directory: &Path, told: &str| {
        let refused = recover(home.path(), "", &[("RECORDINGS_DIRECTORY", directory.to_str().unwrap())]);
        assert_eq!((refused.code, refused.told.as_str()), (Some(1), ""));
        assert!(refused.error.contains(told) && refused.error.lines().count() == 1, "{}", refused.error);
    };
    if !rustix::process::geteuid().is_root() {
        refused(Path::new("/usr"), "/usr belongs to another user");
        assert!(!Path::new("/usr/.journal").exists());
        return;
    }
    std::fs::create_dir(&responses).unwrap();
    chown(&responses, Some(12_345), None).unwrap();
    refused(&responses, "responses belongs to another user");
    assert!(!journals.exists());
    std::fs::create_dir(&journals).unwrap();
    // Its own, in whoever's directory.
    assert!(recover(home.path(), "", &[]).well);
    chown(&journals, Some(12_345), None).unwrap();
    chown(&responses, Some(0), None).unwrap();
    refused(&responses, "sudo -u '#12345' callrec recover");
    assert_eq!(std::fs::read_dir(&journals).unwrap().count(), 0);
}
