//! One stream while it is recorded and completed: what its owner, the journal's thread and the workers share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use callrec_encode::{Setting, Settings, SpecError};
use callrec_session::{EndReason, Event, Track, wire};
use callrec_store::{CallId, JournalKey, JournalWriter};
use callrec_summary::LocalTime;

use crate::clock::Stopwatch;
use crate::error::{RecordError, SetFormatError};
use crate::header::{Header, kind, odd_track};
use crate::inbox::{Inbox, Outgoing, Taken};
use crate::lines::Lines;
use crate::options::FormatChange;
use crate::shared::Shared;
use crate::space::kept_for_a_call;
use crate::status::{CallFiles, CallState, CallStatus};
use crate::take::Take;
use crate::taken;

/// What the future of a call gives.
pub(crate) type Outcome = Result<CallFiles, RecordError>;

/// Later than any time of a call.
const NOTHING: u64 = u64::MAX;

/// Locks whatever a panic elsewhere has left behind: each lock here guards values that are valid at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What each event of a call needs, side by side: with a thousand calls it is in no cache when the next event comes, and two lines
/// of one are sooner there than seven.
#[derive(Debug)]
#[repr(C, align(64))]
struct Intake {
    inbox: Mutex<Inbox>,
    clock: Stopwatch,
    /// Of the caller's track and the assistant's, in Hz.
    rates: [u32; 2],
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
const _: () = assert!(size_of::<Intake>() <= 128);

#[derive(Debug)]
pub(crate) struct LiveCall {
    intake: Intake,
    /// Tells it from every other call of the recorder, those that are gone included: another may have its place in memory.
    pub(crate) serial: u64,
    /// Locked before the inbox.
    lines: Mutex<Lines>,
    pub(crate) id: CallId,
    pub(crate) header: Header,
    /// The settings in force, for the next change.
    settings: Mutex<Settings>,
    /// What of the disk is kept for it, in bytes.
    kept: AtomicU64,
    /// Bytes on their way into the journal; only the journal's thread has it for longer.
    pub(crate) outgoing: Mutex<Outgoing>,
    /// Since when the first of them waits, in microseconds; none: [`NOTHING`]. For those who must not wait for a disk.
    outgoing_since_us: AtomicU64,
    pub(crate) journal: Mutex<Option<JournalWriter>>,
    /// How much of the journal may be read.
    pub(crate) committed: AtomicU64,
    /// What waits of it is to be written before the turn that all calls have.
    pub(crate) urgent: AtomicBool,
    /// The end is in the journal, or the disk refused it for good.
    pub(crate) sealed: AtomicBool,
    /// Bytes that the disk refused for good.
    refused: AtomicU64,
    /// Why no journal could be made of it, from when it is given up until a worker tells of it.
    unjournalled: Mutex<Option<String>>,
    /// Its take has much to read, for it begins anew late in a long call.
    pub(crate) is_far_behind: AtomicBool,
    /// It waits for a worker, or has one.
    pub(crate) scheduled: AtomicBool,
    pub(crate) work: Mutex<Work>,
    outcome: Mutex<Settled>,
    changed: Condvar,
}

/// The take of a live call.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) take: Option<Take>,
    /// How often a take failed.
    pub(crate) failures: u32,
    /// How often of these it was the format's doing, and not the disk's.
    pub(crate) bad_takes: u32,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("failures", &self.failures).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Settled {
    outcome: Option<Outcome>,
    wakers: Vec<Waker>,
}

impl LiveCall {
    pub(crate) fn new(id: CallId, header: Header, shared: &Shared) -> Self {
        let rates = [header.start.caller_rate, header.start.assistant_rate];
        let (key, together_hz) = (shared.dir.new_key(), rates[0].saturating_add(rates[1]));
        Self {
            id,
            serial: shared.next_serial(),
            settings: Mutex::new(header.settings.clone()),
            kept: AtomicU64::new(kept_for_a_call(&header, &header.settings)),
            intake: Intake {
                inbox: Mutex::new(Inbox::new(key, header.record_audio, shared.memory.grant(), together_hz)),
                clock: Stopwatch::start(),
                rates,
            },
            lines: Mutex::new(Lines::new(&shared.counters)),
            header,
            outgoing: Mutex::new(Outgoing::new(shared.memory.grant())),
            outgoing_since_us: AtomicU64::new(NOTHING),
            journal: Mutex::default(),
            committed: AtomicU64::new(0),
            urgent: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            unjournalled: Mutex::default(),
            is_far_behind: AtomicBool::new(false),
            scheduled: AtomicBool::new(false),
            work: Mutex::default(),
            outcome: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// How many bytes of the disk are kept for it.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Acquire)
    }

    /// Microseconds since the call began.
    pub(crate) fn now_us(&self) -> u64 {
        self.intake.clock.us()
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.intake.inbox)
    }

