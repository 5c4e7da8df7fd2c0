//! What must be found again after a crash, by what is in the journals; which is found here by other means than those of recovery.

use std::collections::{BTreeMap, BTreeSet};

use callrec_faulty_disk::{FaultyDisk, Moment};
use callrec_session::{Event, Place, Topology, Track, wire};

use super::life::{Known, Life, Told};
use super::plan::{Plan, Stream};
use super::relayed::Sentence;
use crate::header::Header;

/// What a power loss may take at most, in microseconds.
pub(super) const AT_MOST_US: u64 = 2_000_000;
/// What is in front of a journal's header, and of a record's payload, in bytes.
const FRONT: usize = 24;
const HEAD: usize = 17;

/// What must be found again of a stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Due {
    /// Anything at all.
    pub(super) exists: bool,
    /// Frames of 20 ms, by number.
    pub(super) frames: BTreeSet<u64>,
    /// Lines of the transcript.
    pub(super) lines: BTreeSet<String>,
}

impl Due {
    /// The first frames of a stream, and what was said by then.
    fn first(stream: &Stream, frames: u64) -> Self {
        let callers = (0..frames).step_by(5).map(|frame| stream.line(frame));
        let mut lines: BTreeSet<String> = callers.collect();
        if stream.relayed {
            let sentences = (0..).map(Sentence::by_number).take_while(|sentence| sentence.sent + 1 < frames);
            lines.extend(sentences.map(|sentence| sentence.line(stream)));
        }
        Self { exists: true, frames: (0..frames).collect(), lines }
    }

    /// How many frames there are before the first that is not.
    pub(super) fn before_a_hole(&self) -> u64 {
        self.frames.iter().zip(0..).take_while(|(frame, index)| *frame == index).count() as u64
    }

    fn and(mut self, other: Self) -> Self {
        self.exists |= other.exists;
        self.frames.extend(other.frames);
        self.lines.extend(other.lines);
        self
    }
}

/// What the journals on a disk hold, by the name of the stream.
fn journalled(disk: &FaultyDisk) -> BTreeMap<String, Due> {
    let mut found: BTreeMap<String, Due> = BTreeMap::new();
    for (_, bytes) in disk.files().into_iter().filter(|(path, _)| path.ends_with(".journal")) {
        if let Some((stream, due)) = in_journal(&bytes) {
            let known = found.entry(stream).or_default();
            *known = std::mem::take(known).and(due);
        }
    }
    found
}

/// The stream of a journal, and what it holds of it, unless its header is torn. A record is looked for at every byte behind the last.
fn in_journal(bytes: &[u8]) -> Option<(String, Due)> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let checksum = |begun: u32, parts: [&[u8]; 2]| {
        let mut crc = crc32fast::Hasher::new_with_initial(begun);
        parts.iter().for_each(|part| crc.update(part));
        Some(crc.finalize())
    };
    let mut at = FRONT + number(12)? as usize;
    let (header, key) = (bytes.get(FRONT..at)?, number(16)?);
    if checksum(0, [&bytes[8..20], header]) != number(20) {
        return None;
    }
    let header = Header::from_bytes(header).ok()?;
    let mut due = Due { exists: true, ..Due::default() };
    let mut sides = [BTreeSet::new(), BTreeSet::new()];
    while let Some(head) = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<HEAD>()) {
        let end = at.saturating_add(HEAD).saturating_add((number(at)? ^ key) as usize);
        let rest = bytes.get(at + 8..end);
        let is_record = rest.is_some_and(|rest| checksum(key, [&head[..4], rest]) == number(at + 4));
        if !is_record {
            at += 1;
            continue;
        }
        match wire::decode(head[16], &bytes[at + HEAD..end]) {
            Ok(
                Event::Audio { track, place: Place::At(ms), .. }
                | Event::Omitted { track, place: Place::At(ms), .. },
            ) => {
                sides[usize::from(track == Track::Assistant)].insert(ms / 20);
            }
            Ok(Event::Said { text, .. }) => drop(due.lines.insert(text.to_owned())),
            _ => {}
        }
        at = end;
    }
    let [callers, assistants] = sides;
    // Of a relayed stream, the bot's audio has no frames.
    due.frames = match header.start.topology {
        Topology::OneWay => callers.intersection(&assistants).copied().collect(),
        Topology::Relay => callers,
    };
    Some((header.start.stream, due))
}

