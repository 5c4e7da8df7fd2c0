//! Journals with which the process ended too often are left for a person, and what was said in their calls is told.

use callrec_store::{Attempt, CallId, LockedJournal, StoreError};

use crate::finish::{FinishError, note_not_saved_for};
use crate::header::THIS_VERSION;
use crate::shared::Shared;
use crate::source::is_synced;
use crate::take::Subject;
use crate::workers::words_of;

/// Why.
const WHY: &str = "the process ended each time that its recording was made";

/// What only keeps from counting how often a journal has ended the process.
pub(crate) fn ok_or_tell<T>(call: &CallId, result: Result<T, StoreError>) -> Option<T> {
    let told = |error: &StoreError| {
        tracing::warn!(call = call.for_log(), %error, "how often a recording was tried is not known");
    };
    result.inspect_err(told).ok()
}

/// An encoder that ends the process would at each start: nothing is made of this journal any more.
pub(crate) fn leave_for_a_person(shared: &Shared, subject: &Subject) {
    tracing::error!(
        call = subject.call.for_log(),
        number = subject.number,
        "{WHY}; its journal is kept, and `callrec recover` tries it"
    );
    shared.left.note_for_a_person(&subject.call, subject.number);
}

/// Tells once what was said in such a call, if that does not end the process too; gives whether that is to be tried again, since the disk
/// did not take it, or not all of the journal.
pub(crate) fn tell_what_is_left(
    shared: &Shared,
    subject: &Subject,
    journal: &LockedJournal,
    attempt: Option<Attempt>,
) -> bool {
    let told = format!("{THIS_VERSION} told");
    if ok_or_tell(&subject.call, journal.unended_attempts(&told)).is_some_and(|told| told > 0) {
        return false;
    }
    // Uncounted it could end the process at each start.
    let Some(attempt) = attempt else { return true };
    let is_safe = is_synced(&subject.call, journal.sync_whole());
    let Some(mut words) = words_of(subject, journal.reader()) else { return !is_safe };
    shared.untold.tell(subject, &mut words);
    let reason = format!("{WHY}; what was received is in the journal, and `callrec recover` tries it");
    let written = note_not_saved_for(subject, words, true, reason);
    drop(attempt);
    match written {
        Ok(()) if is_safe => {
            let noted = ok_or_tell(&subject.call, journal.begin_attempt(&told));
            noted.map(Attempt::let_stand).is_none()
        }
        Ok(()) => true,
        Err(error) => !is_safe || !matches!(error, FinishError::Newer(_)),
    }
}
