//! A take: one reading of a journal through timeline, mixdown and encoder into one audio file.
//!
//! It depends on the journal's bytes alone. Live, after a change of format and after a crash it is the same code; what
//! differs is where the journal ends.

use std::borrow::Cow;
use std::sync::Arc;

use callrec_encode::readback::ReadBackError;
use callrec_encode::{EncodeError, Format, RateSetting, Settings, Spec, SpecError};
use callrec_session::{
    DropKind, EndReason, Event, Moment, Notes, Timeline, TimelineLimits, Transcript, TranscriptLimits, wire,
};
use callrec_store::{CallId, JournalReader, RecordingsDir, StoreError};

use crate::finish::UNEXPECTED;
use crate::header::{Header, kind};
use crate::memory::Memory;
use crate::output::{Output, Room};
use crate::taken::{Taken, TakenAudio};

/// How long a moment stays open for late news when a take is made again because of them, in milliseconds.
pub(crate) const HINDSIGHT_MS: u64 = 60_000;

/// What a take is of and for.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) dir: RecordingsDir,
    pub(crate) call: CallId,
    pub(crate) number: u32,
    pub(crate) header: Header,
    /// Whose spare disk the recording may take, and how far it may be ahead of time without.
    pub(crate) memory: Arc<Memory>,
    pub(crate) ahead_s: u64,
}

impl Subject {
    /// The file that these settings make of the stream; in `fallback`, if that is given, instead of the format asked for.
    pub(crate) fn spec(&self, settings: &Settings, fallback: Option<Format>) -> Result<Spec, SpecError> {
        let Self { call, number, header, .. } = self;
        let Some(format) = fallback else { return header.spec(settings, call, *number) };
        // What is left to try must not stumble over a setting that was meant for another format.
        let asked = settings.clone().with_format(format);
        let plain = Settings::default().with_format(format).with_channels(settings.channels);
        let tries = [asked.clone(), asked.with_rate(RateSetting::Auto), plain];
        let possible = tries.iter().find_map(|tried| header.spec(tried, call, *number).ok());
        possible.map_or_else(|| header.spec(settings, call, *number), Ok)
    }
}

