//! How a recorder is set up and started.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use callrec_encode::Settings;
use callrec_store::{Readers, RecordingsDir};

use crate::error::RecordError;
use crate::journalling::write_journals;
use crate::live::lock;
use crate::pending::PHONE_LINE_HZ;
use crate::recorder::{Handle, Recorder};
use crate::recovery::WhenRecovered;
use crate::shared::{Limits, Shared};
use crate::status::CallFiles;
use crate::syncing::sync_journals;
use crate::{recovery, space, workers};

/// How many calls are recorded at once, unless the builder says otherwise.
const MAX_CALLS: usize = 10_000;
/// How many bytes may wait for the disk over all calls: a thousand calls with no disk for half a minute, or sixteen whose bots
/// handed over ten minutes at once.
const MAX_WAITING_BYTES: usize = 512 * 1024 * 1024;
/// How many bytes of the disk must be free, beside what is kept for live calls.
const MIN_FREE_DISK: u64 = 512_000_000;

/// Sets a [`Recorder`] up.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    directory: PathBuf,
    settings: Settings,
    record_audio: bool,
    limits: Limits,
    workers: usize,
    recover_at_start: bool,
    when_recovered: WhenRecovered,
    readers: Readers,
}

impl Builder {
    pub(crate) fn new(directory: PathBuf) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            directory,
            settings: Settings::default(),
            record_audio: true,
            limits: Limits { calls: MAX_CALLS, waiting_bytes: MAX_WAITING_BYTES, free_disk: MIN_FREE_DISK },
            workers: processors.clamp(1, 4),
            recover_at_start: true,
            when_recovered: WhenRecovered::default(),
            readers: Readers::Owner,
        }
    }

    /// Format, bitrate, rate and channels of the files; MP3 at 128 kbit/s if this is not called.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Whether audio is recorded. If not, none is ever written, not even to a journal; transcript and summary are, and
    /// say so.
    pub fn record_audio(mut self, record: bool) -> Self {
        self.record_audio = record;
        self
    }

    /// How many streams may be live or unfinished at once.
    pub fn max_calls(mut self, most: usize) -> Self {
        self.limits.calls = most;
        self
    }

    /// How many bytes may wait for the disk over all calls, 512 MiB if this is not called. Beyond, events of the calls that
    /// hold more than 64 KiB are dropped, and their summaries say how much; a call that holds less goes on as before.
    pub fn max_waiting_bytes(mut self, most: usize) -> Self {
        self.limits.waiting_bytes = most;
        self
    }

    /// How many bytes of the disk must be free for another recording to begin, beside 10 MB for each that is going on, or
    /// three minutes of its journal and recording where these take more; 512 MB if this is not called, 0: it is not looked. Recordings that
    /// have begun go on as long as there is any room, but none goes far ahead of its call's time on what is kept free.
    pub fn min_free_disk(mut self, bytes: u64) -> Self {
        self.limits.free_disk = bytes;
        self
    }

    /// How many threads encode. The default is the number of processors, 4 at most. One more has only calls that have ended, whose end
    /// is for the most part to wait for the disk.
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads.max(1);
        self
    }

    /// Whether journals of an earlier process are finished in the background, from the start on, and those of this one that the disk had
    /// no room for when it has. They are if this is not called; see [`Recorder::recover`].
    pub fn recover_at_start(mut self, recover: bool) -> Self {
        self.recover_at_start = recover;
        self
    }

    /// What is to be done with the files of each call of which a recovery has finished a journal, or has said in the summary why it
    /// could not. It is called by the thread that recovers, which waits for it.
    pub fn when_recovered(mut self, told: impl Fn(&CallFiles) + Send + Sync + 'static) -> Self {
        self.when_recovered = WhenRecovered::new(told);
        self
    }

    /// Whether the group of the directory may read what is finished: the directory is made with mode 0750 and not 0700,
    /// recordings, transcripts and summaries with 0640 and not 0600. What is not finished stays the owner's. On Unix alone.
    pub fn group_read(mut self, group: bool) -> Self {
        self.readers = if group { Readers::Group } else { Readers::Owner };
        self
    }

    /// Opens the directory, which is made if it is missing, and starts the threads.
    ///
    /// On a disk that is full or refuses for now it starts all the same: the log has an error, [`Recorder::health`] a `journal_error`
    /// until the disk takes files again, and calls are recorded from there on, with as much of them as could wait in memory.
    ///
    /// # Errors
    /// The directory cannot be used, or the settings are impossible; both say what to do.
    pub fn start(self) -> Result<Recorder, RecordError> {
        self.settings.resolve(PHONE_LINE_HZ)?;
        let dir = RecordingsDir::open_for(&self.directory, self.readers)?;
        let (workers, recover_at_start) = (self.workers, self.recover_at_start);
        let handle = Handle::new(Arc::new(self.begin(dir)?));
        handle.spawn("callrec-space", space::measure)?;
        handle.spawn("callrec-journal", write_journals)?;
        handle.spawn("callrec-sync", sync_journals)?;
        for _ in 0..workers {
            handle.spawn("callrec-worker", workers::work)?;
        }
        handle.spawn("callrec-worker", workers::work_on_ended)?;
        if recover_at_start {
            // Before the thread runs, so that nobody finds the recorder at rest in between.
            handle.shared().recovering.store(true, Ordering::Release);
            handle.spawn("callrec-recover", recovery::recover_in_background)?;
        }
        Ok(Recorder::new(handle))
    }

    /// Tries the directory, and makes what the threads are to have in common.
    fn begin(self, dir: RecordingsDir) -> Result<Shared, RecordError> {
        let refused = match dir.probe() {
            Err(error) if error.is_for_now() => {
                tracing::error!(
                    %error,
                    "the disk takes no recordings: free some space on it, or see to it that it can be written to; calls go on, and are \
                     recorded as soon as it does, without another start"
                );
                Some(error.to_string())
            }
            probed => probed.map(|()| None)?,
        };
        let open = match dir.lets_strangers_in() {
            // There may be nothing to look at yet.
            Err(_) if refused.is_some() => Vec::new(),
            looked => looked?,
        };
        for open in open {
            tracing::warn!(
                directory = %open.path.display(),
                mode = format!("{:04o}", open.mode),
                "the directory lets others look into it: chmod {:04o} would close it to them",
                open.right
            );
        }
        let mut shared = Shared::new(dir, self.settings, self.record_audio, self.limits);
        shared.when_recovered = self.when_recovered;
        *lock(&shared.journal_error) = refused;
        space::measure_once(&shared);
        Ok(shared)
    }
}

