//! The thread that writes every live call's journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callrec_store::{CallId, JournalWriter, RecordingsDir, StoreError};

use crate::clock::Stopwatch;
use crate::error::RecordError;
use crate::live::{LiveCall, lock};
use crate::shared::{Shared, Wanted};
use crate::status::CallFiles;

/// How often the journals are written: what a killed process loses at most, with room to spare. A write costs the more for being
/// small: ten a second of each call took a sixth of all that a message costs.
pub(crate) const EVERY: Duration = Duration::from_millis(250);
/// How often the takes of live calls are brought up to date, in turns of [`EVERY`].
const TAKES_EVERY: u32 = 4;
/// How often a disk that refuses is tried again, in turns.
const RETRY_EVERY: u32 = 4;
/// How often it is tried for a call that has ended, before the call is given up.
const LAST_TRIES: u32 = 5;
/// How often a directory that refused is tried when nothing waits for it any more, in turns.
const PROBE_EVERY: u32 = 8;

/// Writes until the recorder is gone and every call is sealed.
pub(crate) fn write_journals(shared: &Shared) {
    let mut journalling = Journalling::default();
    loop {
        let turn = Stopwatch::start();
        shared.journal_turn_begins();
        let idle = journalling.turn(shared);
        shared.journal_turn_done();
        if shared.is_stopping() && (idle || shared.is_abandoned()) {
            return;
        }
        loop {
            let left = EVERY.saturating_sub(turn.elapsed());
            // However much is urgent, the turn comes.
            if shared.wait_for_turn(left) == Wanted::All || left.is_zero() {
                break;
            }
            journalling.write_urgent(shared);
        }
    }
}

/// What is remembered from one turn to the next.
#[derive(Default)]
pub(crate) struct Journalling {
    refusals: HashMap<u64, u32>,
    turn: u32,
}

impl Journalling {
    /// Writes once what waits; tells whether there was no call.
    pub(crate) fn turn(&mut self, shared: &Shared) -> bool {
        let calls = shared.live_calls();
        self.turn = self.turn.wrapping_add(1);
        let mut refused = None;
        for call in calls.iter().filter(|call| !call.sealed.load(Ordering::Acquire)) {
            if self.tries(call) > 0 && !self.turn.is_multiple_of(RETRY_EVERY) {
                continue;
            }
            refused = self.write(shared, call).err().or(refused);
            if self.turn.is_multiple_of(TAKES_EVERY) && call.committed() > 0 {
                shared.schedule(call, call.sealed.load(Ordering::Acquire));
            }
        }
        if refused.is_some() {
            *lock(&shared.journal_error) = refused;
        } else if self.refusals.is_empty()
            && self.turn.is_multiple_of(PROBE_EVERY)
            && shared.has_journal_error()
        {
            // Nothing waits that could tell whether the disk is well again: the calls were written, or given up.
            let probed = shared.dir.probe().err().map(|error| error.to_string());
            *lock(&shared.journal_error) = probed;
        }
        calls.is_empty()
    }

    /// Writes what cannot wait for the turn, in between: calls that begin, end, or have much to write. Those that the disk refuses wait for it.
    pub(crate) fn write_urgent(&mut self, shared: &Shared) {
        for call in shared.live_calls() {
            let is_urgent = call.urgent.swap(false, Ordering::AcqRel) && !call.sealed.load(Ordering::Acquire);
            if is_urgent
                && self.tries(&call) == 0
                && let Err(refused) = self.write(shared, &call)
            {
                *lock(&shared.journal_error) = Some(refused);
            }
        }
    }

    /// How often the disk refused what waits of a call.
    fn tries(&self, call: &Arc<LiveCall>) -> u32 {
        self.refusals.get(&call.serial).copied().unwrap_or(0)
    }