/// Why a take failed; its partial file is gone, the journal is untouched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Spec(#[from] SpecError),
    #[error("{0}")]
    Encode(#[from] EncodeError),
    #[error("{0}")]
    Resample(#[from] callrec_audio::resample::ResampleError),
    #[error("what was written cannot be read back: {0}")]
    ReadBack(#[from] ReadBackError),
    #[error("the disk has no room to spare for a recording that is made all at once")]
    NoRoom,
    #[error("the recorder is being ended")]
    Stopped,
    #[error("the encoder failed unexpectedly")]
    Panic,
    #[error("{UNEXPECTED}")]
    Unexpected,
}

impl TakeError {
    /// Whether another format might do what this one could not.
    pub(crate) fn is_of_the_format(&self) -> bool {
        !matches!(
            self,
            Self::Store(_)
                | Self::ReadBack(ReadBackError::Io(_))
                | Self::NoRoom
                | Self::Stopped
                | Self::Unexpected
        )
    }
}

/// How far a slice of work came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to read below the limit.
    More,
    /// Everything below the limit was read.
    CaughtUp,
    /// There is more, and no room for what comes of it.
    NoRoom,
    /// The stream's end was read.
    Ended,
}

pub(crate) struct Take {
    subject: Subject,
    reader: JournalReader,
    settings: Settings,
    /// Given from the beginning, in place of whatever is asked for.
    given: Option<Format>,
    /// Used in place of the format that was asked for.
    fallback: Option<Format>,
    /// Changes of format up to this one are known already; the file has the settings of the last.
    known_changes: usize,
    /// Nothing is encoded: only words and times are wanted.
    words_only: bool,
    /// The take is made again, for news that came after their moment was encoded.
    hindsight: bool,
    /// What the last record brought is not all encoded.
    held_up: bool,
    room: Room,
    pass: Pass,
}

/// What is made anew when a take starts over.
struct Pass {
    timeline: Timeline,
    transcript: Transcript,
    notes: Notes,
    changes: usize,
    last_us: u64,
    ended: Option<EndReason>,
    unreadable: u64,
    output: Option<Output>,
    before_damage: Option<u64>,
}

impl Pass {
    fn new(header: &Header, hindsight: bool) -> Self {
        let mut limits = TimelineLimits::default();
        if hindsight {
            limits.horizon_ms = HINDSIGHT_MS;
        }
        let mut timeline = Timeline::new(limits);
        // The journal's first record says the same, and may be what is damaged.
        timeline.handle_event(0, &Event::Started(Cow::Borrowed(&header.start)));
        Self {
            timeline,
            transcript: Transcript::new(TranscriptLimits::default(), header.start.assistant_rate),
            notes: Notes::default(),
            changes: 0,
            last_us: 0,
            ended: None,
            unreadable: 0,
            output: None,
            before_damage: None,
        }
    }
}

impl Take {
    /// A take from the journal's beginning; in `fallback`, if that is given, instead of what was asked for.
    pub(crate) fn new(subject: Subject, reader: JournalReader, fallback: Option<Format>) -> Self {
        let settings = subject.header.settings.clone();
        let (pass, words_only) = (Pass::new(&subject.header, false), !subject.header.record_audio);
        let room = Room::new(Arc::clone(&subject.memory), subject.ahead_s);
        Self {
            subject,
            reader,
            settings,
            given: fallback,
            fallback,
            known_changes: 0,
            words_only,
            hindsight: false,
            held_up: false,
            room,
            pass,
        }
    }

    /// A take that writes no file.
    pub(crate) fn words_only(subject: Subject, reader: JournalReader) -> Self {
        Self { words_only: true, ..Self::new(subject, reader, None) }
    }

    /// Looks through a whole journal for the last change of format, so that it need be encoded only once.
    pub(crate) fn skip_to_last_format(&mut self) -> Result<(), StoreError> {
        while let Some(record) = self.reader.next(u64::MAX)? {
            if record.kind == kind::FORMAT_CHANGED
                && let Ok(settings) = serde_json::from_slice(record.payload)
            {
                self.known_changes += 1;
                self.settings = settings;
            }
        }
        self.reader.rewind();
        Ok(())
    }

    /// Another file is made in place of this one.
    fn start_over(&mut self) {
        self.reader.rewind();
        self.held_up = false;
        self.room.begin_again();
        self.pass = Pass::new(&self.subject.header, self.hindsight);
    }

    /// Bytes of the journal that were read.
    pub(crate) fn read(&self) -> u64 {
        self.reader.offset()
    }

    /// Reads on to `committed`, at most `records` records.
    pub(crate) fn advance(&mut self, committed: u64, records: usize) -> Result<Progress, TakeError> {
        for _ in 0..records {
            if self.held_up && !self.go_on()? {
                return Ok(Progress::NoRoom);
            }
            if self.pass.ended.is_some() {
                return Ok(Progress::Ended);
            }
            let Some(record) = self.reader.next(committed)? else { return Ok(Progress::CaughtUp) };
            self.pass.last_us = record.at_us;
            if record.is_behind_damage {
                let frames = self.pass.output.as_ref().map_or(0, Output::frames);
                self.pass.before_damage.get_or_insert(frames);
            }
            if record.kind == kind::FORMAT_CHANGED {
                let Ok(settings) = serde_json::from_slice(record.payload) else {
                    self.pass.unreadable += 1;
                    continue;
                };
                self.pass.changes += 1;
                if self.pass.changes > self.known_changes {
                    self.known_changes = self.pass.changes;
                    self.settings = settings;
                    // That the format before was full says nothing of this one.
                    self.fallback = self.given;
                    self.start_over();
                }
                continue;
            }
            let Ok(event) = wire::decode(record.kind, record.payload) else {
                self.pass.unreadable += 1;
                continue;
            };
            self.pass.handle(record.at_us, &event);
            if !self.go_on()? {
                return Ok(Progress::NoRoom);
            }
        }
        Ok(Progress::More)
    }

    /// Encodes what was read; tells whether there was room for it.
    fn go_on(&mut self) -> Result<bool, TakeError> {
        let encoded = match self.encode() {
            Err(TakeError::Encode(EncodeError::TooLong { .. })) if self.fall_back_from_too_long() => Ok(()),
            encoded => encoded,
        };
        self.held_up = matches!(encoded, Err(TakeError::NoRoom));
        if self.held_up {
            self.room.note_none();
            return Ok(false);
        }
        encoded.map(|()| true)
    }

    /// Encodes what the timeline gives out.
    fn encode(&mut self) -> Result<(), TakeError> {
        let Pass { timeline, output, .. } = &mut self.pass;
        while timeline.has_output() {
            if output.as_ref().is_some_and(|output| !output.has_room(&mut self.room)) {
                return Err(TakeError::NoRoom);
            }
            let Some(stretch) = timeline.poll_output() else { break };
            if self.words_only {
                continue;
            }
            let output = match &mut *output {
                Some(output) => output,
                none => none.insert(Output::new(&self.subject, &self.settings, self.fallback)?),
            };
            output.add(stretch.track, stretch.samples)?;
        }
        Ok(())
    }

    /// The file is full: starts over in a format that has room.
    fn fall_back_from_too_long(&mut self) -> bool {
        let asked = self.settings.format;
        let full = self.fallback.unwrap_or(asked);
        let roomy = [Format::Flac, Format::Ogg, Format::Mp3].into_iter();
        let mut roomy = roomy.filter(|format| format.is_compiled() && ![asked, full].contains(format));
        let Some(format) = roomy.next() else { return false };
        tracing::warn!(call = self.subject.call.for_log(), %full, instead = %format, "the recording is too long for its format");
        self.fallback = Some(format);
        self.start_over();
        true
    }

    /// Reads on in a journal that is whole, at most so many records; tells whether there is more.
    pub(crate) fn advance_by(&mut self, records: usize) -> Result<bool, TakeError> {
        match self.advance(u64::MAX, records)? {
            Progress::More => Ok(true),
            Progress::CaughtUp | Progress::Ended => Ok(false),
            // Nothing is gained by waiting with a file that takes what room there is.
            Progress::NoRoom => Err(TakeError::NoRoom),
        }
    }

    /// Completes a take that has read all there is; none if it starts over, and is to read it once more.
    pub(crate) fn finish(&mut self) -> Result<Option<Taken>, TakeError> {
        if self.pass.ended.is_none() {
            let event = Event::Ended { reason: EndReason::Interrupted };
            self.pass.handle(self.pass.last_us, &event);
            if !self.go_on()? {
                return Err(TakeError::NoRoom);
            }
            // That was too much for the file, which is made anew in another format.
            if self.pass.ended.is_none() {
                return Ok(None);
            }
        }
        if !self.hindsight && self.pass.timeline.completeness().had_late_news() {
            self.hindsight = true;
            self.start_over();
            return Ok(None);
        }
        let audio = match self.complete_file() {
            Err(TakeError::Encode(EncodeError::TooLong { .. })) if self.fall_back_from_too_long() => {
                return Ok(None);
            }
            completed => completed?,
        };
        let pass = std::mem::replace(&mut self.pass, Pass::new(&self.subject.header, self.hindsight));
        let Pass { timeline, transcript, notes, last_us, ended, unreadable, before_damage, .. } = pass;
        let mut completeness = timeline.completeness();
        completeness.count_dropped(DropKind::TranscriptLine, transcript.dropped());
        completeness.unreadable_records = unreadable;
        completeness.taken_again = self.hindsight;
        completeness.damaged_bytes = self.reader.damaged();
        completeness.torn_bytes = self.reader.torn();
        let is_damaged = self.reader.is_damaged();
        let duration_ms = match &audio {
            Some(audio) => audio.frames * 1000 / u64::from(audio.spec.rate.max(1)),
            None => timeline.stream_clock_ms(last_us),
        };
        Ok(Some(Taken {
            ended: ended.unwrap_or(EndReason::Interrupted),
            duration_ms,
            lines: transcript.into_lines(),
            completeness,
            notes: notes.in_order(),
            is_damaged,
            before_damage,
            audio,
        }))
    }

    fn complete_file(&mut self) -> Result<Option<TakenAudio>, TakeError> {
        let asked = self.settings.format;
        let requested = self.fallback.map(|_| asked).filter(|asked| Some(*asked) != self.fallback);
        let settings = self.settings.clone();
        self.pass.output.take().map(|output| output.finish(settings, requested)).transpose()
    }
}

impl Pass {
    fn handle(&mut self, at_us: u64, event: &Event<'_>) {
        self.timeline.handle_event(at_us, event);
        let (clock_ms, generated) = (self.timeline.stream_clock_ms(at_us), self.timeline.generated());
        self.transcript.handle_event(Moment { at_us, clock_ms, generated }, event);
        while let Some(placement) = self.timeline.poll_placement() {
            self.transcript.handle_placement(placement);
        }
        while let Some(note) = self.timeline.poll_note() {
            self.notes.add(note);
        }
        if let Event::Ended { reason } = event {
            self.ended = Some(*reason);
        }
    }
}
