//! The names of files, made and read back in one place.

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
