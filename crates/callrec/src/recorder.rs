//! The recorder: one for a directory, shared by all calls.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::{Duration, SystemTime};

use callrec_encode::Settings;
use callrec_session::{EndReason, Event, Speaker, StreamStart, Track};
use callrec_store::CallId;

use crate::builder::Builder;
use crate::call::{Call, add_line};
use crate::clock::{Stopwatch, local_now};
use crate::error::{AddLineError, RecordError, SetFormatError};
use crate::header::{Header, THIS_VERSION, odd_track};
use crate::live::{LiveCall, lock};
use crate::options::{CallOptions, FormatChange};
use crate::recovery::{self, Recovery};
use crate::shared::{Shared, Wanted};
use crate::status::{CallFiles, CallList, CallStatus, Health};
use crate::unjournalled::tell_or_log;
use crate::workers;

/// How many finished calls are listed.
const MOST_LISTED: usize = 1_000;
/// How long a shutdown that runs out of time waits until all that came is in the journals.
const LAST_TURN: Duration = Duration::from_secs(10);

/// Records calls into a directory. Cheap to clone; all clones are one recorder.
///
/// It has threads of its own: one writes the journals of all live calls, one syncs them, some encode.
///
/// # The last handle
///
/// When the last clone, the last [`Call`] and the last [`Finishing`](crate::Finishing) are gone, the recorder completes the
/// recordings of the calls that have ended, and its threads end. Whoever drops the last of these handles waits for that, which may
/// take seconds. In async code, keep a `Recorder` as long as the runtime lives, or drop it in a task that may block
/// (`spawn_blocking`); [`shutdown`](Self::shutdown) beforehand says how long to wait.
#[derive(Clone, Debug)]
pub struct Recorder {
    handle: Arc<Handle>,
}

/// Keeps the threads alive.
#[derive(Debug)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How far a change of format reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetFormat {
    /// The call has not begun; it will be recorded so.
    Pending,
    /// The call is live; the whole of it will be saved so.
    Live,
}

