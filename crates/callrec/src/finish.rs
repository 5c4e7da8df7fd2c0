//! From a finished take to the three files of a call: publish, hash, summarise. The journal goes last.

use std::path::{Path, PathBuf};

use callrec_encode::Spec;
use callrec_session::Completeness;
use callrec_store::{CallId, MAX_TEXT, PublishError, RecordingsDir, StoreError, path_for_log};
use callrec_summary::{
    AudioFile, AudioOutcome, CallSummary, ParseError, StreamSummary, parse_json, summary_json, summary_text,
    transcript_text,
};

use crate::clock::local_now;
use crate::header::Header;
use crate::known::{carry_over, is_same};
use crate::named::{self, NotIt};
use crate::source::Source;
use crate::status::CallFiles;
use crate::take::Subject;
use crate::taken::{Taken, TakenAudio};

/// When what was left in a journal is made into a recording.
pub(crate) const TRIED_AGAIN: &str = "tried again, at the next start if not before";

/// What is told of a panic: nothing of what it says, which may be anything.
pub(crate) const UNEXPECTED: &str = "what makes its files failed unexpectedly";

/// Why a call's files are not all in their place; its journal is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FinishError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{} is not this call's recording ({why}) and is in its place: move it away", path_for_log(.path))]
    InTheWay { path: PathBuf, why: String },
    #[error("its summary was written by a later version and is left as it is: {0}")]
    Newer(ParseError),
    /// One of these, and the disk did not take all of the journal either.
    #[error("{0}")]
    NotSafe(Box<FinishError>),
    #[error("{UNEXPECTED}")]
    Unexpected,
}

impl FinishError {
    /// For the call's own summary, which is no log: with the name of the file that is to be moved away.
    fn for_summary(&self) -> String {
        let told = self.to_string();
        match self {
            Self::InTheWay { path, .. } => {
                told.replacen(&path_for_log(path).to_string(), &path.display().to_string(), 1)
            }
            _ => told,
        }
    }
}

/// The files of a call are in their place.
pub(crate) struct Finished {
    pub(crate) files: CallFiles,
    /// Lines that the summary had no room for.
    pub(crate) lines_left_out: u64,
    /// So is the journal, of which nobody is the owner any more: it was kept, or could not be removed.
    pub(crate) journal_is_left: bool,
}

/// Publishes the audio, writes transcript and summary, and removes the journal.
///
/// Where the audio cannot be published, transcript and summary are written all the same, and say so.
pub(crate) fn finish(
    subject: &Subject,
    mut taken: Taken,
    mut source: Source,
) -> Result<Finished, FinishError> {
    let (call, is_damaged) = (&subject.call, taken.is_damaged);
    if let Err(error) = source.cut() {
        // The next start would make another recording of it, and find this one in its place. What is told now is that the journal is there.
        let left = source.leave(call, error);
        note_not_saved(subject, taken, source.is_recovered(), &left);
        return Err(left);
    }
    // A recording must not outlive what it was made of: whoever finds it without its texts, or with a journal that is shorter than
    // it is, could not tell what it is.
    if let Err(error) = source.sync() {
        tracing::error!(call = call.for_log(), %error, "the journal could not be synced before its recording is saved");
    }
    let mut keep_journal = None;
    let audio = match taken.audio.take() {
        Some(audio) => match publish(subject, audio, &taken) {
            Ok((file, not_synced)) => {
                keep_journal = not_synced;
                AudioOutcome::Recorded(file)
            }
            Err(error) => {
                let told = error.for_summary();
                let left = source.leave(call, error);
                note_not_saved(subject, taken, source.is_recovered(), &told);
                return Err(left);
            }
        },
        None if !subject.header.record_audio => not_recorded(&subject.header),
        None => AudioOutcome::NoAudio,
    };
    let stream = summarise(&subject.header, subject.number, taken, source.is_recovered(), audio);
    let (files, lines_left_out) =
        write_summary(subject, stream).map_err(|error| source.leave(call, error))?;
    if let Some(error) = keep_journal {
        source.sync_whole(call);
        tracing::error!(call = call.for_log(), %error, "the recording is saved, but perhaps not on disk yet; its journal is kept");
        return Ok(Finished { files, lines_left_out, journal_is_left: true });
    }
    // Its recording is safe; if it cannot be removed, recovery finds that out and removes it.
    let removed = if is_damaged {
        source.set_aside().map(|aside| tell_of_damage(subject, &aside))
    } else {
        source.remove()
    };
    if let Err(error) = &removed {
        tracing::warn!(call = call.for_log(), %error, "a journal that is not needed any more could not be removed");
    }
    Ok(Finished { files, lines_left_out, journal_is_left: removed.is_err() })
}

/// A journal was set aside, since it is damaged: a person may find more in it.
pub(crate) fn tell_of_damage(subject: &Subject, aside: &Path) {
    tracing::error!(call = subject.call.for_log(), aside = %path_for_log(aside), "a journal is damaged: what could be read of it is recorded, and it was set aside");
}

