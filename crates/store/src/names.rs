//! The names of files, made and read back in one place.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::{CallId, StoreError};

/// The directory of journals, partial files and locks, inside the recordings directory.
pub(crate) const JOURNAL_DIR: &str = ".journal";

/// The extensions that a recording can have.
///
/// The set is closed so that "does this stream have a recording?" is a handful of look-ups whatever the number of
/// files in the directory; listing 100,000 names for every new call would not be.
pub const EXTENSIONS: [&str; 8] = ["mp3", "wav", "ogg", "flac", "opus", "m4a", "aac", "webm"];

pub(crate) fn recording(call: &CallId, number: u32, extension: &str) -> String {
    match number {
        0 | 1 => format!("call_{call}_conversation.{extension}"),
        n => format!("call_{call}_conversation_{n}.{extension}"),
    }
}

pub(crate) fn transcript(call: &CallId) -> String {
    format!("call_{call}.txt")
}

pub(crate) fn summary(call: &CallId) -> String {
    format!("call_{call}_summary.txt")
}

pub(crate) fn summary_json(call: &CallId) -> String {
    format!("call_{call}_summary.json")
}

pub(crate) fn journal(call: &CallId, number: u32) -> String {
    format!("{call}_{number}.journal")
}

pub(crate) fn partial(call: &CallId, number: u32, extension: &str, unique: u64) -> String {
    format!("{call}_{number}.{extension}.{unique:016x}.partial")
}

/// The mark of a stream of which something is made of its journal.
pub(crate) fn attempts(call: &CallId, number: u32) -> String {
    format!("{call}_{number}.attempts")
}

/// Call and number of such a mark's name; none for anything else.
pub(crate) fn parse_attempts(name: &str) -> Option<(CallId, u32)> {
    parse_journal(&format!("{}.journal", name.strip_suffix(".attempts")?))
}

/// The mark of a call whose texts are being written.
pub(crate) fn texts_mark(call: &CallId) -> String {
    format!("{call}.texts")
}

/// The call of such a mark's name; none for anything else.
pub(crate) fn parse_texts_mark(name: &str) -> Option<CallId> {
    CallId::new(name.strip_suffix(".texts")?).ok()
}

pub(crate) fn temporary(unique: u64) -> String {
    format!("{unique:016x}.tmp")
}

/// A file that has a meaning only while its owner lives.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.ends_with(".partial") || name.ends_with(".tmp")
}

/// Call and number of a journal's name; none for anything else.
pub(crate) fn parse_journal(name: &str) -> Option<(CallId, u32)> {
    let (call, digits) = name.strip_suffix(".journal")?.rsplit_once('_')?;
    let call = CallId::new(call).ok()?;
    let number = digits.parse().ok()?;
    // `+1` and `01` parse as numbers but are not names this crate gives.
    (number >= 1 && journal(&call, number) == name).then_some((call, number))
}

/// Call and number of a recording's name; none for anything else.
pub(crate) fn parse_recording(name: &str) -> Option<(CallId, u32)> {
    let (rest, extension) = name.strip_prefix("call_")?.rsplit_once('.')?;
    // No call's name contains what the two are told apart by.
    let (call, behind) = rest.rsplit_once("_conversation")?;
    let number = behind.strip_prefix('_').map_or(Some(1), |digits| digits.parse().ok())?;
    let call = CallId::new(call).ok()?;
    (EXTENSIONS.contains(&extension) && recording(&call, number, extension) == name).then_some((call, number))
}

/// The call of a summary's name, text or JSON; none for anything else.
pub(crate) fn parse_summary(name: &str) -> Option<CallId> {
    let rest = name.strip_prefix("call_")?;
    let call = rest.strip_suffix("_summary.txt").or_else(|| rest.strip_suffix("_summary.json"))?;
    CallId::new(call).ok()
}

/// A path for a log, in which the name of a file is without that of its call, if that might be a telephone number; see
/// [`CallId::for_log`]. The texts of [`StoreError`] and [`PublishError`](crate::PublishError) have their paths so.
pub fn path_for_log(path: &Path) -> impl fmt::Display {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name_for_log(name) {
        Cow::Borrowed(_) => path.display().to_string(),
        Cow::Owned(name) => path.with_file_name(name).display().to_string(),
    }
}

/// The same for the last part of a path.
pub(crate) fn name_for_log(name: &str) -> Cow<'_, str> {
    match call_of(name) {
        Some(call) if CallId::name_for_log(&name[call.clone()]) == CallId::ODD => {
            format!("{}({}){}", &name[..call.start], CallId::ODD, &name[call.end..]).into()
        }
        _ => name.into(),
    }
}

/// Where in the name of a file of ours, or of one that was set aside, its call is named. A name that is only like one of ours may name
/// one anywhere.
fn call_of(name: &str) -> Option<Range<usize>> {
    let ours = without_aside(name);
    let ends_as_ours = |end| ours.strip_suffix(end).is_some_and(|stream| !stream.is_empty());
    let is_like_ours = ours.starts_with("call_")
        || [".journal", ".partial", ".texts", ".attempts"].into_iter().any(ends_as_ours);
    is_like_ours.then(|| call_in(ours).unwrap_or(0..ours.len()))
}

