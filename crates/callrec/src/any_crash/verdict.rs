//! Whether what must be there after a crash is there, and nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use callrec_audio::g711::Law;
use callrec_encode::Format;
use callrec_encode::readback::decode_file;
use callrec_faulty_disk::FaultyDisk;
use callrec_session::{Line, Speaker};
use callrec_store::{CallId, EXTENSIONS, RecordingsDir};
use callrec_summary::{
    AudioFile, AudioOutcome, CallSummary, StreamSummary, parse_json, summary_text, transcript_text,
};

use super::due::Due;
use super::life::{HOME, Life, final_names};
use super::plan::{FRAME, Stream};
use super::{relayed, unrecorded};

/// Holds what a disk has, after everything was recovered, against what is due. If a sync failed, the disk may have forgotten
/// journals (`forgot`).
pub(super) fn judge(life: &Life, disk: &FaultyDisk, due: &[Due], forgot: bool) -> Result<(), String> {
    let files = disk.files();
    let torn = disk.torn();
    if !torn.is_empty() {
        return Err(format!("half files have final names: {torn:?}"));
    }
    let names = final_names(disk);
    let bytes = |name: &str| {
        let path = format!("{HOME}/{name}");
        files.iter().find(|(found, _)| *found == path).map(|(_, bytes)| Arc::clone(bytes))
    };
    for (path, _) in &files {
        if [".journal", ".tmp", ".partial", ".attempts"].iter().any(|end| path.ends_with(end)) {
            return Err(format!("{path} is left over"));
        }
    }
    let mut recordings = names.iter().filter(|name| name.contains("_conversation")).count();
    let mut summaries = BTreeMap::new();
    let calls: BTreeSet<&str> = life.streams.iter().map(|stream| stream.call).collect();
    for call in calls {
        let Some(json) = bytes(&format!("call_{call}_summary.json")) else { continue };
        let summary = parse_json(&json).map_err(|error| format!("the summary of {call}: {error}"))?;
        // Without its journal, texts of which only some were written stay as they are.
        if !forgot {
            agree(&summary, bytes(&format!("call_{call}.txt")), &transcript_text(&summary))?;
            agree(&summary, bytes(&format!("call_{call}_summary.txt")), &summary_text(&summary))?;
        }
        summaries.insert(call, summary);
    }
    for (index, stream) in life.streams.iter().enumerate() {
        let entries = summaries.get(stream.call).map_or(&[][..], |summary| &summary.streams);
        let mut entries: Vec<_> = entries.iter().filter(|entry| entry.stream == stream.name).collect();
        let has_audio = |entry: &StreamSummary| matches!(entry.audio, AudioOutcome::Recorded(_));
        entries.sort_by_key(|entry| Reverse((has_audio(entry), entry.duration_ms, entry.lines.len())));
        let Some((entry, others)) = entries.split_first() else {
            if due[index].exists {
                return Err(format!("{} is in no summary, and {:?}", stream.name, due[index]));
            }
            continue;
        };
        // A journal that was given up when a look at the disk failed may come back, without a record.
        let has_any =
            |other: &StreamSummary| has_audio(other) || other.duration_ms > 0 || !other.lines.is_empty();
        if others.iter().any(|other| life.plan.is_sound() || has_any(other)) {
            return Err(format!("{} is there twice", stream.name));
        }
        let given = life.given_us[index].len() as u64;
        let has_holes = entry.completeness.damaged_bytes > 0;
        let frames = match &entry.audio {
            _ if !stream.recorded => (0..unrecorded::frames(stream, entry, given, forgot)?).collect(),
            AudioOutcome::Recorded(file) => {
                let bytes = bytes(&file.file_name).ok_or_else(|| format!("{} is gone", file.file_name))?;
                recordings -= 1;
                alone(entry, stream.call, &names)?;
                check_audio(stream, given, has_holes, file, &bytes)?
            }
            AudioOutcome::NoAudio => BTreeSet::new(),
            // What there was did not reach the disk in time.
            AudioOutcome::NotSaved { .. } if entry.completeness.torn_bytes > 0 || has_holes || forgot => {
                BTreeSet::new()
            }
            // Nor was it written: the disk refused it to the last.
            AudioOutcome::NotSaved { .. } if entry.completeness.unjournalled_bytes > 0 => BTreeSet::new(),
            other => return Err(format!("{}: {other:?}", stream.name)),
        };
        let missing: Vec<_> = due[index].frames.difference(&frames).collect();
        if !missing.is_empty() {
            return Err(format!("{} has {} frames of {given}, not {missing:?}", stream.name, frames.len()));
        }
        // A journal whose end the disk forgot, behind a recording that was made before, has fewer lines than that has frames.
        let frames = if forgot { 0 } else { frames.len() as u64 };
        check_lines(stream, &entry.lines, &due[index], (!has_holes).then_some(frames))?;
    }
    // A journal that the disk forgot cannot tell whose a recording is; what it holds was whole when it had its name.
    if recordings > 0 && !forgot {
        return Err(format!("{recordings} of the recordings are nobody's: {names:?}"));
    }
    Ok(())
}