#[cfg(test)]
mod tests {
    use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
    use callrec_session::EndReason;

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::{Journalling, PROBE_EVERY};
    use crate::options::CallOptions;
    use crate::simulated::{settings, settled, speak};

    /// A disk where nothing is made yet, or a recorder was before.
    fn disk(is_new: bool) -> FaultyDisk {
        let disk = FaultyDisk::default();
        if !is_new {
            drop(open(&disk));
        }
        disk
    }

    fn open(disk: &FaultyDisk) -> RecordingsDir {
        RecordingsDir::open_simulated(Arc::new(disk.clone()), "/disk/responses").unwrap()
    }

    /// What starts on it, without its threads.
    fn start(disk: &FaultyDisk) -> Result<(Recorder, Arc<Shared>), RecordError> {
        use_clock_of(Some(disk.clone()));
        let builder = Recorder::builder("/disk/responses").settings(settings()).min_free_disk(0);
        let shared = Arc::new(builder.begin(open(disk))?);
        Ok((Recorder::new(Handle::new(Arc::clone(&shared))), shared))
    }

    /// As long as it takes to look after the disk once.
    fn go_on(journalling: &mut Journalling, shared: &Shared) {
        for _ in 0..PROBE_EVERY {
            journalling.turn(shared);
        }
    }

    #[test]
    fn a_recorder_starts_on_a_full_disk_and_a_call_is_recorded_when_it_has_room_without_another_start() {
        for is_new in [true, false] {
            let disk = disk(is_new);
            disk.set_faults(Faults::full());
            let (recorder, shared) = start(&disk).unwrap();
            let told = recorder.health().journal_error.expect("it is told");
            assert!(told.contains("free some space"), "{told}");
            let mut journalling = Journalling::default();
            // It goes on, whatever the disk does.
            let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
            speak(&call, 0..50);
            go_on(&mut journalling, &shared);
            assert!(recorder.health().journal_error.is_some());
            disk.set_faults(Faults::none());
            speak(&call, 50..100);
            let files = settled(&shared, &mut journalling, &call.finish(EndReason::Stopped)).unwrap();
            let stream = &files.details.streams[0];
            assert!(files.is_saved() && stream.completeness.is_complete(), "{stream:?}");
            assert_eq!(stream.duration_ms, 2_000, "what waited is there too");
            go_on(&mut journalling, &shared);
            assert_eq!(recorder.health().journal_error, None);
            use_clock_of(None);
        }
    }

    #[test]
    fn a_disk_that_was_full_at_the_start_is_well_again_without_a_call() {
        for is_new in [true, false] {
            let disk = disk(is_new);
            disk.set_faults(Faults::full());
            let (recorder, shared) = start(&disk).unwrap();
            let mut journalling = Journalling::default();
            go_on(&mut journalling, &shared);
            assert!(recorder.health().journal_error.is_some());
            disk.set_faults(Faults::none());
            go_on(&mut journalling, &shared);
            assert_eq!(recorder.health().journal_error, None);
            assert_eq!(recorder.recover().unwrap(), recovery::Recovery::default());
            use_clock_of(None);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_used_at_all_keeps_a_recorder_from_starting() {
        let disk = disk(false);
        disk.set_faults(Faults::refusing(&[Operation::Lock(What::Temporary)]));
        let told = start(&disk).expect_err("no recorder").to_string();
        assert!(told.contains("cannot lock /disk/responses/.journal/"), "{told}");
        use_clock_of(None);
    }
}
