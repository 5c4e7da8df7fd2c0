//! What must be there after a crash, and whether it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use callrec_audio::g711::Law;
use callrec_encode::Format;
use callrec_encode::readback::decode_file;
use callrec_faulty_disk::{FaultyDisk, Moment};
use callrec_session::{Event, Line, Speaker, Topology, Track, wire};
use callrec_store::{CallId, EXTENSIONS, RecordingsDir};
use callrec_summary::{
    AudioFile, AudioOutcome, CallSummary, StreamSummary, parse_json, summary_text, transcript_text,
};

use super::life::{HOME, Known, Life, Told, final_names};
use super::plan::{FRAME, Plan, Stream};
use super::relayed;
use crate::header::Header;

/// What a power loss may take at most, in microseconds.
pub(super) const AT_MOST_US: u64 = 2_000_000;

/// What must be found again of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Due {
    /// Anything at all.
    pub(super) exists: bool,
    /// Frames of 20 ms.
    pub(super) frames: u64,
}

/// What the journals on a disk hold, by the name of the stream: frames of both sides that are whole.
fn journalled(disk: &FaultyDisk) -> Result<BTreeMap<String, u64>, String> {
    let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), HOME).map_err(|e| e.to_string())?;
    let mut found = BTreeMap::new();
    for journal in dir.free_journals().map_err(|e| e.to_string())? {
        let Some(journal) = journal.lock().map_err(|e| e.to_string())? else { continue };
        let Ok(header) = journal.header().map(<[u8]>::to_vec) else { continue };
        let header = Header::from_bytes(&header).map_err(|e| e.to_string())?;
        let mut reader = journal.reader().map_err(|e| e.to_string())?;
        // What a frame ends with: of a relayed stream, the bot's audio has no frames.
        let last = match header.start.topology {
            Topology::OneWay => Track::Assistant,
            Topology::Relay => Track::Caller,
        };
        let mut frames = 0;
        while let Some(record) = reader.next(u64::MAX).map_err(|e| e.to_string())? {
            let event = wire::decode(record.kind, record.payload);
            frames += u64::from(matches!(event, Ok(Event::Audio { track, .. }) if track == last));
        }
        found.insert(header.start.stream, frames);
    }
    Ok(found)
}

/// What must be found of each stream when the process is killed at this moment.
pub(super) fn due_after_kill(life: &Life, moment: &Moment) -> Result<Vec<Due>, String> {
    due(life, moment, &journalled(&moment.after_kill())?)
}

/// What must be found of each stream when the power goes at this moment.
pub(super) fn due_after_power_loss(life: &Life, moment: &Moment) -> Result<Vec<Due>, String> {
    let mut due = due(life, moment, &journalled(&moment.all_that_is_safe())?)?;
    let later = due_after_later_power_loss(life, moment, &life.before)?;
    due.splice(..later.len(), later);
    if life.plan.ignored_sync.is_none() && !life.plan.is_sound() {
        return Ok(due);
    }
    for (due, given_us) in due.iter_mut().zip(&life.given_us).skip(life.before.len()) {
        let old = given_us.partition_point(|given| given + AT_MOST_US <= moment.at_us) as u64;
        if old > due.frames {
            *due = Due { exists: true, frames: old };
        }
    }
    Ok(due)
}

/// How many frames of the first stream are safe at this moment, whatever happens.
pub(super) fn safe_frames(life: &Life, moment: &Moment) -> Result<u64, String> {
    let safe = due(life, moment, &journalled(&moment.all_that_is_safe())?)?;
    Ok(safe.first().map_or(0, |due| due.frames))
}

fn due(life: &Life, moment: &Moment, journalled: &BTreeMap<String, u64>) -> Result<Vec<Due>, String> {
    let streams = life.streams.iter().zip(&life.known[moment.mark].told).zip(&life.left);
    let mut due: Vec<Due> = streams
        .map(|((stream, told), left)| match (told, journalled.get(&stream.name), left) {
            (Told::Saved, ..) => Due { exists: true, frames: stream.frames },
            (_, Some(frames), _) => Due { exists: true, frames: *frames },
            // Its journal may be gone when its recording is there.
            (Told::NotSaved, None, Some(frames)) => Due { exists: true, frames: *frames },
            (_, None, _) => Due::default(),
        })
        .collect();
    // What an earlier process left was there before this one.
    due.splice(..life.before.len(), life.before.iter().copied());
    Ok(due)
}

/// Frames of each stream that are safe in its journal when it is said that it is not saved.
pub(super) fn left(plan: &Plan, moments: &[Moment], known: &[Known]) -> Vec<Option<u64>> {
    let before = plan.earlier.as_ref().map_or(0, |earlier| earlier.streams.len());
    let of_stream = |(index, stream): (usize, &Stream)| {
        let is_told = |moment: &&Moment| known[moment.mark].told[before + index] == Told::NotSaved;
        let journals = journalled(&moments.iter().find(is_told)?.all_that_is_safe()).ok()?;
        journals.get(&stream.name).copied()
    };
    plan.streams.iter().enumerate().map(of_stream).collect()
}