/// What must be found of each stream when the process is killed at this moment.
pub(super) fn due_after_kill(life: &Life, moment: &Moment) -> Vec<Due> {
    due(life, moment, &journalled(&moment.after_kill()))
}

/// What must be found of each stream when the power goes at this moment.
pub(super) fn due_after_power_loss(life: &Life, moment: &Moment) -> Vec<Due> {
    let mut due = due(life, moment, &journalled(&moment.all_that_is_safe()));
    let later = due_after_later_power_loss(life, moment, &life.before);
    due.splice(..later.len(), later);
    if life.plan.spares_journals() {
        // One that is left is safe as a whole, whatever syncs of everything failed before.
        let journals = journalled(&moment.after_kill());
        let told = life.known[moment.mark].told.iter();
        for ((stream, told), due) in life.streams.iter().zip(told).zip(&mut due).skip(life.before.len()) {
            if let (Told::NotSaved, Some(journal)) = (told, journals.get(&stream.name)) {
                *due = std::mem::take(due).and(journal.clone());
            }
        }
    }
    if life.plan.ignored_sync.is_none() && !life.plan.is_sound() {
        return due;
    }
    let streams = life.streams.iter().zip(&life.given_us).zip(&mut due);
    for ((stream, given_us), due) in streams.skip(life.before.len()) {
        let old = given_us.partition_point(|given| given + AT_MOST_US <= moment.at_us) as u64;
        if old > 0 {
            *due = std::mem::take(due).and(Due::first(stream, old));
        }
    }
    due
}

/// How many frames of the first stream are safe at this moment, whatever happens.
pub(super) fn safe_frames(life: &Life, moment: &Moment) -> u64 {
    let safe = due(life, moment, &journalled(&moment.all_that_is_safe()));
    safe.first().map_or(0, Due::before_a_hole)
}

fn due(life: &Life, moment: &Moment, journalled: &BTreeMap<String, Due>) -> Vec<Due> {
    let streams = life.streams.iter().zip(&life.known[moment.mark].told).zip(&life.left);
    let mut due: Vec<Due> = streams
        .map(|((stream, told), left)| match (told, journalled.get(&stream.name), left) {
            (Told::Saved, ..) => Due::first(stream, stream.frames),
            (_, Some(journalled), _) => journalled.clone(),
            // Its journal may be gone when its recording is there.
            (Told::NotSaved, None, Some(left)) => left.clone(),
            (_, None, _) => Due::default(),
        })
        .collect();
    // What an earlier process left was there before this one.
    due.splice(..life.before.len(), life.before.iter().cloned());
    due
}

/// What of each stream is safe in its journal when it is said that it is not saved.
pub(super) fn left(plan: &Plan, moments: &[Moment], known: &[Known]) -> Vec<Option<Due>> {
    let before = plan.earlier.as_ref().map_or(0, |earlier| earlier.streams.len());
    let of_stream = |(index, stream): (usize, &Stream)| {
        let is_told = |moment: &&Moment| known[moment.mark].told[before + index] == Told::NotSaved;
        let mut journals = journalled(&moments.iter().find(is_told)?.all_that_is_safe());
        journals.remove(&stream.name)
    };
    plan.streams.iter().enumerate().map(of_stream).collect()
}

/// When the power goes in the middle of a recovery, of what was due before it: a journal that is still there may have been
/// in memory alone.
pub(super) fn due_after_later_power_loss(life: &Life, moment: &Moment, before: &[Due]) -> Vec<Due> {
    let (there, safe) = (journalled(&moment.after_kill()), journalled(&moment.all_that_is_safe()));
    let streams = life.streams.iter().zip(before);
    streams
        .map(|(stream, before)| match (there.contains_key(&stream.name), safe.get(&stream.name)) {
            (false, _) => before.clone(),
            (true, Some(safe)) => Due {
                exists: before.exists,
                frames: before.frames.intersection(&safe.frames).copied().collect(),
                lines: before.lines.intersection(&safe.lines).cloned().collect(),
            },
            (true, None) => Due::default(),
        })
        .collect()
}
