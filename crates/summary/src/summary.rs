//! The summary as people read it: the call, what was said, and where the audio is.

use std::fmt::Write;

use crate::one_line::one_line;
use crate::transcript::write_content;
use crate::{AudioFile, AudioOutcome, CallSummary, StreamSummary};

/// The summary of a call.
///
/// Its headings and the fields right below them keep their names and order; programs written long ago rely on them.
/// A call of several streams has an `AUDIO RECORDING` block for each. Further fields follow below the fixed ones.
///
/// ```text
/// === CALL SUMMARY ===
/// Call SID: CA0123456789
/// Call Completed: 2025-07-13T10:30:00
///
/// === ALL RESPONSES ===
/// [00:00.4] Assistant: Good morning, how can I help?
///
/// === AUDIO RECORDING ===
/// Audio File: call_CA0123456789_conversation.mp3
/// Full Path: /srv/responses/call_CA0123456789_conversation.mp3
/// File Size: 1.2 MB
/// Created: 2025-07-13T10:30:00
/// Duration: 01:15.0
/// ...
/// ```
///
/// MB is 1,000,000 bytes. Nothing that a caller, a bot or a provider wrote can begin a line, so a heading is always
/// callrec's own.
pub fn summary_text(summary: &CallSummary) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "=== CALL SUMMARY ===");
    let _ = writeln!(text, "Call SID: {}", one_line(&summary.call));
    let _ = writeln!(text, "Call Completed: {}", summary.completed_at);

    let _ = writeln!(text, "\n=== ALL RESPONSES ===");
    write_content(summary, &mut text);

    if summary.streams.is_empty() {
        let _ = writeln!(text, "\n=== AUDIO RECORDING ===\nNo audio file: the call had no media stream.");
    }
    for stream in &summary.streams {
        let _ = writeln!(text, "\n=== AUDIO RECORDING ===");
        write_stream(stream, summary.streams.len(), &mut text);
    }
    text
}

fn write_stream(stream: &StreamSummary, streams: usize, text: &mut String) {
    match &stream.audio {
        AudioOutcome::Recorded(file) => write_file(file, text),
        AudioOutcome::RecordingOff => {
            text.push_str("No audio file: recording was switched off (RECORD_CONVERSATIONS=false).\n");
        }
        AudioOutcome::NoAudio => text.push_str("No audio file: neither party sent any audio.\n"),
        AudioOutcome::NotSaved { reason } => {
            let _ = writeln!(text, "No audio file: it could not be saved: {}", one_line(reason));
        }
    }
    if streams > 1 {
        let _ = writeln!(text, "Stream: {} of {streams}, {}", stream.number, one_line(&stream.stream));
    } else {
        let _ = writeln!(text, "Stream: {}", one_line(&stream.stream));
    }
    let _ = writeln!(text, "Stream Began: {}", stream.started_at);
    let _ = writeln!(text, "How The Call Ended: {}", one_line(&stream.ended.to_string()));
    if stream.recovered {
        text.push_str(
            "Recovered: yes, made from the journal by a later start, or when the disk had room again\n",
        );
    }
    write_completeness(stream, text);
}

fn write_file(file: &AudioFile, text: &mut String) {
    let _ = writeln!(text, "Audio File: {}", one_line(&file.file_name));
    let _ = writeln!(text, "Full Path: {}", one_line(&file.full_path));
    let _ = writeln!(text, "File Size: {}", megabytes(file.size_bytes));
    let _ = writeln!(text, "Created: {}", file.created_at);
    let _ = writeln!(text, "Duration: {}", duration(file.duration_ms));
    let _ = write!(text, "Format: {}", one_line(&file.format));
    if let Some(requested) = &file.requested_format {
        let _ = write!(text, " ({} was asked for and could not be written)", one_line(requested));
    }
    let _ = writeln!(text, "\nSample Rate: {} Hz", file.rate_hz);
    let _ = match file.channels {
        1 => writeln!(text, "Channels: 1 (caller and assistant together)"),
        n => writeln!(text, "Channels: {n} (left caller, right assistant)"),
    };
    match (file.bitrate_kbps, average_kbps(file)) {
        (Some(constant), _) => {
            let _ = writeln!(text, "Bitrate: {constant} kbit/s");
        }
        (None, Some(average)) => {
            let _ = writeln!(text, "Bitrate: {average} kbit/s on average");
        }
        (None, None) => {}
    }
    if !file.sha256.is_empty() {
        let _ = writeln!(text, "SHA-256: {}", one_line(&file.sha256));
    }
}

fn write_completeness(stream: &StreamSummary, text: &mut String) {
    let complete = if stream.completeness.is_complete() { "complete" } else { "not complete" };
    let _ = writeln!(text, "Completeness: {complete}");
    for sentence in stream.completeness.sentences() {
        let _ = writeln!(text, "  - {}", one_line(&sentence));
    }
}

/// `1.2 MB`; small files get more places, so that only an empty one has size zero.
fn megabytes(bytes: u64) -> String {
    let places = match bytes {
        95_000.. => 1,
        9_500.. => 2,
        _ => 3,
    };
    // Up to 2^53 bytes a float is exact; beyond, one place is still right.
    let mb = bytes as f64 / 1e6;
    format!("{:.places$} MB", if bytes == 0 { 0.0 } else { mb.max(0.001) })
}

/// `01:15.0`, from an hour on `1:01:15.0`; tenths are rounded.
fn duration(ms: u64) -> String {
    let tenths = ms / 100 + u64::from(ms % 100 >= 50);
    let (hours, minutes, seconds) = (tenths / 36_000, tenths / 600 % 60, tenths / 10 % 60);
    let tenths = tenths % 10;
    match hours {
        0 => format!("{minutes:02}:{seconds:02}.{tenths}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{tenths}"),
    }
}

/// Bits a millisecond are kilobits a second.
fn average_kbps(file: &AudioFile) -> Option<u64> {
    let bits = u128::from(file.size_bytes) * 8;
    let ms = u128::from(file.duration_ms);
    u64::try_from((bits + ms / 2).checked_div(ms)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabyte_is_a_million_bytes() {
        assert_eq!(megabytes(1_200_000), "1.2 MB");
        assert_eq!(megabytes(1_048_576), "1.0 MB");
        assert_eq!(megabytes(1_250_000_000), "1250.0 MB");
    }

    #[test]
    fn a_small_file_is_not_nothing() {
        assert_eq!(megabytes(99_000), "0.1 MB");
        assert_eq!(megabytes(16_400), "0.02 MB");
        assert_eq!(megabytes(2_100), "0.002 MB");
        assert_eq!(megabytes(44), "0.001 MB");
        assert_eq!(megabytes(0), "0.000 MB");
    }

    #[test]
    fn durations_round_to_tenths_and_carry() {
        assert_eq!(duration(0), "00:00.0");
        assert_eq!(duration(75_049), "01:15.0");
        assert_eq!(duration(59_950), "01:00.0");
        assert_eq!(duration(3_599_990), "1:00:00.0");
    }

    #[test]
    fn no_file_is_too_long_or_too_short_for_an_average() {
        let mut file =
            AudioFile::new("a.flac", "/a.flac", u64::MAX, crate::LocalTime::from_unix_ms(0, 0).unwrap());
        assert_eq!(average_kbps(&file), None);
        file.duration_ms = 1;
        assert_eq!(average_kbps(&file), None);
        (file.size_bytes, file.duration_ms) = (1000, 125);
        assert_eq!(average_kbps(&file), Some(64));
    }
}
