//! Whether a call was recorded as it was made.

use callrec_encode::Format;
use serde::Serialize;
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

/// What was found in all recordings.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Checked {
    /// Recordings that are as their calls were.
    pub(crate) good: u64,
    /// Frames of callers that were sent and are not in the recordings.
    pub(crate) lost_frames: u64,
    /// What is wrong with the others.
    pub(crate) problems: Vec<String>,
}

impl Checked {
    /// Looks at the recording of a call, in the directory where it should be, and listens to all of it.
    pub(crate) fn add(&mut self, directory: &Path, made: &Made) {
        let file = directory.join(&made.file);
        let size = std::fs::metadata(&file).ok().map(|metadata| metadata.len());
        let summary = std::fs::read(directory.join(format!("call_{}_summary.json", made.call)));
        let summary = summary.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(summary) = summary else {
            self.lost_frames += made.frames;
            self.problems.push(format!("{}: there is no summary", made.call));
            return;
        };
        self.lost_frames += lost_frames(&summary, made);
        match fault(&summary, size, made).or_else(|| sound_fault(&summary, &file, made)) {
            Some(fault) => self.problems.push(format!("{}: {fault}", made.call)),
            None => self.good += 1,
        }
    }
}

fn lost_frames(summary: &Value, made: &Made) -> u64 {
    let caller = &summary["streams"][0]["completeness"]["caller"];
    let number = |name: &str| caller[name].as_u64().unwrap_or(0);
    let unheard = number("late_frames") + number("unplaced_frames") + number("refused_ms").div_ceil(FRAME_MS);
    made.frames.saturating_sub(number("frames").saturating_sub(unheard))
}

/// What is wrong first.
fn fault(summary: &Value, size: Option<u64>, made: &Made) -> Option<String> {
    let streams = summary["streams"].as_array().map_or(0, Vec::len);
    if streams != 1 {
        return Some(format!("{streams} streams are summarised, and not one"));
    }
    let stream = &summary["streams"][0];
    let (audio, completeness) = (&stream["audio"], &stream["completeness"]);
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
    if let lost @ 1.. = lost_frames(summary, made) {
        return Some(format!("{lost} frames of the caller are lost"));
    }
    let received_ms = completeness["assistant"]["received_ms"].as_u64().unwrap_or(0);
    if received_ms < made.assistant_ms {
        return Some(format!(
            "{received_ms} ms of the assistant are recorded, and not {}",
            made.assistant_ms
        ));
    }
    let lost_ms: u64 =
        ["caller", "assistant"].iter().filter_map(|track| completeness[track]["lost_ms"].as_u64()).sum();
    if lost_ms > 0 {
        return Some(format!("{lost_ms} ms are gaps"));
    }
    let counts = ["unjournalled_bytes", "damaged_bytes", "torn_bytes", "unreadable_records"];
    let counts = counts.iter().map(|name| (*name, &completeness[name]));
    let dropped = completeness["dropped"].as_object().into_iter().flatten();
    let mut all = counts.chain(dropped.map(|(name, count)| (name.as_str(), count)));
    all.find(|(_, count)| **count != 0).map(|(name, count)| format!("{name}: {count}"))
}

/// What is wrong with what is heard.
fn sound_fault(summary: &Value, file: &Path, made: &Made) -> Option<String> {
    if !made.recorded {
        return None;
    }
    match made.said.check(file, made.format) {
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
                "caller": {"frames": 250, "lost_ms": 0},
                "assistant": {"frames": 2, "lost_ms": 0, "received_ms": 2000},
                "dropped": {"audio": 0}, "unjournalled_bytes": 0, "damaged_bytes": 0, "torn_bytes": 0, "unreadable_records": 0,
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
        checked.add(directory.path(), &made());
        checked
    }

    #[test]
    fn what_was_recorded_as_it_was_made_is_good() {
        assert_eq!(fault(&summary(), Some(7), &made()), None);
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
            ("/streams/0/completeness/caller/lost_ms", json!(20), "20 ms"),
            ("/streams/0/completeness/assistant/lost_ms", json!(40), "40 ms"),
            ("/streams/0/completeness/assistant/received_ms", json!(1990), "1990 ms"),
            ("/streams/0/completeness/dropped/audio", json!(1), "audio: 1"),
            ("/streams/0/completeness/unjournalled_bytes", json!(9), "unjournalled_bytes: 9"),
        ] {
            let mut summary = summary();
            *summary.pointer_mut(path).unwrap() = value;
            let fault = fault(&summary, Some(7), &made()).unwrap();
            assert!(fault.contains(found), "{path}: {fault}");
        }
        assert!(fault(&summary(), None, &made()).unwrap().contains("not there"));
    }

    #[test]
    fn a_call_without_a_summary_has_lost_every_frame() {
        let mut checked = Checked::default();
        checked.add(tempfile::tempdir().unwrap().path(), &made());
        assert_eq!((checked.good, checked.lost_frames, checked.problems.len()), (0, 250, 1));
    }
}
