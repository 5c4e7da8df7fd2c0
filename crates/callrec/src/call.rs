//! A call as its bot sees it: something to give audio to, and to finish.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use callrec_session::{EndReason, Event, Place, Speaker, Topology, Track};

use crate::audio::Audio;
use crate::error::{AddLineError, RecordError, SetFormatError};
use crate::inbox::Taken;
use crate::live::LiveCall;
use crate::options::FormatChange;
use crate::recorder::Handle;
use crate::status::{CallFiles, CallStatus};

/// A stream of a call that is being recorded. It can be used from any thread; no method but [`flush`](Self::flush) waits.
///
/// Dropping it finishes the recording. If it is the last handle of its [`Recorder`](crate::Recorder), dropping it also waits for the
/// recorder's threads, which complete what has ended: see [there](crate::Recorder#the-last-handle).
#[derive(Debug)]
pub struct Call {
    handle: Arc<Handle>,
    live: Arc<LiveCall>,
}

impl Call {
    pub(crate) fn new(handle: Arc<Handle>, live: Arc<LiveCall>) -> Self {
        Self { handle, live }
    }

    /// The caller said this just now.
    pub fn caller(&self, audio: Audio<'_>) {
        self.audio(Track::Caller, Place::Untimed, audio);
    }

    /// The caller said this `ms` milliseconds after the stream began, by the provider's clock. The two tracks may be up to
    /// two seconds apart.
    pub fn caller_at(&self, ms: u64, audio: Audio<'_>) {
        self.audio(Track::Caller, Place::At(ms), audio);
    }

    /// The assistant's audio. In a one-way call it is heard now, or behind what was given before it and is not over yet;
    /// in a relay when the provider has played what it was sent before.
    pub fn assistant(&self, audio: Audio<'_>) {
        let place = match self.live.header.start.topology {
            Topology::OneWay => Place::Untimed,
            Topology::Relay => Place::Queued,
        };
        self.audio(Track::Assistant, place, audio);
    }

    /// The assistant's audio, heard `ms` milliseconds after the stream began, by the provider's clock. In a relay the time is of no
    /// use, for audio waits there; see [`assistant`](Self::assistant).
    pub fn assistant_at(&self, ms: u64, audio: Audio<'_>) {
        self.audio(Track::Assistant, Place::At(ms), audio);
    }

    fn audio(&self, track: Track, place: Place, audio: Audio<'_>) {
        let (codec, bytes) = audio.bytes();
        self.handle(&Event::Audio { track, place, codec, bytes: &bytes });
    }

    /// A mark went to the provider, behind the audio sent so far.
    pub fn mark_sent(&self, name: &str) {
        self.handle(&Event::MarkSent { name });
    }

    /// The provider sent a mark back.
    pub fn mark_echoed(&self, name: &str) {
        self.handle(&Event::MarkEchoed { name });
    }

    /// The provider was told to forget what it has not played yet: the caller interrupted.
    pub fn clear(&self) {
        self.handle(&Event::Cleared);
    }

    /// A line for the transcript, said about now. Of lines, 20,000 are kept, and 4 MiB; those beyond are dropped, and the summary says
    /// how many.
    pub fn said(&self, speaker: Speaker, text: &str) {
        self.handle(&Event::Said { speaker, text, at_ms: None });
    }

    /// A line for the transcript that began `ms` milliseconds after the stream.
    pub fn said_at(&self, ms: u64, speaker: Speaker, text: &str) {
        self.handle(&Event::Said { speaker, text, at_ms: Some(ms) });
    }

    /// When each word of the line that was told last begins, in milliseconds since its speech does: if the line is cut off, the
    /// transcript then knows to the word what was heard. As many as the line has words, or they are of no use.
    pub fn word_times(&self, starts_ms: &[u32]) {
        self.handle(&Event::WordTimes { starts_ms: starts_ms.into() });
    }