    /// Takes an event for the journal; never waits for a disk.
    pub(crate) fn push(&self, at_us: u64, event: &Event<'_>) -> Taken {
        if matches!(event, Event::Said { .. } | Event::WordTimes { .. }) {
            return lock(&self.lines).push(&mut self.inbox(), at_us, event);
        }
        let Intake { inbox, rates: [caller, assistant], .. } = &self.intake;
        let rate_hz = match event {
            Event::Audio { track: Track::Caller, .. } => *caller,
            Event::Audio { track: Track::Assistant, .. } => *assistant,
            _ => 0,
        };
        lock(inbox).push(at_us, event, rate_hz)
    }

    /// What the checksums of its journal's records begin with.
    pub(crate) fn key(&self) -> JournalKey {
        self.inbox().key()
    }

    /// How many lines found no room; they are counted.
    pub(crate) fn lines_refused(&self) -> u64 {
        lock(&self.lines).refused()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.inbox().has_ended()
    }

    /// Moves what waits into `outgoing`; tells whether the end is among it.
    pub(crate) fn drain(&self, outgoing: &mut Outgoing) -> bool {
        let mut inbox = self.inbox();
        inbox.drain(outgoing);
        self.outgoing_since_us.store(outgoing.since_us().unwrap_or(NOTHING), Ordering::Release);
        inbox.has_ended()
    }

    /// What went out is in the journal, or given up.
    pub(crate) fn clear(&self, outgoing: &mut Outgoing) {
        outgoing.clear();
        self.outgoing_since_us.store(NOTHING, Ordering::Release);
    }

    /// Gives up what waits for the journal, and seals it as it is.
    pub(crate) fn seal_short(&self) {
        let mut outgoing = lock(&self.outgoing);
        let mut inbox = self.inbox();
        self.refused.store(outgoing.bytes.len() as u64 + inbox.waiting(), Ordering::Release);
        inbox.take_back_drops(&mut outgoing);
        drop(inbox);
        self.clear(&mut outgoing);
        self.sealed.store(true, Ordering::Release);
    }

    /// The same of a call without a journal. A worker is to tell why.
    pub(crate) fn seal_unjournalled(&self, reason: String) {
        *lock(&self.unjournalled) = Some(reason);
        self.seal_short();
    }

    /// Why it has no journal, if it was given up and that is not told yet.
    pub(crate) fn take_unjournalled(&self) -> Option<String> {
        lock(&self.unjournalled).take()
    }

    /// Adds to what was taken from the journal of a call that is sealed what the journal will never tell: how much the disk refused for
    /// good, what was dropped that no record tells of, and how the call ended.
    pub(crate) fn tell_unjournalled(&self, taken: &mut taken::Taken) {
        let (inbox, refused) = (self.inbox(), self.refused.load(Ordering::Acquire));
        if refused > 0 {
            taken.completeness.unjournalled_bytes = refused;
            taken.ended = inbox.end_reason().unwrap_or(taken.ended);
        }
        inbox.dropped().for_each(|(what, count)| taken.completeness.count_dropped(what, count));
    }

