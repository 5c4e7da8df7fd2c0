//! The threads that encode: live calls in slices, ended ones first, and last of all what is far behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callrec_encode::Format;
use callrec_store::{JournalReader, JournalWriter, StoreError};

use crate::clock::{self, Stopwatch};
use crate::error::RecordError;
use crate::finish::{FinishError, Finished, TRIED_AGAIN, finish, left_in_journal, note_not_saved};
use crate::live::{LiveCall, Outcome, Work, lock};
use crate::queue::FAR_BEHIND;
use crate::shared::Shared;
use crate::source::{Source, is_synced};
use crate::space::measure_what_was_freed;
use crate::status::CallFiles;
use crate::take::{Progress, Subject, Take, TakeError};
use crate::taken::Taken;
use crate::unjournalled::tell_of;

/// Records read before another call has its turn: about 20 s of a call with both tracks.
const SLICE: usize = 2_000;
/// For how long, however few records that are: some take more work than others, and who sends them decides how much.
const LONGEST_SLICE: Duration = Duration::from_millis(50);
/// Records read before it is looked whether other threads should have the processor.
const STEP: usize = 4;
/// For how long a worker keeps the processor. A system that finds a thread busy may leave it that until its next tick, 4 ms later;
/// for so long a message would not be forwarded. To give it away more often costs more than cheap formats take themselves.
const MOST_AT_A_TIME: Duration = Duration::from_micros(200);
/// Takes in the format that was asked for, before WAV is tried.
const TRIES: u32 = 2;
/// Takes altogether, before the recording is left in its journal.
pub(crate) const MOST_FAILURES: u32 = 4;
/// The same where the disk has no room to spare.
const FOR_ROOM: u32 = 2;
/// Between two tries, for a disk that has hiccups.
const BREATH: Duration = Duration::from_millis(250);

/// Works until the recorder is gone and nothing is left.
pub(crate) fn work(shared: &Shared) {
    while let Some(call) = shared.next_work() {
        work_on(shared, &call);
    }
}

/// The same with calls that have ended alone. What the end of a call takes is for the most part to wait for the disk, several times;
/// others that hang up meanwhile, and live calls, are not to wait for that too.
pub(crate) fn work_on_ended(shared: &Shared) {
    while let Some(call) = shared.next_ended() {
        work_on(shared, &call);
    }
}

/// What is to come of a call behind a slice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing, until it is scheduled again.
    Nothing,
    /// Another slice, when others had theirs.
    InTurn,
    /// Another slice before those of other calls that have ended: all of them at once would all be there when the last is.
    AtOnce,
}

/// A slice of work on a call, which is scheduled again if there is more.
pub(crate) fn work_on(shared: &Shared, call: &Arc<LiveCall>) {
    // Whether the journal has its end is read first: what is sealed meanwhile is scheduled below.
    let sealed = call.sealed.load(Ordering::Acquire);
    let slice = || if sealed { complete_slice(shared, call) } else { live_slice(shared, call) };
    let next = catch_unwind(AssertUnwindSafe(slice)).unwrap_or_else(|_| {
        failed_unexpectedly(shared, call, sealed);
        Next::Nothing
    });
    let read = lock(&call.work).take.as_ref().map_or(0, Take::read);
    call.is_far_behind.store(call.committed().saturating_sub(read) > FAR_BEHIND, Ordering::Release);
    if next == Next::AtOnce {
        return shared.go_on(call);
    }
    call.scheduled.store(false, Ordering::Release);
    if next == Next::InTurn || (!sealed && call.sealed.load(Ordering::Acquire)) {
        shared.schedule(call);
    }
}

/// Brings the take of a live call up to date.
fn live_slice(shared: &Shared, call: &Arc<LiveCall>) -> Next {
    let mut work = lock(&call.work);
    if work.failures > 0 {
        // It is taken again when the call has ended, all at once.
        return Next::Nothing;
    }
    match slice(shared, call, &mut work) {
        Ok(Progress::More) => Next::InTurn,
        Ok(_) => Next::Nothing,
        Err(error) => {
            failed(shared, &mut work, call, &error);
            Next::Nothing
        }
    }
}

