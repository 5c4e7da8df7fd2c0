//! Every sync in the life of a recording, where the real disk is asked for it: what the server does to its files is held, in order,
//! against the list in ARCHITECTURE.md ("The life of a recording").
//!
//! What each sync is good for, crashes of a simulated disk show. Here it is seen that the system is asked for it: of which file, of
//! what kind, behind what it is to bring to the disk and before what relies on it.

use callrec::Track;
use futures_util::{SinkExt, StreamExt};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::TURN;
use crate::handset::Handset;
use crate::trail::{Deed, Step, Trailed};

/// The directory above the recordings' has to be made too.
const SETTINGS: [(&str, &str); 2] =
    [("RECORDINGS_DIRECTORY", "deep/responses"), ("DEFAULT_AUDIO_FORMAT", "wav")];

const JOURNAL: &str = "deep/responses/.journal/CA1_1.journal";
const SUMMARY: &str = "deep/responses/call_CA1_summary.json";

/// A shell's words after which no file can be longer than 48 KiB, which are 96 units: refused is what is longer, as by a full disk.
const FULL: &str = "ulimit -f 96;";
/// Ticks whose journal fits there, and whose recording does not.
const TICKS: u64 = 100;

/// A part of the list, and what is done in it.
type Part = (&'static str, &'static [&'static str]);

const OPEN_NEW: Part = (
    "0. Open, where nothing is yet",
    &[
        "fsync .",
        "mkdir deep",
        "fsync .",
        "mkdir deep/responses",
        "fsync deep",
        "mkdir deep/responses/.journal",
        "fsync deep/responses",
    ],
);
/// Whoever made them may have been killed before it synced.
const OPEN_AGAIN: Part = ("0. Open, where all is", &["fsync deep", "fsync deep/responses"]);
const RESERVE: Part = (
    "1. Reserve",
    &[
        "write deep/responses/.journal/1.tmp",
        "rename to free name deep/responses/.journal/1.tmp -> deep/responses/.journal/CA1_1.journal",
    ],
);
const RECORD: Part = ("2. Record", &["write deep/responses/.journal/CA1_1.journal"]);
/// What comes of an attempt that ends the process is not the disk's doing: no sync.
const MARK: Part = ("Recovery: before", &["write deep/responses/.journal/CA1_1.attempts"]);
const UNMARK: Part = ("Recovery: behind", &["unlink deep/responses/.journal/CA1_1.attempts"]);
const WRITE_AGAIN: Part = (
    "5. Tell that the audio is in another's journal: before",
    &["write deep/responses/.journal/CA1_1.journal"],
);
const TAKE: Part = (
    "3. Take",
    &[
        "write deep/responses/.journal/CA1_1.wav.1.partial",
        "fsync deep/responses/.journal/CA1_1.wav.1.partial",
    ],
);
const SYNC_JOURNAL: Part = (
    "5. Publish, or tell that the audio is in the journal: before",
    &["fdatasync deep/responses/.journal/CA1_1.journal", "fsync deep/responses/.journal"],
);
const PUBLISH: Part = (
    "5. Publish",
    &[
        "rename to free name deep/responses/.journal/CA1_1.wav.1.partial -> deep/responses/call_CA1_conversation.wav",
        "fsync deep/responses",
    ],
);
/// Behind a journal, which was the first temporary file.
const TELL: Part = (
    "6. Tell",
    &[
        "write deep/responses/.journal/2.tmp",
        "fsync deep/responses/.journal/2.tmp",
        "rename deep/responses/.journal/2.tmp -> deep/responses/call_CA1.txt",
        "fsync deep/responses",
        "write deep/responses/.journal/3.tmp",
        "fsync deep/responses/.journal/3.tmp",
        "rename deep/responses/.journal/3.tmp -> deep/responses/call_CA1_summary.txt",
        "fsync deep/responses",
        "write deep/responses/.journal/4.tmp",
        "fsync deep/responses/.journal/4.tmp",
        "rename deep/responses/.journal/4.tmp -> deep/responses/call_CA1_summary.json",
        "fsync deep/responses",
    ],
);
/// By a process that made no journal.
const TELL_OF_ANOTHER: Part = (
    "6. Tell, of another's journal",
    &[
        "write deep/responses/.journal/1.tmp",
        "fsync deep/responses/.journal/1.tmp",
        "rename deep/responses/.journal/1.tmp -> deep/responses/call_CA1.txt",
        "fsync deep/responses",
        "write deep/responses/.journal/2.tmp",
        "fsync deep/responses/.journal/2.tmp",
        "rename deep/responses/.journal/2.tmp -> deep/responses/call_CA1_summary.txt",
        "fsync deep/responses",
        "write deep/responses/.journal/3.tmp",
        "fsync deep/responses/.journal/3.tmp",
        "rename deep/responses/.journal/3.tmp -> deep/responses/call_CA1_summary.json",
        "fsync deep/responses",
    ],
);
const FORGET: Part = ("7. Forget", &["unlink deep/responses/.journal/CA1_1.journal"]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_recordings_life_is_synced_on_the_real_disk_before_the_next_relies_on_it() {
    let _turn = TURN.lock().await;
    let (_keeps, home) = home();
    let server = Trailed::start(&home, "", &SETTINGS);
    let mut phone = Phone::call(&server).await;
    phone.talk(TICKS / 2).await;
    // The sync of a second, of what was written before it began: its name too.
    server
        .wait("a syncfs behind a record", |steps| {
            let record = steps.iter().find(|step| step.deed == Deed::Write && step.of == JOURNAL);
            let syncs = |after: u64| steps.iter().any(|step| is_of_everything(step) && step.begun > after);
            record.is_some_and(|record| syncs(record.done))
        })
        .await;
    phone.talk(TICKS / 2).await;
    phone.hang_up().await;
    server.wait("the journal's removal", |steps| steps.iter().any(is_removal)).await;
    let life = [OPEN_NEW, RESERVE, RECORD, TAKE, SYNC_JOURNAL, PUBLISH, TELL, FORGET];
    compare(server.end(), &life);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_synced_on_the_real_disk_before_a_summary_says_that_the_audio_is_in_it() {
    let _turn = TURN.lock().await;
    let (_keeps, home) = home();
    let server = Trailed::start(&home, FULL, &SETTINGS);
    let mut phone = Phone::call(&server).await;
    phone.talk(TICKS).await;
    phone.hang_up().await;
    server.wait("a summary", |steps| steps.iter().any(is_told)).await;
    compare(server.end(), &[OPEN_NEW, RESERVE, RECORD, SYNC_JOURNAL, TELL]);
    assert!(home.join(JOURNAL).exists());

    // The next one cannot make the recording either: what it has read may be in memory alone, and forgotten by a sync that failed.
    let server = Trailed::start(&home, FULL, &SETTINGS);
    server.wait("a summary", |steps| steps.iter().any(is_told)).await;
    compare(server.end(), &[OPEN_AGAIN, MARK, UNMARK, WRITE_AGAIN, SYNC_JOURNAL, TELL_OF_ANOTHER]);
    assert!(home.join(JOURNAL).exists());

    // And this one can.
    let server = Trailed::start(&home, "", &SETTINGS);
    server.wait("the journal's removal", |steps| steps.iter().any(is_removal)).await;
    compare(server.end(), &[OPEN_AGAIN, MARK, TAKE, UNMARK, SYNC_JOURNAL, PUBLISH, TELL_OF_ANOTHER, FORGET]);
}

/// A server's home, by the path that the system knows it by.
fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap();
    (home, path)
}

/// The sync of all calls.
fn is_of_everything(step: &Step) -> bool {
    step.deed == Deed::Syncfs && step.of == "deep/responses"
}

fn is_removal(step: &Step) -> bool {
    step.deed == Deed::Unlink && step.of == JOURNAL
}

fn is_told(step: &Step) -> bool {
    step.to.as_deref() == Some(SUMMARY)
}

/// A phone on a call that no bot is in.
struct Phone {
    handset: Handset,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Phone {
    async fn call(server: &Trailed) -> Self {
        let (socket, _) = connect_async(server.server.media()).await.unwrap();
        let handset = Handset::new("CA1", &[Track::Caller, Track::Assistant], 0, [1, 2]);
        let mut phone = Self { handset, socket };
        let begins = phone.handset.begin(&[]);
        phone.send(begins).await;
        phone
    }

    async fn talk(&mut self, ticks: u64) {
        for _ in 0..ticks {
            let texts = self.handset.tick();
            self.send(texts).await;
        }
    }

    async fn hang_up(mut self) {
        let stop = self.handset.hang_up();
        self.send([stop]).await;
        let _ = self.socket.close(None).await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    async fn send(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.socket.feed(Message::text(text)).await.unwrap();
        }
        self.socket.flush().await.unwrap();
    }
}

/// Holds what a server did against what is to be done, and panics at the first difference.
fn compare(steps: Vec<Step>, expected: &[Part]) {
    let steps = what_matters(steps);
    let mut names = Names::default();
    let shown: Vec<String> = steps.iter().map(|step| names.rename(step).to_string()).collect();
    let expected = expected.iter().flat_map(|(part, steps)| steps.iter().map(move |step| (*part, *step)));
    let expected: Vec<_> = expected.collect();
    for (index, (part, step)) in expected.iter().enumerate() {
        let found = shown.get(index).map_or("nothing", String::as_str);
        assert!(
            found == *step,
            "in \"{part}\" there is\n  {found}\nwhere it is to be\n  {step}\nof\n{shown:#?}"
        );
    }
    assert!(shown.len() == expected.len(), "more is done: {:#?}", &shown[expected.len()..]);
    for (earlier, later) in steps.iter().zip(&steps[1..]) {
        assert!(earlier.done < later.begun, "at once: {earlier}, and {later}");
    }
}

/// What is done in one order only, however fast each thread is: without the syncs of everything, which come once a second, without
/// files that get no name, and of writes to a file with nothing in between, the last.
fn what_matters(steps: Vec<Step>) -> Vec<Step> {
    let named: HashSet<String> =
        steps.iter().filter(|step| step.to.is_some()).map(|step| step.of.clone()).collect();
    let is_passing = |step: &Step| {
        [".tmp", ".partial"].iter().any(|end| step.of.ends_with(end)) && !named.contains(&step.of)
    };
    let steps: Vec<Step> =
        steps.into_iter().filter(|step| !is_of_everything(step) && !is_passing(step)).collect();
    let next_of = |index: usize| {
        steps[index + 1..].iter().find(|later| later.of == steps[index].of).map(|step| step.deed)
    };
    let mut matter: Vec<Step> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match matter.last_mut() {
            _ if step.deed == Deed::Write && next_of(index) == Some(Deed::Write) => {}
            // Where the kernel or the file system has no rename that refuses to replace.
            Some(link) if link.deed == Deed::Link && step.deed == Deed::Unlink && link.of == step.of => {
                (link.deed, link.done) = (Deed::RenameToFreeName, step.done);
            }
            _ => matter.push(step.clone()),
        }
    }
    matter
}

/// Files whose names nobody can know before have numbers, in the order of their first steps.
#[derive(Default)]
struct Names {
    temporary: Vec<String>,
    partial: Vec<String>,
}

impl Names {
    fn rename(&mut self, step: &Step) -> Step {
        Step { of: self.of(&step.of), ..step.clone() }
    }

    fn of(&mut self, path: &str) -> String {
        let (known, end) = match Path::new(path).extension().and_then(|end| end.to_str()) {
            Some("tmp") => (&mut self.temporary, ".tmp"),
            Some("partial") => (&mut self.partial, ".partial"),
            _ => return path.to_owned(),
        };
        let number = known.iter().position(|name| name == path).unwrap_or_else(|| {
            known.push(path.to_owned());
            known.len() - 1
        });
        let before =
            path.strip_suffix(end).unwrap().trim_end_matches(|letter: char| letter.is_ascii_hexdigit());
        format!("{before}{}{end}", number + 1)
    }
}