    /// Writes what waits of a call, and has it completed if that is its end.
    fn write(&mut self, shared: &Shared, call: &Arc<LiveCall>) -> Result<(), String> {
        call.urgent.store(false, Ordering::Release);
        let written = write(&shared.dir, call).map_err(|error| {
            if self.tries(call) == 0 {
                tracing::error!(call = call.id.for_log(), %error, "the journal cannot be written; trying again");
            }
            let ended_for = self.refusals.entry(call.serial).or_insert(0);
            *ended_for = if call.has_ended() { *ended_for + 1 } else { 1 };
            if *ended_for > LAST_TRIES {
                give_up(shared, call, &error);
            }
            error.to_string()
        });
        let is_sealed = call.sealed.load(Ordering::Acquire);
        if written.is_ok() || is_sealed {
            self.refusals.remove(&call.serial);
        }
        if is_sealed {
            shared.schedule(call, true);
        }
        written
    }
}

/// Brings what waits into the call's journal, which is made if it is not there yet.
fn write(dir: &RecordingsDir, call: &LiveCall) -> Result<(), StoreError> {
    let mut outgoing = lock(&call.outgoing);
    let ended = if outgoing.is_empty() { call.drain(&mut outgoing) } else { false };
    if outgoing.is_empty() {
        return Ok(());
    }
    let mut journal = lock(&call.journal);
    let writer = match &mut *journal {
        Some(writer) => writer,
        none => none.insert(create(dir, call)?),
    };
    writer.append(&outgoing.bytes)?;
    call.committed.store(writer.committed(), Ordering::Release);
    call.clear(&mut outgoing);
    if ended || (call.has_ended() && call.drain_is_empty()) {
        call.sealed.store(true, Ordering::Release);
    }
    Ok(())
}

/// Makes the journal under a number that no stream of the call ever had.
fn create(dir: &RecordingsDir, call: &LiveCall) -> Result<JournalWriter, StoreError> {
    let header = call.header.to_bytes();
    loop {
        let min_number = highest_number(dir, &call.id)? + 1;
        let journal = dir.create_journal(&call.id, min_number, call.key(), &header)?;
        // Another stream of this call may have written its summary and left its number in between.
        match highest_number(dir, &call.id) {
            Ok(highest) if highest < journal.number() => return Ok(journal),
            Ok(_) => journal.remove()?,
            Err(error) => {
                journal.remove()?;
                return Err(error);
            }
        }
    }
}

/// The highest number of a stream that the call's summary knows. One that cannot be read now may know of any.
fn highest_number(dir: &RecordingsDir, call: &CallId) -> Result<u32, StoreError> {
    let files = match CallFiles::try_read(dir, call) {
        Err(error @ StoreError::Io { .. }) => return Err(error),
        // What is no summary of ours never will be.
        read => read.ok().flatten(),
    };
    let streams = files.map(|files| files.details.streams).unwrap_or_default();
    Ok(streams.iter().map(|stream| stream.number).max().unwrap_or(0))
}

/// The disk refused to the last: what could not be written is lost, and said to be.
fn give_up(shared: &Shared, call: &Arc<LiveCall>, error: &StoreError) {
    let has_journal = lock(&call.journal).is_some();
    if has_journal {
        // The rest of the call is lost; what the journal has is taken, as after a crash.
        tracing::error!(call = call.id.for_log(), %error, "the end of the call could not be journalled and is lost");
        call.seal_short();
        return;
    }
    let reason = format!("nothing of it could be written: {error}");
    let ended = call.refused().1.map(tracing::field::display);
    tracing::error!(call = call.id.for_log(), %error, ended, "the call could not be recorded at all");
    call.sealed.store(true, Ordering::Release);
    // Who waits for the outcome finds the call gone from the live ones.
    shared.forget(call);
    call.settle(Err(RecordError::NotFinished { call: call.id.to_string(), reason }));
}

#[cfg(test)]
mod tests {
    use callrec_encode::{Format, Settings};
    use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
    use callrec_session::EndReason;

    use super::*;
    use crate::audio::Audio;
    use crate::call::Call;
    use crate::clock::simulated::use_clock_of;
    use crate::options::CallOptions;
    use crate::recorder::{Handle, Recorder};
    use crate::shared::Limits;
    use crate::syncing::Syncing;
    use crate::workers::work_on;

    /// A recorder without threads, on a disk where each journal has a sync of its own.
    fn recorder_on(disk: &FaultyDisk) -> (Recorder, Arc<Shared>) {
        disk.lack(false, true);
        use_clock_of(Some(disk.clone()));
        let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
        let limits = Limits { calls: 10, waiting_bytes: 1_000_000, free_disk: 0 };
        let shared = Arc::new(Shared::new(dir, Settings::default(), true, limits));
        (Recorder::new(Handle::new(Arc::clone(&shared))), shared)
    }

