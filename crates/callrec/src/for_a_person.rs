//! Journals with which the process ended too often are left for a person, and what was said in their calls is told.

use callrec_store::{CallId, LockedJournal, StoreError};

use crate::finish::note_not_saved_for;
use crate::header::THIS_VERSION;
use crate::shared::Shared;
use crate::source::is_synced;
use crate::take::Subject;
use crate::workers::words_of;

/// What only keeps from counting how often a journal has ended the process.
pub(crate) fn ok_or_tell<T>(call: &CallId, result: Result<T, StoreError>) -> Option<T> {
    let told = |error: &StoreError| {
        tracing::warn!(call = call.for_log(), %error, "how often a recording was tried is not known");
    };
    result.inspect_err(told).ok()
}

/// An encoder that ends the process would at each start. What was said is told once, if that does not end it too.
pub(crate) fn leave_for_a_person(
    shared: &Shared,
    subject: &Subject,
    journal: &LockedJournal,
    ended_it_too: bool,
) {
    let told = format!("{THIS_VERSION} told");
    let (call, why) = (&subject.call, "the process ended each time that its recording was made");
    tracing::error!(
        call = call.for_log(),
        number = subject.number,
        "{why}; its journal is kept, and `callrec recover` tries it"
    );
    shared.left.note_for_a_person(call, subject.number);
    let is_told = ok_or_tell(call, journal.unended_attempts(&told)).is_some_and(|told| told > 0);
    if is_told || ended_it_too {
        return;
    }
    let Some(attempt) = ok_or_tell(call, journal.begin_attempt(THIS_VERSION)) else { return };
    let is_safe = is_synced(call, journal.sync_whole());
    let words = words_of(subject, journal.reader());
    let is_written = words.is_some_and(|mut words| {
        shared.untold.tell(subject, &mut words);
        let reason = format!("{why}; what was received is in the journal, and `callrec recover` tries it");
        note_not_saved_for(subject, words, true, reason)
    });
    drop(attempt);
    match ok_or_tell(call, journal.begin_attempt(&told)) {
        Some(noted) if is_safe && is_written => noted.let_stand(),
        // It is told, and written, when the disk is well.
        _ => shared.left.note(),
    }
}
