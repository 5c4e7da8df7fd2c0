//! The name of a call, checked so that it can be part of a file name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one phone call, as the provider gave it (Twilio: the call SID).
///
/// It becomes part of file names, so only names that stay inside the recordings directory, and that no two calls can
/// share, are accepted: 1 to 128 of the ASCII letters, digits, `_`, `.` and `-`, not beginning with `.`, not ending
/// in `_summary` and not containing `_conversation` (the last two in any case of letters).
///
/// ```
/// use callrec_store::CallId;
///
/// let call = CallId::new("CA0123456789abcdef0123456789abcdef")?;
/// assert_eq!(call.as_str().len(), 34);
/// assert!(CallId::new("../etc/passwd").is_err());
/// # Ok::<(), callrec_store::CallIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallId(String);

impl CallId {
    /// The longest name accepted, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks a name.
    ///
    /// # Errors
    /// What is wrong with it. The error does not repeat the name: it may come from anybody.
    pub fn new(name: &str) -> Result<Self, CallIdError> {
        check(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name for a log. One without a letter, or with seven digits that nothing but punctuation parts, might tell a telephone
    /// number, which no log is to: it is said to be odd. A random name, of 32 hexadecimal digits as providers make them, is none of those.
    pub fn for_log(&self) -> &str {
        if may_tell_a_number(&self.0) { Self::ODD } else { &self.0 }
    }

    /// A name that may be none of a call, for a log: see [`for_log`](Self::for_log).
    #[doc(hidden)]
    pub fn name_for_log(name: &str) -> &str {
        if Self::new(name).is_ok_and(|id| id.for_log() == name) { name } else { Self::ODD }
    }

    /// What a log says in place of a name that it must not tell.
    #[doc(hidden)]
    pub const ODD: &str = "of an odd name";
}

/// The shortest telephone number that is known to more than its town.
const SHORTEST_NUMBER: usize = 7;

fn may_tell_a_number(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphabetic();
    let is_number = |run: &str| run.bytes().filter(u8::is_ascii_digit).count() >= SHORTEST_NUMBER;
    !name.contains(is_letter) || (name.split(is_letter).any(is_number) && !is_random(name))
}

/// Whether a name is a kind, such as `CA`, and 32 hexadecimal digits or a UUID.
fn is_random(name: &str) -> bool {
    let Some(kind) = name.len().checked_sub(32).filter(|kind| *kind <= 2) else {
        return uuid_of(name).is_some_and(|uuid| uuid.iter().all(|part| is_hexadecimal(part)));
    };
    let (kind, digits) = name.split_at(kind);
    kind.bytes().all(|letter| letter.is_ascii_alphabetic()) && is_hexadecimal(digits)
}

/// The five parts of a UUID, which may have a kind before it.
fn uuid_of(name: &str) -> Option<[&str; 5]> {
    let uuid = name.len().checked_sub(36).and_then(|kind| Some((name.get(..kind)?, name.get(kind..)?)));
    let (kind, uuid) = uuid?;
    let parts: [&str; 5] = uuid.split('-').collect::<Vec<_>>().try_into().ok()?;
    let is_kind = kind.bytes().all(|letter| letter.is_ascii_alphabetic() || letter == b'-');
    (is_kind && parts.map(str::len) == [8, 4, 4, 4, 12]).then_some(parts)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn check(name: &str) -> Result<(), CallIdError> {
    if name.is_empty() {
        return Err(CallIdError::Empty);
    }
    if name.len() > CallId::MAX_LEN {
        return Err(CallIdError::TooLong { bytes: name.len() });
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return Err(CallIdError::Character);
    }
    if name.starts_with('.') {
        return Err(CallIdError::Hidden);
    }
    // File systems that ignore case would otherwise let `X_SUMMARY` meet the summary of `X`.
    let lower = name.to_ascii_lowercase();
    if lower.ends_with("_summary") || lower.contains("_conversation") {
        return Err(CallIdError::Reserved);
    }
    Ok(())
}

/// Why a text cannot name a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallIdError {
    /// It has no characters.
    #[error("a call's name is empty: give the provider's call SID")]
    Empty,
    /// It is longer than [`CallId::MAX_LEN`].
    #[error("a call's name has {bytes} bytes: at most {} are allowed", CallId::MAX_LEN)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It has a character that is not allowed, for example `/`.
    #[error("a call's name has a character that is not allowed: use letters, digits, '_', '.' and '-'")]
    Character,
    /// It begins with a dot.
    #[error("a call's name begins with '.', which is not allowed")]
    Hidden,
    /// It would make a file name of one call look like that of another.
    #[error(
        "a call's name ends in '_summary' or contains '_conversation', which file names need for themselves"
    )]
    Reserved,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for CallId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for CallId {
    type Err = CallIdError;
    fn from_str(name: &str) -> Result<Self, CallIdError> {
        Self::new(name)
    }
}

impl TryFrom<String> for CallId {
    type Error = CallIdError;
    fn try_from(name: String) -> Result<Self, CallIdError> {
        check(&name)?;
        Ok(Self(name))
    }
}

impl From<CallId> for String {
    fn from(call: CallId) -> Self {
        call.0
    }
}
