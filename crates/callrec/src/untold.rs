//! What only this process knows of streams whose journals are left: what the disk refused of them, what was dropped, and how they ended.
//! A summary that a full disk does not take either cannot tell it to whoever makes the recording.

use std::collections::VecDeque;
use std::sync::Mutex;

use callrec_session::{Completeness, EndReason};
use callrec_store::CallId;

use crate::known::at_least;
use crate::live::lock;
use crate::take::Subject;
use crate::taken::Taken;

/// How many streams are remembered. Of each it is half a kilobyte.
const MOST: usize = 1_000;

/// Streams of which no journal tells all.
#[derive(Debug, Default)]
pub(crate) struct Untold(Mutex<VecDeque<Known>>);

#[derive(Debug)]
struct Known {
    call: CallId,
    number: u32,
    ended: EndReason,
    lost: Completeness,
}

impl Untold {
    /// Of this stream, which has ended so, all this is lost; its journal is left.
    pub(crate) fn remember(&self, subject: &Subject, ended: EndReason, lost: Completeness) {
        if lost.is_complete() {
            return;
        }
        let (call, number) = (subject.call.clone(), subject.number);
        let mut all = lock(&self.0);
        if all.len() >= MOST
            && let Some(oldest) = all.pop_front()
        {
            let call = oldest.call.for_log();
            tracing::error!(call, "too many recordings are left: what is missing of one will not be told");
        }
        all.push_back(Known { call, number, ended, lost });
    }

    /// Tells of what was taken of the stream's journal what is known of it. What both tell is counted once.
    pub(crate) fn tell(&self, subject: &Subject, taken: &mut Taken) {
        let all = lock(&self.0);
        let Some(known) = all.iter().find(|known| known.is_of(subject)) else { return };
        if taken.ended == EndReason::Interrupted {
            taken.ended = known.ended;
        }
        at_least(&mut taken.completeness, &known.lost);
    }

    /// The stream's files are complete.
    pub(crate) fn forget(&self, subject: &Subject) {
        lock(&self.0).retain(|known| !known.is_of(subject));
    }
}

impl Known {
    fn is_of(&self, subject: &Subject) -> bool {
        (&self.call, self.number) == (&subject.call, subject.number)
    }
}
