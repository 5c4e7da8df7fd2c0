//! Recorders without threads, on simulated disks: what the threads would do is done by whoever has them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use callrec_encode::{Format, Settings};
use callrec_faulty_disk::FaultyDisk;
use callrec_store::RecordingsDir;

use crate::clock::simulated::use_clock_of;
use crate::journalling::Journalling;
use crate::live::Outcome;
use crate::recorder::{Handle, Recorder};
use crate::shared::{Limits, Shared};
use crate::workers::work_on;
use crate::{Audio, Call, Finishing};

/// Of most tests.
pub(crate) const LIMITS: Limits = Limits { calls: 10, waiting_bytes: 1_000_000, free_disk: 0 };

/// Of a format that is compiled in, whichever that is.
pub(crate) fn settings() -> Settings {
    Settings::default().with_format(Format::compiled().last().unwrap())
}

/// A recorder in this directory.
pub(crate) fn recorder_in(dir: RecordingsDir, settings: Settings, limits: Limits) -> (Recorder, Arc<Shared>) {
    let shared = Arc::new(Shared::new(dir, settings, true, limits));
    (Recorder::new(Handle::new(Arc::clone(&shared))), shared)
}

/// A recorder on this disk, whose time is this thread's from here on.
pub(crate) fn recorder_on(disk: &FaultyDisk, settings: Settings, limits: Limits) -> (Recorder, Arc<Shared>) {
    use_clock_of(Some(disk.clone()));
    let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
    recorder_in(dir, settings, limits)
}

/// The caller says these frames of 20 ms.
pub(crate) fn speak(call: &Call, frames: Range<u64>) {
    frames.for_each(|frame| call.caller_at(frame * 20, Audio::mulaw(&[0x10; 160])));
}

/// The bytes of the one journal that there is.
pub(crate) fn journal(disk: &FaultyDisk) -> Arc<Vec<u8>> {
    let mut journals = disk.files().into_iter().filter(|(path, _)| path.ends_with(".journal"));
    let (_, bytes) = journals.next().expect("a journal");
    assert_eq!(journals.next(), None);
    bytes
}

/// The disk with nothing but what is safe by now, whatever happens.
pub(crate) fn safe(disk: &FaultyDisk) -> FaultyDisk {
    disk.keep_moments();
    disk.take_moments().pop().unwrap().all_that_is_safe()
}

/// Works on all calls that wait for it.
pub(crate) fn work(shared: &Shared) {
    while let Some(call) = shared.work_at_hand() {
        work_on(shared, &call);
    }
}

/// What the future of a call gives, when the threads have done what they can.
pub(crate) fn settled(shared: &Shared, journalling: &mut Journalling, finishing: &Finishing) -> Outcome {
    let outcome = (0..100).find_map(|_| {
        journalling.turn(shared);
        work(shared);
        finishing.wait_timeout(Duration::ZERO)
    });
    outcome.expect("it is settled")
}
