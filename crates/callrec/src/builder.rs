//! How a recorder is set up and started.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use callrec_encode::Settings;
use callrec_store::{Readers, RecordingsDir};

use crate::error::RecordError;
use crate::journalling::write_journals;
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

    /// How many threads encode. The default is the number of processors, 4 at most.
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
    /// # Errors
    /// The directory cannot be used, or the settings are impossible; both say what to do.
    pub fn start(self) -> Result<Recorder, RecordError> {
        self.settings.resolve(PHONE_LINE_HZ)?;
        let dir = RecordingsDir::open_for(&self.directory, self.readers)?;
        dir.probe()?;
        for open in dir.lets_strangers_in()? {
            tracing::warn!(
                directory = %open.path.display(),
                mode = format!("{:04o}", open.mode),
                "the directory lets others look into it: chmod {:04o} would close it to them",
                open.right
            );
        }
        let mut shared = Shared::new(dir, self.settings, self.record_audio, self.limits);
        shared.when_recovered = self.when_recovered;
        let shared = Arc::new(shared);
        space::measure_once(&shared);
        let handle = Handle::new(shared);
        handle.spawn("callrec-space", space::measure)?;
        handle.spawn("callrec-journal", write_journals)?;
        handle.spawn("callrec-sync", sync_journals)?;
        for _ in 0..self.workers {
            handle.spawn("callrec-worker", workers::work)?;
        }
        if self.recover_at_start {
            // Before the thread runs, so that nobody finds the recorder at rest in between.
            handle.shared().recovering.store(true, Ordering::Release);
            handle.spawn("callrec-recover", recovery::recover_in_background)?;
        }
        Ok(Recorder::new(handle))
    }
}
