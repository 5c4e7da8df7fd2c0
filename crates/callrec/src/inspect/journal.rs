//! A journal read as a take reads it, but for the file that a take makes.

use std::borrow::Cow;

use callrec_encode::Settings;
use callrec_session::{
    Completeness, Cut, CutBy, DropKind, EndReason, Event, Moment, Note, Notes, Timeline, TimelineLimits,
    Track, Transcript, TranscriptLimits, wire,
};
use callrec_store::{JournalReader, StoreError};

use super::levels::Meter;
use super::marks::MarkLog;
use super::{FileFormat, InspectError, Source, StreamInspection, Voice};
use crate::header::{Header, kind};
use crate::take::HINDSIGHT_MS;

/// The call, and what its journal tells.
pub(super) fn inspect(
    mut reader: JournalReader,
    number: u32,
) -> Result<(String, StreamInspection), InspectError> {
    let path = reader.path().to_owned();
    let header = Header::from_bytes(reader.header())
        .map_err(|error| InspectError::Header { path: path.clone(), error })?;
    let mut pass = Pass::new(&header, TimelineLimits::default().horizon_ms);
    pass.read(&mut reader, u64::MAX)?;
    let hindsight = pass.timeline.completeness().had_late_news();
    if hindsight {
        // No farther than before: a writer may have gone on meanwhile.
        let end = reader.offset();
        reader.rewind();
        pass = Pass::new(&header, HINDSIGHT_MS);
        pass.read(&mut reader, end)?;
    }
    let torn = reader.torn();
    let mut remarks = Vec::new();
    if !header.record_audio {
        let why = header.without_audio.as_deref().unwrap_or("as the settings say");
        remarks.push(format!("no audio of it is recorded: {why}"));
    }
    if pass.ended.is_none() {
        remarks.push(
            "the journal has no end: the call is live, or its recorder was interrupted and the next start \
             finishes it"
                .to_owned(),
        );
        if torn > 0 {
            remarks.push(format!(
                "{torn} bytes at the journal's end are not whole: being written, or torn by a crash"
            ));
        }
    }
    let format = header.spec_of(&pass.settings).map(|spec| FileFormat {
        format: spec.format.extension().to_owned(),
        rate_hz: spec.rate,
        channels: spec.channels,
        bitrate_kbps: spec.bitrate_kbps(),
        size_bytes: None,
    });
    let mut completeness = pass.completeness();
    completeness.taken_again = hindsight;
    completeness.damaged_bytes = reader.damaged();
    completeness.torn_bytes = if pass.ended.is_some() { torn } else { 0 };
    let heard_ms = pass.caller.ms().max(pass.assistant.ms());
    let duration_ms = if heard_ms > 0 { heard_ms } else { pass.timeline.stream_clock_ms(pass.last_us) };
    let stream = StreamInspection {
        number,
        stream: Some(header.start.stream.clone()),
        source: Source::Journal { path },
        started_at: Some(header.started_at),
        duration_ms,
        ended: pass.ended,
        recovered: false,
        topology: Some(header.start.topology),
        format: format.ok().filter(|_| header.record_audio),
        tracks: vec![pass.caller.finish(Voice::Caller), pass.assistant.finish(Voice::Assistant)],
        notes: Some(pass.notes.in_order()),
        queued_ms: pass.queued.map_or(0, |cut| cut.unheard_ms),
        marks: pass.marks.finish(),
        lines: pass.transcript.into_lines(),
        complete: Some(completeness.is_complete()),
        sentences: completeness.sentences(),
        completeness: Some(completeness),
        remarks,
    };
    Ok((header.start.call, stream))
}

struct Pass {
    timeline: Timeline,
    transcript: Transcript,
    notes: Notes,
    marks: MarkLog,
    caller: Meter,
    assistant: Meter,
    settings: Settings,
    last_us: u64,
    ended: Option<EndReason>,
    unreadable: u64,
    /// The journal ended before the stream did.
    closing: bool,
    /// What the caller had not heard when the journal ended: it may still be heard.
    queued: Option<Cut>,
}

impl Pass {
    fn new(header: &Header, horizon_ms: u64) -> Self {
        let mut limits = TimelineLimits::default();
        limits.horizon_ms = horizon_ms;
        let mut timeline = Timeline::new(limits);
        timeline.handle_event(0, &Event::Started(Cow::Borrowed(&header.start)));
        Self {
            timeline,
            transcript: Transcript::new(TranscriptLimits::default(), header.start.assistant_rate),
            notes: Notes::default(),
            marks: MarkLog::default(),
            caller: Meter::new(header.start.caller_rate),
            assistant: Meter::new(header.start.assistant_rate),
            settings: header.settings.clone(),
            last_us: 0,
            ended: None,
            unreadable: 0,
            closing: false,
            queued: None,
        }
    }

    fn read(&mut self, reader: &mut JournalReader, until: u64) -> Result<(), StoreError> {
        while let Some(record) = reader.next(until)? {
            self.last_us = record.at_us;
            if record.kind == kind::FORMAT_CHANGED {
                match serde_json::from_slice(record.payload) {
                    Ok(settings) => self.settings = settings,
                    Err(_) => self.unreadable += 1,
                }
                continue;
            }
            match wire::decode(record.kind, record.payload) {
                Ok(event) => self.handle(record.at_us, &event),
                Err(_) => self.unreadable += 1,
            }
            if self.ended.is_some() {
                return Ok(());
            }
        }
        // What is not final yet is given out too.
        self.closing = true;
        self.handle(self.last_us, &Event::Ended { reason: EndReason::Interrupted });
        self.ended = None;
        Ok(())
    }

    fn handle(&mut self, at_us: u64, event: &Event<'_>) {
        self.timeline.handle_event(at_us, event);
        let (clock_ms, generated) = (self.timeline.stream_clock_ms(at_us), self.timeline.generated());
        self.transcript.handle_event(Moment { at_us, clock_ms, generated }, event);
        match event {
            Event::MarkSent { name } => self.marks.sent(at_us, clock_ms, name),
            Event::MarkEchoed { name } => self.marks.echoed(at_us, name),
            Event::Ended { reason } => self.ended = Some(*reason),
            _ => {}
        }
        while let Some(note) = self.timeline.poll_note() {
            match note {
                Note::Cut(cut) if self.closing && cut.by == CutBy::End => self.queued = Some(cut),
                note => self.notes.add(note),
            }
        }
        while let Some(placement) = self.timeline.poll_placement() {
            let last = placement.start.is_none() && placement.first + placement.samples == generated;
            // What waits to be played cuts no line off.
            if !(last && self.queued.is_some()) {
                self.transcript.handle_placement(placement);
            }
        }
        while let Some(stretch) = self.timeline.poll_output() {
            let meter = match stretch.track {
                Track::Caller => &mut self.caller,
                Track::Assistant => &mut self.assistant,
            };
            meter.add(stretch.samples.iter().copied());
        }
    }

    /// Of a journal without an end, what waits to be played is not cut off.
    fn completeness(&self) -> Completeness {
        let mut completeness = self.timeline.completeness();
        completeness.count_dropped(DropKind::TranscriptLine, self.transcript.dropped());
        completeness.unreadable_records = self.unreadable;
        if let (Some(cut), Some(playout)) = (self.queued, &mut completeness.playout) {
            playout.cuts -= 1;
            playout.cuts_pinned -= u64::from(cut.pinned);
            playout.unheard_ms = playout.unheard_ms.saturating_sub(cut.unheard_ms);
        }
        completeness
    }
}
