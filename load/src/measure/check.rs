//! Whether a call was recorded as it was made.

use callrec_encode::Format;
use callrec_session::{Completeness, TrackReport};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use std::path::Path;

use super::heard::Said;

/// A tick of the provider: 20 ms of sound.
const FRAME_MS: u64 = 20;

/// A call, as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) call: String,
    /// The file that its recording must be.
    pub(crate) file: String,
    pub(crate) format: Format,
    /// The time of the caller's first frame, in milliseconds of the stream.
    pub(crate) first_frame_ms: u64,
    /// Frames of the caller that were sent.
    pub(crate) frames: u64,
    /// How much of the assistant's came to the provider, or from it; in milliseconds.
    pub(crate) assistant_ms: u64,
    /// What both said.
    pub(crate) said: Said,
    /// Whether its sound was to be recorded.
    pub(crate) recorded: bool,
}

/// What was found of all calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Checked {
    /// Calls of which nothing is wrong.
    pub(crate) good: u64,
    /// Frames of callers that were sent and are not in the recordings.
    pub(crate) lost_frames: u64,
    /// What is wrong with the others, one of each.
    pub(crate) problems: Vec<String>,
}

impl Checked {
    /// Counts a call, and keeps what is wrong with it.
    pub(crate) fn add(&mut self, call: &str, faults: &[String]) {
        if faults.is_empty() {
            self.good += 1;
        } else {
            self.problems.push(format!("{call}: {}", faults.join("; ")));
        }
    }

    /// Looks at the recording of a call, in the directory where it should be, and listens to all of it; tells what is wrong with it.
    pub(crate) fn listen(&mut self, directory: &Path, made: &Made) -> Option<String> {
        let file = directory.join(&made.file);
        let size = std::fs::metadata(&file).ok().map(|metadata| metadata.len());
        let summary = std::fs::read(directory.join(format!("call_{}_summary.json", made.call)));
        let summary = summary.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(summary) = summary else {
            self.lost_frames += made.frames;
            return Some("there is no summary".to_owned());
        };
        let completeness = completeness(&summary);
        self.lost_frames +=
            completeness.as_ref().map_or(made.frames, |completeness| lost_frames(completeness, made));
        let Some(completeness) = completeness else {
            return Some("its summary does not say whether it is complete".to_owned());
        };
        fault(&summary, &completeness, size, made).or_else(|| sound_fault(&summary, &file, made))
    }
}

/// What a summary says is missing.
fn completeness(summary: &Value) -> Option<Completeness> {
    Completeness::deserialize(&summary["streams"][0]["completeness"]).ok()
}

fn lost_frames(completeness: &Completeness, made: &Made) -> u64 {
    let TrackReport { frames, late_frames, unplaced_frames, repeated_frames, refused_ms, .. } =
        completeness.caller;
    let unheard = late_frames + unplaced_frames + repeated_frames + refused_ms.div_ceil(FRAME_MS);
    made.frames.saturating_sub(frames.saturating_sub(unheard))
}

/// What is counted as missing, by name. However late the calling machine was none of it is: its times have no gaps and never jump,
/// and a recording that was late is made again with what came late.
fn missing(completeness: &Completeness) -> Option<String> {
    let Completeness { caller, assistant, dropped, clock_jumps, .. } = completeness;
    let mut counts = vec![
        ("clock_jumps".to_owned(), *clock_jumps),
        ("unjournalled_bytes".to_owned(), completeness.unjournalled_bytes),
        ("damaged_bytes".to_owned(), completeness.damaged_bytes),
        ("torn_bytes".to_owned(), completeness.torn_bytes),
        ("unreadable_records".to_owned(), completeness.unreadable_records),
        ("dropped messages".to_owned(), dropped.messages),
        ("dropped audio".to_owned(), dropped.audio),
        ("dropped unknown_messages".to_owned(), dropped.unknown_messages),
        ("dropped timestamps".to_owned(), dropped.timestamps),
        ("dropped parameters".to_owned(), dropped.parameters),
        ("dropped transcript_lines".to_owned(), dropped.transcript_lines),
    ];
    for (name, track) in [("caller", caller), ("assistant", assistant)] {
        for (what, count) in [
            ("gaps", track.gaps),
            ("lost_ms", track.lost_ms),
            ("late_frames", track.late_frames),
            ("repeated_frames", track.repeated_frames),
            ("unplaced_frames", track.unplaced_frames),
            ("refused_ms", track.refused_ms),
        ] {
            counts.push((format!("{name}'s {what}"), count));
        }
    }
    let told: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    if told.is_empty() {
        // Of what is counted one day and not named here.
        return (!completeness.is_complete()).then(|| "it is not complete".to_owned());
    }
    Some(told.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>().join(", "))
}