/// Why there is to be no audio.
fn not_recorded(header: &Header) -> AudioOutcome {
    match &header.without_audio {
        Some(reason) => AudioOutcome::NotSaved { reason: reason.clone() },
        None => AudioOutcome::RecordingOff,
    }
}

/// Whether audio may be among what was lost on the way to the recording.
fn may_have_held_audio(lost: &Completeness) -> bool {
    lost.dropped.audio > 0
        || lost.unjournalled_bytes > 0
        || lost.damaged_bytes > 0
        || lost.torn_bytes > 0
        || lost.unreadable_records > 0
}

/// Notes in the summary that a recording could not be saved. The journal stays.
pub(crate) fn note_not_saved(
    subject: &Subject,
    taken: Taken,
    recovered: bool,
    error: &dyn std::fmt::Display,
) {
    // It is logged, and that is all that there is to do.
    let _ = note_not_saved_for(subject, taken, recovered, left_in_journal(&subject.header, error));
}

/// The same, for this reason.
pub(crate) fn note_not_saved_for(
    subject: &Subject,
    taken: Taken,
    recovered: bool,
    reason: String,
) -> Result<(), FinishError> {
    let stream =
        summarise(&subject.header, subject.number, taken, recovered, AudioOutcome::NotSaved { reason });
    let written = write_summary(subject, stream).inspect_err(|error| {
        tracing::error!(call = subject.call.for_log(), %error, "the summary could not be written either");
    });
    written.map(drop)
}

/// Why a stream's files are not complete, and where what they lack is.
pub(crate) fn left_in_journal(header: &Header, error: &dyn std::fmt::Display) -> String {
    let what = if header.record_audio { "its audio" } else { "what was said" };
    format!("{error}; {what} is in the journal, and is {TRIED_AGAIN}")
}

pub(crate) fn summarise(
    header: &Header,
    number: u32,
    taken: Taken,
    recovered: bool,
    audio: AudioOutcome,
) -> StreamSummary {
    let mut stream = StreamSummary::new(number, &header.start.stream, header.started_at, taken.ended);
    stream.duration_ms = taken.duration_ms;
    stream.recovered = recovered;
    stream.completeness = taken.completeness;
    stream.lines = taken.lines;
    stream.notes = Some(taken.notes);
    stream.audio = audio;
    stream
}

/// Gives the recording its name, or finds that it has it: a crash between publishing and the journal's removal leaves both.
fn publish(
    subject: &Subject,
    audio: TakenAudio,
    taken: &Taken,
) -> Result<(AudioFile, Option<StoreError>), FinishError> {
    let Subject { dir, call, number, .. } = subject;
    let TakenAudio { partial, mut spec, mut frames, settings, mut requested } = audio;
    let asked = requested.unwrap_or(spec.format);
    let (path, not_synced) = match partial.publish() {
        Ok(path) => (path, None),
        Err(PublishError::AlreadyExists { path, partial }) => {
            let &Taken { ended, before_damage, .. } = taken;
            let settings = &settings;
            let again =
                named::Taken { partial: &partial, spec: &spec, frames, settings, ended, before_damage };
            match again.is_at(subject, &path) {
                Ok(named) => (spec, frames) = named,
                Err(NotIt::Another(why)) => return Err(FinishError::InTheWay { path, why }),
                Err(NotIt::Unread(error)) => return Err(error.into()),
            }
            requested = (spec.format != asked).then_some(asked);
            if let Err(error) = partial.discard() {
                tracing::warn!(call = call.for_log(), %error, "a partial file is left to the next clean-up");
            }
            (path, None)
        }
        Err(PublishError::NotSynced { path, error }) => (path, Some(error)),
        Err(PublishError::Failed { error, .. }) => return Err(error.into()),
        // The enum may grow; nothing was published then.
        Err(error) => {
            let path = dir.recording_path(call, *number, spec.format.extension());
            return Err(cannot("publish", &path, &error).into());
        }
    };
    let mut file = describe(dir, &path, &spec, frames)?;
    file.requested_format = requested.map(|format| format.to_string());
    Ok((file, not_synced))
}

fn cannot(doing: &'static str, path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Io { doing, path: path.to_owned(), cause: std::io::Error::other(error.to_string()) }
}