/// Completes the take of an ended call.
fn complete_slice(shared: &Shared, call: &Arc<LiveCall>) -> Next {
    if let Some(reason) = call.take_unjournalled() {
        tell_of(shared, call, reason.clone());
        done(shared, call, Err(RecordError::NotFinished { call: call.id.to_string(), reason }));
        return Next::Nothing;
    }
    let mut work = lock(&call.work);
    let outcome = match slice(shared, call, &mut work) {
        Ok(Progress::More) => return Next::AtOnce,
        Ok(Progress::CaughtUp | Progress::Ended) => match finish_take(shared, call, &mut work) {
            Ok(None) => return Next::AtOnce,
            Ok(Some(outcome)) => Ok(outcome),
            Err(error) => Err(error),
        },
        Ok(Progress::NoRoom) => Err(TakeError::NoRoom),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(outcome) => {
            done(shared, call, outcome);
            Next::Nothing
        }
        Err(error) => {
            failed(shared, &mut work, call, &error);
            // For room one waits longer; but the last format may need less.
            let most = if matches!(error, TakeError::NoRoom) { FOR_ROOM } else { MOST_FAILURES };
            if work.failures < most {
                clock::pause(BREATH);
                return Next::InTurn;
            }
            drop(work);
            leave(shared, call, &error);
            Next::Nothing
        }
    }
}

/// Leaves the journal of a call of which no recording can be made now, and tells that.
fn leave(shared: &Shared, call: &Arc<LiveCall>, error: &TakeError) {
    let mut journal = lock(&call.journal).take();
    // What the disk refused is told to be lost: it is not to be in a recording that is made later.
    if let Some(Err(error)) = journal.as_mut().map(JournalWriter::cut) {
        tracing::warn!(call = call.id.for_log(), %error, "what the disk refused of a journal could not be cut off: a later recording may have some of it");
    }
    // What is told now is that it is there.
    let is_safe = journal.as_mut().is_none_or(|journal| is_synced(&call.id, journal.sync_whole()));
    if let (Some(journal), Some(subject)) = (&journal, subject_of(shared, call, journal.as_ref())) {
        // What the journal does not know is told, even if it cannot be read.
        let mut words = words_of(&subject, journal.reader()).unwrap_or_else(|| call.nothing_taken());
        call.tell_unjournalled(&mut words);
        shared.untold.remember(&subject, words.ended, words.completeness.clone());
        note_not_saved(&subject, words, false, error);
    }
    if let Some(journal) = &journal {
        shared.left.note_tried(&call.id, journal.number());
    }
    shared.left.leave(journal, error, is_safe);
    settle_as_left(shared, call, error);
}

/// A panic, whose place is told by whoever has the process. A live call goes on, and is taken again when it has ended; the journal of one
/// that has ended is left.
fn failed_unexpectedly(shared: &Shared, call: &Arc<LiveCall>, sealed: bool) {
    let error = TakeError::Unexpected;
    let leave = || {
        failed(shared, &mut lock(&call.work), call, &error);
        if sealed {
            leave(shared, call, &error);
        }
    };
    if catch_unwind(AssertUnwindSafe(leave)).is_err() && sealed {
        // Not even that can be told in its summary.
        shared.left.leave(lock(&call.journal).take(), &error, false);
        settle_as_left(shared, call, &error);
    }
}

fn settle_as_left(shared: &Shared, call: &Arc<LiveCall>, error: &TakeError) {
    let reason = match call.committed() {
        0 => error.to_string(),
        _ => left_in_journal(&call.header, error),
    };
    done(shared, call, Err(RecordError::NotFinished { call: call.id.to_string(), reason }));
}