/// What is wrong first.
fn fault(summary: &Value, completeness: &Completeness, size: Option<u64>, made: &Made) -> Option<String> {
    let streams = summary["streams"].as_array().map_or(0, Vec::len);
    if streams != 1 {
        return Some(format!("{streams} streams are summarised, and not one"));
    }
    let stream = &summary["streams"][0];
    let audio = &stream["audio"];
    let outcome = if made.recorded { "recorded" } else { "recording_off" };
    if audio["outcome"] != outcome {
        return Some(format!("its audio is {}, and not {outcome}", audio["outcome"]));
    }
    if made.recorded && (audio["file_name"] != made.file.as_str() || audio["size_bytes"].as_u64() != size) {
        let found = size.map_or_else(|| "not there".to_owned(), |size| format!("of {size} bytes"));
        return Some(format!("{} is {found}, and not {}", made.file, audio["size_bytes"]));
    }
    if stream["ended"] != "stopped" || stream["recovered"] != false {
        return Some(format!("it ended as {} (recovered: {})", stream["ended"], stream["recovered"]));
    }
    let (begins, ends) = (made.first_frame_ms, made.first_frame_ms + made.frames * FRAME_MS);
    let duration = stream["duration_ms"].as_u64().unwrap_or(0);
    // A recording begins with the stream or, by a frame, with the first sound.
    if duration.abs_diff(ends) > begins.max(FRAME_MS) {
        return Some(format!("it is {duration} ms long, and not {ends} ms"));
    }
    if let lost @ 1.. = lost_frames(completeness, made) {
        return Some(format!("{lost} frames of the caller are lost"));
    }
    let received_ms = completeness.assistant.received_ms;
    if received_ms < made.assistant_ms {
        return Some(format!(
            "{received_ms} ms of the assistant are recorded, and not {}",
            made.assistant_ms
        ));
    }
    missing(completeness)
}