impl Recorder {
    /// Sets up a recorder that saves into this directory.
    pub fn builder(directory: impl Into<PathBuf>) -> Builder {
        Builder::new(directory.into())
    }

    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle: Arc::new(handle) }
    }

    /// Begins to record a stream of a call. Does not wait for the disk: a journal that cannot be written shows in
    /// [`health`](Self::health), the log and the summary, and is tried again as long as the call lasts.
    ///
    /// # Errors
    /// The call's name or a rate is unusable, the settings are impossible, there are too many calls, or the recorder closes.
    pub fn start_call(&self, options: CallOptions) -> Result<Call, RecordError> {
        let shared = &self.handle.shared;
        let id = CallId::new(&options.call)?;
        for (track, hz) in [(Track::Caller, options.caller_rate), (Track::Assistant, options.assistant_rate)]
        {
            if !(1_000..=192_000).contains(&hz) {
                return Err(RecordError::BadRate { track, hz });
            }
        }
        let mut start = StreamStart::new(
            options.call.clone(),
            options.stream.unwrap_or_else(|| options.call.clone()),
            options.topology,
        );
        (start.caller_rate, start.assistant_rate) = (options.caller_rate, options.assistant_rate);
        start.mark_echoes = options.mark_echoes;
        let mut settings = options.settings.unwrap_or_else(|| shared.settings.clone());
        possible(&settings, &start)?;
        // Held until the call can be found: a format that is set meanwhile is either seen here, or finds the call.
        let mut pending = lock(&shared.pending);
        if let Some(change) = pending.get(&id) {
            let chosen = change.apply(&settings);
            match possible(&chosen, &start) {
                Ok(()) => settings = chosen,
                Err(error) => {
                    tracing::warn!(call = id.for_log(), %error, "the format that was set for this call is not possible");
                }
            }
        }
        let header = Header {
            start,
            started_at: local_now(),
            settings,
            record_audio: shared.record_audio && options.without_audio.is_none(),
            without_audio: options.without_audio.filter(|_| shared.record_audio),
            recorder: THIS_VERSION.to_owned(),
        };
        let live = Arc::new(LiveCall::new(id, header, shared));
        live.push(0, &Event::Started(std::borrow::Cow::Borrowed(&live.header.start)));
        shared.add(&live).inspect_err(|error| shared.counters.note_call(error))?;
        pending.note_begun(&live.id);
        drop(pending);
        shared.hurry(&live);
        Ok(Call::new(Arc::clone(&self.handle), live))
    }

    /// Chooses the format of a call's recording: the whole of it, from the first second, however late this comes. For a
    /// call that has not begun it is remembered for an hour, and adds up with what was set for it before. May read the disk.
    ///
    /// # Errors
    /// See [`SetFormatError`].
    pub fn set_format(&self, call: &str, change: &FormatChange) -> Result<SetFormat, SetFormatError> {
        let shared = &self.handle.shared;
        let id = CallId::new(call)?;
        let streams = shared.streams(&id);
        if streams.is_empty() {
            if CallFiles::read(&shared.dir, &id).is_some() {
                return Err(SetFormatError::TooLate);
            }
            let put = lock(&shared.pending).put(&id, change, &shared.settings);
            put.inspect_err(|error| shared.counters.note_format(error))?;
            // It may have begun in between.
            if shared.streams(&id).is_empty() {
                return Ok(SetFormat::Pending);
            }
        }
        let mut outcome = Err(SetFormatError::TooLate);
        for stream in shared.streams(&id) {
            match stream.set_format(change) {
                Err(SetFormatError::TooLate) => {}
                Err(error @ SetFormatError::Impossible(_)) => return Err(error),
                Err(SetFormatError::NoRoom) if outcome.is_ok() => {}
                of_stream => outcome = of_stream,
            }
        }
        outcome?;
        // A later stream of the same call has it too, if there is room to remember.
        let mut pending = lock(&shared.pending);
        let _ = pending.put(&id, change, &shared.settings);
        pending.note_begun(&id);
        Ok(SetFormat::Live)
    }

    /// Adds a line to a live call's transcript, for those who have the call's name but not its [`Call`]. May read the disk.
    ///
    /// `at_ms` is when it began, if known; `word_ms` when each of its words did, as in [`Call::word_times`], or empty.
    ///
    /// # Errors
    /// See [`AddLineError`].
    pub fn add_line(
        &self,
        call: &str,
        speaker: Speaker,
        text: &str,
        at_ms: Option<u64>,
        word_ms: &[u32],
    ) -> Result<(), AddLineError> {
        let Ok(id) = CallId::new(call) else { return Err(AddLineError::NoSuchCall) };
        let added = add_line(&self.handle.shared.streams(&id), speaker, text, at_ms, word_ms);
        match added {
            Err(AddLineError::NoSuchCall) if self.files(call).is_some() => Err(AddLineError::Ended),
            added => added,
        }
    }

    /// The live streams, and the finished calls, the latest first; 1,000 of them at most. Reads the disk.
    #[must_use]
    pub fn calls(&self) -> Vec<CallStatus> {
        self.list_calls().calls
    }

    /// The same, and how many finished calls were left out. Reads the disk.
    #[must_use]
    pub fn list_calls(&self) -> CallList {
        let shared = &self.handle.shared;
        let mut live = shared.live_calls();
        live.sort_by_key(|call| std::cmp::Reverse(call.started_at()));
        let mut calls: Vec<CallStatus> = live.iter().map(|call| call.status()).collect();
        let mut finished = shared.dir.calls().unwrap_or_default();
        finished.retain(|finished| shared.streams(&finished.call).is_empty());
        let left_out = finished.len().saturating_sub(MOST_LISTED);
        calls.extend(
            finished
                .iter()
                .take(MOST_LISTED)
                .filter_map(|finished| CallFiles::read(&shared.dir, &finished.call))
                .map(|files| files.status()),
        );
        CallList { calls, left_out }
    }

    /// The files of every finished call of which something was told at this time or later, the latest first. Reads the disk: which calls
    /// these are at once, and of each its summary when it is asked for.
    pub fn told_since(&self, since: SystemTime) -> impl Iterator<Item = CallFiles> {
        let shared = Arc::clone(&self.handle.shared);
        let mut finished = shared.dir.calls().unwrap_or_default();
        finished.retain(|finished| finished.modified >= since);
        finished.into_iter().filter_map(move |finished| CallFiles::read(&shared.dir, &finished.call))
    }

    /// One call: its latest live stream, or what its summary says. Reads the disk.
    #[must_use]
    pub fn call(&self, call: &str) -> Option<CallStatus> {
        let id = CallId::new(call).ok()?;
        match self.handle.shared.streams(&id).last() {
            Some(live) => Some(live.status()),
            None => self.files(call).map(|files| files.status()),
        }
    }

    /// The files of a call of which at least one stream is finished. Reads the disk.
    #[must_use]
    pub fn files(&self, call: &str) -> Option<CallFiles> {
        let id = CallId::new(call).ok()?;
        workers::files(&self.handle.shared, &id)
    }

    /// Opens a file of a finished call, as [`CallFiles`] names it, without following a symbolic link and nowhere but in this
    /// recorder's directory. Reads the disk.
    ///
    /// # Errors
    /// There is no such file any more, it is no regular one, or the system refused.
    pub fn open_file(&self, path: &std::path::Path) -> Result<std::fs::File, RecordError> {
        Ok(self.handle.shared.dir.open_file(path)?)
    }

    /// Finishes the journals that a process left which is gone: killed, or out of power. Blocks until it is done.
    /// Journals of living processes are left to them. Those with which the process has ended each time are tried too, as they are not at
    /// a start. Tells too in their summaries of calls of this process of which the disk took no
    /// journal.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn recover(&self) -> Result<Recovery, RecordError> {
        Ok(recovery::recover(&self.handle.shared)?)
    }

    /// Whether the disk has room for another recording, as far as it is known; see
    /// [`min_free_disk`](Builder::min_free_disk).
    ///
    /// # Errors
    /// [`RecordError::DiskLow`].
    pub fn check_disk(&self) -> Result<(), RecordError> {
        let shared = &self.handle.shared;
        shared.space.check(shared.kept())
    }

    /// How the recorder is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.shared.health()
    }

    /// Takes no new calls, ends the live ones, and waits for their files as long as `patience`. Returns how many
    /// calls are not finished; the next start finishes what is in their journals, where all that came is written before this returns, unless
    /// the disk takes longer than ten seconds for that.
    pub fn shutdown(&self, patience: Duration) -> usize {
        let shared = &self.handle.shared;
        shared.close();
        let clock = Stopwatch::start();
        let calls = shared.live_calls();
        for call in &calls {
            call.push(call.now_us(), &Event::Ended { reason: EndReason::Shutdown });
        }
        shared.wake_journal(Wanted::All);
        let in_time = |call: &&Arc<LiveCall>| {
            let outcome = call.wait_timeout(patience.saturating_sub(clock.elapsed()));
            outcome.is_some_and(|outcome| outcome.is_ok())
        };
        let left: Vec<_> = calls.iter().filter(|call| !in_time(call)).collect();
        if !left.is_empty() {
            shared.abandon();
            // Whoever ends now may end the process before this recorder is dropped.
            shared.journal_turn(LAST_TURN);
        }
        for call in &left {
            let reason =
                "the recorder was shut down first; the next start finishes what is in its journal".to_owned();
            call.settle(Err(RecordError::NotFinished { call: call.id.to_string(), reason }));
        }
        left.len()
    }
}

