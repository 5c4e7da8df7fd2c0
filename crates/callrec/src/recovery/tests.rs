use std::sync::Arc;

use callrec_encode::{Format, Settings};
#[cfg(all(feature = "flac", feature = "wav"))]
use callrec_faulty_disk::Moment;
use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_session::{Speaker, StreamStart, Topology};
use callrec_store::{CallId, RecordingsDir};
#[cfg(all(feature = "flac", feature = "wav"))]
use callrec_summary::AudioOutcome;

use super::*;
use crate::clock::local_now;
use crate::clock::simulated::{use_clock_of, while_it_waits};
use crate::journalling::Journalling;
use crate::live::LiveCall;
use crate::options::CallOptions;
use crate::recorder::Recorder;
use crate::shared::Limits;
use crate::simulated::{self, LIMITS, journal, safe, settings, speak};
use crate::syncing::Syncing;

/// A recorder without threads, whose disk must have so much free.
fn recorder_on(disk: &FaultyDisk, free_disk: u64) -> (Recorder, Arc<Shared>) {
    let limits = Limits { waiting_bytes: 100_000_000, free_disk, ..LIMITS };
    simulated::recorder_on(disk, settings(), limits)
}

/// What a process that was killed left of calls that had so many frames of 20 ms.
fn killed_with(format: Format, calls: &[(&str, u64)]) -> FaultyDisk {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 0);
    for (name, frames) in calls {
        let settings = Settings::default().with_format(format);
        let call = recorder.start_call(CallOptions::new(*name).settings(settings)).unwrap();
        speak(&call, 0..*frames);
        call.said(Speaker::Caller, &format!("line of {name}"));
        Journalling::default().turn(&shared);
    }
    shared.abandon();
    disk.keep_moments();
    disk.take_moments().pop().unwrap().after_kill()
}

/// A live call does.
fn wait_for_a_worker(shared: &Shared) {
    let header = Header {
        start: StreamStart::new("CA9", "MZ9", Topology::OneWay),
        started_at: local_now(),
        settings: Settings::default(),
        record_audio: true,
        without_audio: None,
        recorder: THIS_VERSION.to_owned(),
    };
    let call = LiveCall::new(CallId::new("CA9").unwrap(), header, shared);
    shared.schedule(&Arc::new(call));
}

#[test]
fn recovery_stands_back_while_a_live_call_waits_for_a_worker_but_not_for_ever() {
    let disk = FaultyDisk::default();
    let (_recorder, shared) = recorder_on(&disk, 0);
    let took = || {
        let begun_us = disk.now_us();
        assert!(stand_back(&shared));
        Duration::from_micros(disk.now_us() - begun_us)
    };
    assert_eq!(took(), Duration::ZERO, "nobody waits");

    wait_for_a_worker(&shared);
    assert_eq!(shared.health().takes_waiting, 1);
    assert_eq!(took(), STANDS_BACK);
    shared.work_at_hand().unwrap();
    assert_eq!(shared.health().takes_waiting, 0);
    assert_eq!(took(), Duration::ZERO, "it has its worker");
    use_clock_of(None);
}

#[test]
fn it_stands_back_between_journals_however_short() {
    let disk = killed_with(Format::compiled().last().unwrap(), &[("CA1", 50), ("CA2", 50), ("CA3", 50)]);
    let (recorder, shared) = recorder_on(&disk, 0);
    wait_for_a_worker(&shared);
    let begun_us = disk.now_us();
    assert_eq!(recover(&shared).unwrap().finished, 3);
    assert!(disk.now_us() - begun_us >= 2 * STANDS_BACK.as_micros() as u64);
    assert!(recorder.files("CA3").unwrap().is_saved());
    shared.work_at_hand().unwrap();
    use_clock_of(None);
}