    /// Anything that happened in the call, now. What comes after the end is ignored; so are starts and ends, for which
    /// there are [`start_call`](crate::Recorder::start_call) and [`finish`](Self::finish).
    ///
    /// Never waits: what the disk has not taken yet is held, up to 32 MiB, which is ten minutes of a speech model's output or
    /// half an hour of both sides of a phone line. Beyond, audio is dropped and the summary says how much. So it is of what comes faster
    /// than time goes for long: 68 MiB at once find a place in the journal, and 1 MB a second behind them; with a disk nearly full less.
    pub fn handle(&self, event: &Event<'_>) {
        self.handle_at(self.live.now_us(), event);
    }

    /// As [`handle`](Self::handle), at a time of your own: microseconds since the call was started. Time never goes back;
    /// what is earlier than the event before it counts as simultaneous.
    pub fn handle_at(&self, at_us: u64, event: &Event<'_>) {
        if matches!(event, Event::Started(_) | Event::Ended { .. }) {
            return;
        }
        if self.live.push(at_us, event) == Taken::Pressing {
            self.handle.hurry(&self.live);
        }
    }

    /// Has the whole call saved in another format, from its first second.
    ///
    /// # Errors
    /// [`SetFormatError::Impossible`] says what is allowed; [`SetFormatError::TooLate`] if the call has ended.
    pub fn set_format(&self, change: &FormatChange) -> Result<(), SetFormatError> {
        self.live.set_format(change)
    }

    /// Waits until all that was given is in the journal. For those who feed a long call faster than time goes: without it,
    /// what the disk cannot take in time, and [`handle`](Self::handle) has no room for, is dropped. What is in the journal then
    /// counts no longer for how much may be put there at once. Tells whether the disk took it.
    pub fn flush(&self) -> bool {
        self.handle.flush(&self.live)
    }

    /// How the call is.
    #[must_use]
    pub fn status(&self) -> CallStatus {
        self.live.status()
    }

    /// Ends the call. Its files are made in the background; wait for them with what this returns, or not at all.
    pub fn finish(self, reason: EndReason) -> Finishing {
        self.end(reason);
        Finishing { handle: Arc::clone(&self.handle), live: Arc::clone(&self.live) }
    }

    fn end(&self, reason: EndReason) {
        self.live.push(self.live.now_us(), &Event::Ended { reason });
        self.handle.hurry(&self.live);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(EndReason::Finished);
    }
}

/// A call whose files are being made: a future, or something to [`wait`](Self::wait) for. The work goes on if it is
/// dropped; if it is the last handle of its [`Recorder`](crate::Recorder), [dropping it waits](crate::Recorder#the-last-handle).
#[derive(Debug)]
pub struct Finishing {
    // Keeps the recorder's threads alive.
    handle: Arc<Handle>,
    live: Arc<LiveCall>,
}

impl Finishing {
    /// Blocks until the files are there. From async code, await it instead.
    ///
    /// # Errors
    /// [`RecordError::NotFinished`]; what was received is then in the journal, or the summary tells that the disk took none, as soon as
    /// it takes that.
    pub fn wait(&self) -> Result<CallFiles, RecordError> {
        self.live.wait()
    }

    /// As [`wait`](Self::wait), for a while; none if it takes longer.
    #[must_use]
    pub fn wait_timeout(&self, patience: Duration) -> Option<Result<CallFiles, RecordError>> {
        self.live.wait_timeout(patience)
    }
}

impl Future for Finishing {
    type Output = Result<CallFiles, RecordError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = &self.handle;
        self.live.poll(cx)
    }
}

/// Adds a line to the latest live stream among these.
pub(crate) fn add_line(
    streams: &[Arc<LiveCall>],
    speaker: Speaker,
    text: &str,
    at_ms: Option<u64>,
    word_ms: &[u32],
) -> Result<(), AddLineError> {
    let Some(live) = streams.iter().rev().find(|stream| !stream.has_ended()) else {
        return Err(if streams.is_empty() { AddLineError::NoSuchCall } else { AddLineError::Ended });
    };
    match live.push(live.now_us(), &Event::Said { speaker, text, at_ms }) {
        Taken::No if live.has_ended() => Err(AddLineError::Ended),
        Taken::No => Err(AddLineError::Full),
        Taken::Yes | Taken::Pressing => {
            if !word_ms.is_empty() {
                live.push(live.now_us(), &Event::WordTimes { starts_ms: word_ms.into() });
            }
            Ok(())
        }
    }
}