fn describe(dir: &RecordingsDir, path: &Path, spec: &Spec, frames: u64) -> Result<AudioFile, StoreError> {
    let (sha256, bytes) = dir.sha256_of(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let full = absolute(path).to_string_lossy().into_owned();
    let mut file = AudioFile::new(name, full, bytes, local_now());
    file.rate_hz = spec.rate;
    file.channels = spec.channels;
    file.bitrate_kbps = spec.bitrate_kbps();
    file.duration_ms = frames * 1000 / u64::from(spec.rate.max(1));
    file.sha256 = sha256;
    Ok(file)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Puts the stream into the call's summary and writes the three texts; the JSON last, for it is what is read again. Tells too how many
/// lines were left out for want of room.
fn write_summary(subject: &Subject, mut stream: StreamSummary) -> Result<(CallFiles, u64), FinishError> {
    let Subject { dir, call, .. } = subject;
    let _lock = dir.lock_call(call)?;
    let mut summary = match read_summary(dir, call)? {
        Some(summary) => summary,
        None => CallSummary::new(call.as_str(), stream.ended_at()),
    };
    if is_anothers(&summary, &stream) && !stream.lines.is_empty() {
        // A call that could not be recorded was told of under the number, when its own journal could not be seen yet.
        let own = summary.streams.iter().find(|known| is_same_but_for_number(known, &stream));
        let next = || summary.streams.iter().map(|known| known.number).max().unwrap_or(0).saturating_add(1);
        stream.number = own.map_or_else(next, |own| own.number);
    } else if is_anothers(&summary, &stream) {
        // The number was about to be given back when its process was killed: nothing was journalled under it.
        return Ok((CallFiles::of(dir, call, summary), 0));
    }
    if let Some(earlier) = summary.streams.iter().find(|known| is_same(known, &stream)) {
        carry_over(earlier, &mut stream);
    }
    if stream.audio == AudioOutcome::NoAudio && may_have_held_audio(&stream.completeness) {
        let reason = "none of what was received could be kept".to_owned();
        stream.audio = AudioOutcome::NotSaved { reason };
    }
    // What is written longer could not be read when the next stream ends.
    let (number, lines) = (stream.number, stream.lines.len());
    summary.put_stream_within(usize::try_from(MAX_TEXT).unwrap_or(usize::MAX), stream);
    let put = summary.streams.iter().find(|stream| stream.number == number);
    let left_out = lines - put.map_or(lines, |stream| stream.lines.len());
    write_texts(dir, call, &summary)?;
    Ok((CallFiles::of(dir, call, summary), u64::try_from(left_out).unwrap_or(u64::MAX)))
}

pub(crate) fn is_same_but_for_number(one: &StreamSummary, other: &StreamSummary) -> bool {
    (&one.stream, one.started_at) == (&other.stream, other.started_at)
}

/// Whether the summary knows the number as that of another stream, and this one has no recording.
fn is_anothers(summary: &CallSummary, stream: &StreamSummary) -> bool {
    let mut known = summary.streams.iter().filter(|known| known.number == stream.number);
    stream.audio.file().is_none() && known.any(|known| !is_same_but_for_number(known, stream))
}

pub(crate) fn write_texts(
    dir: &RecordingsDir,
    call: &CallId,
    summary: &CallSummary,
) -> Result<(), StoreError> {
    write(dir, &dir.transcript_path(call), &transcript_text(summary))?;
    write(dir, &dir.summary_path(call), &summary_text(summary))?;
    write(dir, &dir.summary_json_path(call), &summary_json(summary))
}

/// If the summary knows of the stream's recording, and that is there, or that there is to be none, nothing is to be taken again: the
/// texts are written as the JSON has them, for a crash may have come between them. Tells what is known of the stream, if it is so.
pub(crate) fn complete_texts(subject: &Subject) -> Result<Option<Completeness>, FinishError> {
    let Subject { dir, call, number, header, .. } = subject;
    let _lock = dir.lock_call(call)?;
    let Some(summary) = read_summary(dir, call)? else { return Ok(None) };
    let is_it = |stream: &&StreamSummary| {
        stream.number == *number
            && stream.stream == header.start.stream
            && stream.started_at == header.started_at
    };
    let Some(stream) = summary.streams.iter().find(is_it) else { return Ok(None) };
    let is_complete = match &stream.audio {
        AudioOutcome::Recorded(file) => {
            let path = dir.path().join(file_name(file.file_name.as_ref()));
            dir.sha256_of(&path).is_ok_and(|(sha256, _)| sha256 == file.sha256)
        }
        // The journal may be shorter by now, if a sync of it had failed.
        AudioOutcome::RecordingOff | AudioOutcome::NoAudio => true,
        AudioOutcome::NotSaved { reason } => header.without_audio.as_ref() == Some(reason),
    };
    if !is_complete {
        return Ok(None);
    }
    write_texts(dir, call, &summary)?;
    Ok(Some(stream.completeness.clone()))
}

fn write(dir: &RecordingsDir, path: &Path, text: &str) -> Result<(), StoreError> {
    dir.write_atomic(&file_name(path), text.as_bytes()).map(drop)
}

/// What is known of the call's earlier streams.
pub(crate) fn read_summary(dir: &RecordingsDir, call: &CallId) -> Result<Option<CallSummary>, FinishError> {
    let name = file_name(&dir.summary_json_path(call));
    let Some(bytes) = dir.read_file(&name)? else { return Ok(None) };
    match parse_json(&bytes) {
        Ok(summary) => Ok(Some(summary)),
        Err(error @ ParseError::Newer { .. }) => Err(FinishError::Newer(error)),
        Err(error) => {
            let aside = dir.set_aside(&name)?;
            tracing::warn!(call = call.for_log(), %error, aside = %path_for_log(&aside), "an unreadable summary was set aside");
            Ok(None)
        }
    }
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