/// When the power goes in the middle of a recovery, of what was due before it: a journal that is still there may have been
/// in memory alone.
pub(super) fn due_after_later_power_loss(
    life: &Life,
    moment: &Moment,
    before: &[Due],
) -> Result<Vec<Due>, String> {
    let (there, safe) = (journalled(&moment.after_kill())?, journalled(&moment.all_that_is_safe())?);
    let streams = life.streams.iter().zip(before);
    Ok(streams
        .map(|(stream, before)| match (there.contains_key(&stream.name), safe.get(&stream.name)) {
            (false, _) => *before,
            (true, Some(frames)) => Due { exists: before.exists, frames: before.frames.min(*frames) },
            (true, None) => Due::default(),
        })
        .collect())
}

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
        if path.ends_with(".journal") || path.ends_with(".tmp") || path.ends_with(".partial") {
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
        entries.sort_by_key(|entry| !matches!(entry.audio, AudioOutcome::Recorded(_)));
        let Some((entry, others)) = entries.split_first() else {
            if due[index].exists {
                return Err(format!("{} is in no summary, and {:?}", stream.name, due[index]));
            }
            continue;
        };
        // A journal that was given up when a look at the disk failed may come back, without a record.
        if others.iter().any(|other| life.plan.is_sound() || matches!(other.audio, AudioOutcome::Recorded(_)))
        {
            return Err(format!("{} is there twice", stream.name));
        }
        let given = life.given_us[index].len() as u64;
        let frames = match &entry.audio {
            AudioOutcome::Recorded(file) => {
                let bytes = bytes(&file.file_name).ok_or_else(|| format!("{} is gone", file.file_name))?;
                recordings -= 1;
                alone(entry, stream.call, &names)?;
                check_audio(stream, given, file, &bytes)?
            }
            AudioOutcome::NoAudio => 0,
            // What there was did not reach the disk in time.
            AudioOutcome::NotSaved { .. } if entry.completeness.torn_bytes > 0 || forgot => 0,
            // Nor was it written: the disk refused it to the last.
            AudioOutcome::NotSaved { .. } if entry.completeness.unjournalled_bytes > 0 => 0,
            other => return Err(format!("{}: {other:?}", stream.name)),
        };
        if frames < due[index].frames {
            return Err(format!("{} has {frames} frames of {given}, and {:?}", stream.name, due[index]));
        }
        // A journal whose end the disk forgot, behind a recording that was made before, has fewer lines than that has frames.
        let (due, frames) = if forgot { (Due::default(), 0) } else { (due[index], frames) };
        check_lines(stream, &entry.lines, due, frames)?;
    }
    // A journal that the disk forgot cannot tell whose a recording is; what it holds was whole when it had its name.
    if recordings > 0 && !forgot {
        return Err(format!("{recordings} of the recordings are nobody's: {names:?}"));
    }
    Ok(())
}

/// Whether the transcript has the lines that are due, and no other; so many frames are there at least.
fn check_lines(stream: &Stream, lines: &[Line], due: Due, frames: u64) -> Result<(), String> {
    let (callers, bots): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| line.speaker == Speaker::Caller);
    let enough = callers.len() as u64 >= due.frames.div_ceil(5);
    let right = callers.iter().zip(0..).all(|(line, at)| line.text == stream.line(at * 5));
    if !enough || !right {
        return Err(format!("{} has the lines {callers:?}, and {due:?}", stream.name));
    }
    relayed::check_lines(stream, &bots, due.frames, frames)
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

/// How many frames a recording has of what was given. Where its format keeps every sample, each is held against that; behind the
/// last there may be silence, for the call may have been longer than what was said.
fn check_audio(stream: &Stream, given: u64, file: &AudioFile, bytes: &Arc<Vec<u8>>) -> Result<u64, String> {
    let format: Format = file.format.parse().map_err(|error| format!("{}: {error}", file.format))?;
    let mut heard = Vec::new();
    let source = std::io::Cursor::new(bytes.to_vec());
    let decoded = decode_file(source, format, |_, _, pcm| heard.extend_from_slice(pcm))
        .map_err(|error| format!("the recording of {}: {error}", stream.name))?;
    if !matches!(format, Format::Wav | Format::Flac) || decoded.rate != 8_000 {
        return Ok(((file.duration_ms + 1) / 20).min(given));
    }
    if decoded.frames / 8 != file.duration_ms {
        return Err(format!("{} has {} samples: {} ms?", stream.name, decoded.frames, file.duration_ms));
    }
    let side = |samples: &[i16], side: usize| -> Vec<i16> {
        samples.iter().skip(side).step_by(2).copied().collect()
    };
    let mut frames = 0;
    for frame in heard.chunks(FRAME * 2) {
        let is_given = |of: u64| {
            let mut expected = Vec::new();
            Law::Mulaw.decode(&stream.codes(frames, of), &mut expected);
            side(frame, of as usize) == expected
        };
        if frames == given || !is_given(0) || !(stream.relayed || is_given(1)) {
            break;
        }
        frames += 1;
    }
    if stream.relayed {
        return relayed::check_audio(stream, frames, &heard).map(|()| frames);
    }
    let mut rest = heard[frames as usize * FRAME * 2..].chunks(FRAME * 2);
    let mut expected = Vec::new();
    Law::Mulaw.decode(&stream.codes(frames, 0), &mut expected);
    let is_silent = |samples: &[i16]| samples.iter().all(|sample| *sample == 0);
    // The end of a torn journal may know one side alone.
    let first = rest.next().unwrap_or_default();
    let half = side(first, 0) == expected && is_silent(&side(first, 1));
    if (half || is_silent(first)) && rest.all(is_silent) {
        return Ok(frames);
    }
    Err(format!("{} is something else from its frame {frames} on", stream.name))
}