#[test]
#[cfg(feature = "wav")]
fn what_a_recording_took_that_found_no_room_is_there_for_the_next() {
    use crate::{output::FOR_JOURNALS, space::measure_once};
    let disk = killed_with(Format::Wav, &[("CA1", 15_000), ("CA2", 3_000)]);
    let (recorder, shared) = recorder_on(&disk, 100_000_000);
    // Five minutes of WAV take 9.6 MB, and one takes 1.9.
    disk.set_free(100_000_000 + FOR_JOURNALS + 3_000_000);
    measure_once(&shared);
    assert_eq!(recover(&shared).unwrap(), Recovery { finished: 1, failed: 1, owned: 0 });
    let is_saved = |call| recorder.files(call).unwrap().is_saved();
    assert_eq!(["CA1", "CA2"].map(is_saved), [false, true]);
    let health = shared.health();
    assert_eq!((health.refused.recordings_no_room, health.left_in_journals), (1, true));
    use_clock_of(None);
}

#[test]
fn the_end_leaves_what_is_half_recovered_to_the_next_start_and_does_not_wait_for_it() {
    let disk = killed_with(Format::compiled().last().unwrap(), &[("CA1", 5_000), ("CA2", 50)]);
    let found = |ending: &str| {
        let files = disk.files().into_iter();
        files.filter(|(path, _)| path.ends_with(ending)).collect::<Vec<_>>()
    };
    let journals = found(".journal");
    assert_eq!(journals.len(), 2);

    let (recorder, shared) = recorder_on(&disk, 0);
    wait_for_a_worker(&shared);
    let (ended, half, begun_us) = (Arc::clone(&shared), disk.clone(), disk.now_us());
    while_it_waits(move || {
        let of_the_first = |path: &str| path.contains("CA1") && path.ends_with(".partial");
        assert!(half.files().iter().any(|(path, _)| of_the_first(path)), "it is in the middle");
        ended.stop();
    });
    assert_eq!(recover(&shared).unwrap(), Recovery::default());
    assert!(shared.is_stopping(), "it was told to end");
    try_again(&shared);
    assert_eq!(disk.now_us() - begun_us, LOOKS_EVERY.as_micros() as u64);
    assert!(found(".journal") == journals && found(".partial").is_empty());
    assert!(recorder.files("CA1").is_none(), "nothing is told of it");
    assert_eq!(shared.health().recoveries_waiting, 0);

    let (recorder, shared) = recorder_on(&disk, 0);
    assert_eq!(recover(&shared).unwrap(), Recovery { finished: 2, ..Recovery::default() });
    for (call, ms) in [("CA1", 100_000), ("CA2", 1_000)] {
        let stream = recorder.files(call).unwrap().details.streams[0].clone();
        assert!(stream.recovered && stream.duration_ms == ms && stream.audio.file().is_some());
    }
    use_clock_of(None);
}

/// What a process left of a call of four seconds, of whose journal every sync but the first failed.
fn killed_when_syncs_had_failed() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 0);
    let (mut journalling, mut syncing) = (Journalling::default(), Syncing::default());
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    for second in 0..4 {
        if second == 1 {
            disk.set_faults(Faults::refusing(&[Operation::SyncEverything]));
        }
        speak(&call, second * 50..second * 50 + 50);
        call.said(Speaker::Caller, &format!("this is second {second}"));
        journalling.turn(&shared);
        syncing.turn(&shared, Stopwatch::start());
    }
    shared.abandon();
    disk.keep_moments();
    let disk = disk.take_moments().pop().unwrap().after_kill();
    drop(call);
    assert!(journal(&safe(&disk)) != journal(&disk), "some of it is forgotten");
    disk
}

/// Whether a recorder on this disk, when the power has gone, makes the whole recording of such a call.
fn check_all_is_recovered(disk: &FaultyDisk) {
    let (recorder, shared) = recorder_on(&safe(disk), 0);
    assert_eq!(recover(&shared).unwrap(), Recovery { finished: 1, ..Recovery::default() });
    let files = recorder.files("CA1").unwrap();
    let stream = &files.details.streams[0];
    assert_eq!((stream.duration_ms, stream.completeness.damaged_bytes), (4_000, 0));
    assert!(files.is_saved() && stream.lines.len() == 4, "{:?}", stream.lines);
    use_clock_of(None);
}

