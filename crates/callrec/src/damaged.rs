//! The journal of a live call that is damaged before its take has read it, through a recorder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callrec_encode::{Format, Settings};
use callrec_faulty_disk::FaultyDisk;
use callrec_session::EndReason;
use callrec_store::RecordingsDir;

use crate::clock::simulated::use_clock_of;
use crate::journalling::Journalling;
use crate::recorder::{Handle, Recorder};
use crate::shared::{Limits, Shared};
use crate::workers::work_on;
use crate::{Audio, CallOptions};

#[test]
fn a_live_journal_that_is_damaged_in_its_middle_is_recorded_but_for_that_and_kept_for_a_person() {
    let disk = FaultyDisk::default();
    use_clock_of(Some(disk.clone()));
    let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
    let limits = Limits { calls: 10, waiting_bytes: 1_000_000, free_disk: 0 };
    let settings = Settings::default().with_format(Format::compiled().last().unwrap());
    let shared = Arc::new(Shared::new(dir, settings, true, limits));
    let recorder = Recorder::new(Handle::new(Arc::clone(&shared)));
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let mut journalling = Journalling::default();
    let journals =
        |end: &str| disk.files().into_iter().filter(|(path, _)| path.ends_with(end)).collect::<Vec<_>>();
    let lengths = [0, 50, 100].map(|from: u64| {
        (from..from + 50).for_each(|frame| call.caller_at(frame * 20, Audio::mulaw(&[0x10; 160])));
        journalling.turn(&shared);
        journals(".journal")[0].1.len()
    });
    // In the first record behind the first second; there are two seconds behind that place, and no take was made yet.
    let path = journals(".journal").remove(0).0;
    disk.damage(Path::new(&path), lengths[0] + 40);
    let finishing = call.finish(EndReason::Finished);
    journalling.turn(&shared);
    while let Some(call) = shared.work_at_hand() {
        work_on(&shared, &call);
    }

    let files = finishing.wait_timeout(Duration::ZERO).unwrap().unwrap();
    let stream = &files.details.streams[0];
    let file = stream.audio.file().expect("what is before and behind it is recorded");
    assert_eq!((file.duration_ms, stream.duration_ms), (3_000, 3_000));
    let lost = &stream.completeness;
    assert!((160..200).contains(&lost.damaged_bytes) && lost.torn_bytes == 0, "{lost:?}");
    assert!(!lost.is_complete() && lost.caller.lost_ms == 20, "{lost:?}");
    let kept = journals(".journal.bad");
    assert!(kept.len() == 1 && kept[0].1.len() >= lengths[2], "all of it is kept for a person");
    assert!(journals(".journal").is_empty() && !shared.health().left_in_journals);
    use_clock_of(None);
}
