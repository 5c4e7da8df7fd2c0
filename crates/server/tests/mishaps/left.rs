//! What a killed server left: in which phase of its life each recording was.

use callrec_store::{CallId, ReadOnlyDir, RecordingsDir};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::calls::Sent;

/// The kinds of records that are looked for; see `callrec_session::wire`.
const AUDIO: u8 = 2;
const ENDED: u8 = 9;

/// Where a call was in the life of a recording (ARCHITECTURE.md), as far as the disk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// There is nothing of it.
    NotJournalled,
    /// A journal, and the caller had not hung up.
    Live,
    /// The same, with a partial file: it is encoded while it goes on.
    LiveTaken,
    /// The caller hung up, and the journal does not know yet.
    HungUp,
    /// The journal knows, and there is no partial file.
    Ended,
    /// There is one: encoded, read back, synced.
    Encoding,
    /// The recording has its name; transcript and summaries are not all there.
    Published,
    /// They are; the journal is not removed yet.
    Told,
    /// Everything is done.
    Finished,
}

impl Phase {
    pub(crate) const ALL: [(Self, &'static str); 9] = [
        (Self::NotJournalled, "begun, nothing on disk"),
        (Self::Live, "live: journal"),
        (Self::LiveTaken, "live: journal and partial file"),
        (Self::HungUp, "hung up, its end not in the journal"),
        (Self::Ended, "its end in the journal, no partial file"),
        (Self::Encoding, "its end in the journal, partial file"),
        (Self::Published, "recording published, texts not all there"),
        (Self::Told, "all there, journal not removed"),
        (Self::Finished, "finished"),
    ];

    /// Between hang-up, as the server knew of it, and the journal's removal.
    pub(crate) fn is_in_between(self) -> bool {
        (Self::Ended..=Self::Told).contains(&self)
    }
}

/// One call's share of what was left.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) phase: Phase,
    /// Frames of the caller and of the assistant in the journal, if there is one.
    pub(crate) journalled: Option<[u64; 2]>,
    pub(crate) ended: bool,
}

/// What was left of every call, and the digests of the recordings.
pub(crate) struct Leavings {
    pub(crate) calls: HashMap<String, Left>,
    pub(crate) recordings: BTreeMap<PathBuf, String>,
}

/// Looks at what a server left that was killed just now. Every file that has its final name must be whole.
pub(crate) fn look(responses: &Path, calls: &[Sent]) -> Leavings {
    let journals = read_journals(responses);
    let hidden: Vec<String> = names(&responses.join(".journal"));
    let partials: HashSet<&str> = hidden
        .iter()
        .filter(|name| name.ends_with(".partial"))
        .filter_map(|name| name.split('_').next())
        .collect();
    let dir = ReadOnlyDir::new(responses);
    let mut left = HashMap::new();
    let mut recordings = BTreeMap::new();
    for sent in calls {
        let sid = CallId::new(&sent.sid).unwrap();
        for (_, path) in dir.recordings_of(&sid).unwrap() {
            recordings.insert(path.clone(), digest(&path));
        }
        let texts = texts_of(responses, &sent.sid);
        // Who hung up without a word has no recording.
        let recorded = !dir.recordings_of(&sid).unwrap().is_empty() || (sent.frames.is_empty() && texts > 0);
        let partial = partials.contains(sent.sid.as_str());
        let journal = journals.get(&sent.sid).copied();
        let ended = journal.is_some_and(|(_, ended)| ended);
        let phase = match journal {
            None if recorded && texts == 3 => Phase::Finished,
            None => {
                assert!(!recorded && texts == 0, "{sid}: its journal went first: {recorded}, {texts} texts");
                Phase::NotJournalled
            }
            Some(_) if recorded && texts == 3 => Phase::Told,
            Some(_) if recorded => Phase::Published,
            Some((_, true)) if partial => Phase::Encoding,
            Some((_, true)) => Phase::Ended,
            Some((_, false)) if sent.hung_up.is_some() => Phase::HungUp,
            Some((_, false)) if partial => Phase::LiveTaken,
            Some((_, false)) => Phase::Live,
        };
        assert!(!recorded || journal.is_none() || ended, "{}: recorded before it ended", sent.sid);
        left.insert(sent.sid.clone(), Left { phase, journalled: journal.map(|(frames, _)| frames), ended });
    }
    Leavings { calls: left, recordings }
}

/// How many of a call's texts are there, each of them whole.
fn texts_of(responses: &Path, sid: &str) -> usize {
    let texts = ["", "_summary"].map(|what| responses.join(format!("call_{sid}{what}.txt")));
    let there = texts.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let texts = there.inspect(|text| assert!(text.ends_with('\n'), "{sid}: half a text")).count();
    let json = std::fs::read(responses.join(format!("call_{sid}_summary.json"))).ok();
    let json = json.map(|json| serde_json::from_slice::<serde_json::Value>(&json).expect("a whole summary"));
    texts + usize::from(json.is_some())
}

/// Of every journal: frames of each track, and whether it knows the call's end.
fn read_journals(responses: &Path) -> HashMap<String, ([u64; 2], bool)> {
    let mut journals = HashMap::new();
    for journal in RecordingsDir::open(responses).unwrap().free_journals().unwrap() {
        let sid = journal.call().to_string();
        assert_eq!(journal.number(), 1, "{sid}: a second stream");
        let journal = journal.lock().unwrap().expect("its owner was killed");
        let (mut frames, mut ended) = ([0; 2], false);
        let mut reader = journal.reader().unwrap();
        while let Some(record) = reader.next(u64::MAX).unwrap() {
            match record.kind {
                AUDIO => frames[usize::from(record.payload[0])] += 1,
                ENDED => ended = true,
                _ => {}
            }
        }
        assert!(journals.insert(sid, (frames, ended)).is_none());
    }
    journals
}

/// The names of a directory's files.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The SHA-256 of a file, as summaries have it.
pub(crate) fn digest(path: &Path) -> String {
    Sha256::digest(std::fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}