#[test]
fn what_a_failed_sync_of_an_earlier_process_was_to_write_of_a_journal_that_is_left_is_written_again() {
    let disk = killed_when_syncs_had_failed();
    // The next process can make no recording of it.
    let (recorder, shared) = recorder_on(&disk, 0);
    disk.set_faults(Faults::refusing(&[Operation::Write(What::Partial)]));
    assert_eq!(recover(&shared).unwrap(), Recovery { failed: 1, ..Recovery::default() });
    assert!(!recorder.files("CA1").unwrap().is_saved());
    check_all_is_recovered(&disk);
}

#[test]
fn what_a_failed_sync_of_an_earlier_process_was_to_write_of_a_journal_that_is_kept_beside_its_recording_is_written_again()
 {
    // The recording may not have its name when the power goes, or its summary cannot be written.
    for (refused, finished) in
        [(Operation::SyncDirectory(What::Recording), 1), (Operation::Rename(What::SummaryJson), 0)]
    {
        let disk = killed_when_syncs_had_failed();
        let (_recorder, shared) = recorder_on(&disk, 0);
        disk.set_faults(Faults::refusing(&[refused]));
        assert_eq!(recover(&shared).unwrap(), Recovery { finished, failed: 1 - finished, owned: 0 });
        assert!(journal(&safe(&disk)) == journal(&disk), "{refused:?}");
        check_all_is_recovered(&disk);
    }
}

#[test]
fn a_file_that_cannot_be_removed_keeps_no_recording_from_being_made() {
    let disk = killed_with(Format::compiled().last().unwrap(), &[("CA2", 50)]);
    let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
    let partial = dir.create_partial(&CallId::new("CA1").unwrap(), 1, "wav").unwrap();
    disk.keep_moments();
    let disk = disk.take_moments().pop().unwrap().after_kill();
    drop(partial);
    let (recorder, shared) = recorder_on(&disk, 0);
    let is_there = || disk.files().iter().any(|(path, _)| path.ends_with(".partial"));
    disk.set_faults(Faults::refusing(&[Operation::Remove(What::Partial)]));
    assert_eq!(recover(&shared).unwrap(), Recovery { finished: 1, ..Recovery::default() });
    assert!(is_there() && recorder.files("CA2").unwrap().is_saved());
    disk.set_faults(Faults::none());
    assert_eq!(recover(&shared).unwrap(), Recovery::default());
    assert!(!is_there());
    use_clock_of(None);
}

/// The disk as the process leaves it that is killed now.
#[cfg(all(feature = "flac", feature = "wav"))]
fn killed_now(disk: &FaultyDisk) -> FaultyDisk {
    disk.keep_moments();
    disk.take_moments().pop().unwrap().after_kill()
}

/// A start of a process that ends while it makes a recording; what is left.
#[cfg(all(feature = "flac", feature = "wav"))]
fn killed_at_a_start(disk: &FaultyDisk) -> FaultyDisk {
    let disk = &killed_now(disk);
    let (_recorder, shared) = recorder_on(disk, 0);
    disk.keep_moments();
    recover_or_tell(&shared);
    let moments = disk.take_moments();
    let writes = |moment: &&Moment| moment.before == Some(Operation::Write(What::Partial));
    moments.iter().find(writes).expect("one is made").after_kill()
}