    /// What is taken of a call where its journal cannot be read, or was never made.
    pub(crate) fn nothing_taken(&self) -> taken::Taken {
        let inbox = self.inbox();
        let ended = inbox.end_reason().unwrap_or(EndReason::Interrupted);
        taken::Taken::nothing(ended, inbox.last_us() / 1000)
    }

    /// For how long the first byte waits that is not in the journal and may still come there; zero if none does.
    pub(crate) fn journal_behind(&self) -> Duration {
        if self.sealed.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let inbox_us = self.inbox().since_us().unwrap_or(NOTHING);
        let since_us = self.outgoing_since_us.load(Ordering::Acquire).min(inbox_us);
        // Nothing is later than any clock.
        Duration::from_micros(self.now_us().saturating_sub(since_us))
    }

    /// Its owner waited for the disk: what was journalled is no flood.
    pub(crate) fn renew_budget(&self) {
        self.inbox().renew_budget();
    }

    /// Whether nothing waits for the journal's thread.
    pub(crate) fn drain_is_empty(&self) -> bool {
        self.inbox().is_empty()
    }

    /// Whether everything that was taken is in the journal.
    pub(crate) fn is_drained(&self) -> bool {
        self.inbox().is_empty() && lock(&self.outgoing).is_empty()
    }

    /// Changes the format of the whole recording.
    pub(crate) fn set_format(&self, change: &FormatChange) -> Result<(), SetFormatError> {
        change.check()?;
        let start = &self.header.start;
        let mut settings = lock(&self.settings);
        let changed = change.apply(&settings);
        let file_hz = changed.resolve(start.caller_rate.max(start.assistant_rate))?.rate;
        if let Some(track) = odd_track(start, file_hz) {
            return Err(SetFormatError::Impossible(SpecError::Impossible {
                setting: Setting::Rate,
                value: file_hz.to_string(),
                allowed: format!(
                    "what has more in common with the {track:?} track's {} Hz",
                    start.rate(track)
                ),
            }));
        }
        // A value that serde made itself: it cannot fail.
        let json = serde_json::to_vec(&changed).unwrap_or_default();
        let mut inbox = self.inbox();
        if inbox.push_raw(self.now_us(), kind::FORMAT_CHANGED, &json) == Taken::No {
            return Err(if inbox.has_ended() { SetFormatError::TooLate } else { SetFormatError::NoRoom });
        }
        drop(inbox);
        self.kept.store(kept_for_a_call(&self.header, &changed), Ordering::Release);
        *settings = changed;
        Ok(())
    }

    pub(crate) fn status(&self) -> CallStatus {
        let state = if self.has_ended() { CallState::Finishing } else { CallState::Live };
        CallStatus {
            call: self.id.to_string(),
            stream: self.header.start.stream.clone(),
            state,
            started_at: self.header.started_at,
            format: Some(lock(&self.settings).format.to_string()),
            duration_ms: None,
        }
    }

    pub(crate) fn started_at(&self) -> LocalTime {
        self.header.started_at
    }

    /// Tells everybody who waits what became of the recording.
    pub(crate) fn settle(&self, outcome: Outcome) {
        let wakers = {
            let mut settled = lock(&self.outcome);
            settled.outcome.get_or_insert(outcome);
            std::mem::take(&mut settled.wakers)
        };
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wait(&self) -> Outcome {
        let mut settled = lock(&self.outcome);
        loop {
            if let Some(outcome) = &settled.outcome {
                return outcome.clone();
            }
            settled = self.changed.wait(settled).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn wait_timeout(&self, patience: Duration) -> Option<Outcome> {
        let settled = lock(&self.outcome);
        let waiting = |settled: &mut Settled| settled.outcome.is_none();
        let (settled, _) = self
            .changed
            .wait_timeout_while(settled, patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        settled.outcome.clone()
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Outcome> {
        let mut settled = lock(&self.outcome);
        if let Some(outcome) = &settled.outcome {
            return Poll::Ready(outcome.clone());
        }
        if !settled.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            settled.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// How much of a journal may be read now.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }
}

const _: () = assert!(kind::FORMAT_CHANGED > wire::MAX_KIND);