/// Whether the transcript has the lines that are due, and no other, in order; so many frames are there, unless there are holes.
fn check_lines(stream: &Stream, lines: &[Line], due: &Due, frames: Option<u64>) -> Result<(), String> {
    let (callers, bots): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| line.speaker == Speaker::Caller);
    let expected = (0..stream.frames).step_by(5).map(|frame| stream.line(frame));
    if !follow(&callers, expected, frames.is_none()) {
        return Err(format!("{} has the lines {callers:?}", stream.name));
    }
    let texts: BTreeSet<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    if let Some(missing) = due.lines.iter().find(|line| !texts.contains(line.as_str())) {
        return Err(format!("{} lacks the line {missing:?} of {lines:?}", stream.name));
    }
    relayed::check_lines(stream, &bots, frames)
}

/// Whether lines are those that are expected, in order, to some point; or only some of these.
pub(super) fn follow(lines: &[&Line], mut expected: impl Iterator<Item = String>, has_holes: bool) -> bool {
    lines.iter().all(|line| match has_holes {
        true => expected.any(|text| line.text == text),
        false => expected.next().is_some_and(|text| line.text == text),
    })
}

/// Whether a text is that of the summary for programs.
fn agree(summary: &CallSummary, found: Option<Arc<Vec<u8>>>, expected: &str) -> Result<(), String> {
    match found {
        Some(found) if found.as_slice() == expected.as_bytes() => Ok(()),
        Some(_) => Err(format!("the texts of {} contradict each other", summary.call)),
        None => Err(format!("a text of {} is missing", summary.call)),
    }
}

/// Whether the stream has no second recording, in another format.
fn alone(entry: &StreamSummary, call: &str, names: &[String]) -> Result<(), String> {
    let call = CallId::new(call).map_err(|error| error.to_string())?;
    let possible = EXTENSIONS.map(|end| RecordingsDir::recording_name(&call, entry.number, end));
    match names.iter().filter(|name| possible.contains(name)).count() {
        1 => Ok(()),
        many => Err(format!("{} has {many} recordings", entry.stream)),
    }
}

/// Which frames a recording has of what was given. Where its format keeps every sample, each is held against that; where the journal
/// was damaged there is silence, and so there may be behind the last, for the call may have been longer than what was said.
fn check_audio(
    stream: &Stream,
    given: u64,
    has_holes: bool,
    file: &AudioFile,
    bytes: &Arc<Vec<u8>>,
) -> Result<BTreeSet<u64>, String> {
    let format: Format = file.format.parse().map_err(|error| format!("{}: {error}", file.format))?;
    let mut heard = Vec::new();
    let source = std::io::Cursor::new(bytes.to_vec());
    let decoded = decode_file(source, format, |_, _, pcm| heard.extend_from_slice(pcm))
        .map_err(|error| format!("the recording of {}: {error}", stream.name))?;
    if !matches!(format, Format::Wav | Format::Flac) || decoded.rate != 8_000 {
        return Ok((0..((file.duration_ms + 1) / 20).min(given)).collect());
    }
    if decoded.frames / 8 != file.duration_ms {
        return Err(format!("{} has {} samples: {} ms?", stream.name, decoded.frames, file.duration_ms));
    }
    let mut frames = BTreeSet::new();
    for (samples, frame) in heard.chunks(FRAME * 2).zip(0..) {
        let side = |side: u64| samples.iter().skip(side as usize).step_by(2).copied();
        let is_given = |of: u64| {
            let mut expected = Vec::new();
            Law::Mulaw.decode(&stream.codes(frame, of), &mut expected);
            frame < given && side(of).eq(expected)
        };
        let is_silent = |of: u64| side(of).all(|sample| sample == 0);
        let is_there = is_given(0) && (stream.relayed || is_given(1));
        // The end of a torn journal may know one side alone, and so may the edges of a hole.
        let is_right = is_there
            || (is_silent(0) || is_given(0))
                && (stream.relayed || is_silent(1) || (is_given(1) && has_holes));
        let is_in_order = has_holes || frames.len() as u64 == frame || is_silent(0) && is_silent(1);
        if !is_right || !(is_in_order || stream.relayed) {
            return Err(format!("{} is something else in its frame {frame}", stream.name));
        }
        if is_there {
            frames.insert(frame);
        }
    }
    if stream.relayed {
        relayed::check_audio(stream, has_holes, &frames, &heard)?;
    }
    Ok(frames)
}
