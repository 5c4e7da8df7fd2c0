//! Calls of which the disk took no journal: what is known of them is noted, and told in their summaries as soon as it takes those.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use callrec_store::{CallId, MAX_TEXT, RecordingsDir, StoreError};
use callrec_summary::{AudioOutcome, CallSummary, StreamSummary};

use crate::again::Again;
use crate::clock::Stopwatch;
use crate::finish::{FinishError, is_same_but_for_number, read_summary, summarise, write_texts};
use crate::live::{LiveCall, lock};
use crate::shared::Shared;

/// How many calls are noted. A note has about a kilobyte.
const MOST: usize = 1_000;
/// For how long the end of the recorder waits for those that are left.
const LAST_TRIES: Duration = Duration::from_secs(1);

/// For how long they are left alone at first. They are small, and there is nothing else to tell of these calls.
const FIRST_TRY: Duration = Duration::from_secs(1);
const LAST_TRY: Duration = Duration::from_secs(60);

/// Calls of which no summary tells yet.
#[derive(Debug)]
pub(crate) struct Unjournalled {
    notes: Mutex<VecDeque<Note>>,
    again: Mutex<Again>,
}

impl Default for Unjournalled {
    fn default() -> Self {
        Self { notes: Mutex::default(), again: Mutex::new(Again::between(FIRST_TRY, LAST_TRY)) }
    }
}

#[derive(Debug)]
struct Note {
    call: CallId,
    /// Its number is that under which it was tried last.
    stream: StreamSummary,
}

impl Unjournalled {
    pub(crate) fn is_any(&self) -> bool {
        !lock(&self.notes).is_empty()
    }

    fn count(&self) -> usize {
        lock(&self.notes).len()
    }

    fn keep(&self, note: Note) {
        let mut notes = lock(&self.notes);
        if notes.len() < MOST {
            return notes.push_back(note);
        }
        drop(notes);
        let call = note.call.for_log();
        tracing::error!(
            call,
            "too many calls wait for their summaries: of one that could not be recorded none is written"
        );
    }

    fn next(&self) -> Option<Note> {
        lock(&self.notes).pop_front()
    }
}

/// Tells of a call that is given up in its summary, at once if the disk takes that.
pub(crate) fn tell_of(shared: &Shared, call: &LiveCall, reason: String) {
    let mut nothing = call.nothing_taken();
    call.tell_unjournalled(&mut nothing);
    shared.counters.note_recording(&nothing.completeness, call.lines_refused());
    let stream = summarise(&call.header, 0, nothing, false, AudioOutcome::NotSaved { reason });
    write_or_keep(shared, Note { call: call.id.clone(), stream });
}

/// Tries each that is noted once: what the disk refuses of one may be that one's alone.
pub(crate) fn tell_of_all(shared: &Shared, go_on: impl Fn() -> bool) {
    for _ in 0..shared.unjournalled.count() {
        match shared.unjournalled.next() {
            Some(note) if go_on() => write_or_keep(shared, note),
            Some(note) => return shared.unjournalled.keep(note),
            None => return,
        }
    }
}

/// The same, if it is time.
pub(crate) fn tell_when_due(shared: &Shared) {
    let Unjournalled { again, .. } = &shared.unjournalled;
    if lock(again).is_time(shared.unjournalled.is_any(), || true) {
        tell_of_all(shared, || !shared.is_stopping());
    }
}

/// The recorder ends: what cannot be told now will not be.
pub(crate) fn tell_or_log(shared: &Shared) {
    let clock = Stopwatch::start();
    tell_of_all(shared, || !shared.is_abandoned() && clock.elapsed() < LAST_TRIES);
    let noted = std::iter::from_fn(|| shared.unjournalled.next()).map(|note| note.call);
    // Those that nobody had the time to give up.
    let live = shared.live_calls().into_iter().filter(|call| lock(&call.journal).is_none());
    for call in noted.chain(live.filter(|call| !call.is_drained()).map(|call| call.id.clone())) {
        let call = call.for_log();
        tracing::error!(call, "the recorder ends, and no summary tells of a call that could not be recorded");
    }
}

fn write_or_keep(shared: &Shared, mut note: Note) {
    let call = note.call.clone();
    match write(&shared.dir, &mut note) {
        Ok(()) => {
            tracing::info!(
                call = call.for_log(),
                number = note.stream.number,
                "the summary tells that a call could not be recorded"
            );
        }
        Err(error @ FinishError::Newer(_)) => {
            tracing::error!(call = call.for_log(), %error, "no summary tells of a call that could not be recorded");
        }
        Err(error) => {
            tracing::warn!(call = call.for_log(), %error, "the summary of a call that could not be recorded is tried again");
            shared.unjournalled.keep(note);
        }
    }
}

/// Puts the stream into its call's summary, under a number that no other stream has.
fn write(dir: &RecordingsDir, note: &mut Note) -> Result<(), FinishError> {
    let Note { call, stream } = note;
    let _lock = dir.lock_call(call)?;
    loop {
        let summary = read_summary(dir, call)?;
        let mut summary = summary.unwrap_or_else(|| CallSummary::new(call.as_str(), stream.ended_at()));
        // A summary that was said not to be written may be there, under this number or the one before it.
        summary.streams.retain(|known| !is_same_but_for_number(known, stream));
        stream.number = free_number(dir, call, &summary)?;
        summary.put_stream_within(usize::try_from(MAX_TEXT).unwrap_or(usize::MAX), stream.clone());
        // A crash in between would leave texts that contradict each other, and no journal from which that is seen.
        dir.mark_texts(call)?;
        write_texts(dir, call, &summary)?;
        dir.unmark_texts(call)?;
        // Whoever makes a journal looks into the summary when that has its name, and gives the number back if it is there. One that
        // looked before this was written has it: then this has the next.
        if !dir.is_taken(call, stream.number)? {
            return Ok(());
        }
    }
}

fn free_number(dir: &RecordingsDir, call: &CallId, summary: &CallSummary) -> Result<u32, StoreError> {
    let mut number = summary.streams.iter().map(|stream| stream.number).max().unwrap_or(0);
    loop {
        let path = dir.summary_json_path(call);
        number = number.checked_add(1).ok_or(StoreError::NoNumberFree { path })?;
        if !dir.is_taken(call, number)? {
            return Ok(number);
        }
    }
}

#[cfg(test)]
mod tests;