#[test]
#[cfg(all(feature = "flac", feature = "wav"))]
fn a_recording_with_which_the_process_ends_each_time_is_made_as_wav_and_then_left_for_a_person() {
    let has = |disk: &FaultyDisk, ending| disk.files().iter().any(|(path, _)| path.ends_with(ending));
    let started = |disk: &FaultyDisk| {
        let (recorder, shared) = recorder_on(disk, 0);
        let recovery = recover_or_tell(&shared);
        use_clock_of(None);
        (recorder, shared, recovery)
    };
    let mut disk = killed_with(Format::Flac, &[("CA1", 50)]);
    for ended in 0..4 {
        let on_another = killed_at_a_start(&disk);
        assert!(has(&on_another, ".attempts"));
        let (recorder, _, recovery) = started(&disk);
        assert_eq!(recovery, Recovery { finished: 1, ..Recovery::default() }, "after {ended}");
        let stream = &recorder.files("CA1").unwrap().details.streams[0];
        let file = stream.audio.file().unwrap();
        let expected = if ended < 2 { ("flac", None) } else { ("wav", Some("flac")) };
        assert_eq!((&*file.format, file.requested_format.as_deref()), expected, "after {ended}");
        assert!(!has(&disk, ".attempts") && !has(&disk, ".journal"));
        disk = on_another;
    }
    // Beside it, others are made; of it the words alone, once.
    let told = |disk: &FaultyDisk| {
        let files = disk.files();
        files.into_iter().find(|(path, _)| path.ends_with("_summary.json")).map(|(_, bytes)| bytes)
    };
    let mut first = None;
    for start in 0..3 {
        // The first time the disk refuses the summary.
        let refused = [Operation::Rename(What::SummaryJson)];
        disk.set_faults(if start == 0 { Faults::refusing(&refused) } else { Faults::none() });
        let (recorder, shared, recovery) = started(&disk);
        assert_eq!(recovery, Recovery { failed: 1, ..Recovery::default() });
        if start == 0 {
            assert!(told(&disk).is_none() && shared.health().left_for_a_person);
            assert!(shared.health().left_in_journals, "it is told when the disk is well");
            disk = killed_now(&disk);
            continue;
        }
        assert!(journal(&safe(&disk)) == journal(&disk), "it is on the disk before it is said to be");
        assert_eq!(*first.get_or_insert_with(|| told(&disk).unwrap()), told(&disk).unwrap(), "once");
        let lines = &recorder.files("CA1").unwrap().details.streams[0].lines;
        assert_eq!(lines.iter().map(|line| &*line.text).collect::<Vec<_>>(), ["line of CA1"]);
        let health = shared.health();
        assert!(health.left_for_a_person && !health.left_in_journals, "it is not tried again by itself");
        let AudioOutcome::NotSaved { reason } = &recorder.files("CA1").unwrap().details.streams[0].audio
        else {
            panic!("it is made in start {start}")
        };
        assert!(reason.contains("callrec recover"), "{reason}");
        assert!(has(&disk, ".journal") && has(&disk, ".attempts"));
        disk = killed_now(&disk);
    }
    let (recorder, shared) = recorder_on(&disk, 0);
    assert_eq!(recorder.recover().unwrap(), Recovery { finished: 1, ..Recovery::default() });
    let stream = &recorder.files("CA1").unwrap().details.streams[0];
    assert!(stream.audio.file().is_some_and(|file| file.format == "wav") && stream.duration_ms == 1_000);
    assert!(!shared.health().left_for_a_person && !has(&disk, ".journal") && !has(&disk, ".attempts"));
    use_clock_of(None);
}

#[test]
#[cfg(all(feature = "flac", feature = "wav"))]
fn what_says_nothing_of_the_encoder_leaves_the_count_of_how_often_that_ended_the_process() {
    let mut disk = killed_with(Format::Flac, &[("CA1", 50)]);
    disk = killed_at_a_start(&killed_at_a_start(&disk));
    for _ in 0..3 {
        let (_recorder, shared) = recorder_on(&disk, 0);
        disk.set_faults(Faults::refusing(&[Operation::Write(What::Partial)]));
        assert_eq!(recover_or_tell(&shared).failed, 1);
        disk.set_faults(Faults::none());
    }
    let (recorder, shared) = recorder_on(&disk, 0);
    assert_eq!(recover_or_tell(&shared).finished, 1);
    assert_eq!(recorder.files("CA1").unwrap().details.streams[0].audio.file().unwrap().format, "wav");
    use_clock_of(None);
}