/// Whether a stream can be recorded so.
fn possible(settings: &Settings, start: &StreamStart) -> Result<(), RecordError> {
    let file_hz = settings.resolve(start.caller_rate.max(start.assistant_rate))?.rate;
    match odd_track(start, file_hz) {
        Some(track) => Err(RecordError::OddRate { track, hz: start.rate(track), file_hz }),
        None => Ok(()),
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, threads: Mutex::default() }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn spawn(&self, name: &str, run: fn(&Shared)) -> Result<(), RecordError> {
        let shared = Arc::clone(&self.shared);
        let thread = ThreadBuilder::new().name(name.to_owned()).spawn(move || run(&shared));
        let thread = thread.map_err(|cause| callrec_store::StoreError::Io {
            doing: "start a thread for",
            path: self.shared.dir.path().to_owned(),
            cause,
        })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    pub(crate) fn hurry(&self, live: &LiveCall) {
        self.shared.hurry(live);
    }

    pub(crate) fn flush(&self, live: &LiveCall) -> bool {
        for _ in 0..2 {
            if live.is_drained() {
                break;
            }
            self.shared.journal_turn(Duration::MAX);
        }
        let taken = live.is_drained() || lock(&self.shared.journal_error).is_none();
        if taken {
            live.renew_budget();
        }
        taken
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
        for thread in lock(&self.threads).drain(..) {
            // A thread that panicked has nothing more to do.
            let _ = thread.join();
        }
        tell_or_log(&self.shared);
    }
}