/// What was said, for the summary, though no recording can be made.
pub(crate) fn words_of(subject: &Subject, reader: Result<JournalReader, StoreError>) -> Option<Taken> {
    let words = reader.map_err(TakeError::from).and_then(|reader| {
        guarded(|| {
            let mut take = Take::words_only(subject.clone(), reader);
            whole(&mut take, || true)
        })
    });
    let told = |error: &TakeError| {
        tracing::error!(call = subject.call.for_log(), %error, "the journal could not be read");
    };
    words.inspect_err(told).ok()
}

fn done(shared: &Shared, call: &Arc<LiveCall>, outcome: Outcome) {
    if let Err(error) = &outcome {
        tracing::error!(call = call.id.for_log(), %error, "a recording is not finished");
    }
    shared.forget(call);
    call.settle(outcome);
}

fn failed(shared: &Shared, work: &mut Work, call: &LiveCall, error: &TakeError) {
    work.take = None;
    measure_what_was_freed(shared);
    work.failures += 1;
    work.bad_takes += u32::from(error.is_of_the_format());
    tracing::warn!(call = call.id.for_log(), %error, failures = work.failures, "a take failed");
}

fn slice(shared: &Shared, call: &LiveCall, work: &mut Work) -> Result<Progress, TakeError> {
    let committed = call.committed();
    if work.take.is_none() {
        let reader = match &*lock(&call.journal) {
            Some(journal) => journal.reader()?,
            None => return Ok(Progress::CaughtUp),
        };
        let Some(subject) = subject(shared, call) else { return Ok(Progress::CaughtUp) };
        let mut take = Take::new(subject, reader, fallback(work.bad_takes));
        if call.sealed.load(Ordering::Acquire) {
            take.skip_to_last_format()?;
        }
        work.take = Some(take);
    }
    let Some(take) = &mut work.take else { return Ok(Progress::CaughtUp) };
    guarded(|| advance(take, committed))
}

/// Reads on to `committed` for a slice.
fn advance(take: &mut Take, committed: u64) -> Result<Progress, TakeError> {
    slice_of(|| take.advance(committed, STEP))
}

/// Takes a slice's steps, as many as there is time for, and lets other threads go first.
fn slice_of(mut step: impl FnMut() -> Result<Progress, TakeError>) -> Result<Progress, TakeError> {
    let begun = Stopwatch::start();
    let mut since = begun;
    for _ in 0..SLICE / STEP {
        match step()? {
            Progress::More => {}
            progress => return Ok(progress),
        }
        if since.elapsed() >= MOST_AT_A_TIME {
            if begun.elapsed() >= LONGEST_SLICE {
                break;
            }
            std::thread::yield_now();
            since = Stopwatch::start();
        }
    }
    Ok(Progress::More)
}

/// The format after so many failures that were the format's: as asked for, then WAV, which hardly anything can go wrong
/// with.
fn fallback(bad_takes: u32) -> Option<Format> {
    (bad_takes >= TRIES && Format::Wav.is_compiled()).then_some(Format::Wav)
}

fn subject(shared: &Shared, call: &LiveCall) -> Option<Subject> {
    subject_of(shared, call, lock(&call.journal).as_ref())
}

fn subject_of(shared: &Shared, call: &LiveCall, journal: Option<&JournalWriter>) -> Option<Subject> {
    let number = journal?.number();
    Some(Subject {
        dir: shared.dir.clone(),
        call: call.id.clone(),
        number,
        header: call.header.clone(),
        memory: Arc::clone(&shared.memory),
        ahead_s: shared.ahead_s,
    })
}