/// A name as it was before its file was set aside. Elsewhere than at the end, `.bad` is part of a call's name.
fn without_aside(name: &str) -> &str {
    let numbered =
        name.rsplit_once('.').filter(|(_, number)| number.bytes().all(|digit| digit.is_ascii_digit()));
    numbered.map_or(name, |(before, _)| before).strip_suffix(".bad").unwrap_or(name)
}

fn call_in(ours: &str) -> Option<Range<usize>> {
    // Between them are the extension and what makes it unique.
    let partial = ours.strip_suffix(".partial").and_then(|partial| partial.rsplitn(3, '.').last());
    let of_stream = || [".journal", ".attempts"].iter().find_map(|end| ours.strip_suffix(end));
    if let Some(stream) = partial.or_else(of_stream) {
        return Some(0..stream.rsplit_once('_')?.0.len());
    }
    if let Some(call) = ours.strip_suffix(".texts") {
        return Some(0..call.len());
    }
    let rest = ours.strip_prefix("call_")?;
    let call = rest.rsplit_once("_conversation").map(|(call, _)| call);
    let texts = ["_summary.txt", "_summary.json", ".txt"];
    let call = call.or_else(|| texts.iter().find_map(|end| rest.strip_suffix(end)))?;
    Some(5..5 + call.len())
}

/// A name that stays in its directory and is not hidden.
pub(crate) fn check_plain(name: &str) -> Result<(), StoreError> {
    let plain = !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains(['/', '\\', ':', '\0'])
        && Path::new(name).file_name().is_some_and(|last| last == name);
    if plain {
        return Ok(());
    }
    let allowed = "a plain name without directories, not beginning with '.', is needed";
    Err(StoreError::Name { name: name.to_owned(), allowed })
}

/// A text or JSON file. Audio is never rewritten, so it is not accepted where files are replaced.
pub(crate) fn check_text(name: &str) -> Result<(), StoreError> {
    check_plain(name)?;
    if name.ends_with(".txt") || name.ends_with(".json") {
        return Ok(());
    }
    Err(StoreError::Name { name: name.to_owned(), allowed: "only .txt and .json files are rewritten" })
}

pub(crate) fn check_extension(extension: &str) -> Result<(), StoreError> {
    if EXTENSIONS.contains(&extension) {
        return Ok(());
    }
    let allowed = "a recording's extension is one of mp3, wav, ogg, flac, opus, m4a, aac, webm";
    Err(StoreError::Name { name: extension.to_owned(), allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_no_name_for_a_log_and_every_other_name_is_as_it_is() {
        for number in [
            "15550001111",
            "1-555.000_1111",
            "7",
            "5_1",
            "-",
            "1.",
            "sip-15550001111",
            "a.5550001",
            "sip-1-555.000_1111",
            "a.bad-15550001111",
            "a.bad.15550001111",
            "call_15550001111",
        ] {
            let call = CallId::new(number).unwrap();
            assert_eq!(call.for_log(), CallId::ODD);
            for name in [
                recording(&call, 1, "mp3"),
                recording(&call, 2, "wav"),
                transcript(&call),
                summary(&call),
                summary_json(&call),
                journal(&call, 1),
                texts_mark(&call),
                attempts(&call, 2),
                partial(&call, 3, "flac", 0x0123_4567_89ab_cdef),
                format!("{}.bad.2", journal(&call, 4)),
                format!("{}.bad", summary_json(&call)),
            ] {
                let path = Path::new("2026/5.calls").join(&name);
                let told = path_for_log(&path).to_string();
                let rest = told.strip_prefix("2026/5.calls/").unwrap();
                assert!(rest.contains("(of an odd name)"), "{name}: {told}");
                assert!(!name_for_log(&name).contains(&format!("{number}_")), "{name}: {told}");
                assert!(number.len() < 3 || !rest.contains(number), "{name}: {told}");
            }
        }
        for random in [
            "CA",
            "CA12345678901234567890123456789012",
            "12345678-1234-4abc-1234-123456789012",
            "CON-12345678-1234-1234-1234-123456789abc",
            "call-2026-11",
        ] {
            let call = CallId::new(random).unwrap();
            assert_eq!(call.for_log(), random);
            assert_eq!(name_for_log(&summary(&call)), summary(&call));
        }
        for number in ["CA-15550001111-4567890123456789012", "15550001-1234-1234-1234-12345678901x"] {
            assert_eq!(CallId::new(number).unwrap().for_log(), CallId::ODD);
        }
        for unlike_ours in ["15550001111.journal", "call_15550001111.aiff", "call_15550001111.txt.bad.bad"] {
            assert_eq!(name_for_log(unlike_ours).split(".bad").next(), Some("(of an odd name)"));
        }
        let call = CallId::new("CA1").unwrap();
        let unique = temporary(0x1234_5678_9012_3456);
        for name in
            [&recording(&call, 2, "mp3"), &journal(&call, 1), &texts_mark(&call), &transcript(&call), &unique]
        {
            assert_eq!(name_for_log(name), *name);
        }
        for path in ["1_call/CA1.txt", "/srv/2026", "/srv/2026_journals", "5.wav", "call_9", ".journal", "/"]
        {
            assert_eq!(path_for_log(Path::new(path)).to_string(), path);
        }
    }
}