    fn speak(call: &Call, frames: std::ops::Range<u64>) {
        frames.for_each(|frame| call.caller_at(frame * 20, Audio::mulaw(&[0x10; 160])));
    }

    /// The journals of a disk, by their paths.
    fn journals(disk: &FaultyDisk) -> Vec<(String, Arc<Vec<u8>>)> {
        disk.files().into_iter().filter(|(path, _)| path.ends_with(".journal")).collect()
    }

    /// What of them is safe, whatever happens.
    fn safe_journals(disk: &FaultyDisk) -> Vec<(String, Arc<Vec<u8>>)> {
        disk.keep_moments();
        disk.take_moments().pop().map(|now| journals(&now.all_that_is_safe())).unwrap()
    }

    #[test]
    fn behind_a_journal_that_cannot_be_synced_the_others_are() {
        let (mut all_safe, mut some_safe) = (0, 0);
        for seed in 0..40 {
            let disk = FaultyDisk::default();
            let (recorder, shared) = recorder_on(&disk);
            let calls: Vec<Call> = ["CA1", "CA2", "CA3"]
                .map(|call| recorder.start_call(CallOptions::new(call)).unwrap())
                .into_iter()
                .inspect(|call| speak(call, 0..5))
                .collect();
            Journalling::default().turn(&shared);
            let written = journals(&disk);
            assert_eq!(written.len(), 3);

            let of_journal = Operation::Sync(What::Journal);
            disk.set_faults(Faults::of(&[of_journal], seed, 400));
            Syncing::default().turn(&shared, Stopwatch::start());
            let failed = disk.counts().failed_syncs() as usize;
            let asked = disk.syncs().iter().filter(|sync| **sync == of_journal).count();
            assert_eq!(asked, 3, "seed {seed}: each is tried, though {failed} failed");
            let safe = safe_journals(&disk).iter().filter(|journal| written.contains(journal)).count();
            assert_eq!(safe, 3 - failed, "seed {seed}");
            assert_eq!(shared.health().sync_error.is_some(), failed > 0, "seed {seed}");
            all_safe += usize::from(failed == 0);
            some_safe += usize::from(safe > 0 && failed > 0);
            disk.set_faults(Faults::none());
            drop(calls);
            use_clock_of(None);
        }
        assert!(all_safe > 0 && some_safe > 5, "{all_safe}, {some_safe}");
    }

    #[test]
    fn where_what_an_append_left_cannot_be_cut_off_the_journal_is_safe_before_it_is_told_that_it_is_kept() {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        speak(&call, 0..50);
        let mut journalling = Journalling::default();
        journalling.turn(&shared);
        let (path, committed) = journals(&disk).remove(0);

        disk.set_faults(Faults::refusing(&[Operation::Write(What::Journal), Operation::Cut(What::Journal)]));
        speak(&call, 50..100);
        let finishing = call.finish(EndReason::Finished);
        let mut turns = 0;
        let outcome = loop {
            journalling.turn(&shared);
            while let Some(call) = shared.work_at_hand() {
                work_on(&shared, &call);
            }
            if let Some(outcome) = finishing.wait_timeout(Duration::ZERO) {
                break outcome;
            }
            turns += 1;
            assert!(turns < 200);
        };
        assert!(outcome.unwrap_err().to_string().contains("journal"));
        let (_, safe) = safe_journals(&disk).into_iter().find(|(found, _)| *found == path).expect("its name");
        assert!(safe.starts_with(&committed), "{} of {} bytes", safe.len(), committed.len());

        // The power goes now: the next start makes the recording of it.
        let after = disk.take_moments().pop().unwrap().after_power_loss(1);
        drop(finishing);
        let (recorder, _) = recorder_on(&after);
        assert_eq!(recorder.recover().unwrap().finished, 1);
        assert!(journals(&after).is_empty());
        let files = recorder.files("CA1").unwrap();
        let file = files.details.streams[0].audio.file().unwrap();
        assert!(file.duration_ms >= 50 * 20, "{} ms", file.duration_ms);
        use_clock_of(None);
    }