/// The outcome of a call, or why its take must be made again; none if it has started over.
fn finish_take(shared: &Shared, call: &LiveCall, work: &mut Work) -> Result<Option<Outcome>, TakeError> {
    let Some(take) = &mut work.take else {
        let reason = "it has no journal".to_owned();
        return Ok(Some(Err(RecordError::NotFinished { call: call.id.to_string(), reason })));
    };
    let Some(mut taken) = guarded(|| take.finish())? else { return Ok(None) };
    work.take = None;
    // Nothing that was committed can be torn.
    taken.is_damaged |= taken.completeness.torn_bytes > 0;
    call.tell_unjournalled(&mut taken);
    shared.counters.note_recording(&taken.completeness, call.lines_refused());
    let Some(subject) = subject(shared, call) else { return Err(TakeError::Panic) };
    let Some(journal) = lock(&call.journal).take() else { return Err(TakeError::Panic) };
    let (ended, lost) = (taken.ended, taken.completeness.clone());
    let outcome = conclude(shared, &subject, taken, Source::Live(journal));
    if outcome.is_err() {
        shared.untold.remember(&subject, ended, lost);
    }
    Ok(Some(outcome))
}

/// Publishes and summarises. What fails here fails for want of disk, not of a better take: the journal stays.
pub(crate) fn conclude(shared: &Shared, subject: &Subject, taken: Taken, source: Source) -> Outcome {
    shared.left.note_tried(&subject.call, subject.number);
    let finish = || finish(subject, taken, source);
    let finished = catch_unwind(AssertUnwindSafe(finish)).unwrap_or(Err(FinishError::Unexpected));
    if let Ok(Finished { lines_left_out, .. }) = &finished {
        shared.counters.note_lines(*lines_left_out);
    }
    if finished.as_ref().is_ok_and(|finished| !finished.journal_is_left) {
        shared.left.forget_tried(&subject.call, subject.number);
    }
    // Where a journal is left, it was given up.
    let is_left = match &finished {
        Ok(finished) => finished.journal_is_left,
        Err(error) => {
            matches!(error, FinishError::Store(_) | FinishError::NotSafe(_) | FinishError::Unexpected)
        }
    };
    if is_left {
        shared.left.note();
    }
    finished.map(|finished| finished.files).map_err(|error| {
        let reason = format!("{error}; its journal is kept, and is {TRIED_AGAIN}");
        RecordError::NotFinished { call: subject.call.to_string(), reason }
    })
}

/// Takes a whole journal, in what format it will go; so many takes have ended the process before. `between` slices others may have their
/// turn, or say that it is to be left.
pub(crate) fn take_whole(
    shared: &Shared,
    subject: &Subject,
    unended: u32,
    mut reader: impl FnMut() -> Result<JournalReader, StoreError>,
    between: impl Fn() -> bool,
) -> Result<Taken, TakeError> {
    let (mut failures, mut bad_takes) = (0, unended);
    loop {
        let taken = reader().map_err(TakeError::from).and_then(|reader| {
            guarded(|| {
                let mut take = Take::new(subject.clone(), reader, fallback(bad_takes));
                take.skip_to_last_format()?;
                whole(&mut take, &between)
            })
        });
        match taken {
            Ok(taken) => return Ok(taken),
            Err(error) => {
                measure_what_was_freed(shared);
                failures += 1;
                bad_takes += u32::from(error.is_of_the_format());
                tracing::warn!(call = subject.call.for_log(), %error, failures, "a take failed");
                if failures >= MOST_FAILURES || matches!(error, TakeError::NoRoom | TakeError::Stopped) {
                    return Err(error);
                }
            }
        }
    }
}

/// Reads a whole journal, as often as it takes; `between` slices tells whether to go on.
fn whole(take: &mut Take, between: impl Fn() -> bool) -> Result<Taken, TakeError> {
    loop {
        while take.advance_by(SLICE)? {
            if !between() {
                return Err(TakeError::Stopped);
            }
        }
        if let Some(taken) = take.finish()? {
            return Ok(taken);
        }
    }
}

/// A codec that panics is a codec that fails.
fn guarded<T>(work: impl FnOnce() -> Result<T, TakeError>) -> Result<T, TakeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(TakeError::Panic))
}

/// The files of a finished call.
pub(crate) fn files(shared: &Shared, call: &callrec_store::CallId) -> Option<CallFiles> {
    CallFiles::read(&shared.dir, call)
}

#[cfg(test)]
mod tests;