/// What is wrong with what is heard.
fn sound_fault(summary: &Value, file: &Path, made: &Made) -> Option<String> {
    if !made.recorded {
        return None;
    }
    let completeness = &summary["streams"][0]["completeness"];
    let wrong_ms = completeness["playout"]["largest_error_ms"].as_u64().unwrap_or(0);
    match made.said.check(file, made.format, wrong_ms) {
        Err(error) => Some(format!("{}: {error:#}", made.file)),
        Ok(heard_ms) => {
            let told = &summary["streams"][0]["duration_ms"];
            (told.as_u64() != Some(heard_ms))
                .then(|| format!("{heard_ms} ms of {} are heard, and not {told}", made.file))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heard::tests::{said, samples, wav};
    use super::*;
    use serde_json::json;

    fn made() -> Made {
        Made {
            call: "CA1".to_owned(),
            file: "call_CA1_conversation.wav".to_owned(),
            format: Format::Wav,
            first_frame_ms: 0,
            frames: 250,
            assistant_ms: 2_000,
            said: said(),
            recorded: true,
        }
    }

    fn summary() -> Value {
        json!({"streams": [{
            "duration_ms": 5000, "ended": "stopped", "recovered": false,
            "audio": {"outcome": "recorded", "file_name": "call_CA1_conversation.wav", "size_bytes": 7},
            "completeness": {
                "caller": {"frames": 250}, "assistant": {"frames": 2, "received_ms": 2000}, "dropped": {},
            },
        }]})
    }

    /// What is found of a recording that its summary says is this long.
    fn checked(samples: &[[i16; 2]], duration_ms: u64) -> Checked {
        let directory = tempfile::tempdir().unwrap();
        let file = wav(samples);
        let mut summary = summary();
        summary["streams"][0]["audio"]["size_bytes"] = json!(file.len());
        summary["streams"][0]["duration_ms"] = json!(duration_ms);
        let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
        write("call_CA1_summary.json", summary.to_string().as_bytes());
        write("call_CA1_conversation.wav", &file);
        let mut checked = Checked::default();
        let fault = checked.listen(directory.path(), &made());
        checked.add("CA1", fault.as_slice());
        checked
    }

    fn fault(summary: &Value, size: Option<u64>) -> Option<String> {
        super::fault(summary, &completeness(summary).unwrap(), size, &made())
    }

    #[test]
    fn what_was_recorded_as_it_was_made_is_good() {
        assert_eq!(fault(&summary(), Some(7)), None);
        assert_eq!(checked(&samples(&said(), 0), 5_000), Checked { good: 1, ..Checked::default() });
    }

    #[test]
    fn a_recording_of_which_all_is_told_and_not_all_is_heard_is_not_good() {
        let whole = samples(&said(), 0);
        let silenced: Vec<_> = whole.iter().map(|[caller, _]| [*caller, 0]).collect();
        for (samples, duration_ms, found) in [
            (&silenced[..], 5_000, "the assistant: at 1.1 s"),
            (&whole[..39_992], 5_000, "4999 ms of call_CA1_conversation.wav are heard, and not 5000"),
            (&whole, 4_990, "5000 ms of call_CA1_conversation.wav are heard, and not 4990"),
        ] {
            let checked = checked(samples, duration_ms);
            assert_eq!((checked.good, checked.problems.len()), (0, 1));
            assert!(checked.problems[0].contains(found), "{:?}", checked.problems);
        }
    }

    #[test]
    fn whatever_is_not_as_it_was_made_is_found() {
        for (path, value, found) in [
            ("/streams/0/duration_ms", json!(4900), "4900 ms"),
            ("/streams/0/ended", json!("aborted"), "aborted"),
            ("/streams/0/recovered", json!(true), "recovered"),
            ("/streams/0/audio/outcome", json!("not_saved"), "not_saved"),
            ("/streams/0/audio/size_bytes", json!(8), "7 bytes"),
            ("/streams/0/completeness/caller/frames", json!(249), "1 frames"),
            ("/streams/0/completeness/caller/late_frames", json!(2), "2 frames"),
            ("/streams/0/completeness/caller/repeated_frames", json!(3), "3 frames"),
            ("/streams/0/completeness/caller/unplaced_frames", json!(4), "4 frames"),
            ("/streams/0/completeness/caller/refused_ms", json!(90), "5 frames"),
            ("/streams/0/completeness/caller/gaps", json!(1), "caller's gaps: 1"),
            ("/streams/0/completeness/caller/lost_ms", json!(20), "caller's lost_ms: 20"),
            ("/streams/0/completeness/assistant/gaps", json!(1), "assistant's gaps: 1"),
            ("/streams/0/completeness/assistant/lost_ms", json!(40), "assistant's lost_ms: 40"),
            ("/streams/0/completeness/assistant/late_frames", json!(1), "assistant's late_frames: 1"),
            ("/streams/0/completeness/assistant/repeated_frames", json!(1), "assistant's repeated_frames: 1"),
            ("/streams/0/completeness/assistant/unplaced_frames", json!(1), "assistant's unplaced_frames: 1"),
            ("/streams/0/completeness/assistant/refused_ms", json!(7), "assistant's refused_ms: 7"),
            ("/streams/0/completeness/assistant/received_ms", json!(1990), "1990 ms"),
            ("/streams/0/completeness/clock_jumps", json!(1), "clock_jumps: 1"),
            ("/streams/0/completeness/dropped/audio", json!(1), "audio: 1"),
            ("/streams/0/completeness/dropped/messages", json!(1), "messages: 1"),
            ("/streams/0/completeness/dropped/unknown_messages", json!(1), "unknown_messages: 1"),
            ("/streams/0/completeness/dropped/timestamps", json!(1), "timestamps: 1"),
            ("/streams/0/completeness/dropped/parameters", json!(1), "parameters: 1"),
            ("/streams/0/completeness/dropped/transcript_lines", json!(1), "transcript_lines: 1"),
            ("/streams/0/completeness/unjournalled_bytes", json!(9), "unjournalled_bytes: 9"),
            ("/streams/0/completeness/damaged_bytes", json!(9), "damaged_bytes: 9"),
            ("/streams/0/completeness/torn_bytes", json!(9), "torn_bytes: 9"),
            ("/streams/0/completeness/unreadable_records", json!(9), "unreadable_records: 9"),
        ] {
            let mut summary = summary();
            let (parent, field) = path.rsplit_once('/').unwrap();
            summary.pointer_mut(parent).unwrap()[field] = value;
            let fault = fault(&summary, Some(7)).unwrap();
            assert!(fault.contains(found), "{path}: {fault}");
        }
        assert!(fault(&summary(), None).unwrap().contains("not there"));
    }

    #[test]
    fn a_call_without_a_summary_has_lost_every_frame() {
        let mut checked = Checked::default();
        let fault = checked.listen(tempfile::tempdir().unwrap().path(), &made());
        assert_eq!((fault.as_deref(), checked.lost_frames), (Some("there is no summary"), 250));
    }

    #[test]
    fn a_summary_that_does_not_say_whether_its_recording_is_complete_is_no_good() {
        let mut summary = summary();
        summary["streams"][0]["completeness"].take();
        assert_eq!(completeness(&summary), None);
    }

    #[test]
    fn a_call_counts_once_however_much_is_wrong_with_it() {
        let mut checked = Checked::default();
        checked.add("CA1", &[]);
        checked.add("CA2", &["it was refused".to_owned(), "there is no summary".to_owned()]);
        assert_eq!(
            (checked.good, checked.problems),
            (1, vec!["CA2: it was refused; there is no summary".to_owned()])
        );
    }
}