    #[test]
    fn what_begins_ends_or_is_much_is_written_at_once_and_all_else_when_it_is_time() {
        let disk = FaultyDisk::default();
        use_clock_of(Some(disk.clone()));
        let dir = RecordingsDir::open_simulated(Arc::new(disk), "/responses").unwrap();
        let limits = Limits { calls: 10, waiting_bytes: 10_000_000, free_disk: 0 };
        let settings = Settings::default().with_format(Format::compiled().last().unwrap());
        let shared = Arc::new(Shared::new(dir, settings, true, limits));
        let recorder = Recorder::new(Handle::new(Arc::clone(&shared)));
        let mut journalling = Journalling::default();
        let calls = ["CA1", "CA2", "CA3"].map(|call| recorder.start_call(CallOptions::new(call)).unwrap());
        assert_eq!(shared.wait_for_turn(EVERY), Wanted::Urgent);
        journalling.write_urgent(&shared);
        let live = ["CA1", "CA2", "CA3"].map(|call| shared.streams(&CallId::new(call).unwrap()).remove(0));
        let waits = || live.each_ref().map(|call| !call.is_drained());
        assert_eq!(waits(), [false; 3], "those that begin");

        calls.iter().for_each(|call| call.caller(Audio::mulaw(&[0x10; 160])));
        journalling.write_urgent(&shared);
        assert_eq!(waits(), [true; 3], "nothing is urgent");
        assert_eq!(shared.wait_for_turn(Duration::ZERO), Wanted::All);

        let [ends, grows, stays] = calls;
        let _finishing = ends.finish(EndReason::Stopped);
        assert_eq!(shared.wait_for_turn(EVERY), Wanted::Urgent);
        journalling.write_urgent(&shared);
        assert_eq!(waits(), [false, true, true], "one that ends");
        assert!(
            shared.work_at_hand().is_some_and(|call| Arc::ptr_eq(&call, &live[0])),
            "it is completed at once"
        );

        grows.caller(Audio::mulaw(&[0x10; 300_000]));
        assert_eq!(shared.wait_for_turn(EVERY), Wanted::Urgent);
        journalling.write_urgent(&shared);
        assert_eq!(waits(), [false, false, true], "one that has much to write");

        journalling.turn(&shared);
        assert_eq!(waits(), [false; 3], "the turn is for all");
        shared.abandon();
        drop((grows, stays));
        use_clock_of(None);
    }

    #[test]
    #[cfg(feature = "wav")]
    fn of_a_call_that_the_disk_refuses_to_its_end_the_summary_tells_all_that_found_no_room() {
        let disk = FaultyDisk::default();
        use_clock_of(Some(disk.clone()));
        let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
        let limits = Limits { calls: 10, waiting_bytes: 100_000, free_disk: 0 };
        let shared = Arc::new(Shared::new(dir, Settings::default().with_format(Format::Wav), true, limits));
        let recorder = Recorder::new(Handle::new(Arc::clone(&shared)));
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        let mut journalling = Journalling::default();
        speak(&call, 0..50);
        journalling.turn(&shared);
        disk.set_faults(Faults::refusing(&[Operation::Write(What::Journal)]));
        for second in 1..60 {
            speak(&call, second * 50..(second + 1) * 50);
            journalling.turn(&shared);
            disk.pass(1_000_000);
        }
        let finishing = call.finish(EndReason::Finished);
        let told = (0..200).find_map(|_| {
            journalling.turn(&shared);
            while let Some(call) = shared.work_at_hand() {
                work_on(&shared, &call);
            }
            finishing.wait_timeout(Duration::ZERO)
        });
        let stream = told.unwrap().unwrap().details.streams[0].clone();
        let lost = &stream.completeness;
        assert_eq!(
            (stream.duration_ms, shared.health().refused.events_memory_full),
            (1_000, lost.dropped.audio)
        );
        // What waited when the call was given up has at least 160 bytes a frame.
        let waited = lost.unjournalled_bytes / 160;
        assert!(lost.dropped.audio + waited >= 59 * 50 && lost.dropped.audio < 59 * 50, "{lost:?}");
        use_clock_of(None);
    }
}
