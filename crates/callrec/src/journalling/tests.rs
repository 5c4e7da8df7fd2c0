use callrec_encode::Settings;
use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_session::EndReason;

use super::*;
use crate::audio::Audio;
use crate::call::Call;
use crate::clock::simulated::use_clock_of;
use crate::options::CallOptions;
use crate::recorder::Recorder;
use crate::shared::Limits;
use crate::simulated::{self, LIMITS, settings, settled, speak};
use crate::syncing::Syncing;

#[cfg(feature = "wav")]
mod given_up;
mod the_end;

/// A recorder without threads, on a disk where each journal has a sync of its own.
fn recorder_on(disk: &FaultyDisk) -> (Recorder, Arc<Shared>) {
    disk.lack(false, true);
    simulated::recorder_on(disk, Settings::default(), LIMITS)
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
    let outcome = settled(&shared, &mut journalling, &finishing);
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
    let limits = Limits { waiting_bytes: 10_000_000, ..LIMITS };
    let (recorder, shared) = simulated::recorder_on(&disk, settings(), limits);
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
