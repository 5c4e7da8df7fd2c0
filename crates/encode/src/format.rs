//! The four file formats a call can be recorded in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings::ParseSettingError;

/// A file format of a recording.
///
/// All four are always known by name, so that settings can be read and refused with a reason; which of them this
/// build can write depends on the cargo features `mp3`, `wav`, `ogg` and `flac` ([`Format::is_compiled`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// MPEG audio layer III at a constant bitrate, by LAME.
    #[default]
    Mp3,
    /// RIFF/WAVE: 16-bit linear PCM, or 8-bit G.711 μ-law.
    Wav,
    /// Vorbis in Ogg, at a constant quality.
    Ogg,
    /// Free Lossless Audio Codec.
    Flac,
}

impl Format {
    /// Every format, the recommended one first.
    pub const ALL: [Format; 4] = [Format::Mp3, Format::Wav, Format::Ogg, Format::Flac];

    /// The formats this build can write, the recommended one first.
    pub fn compiled() -> impl Iterator<Item = Format> {
        Self::ALL.into_iter().filter(|format| format.is_compiled())
    }

    /// Whether this build can write the format.
    pub const fn is_compiled(self) -> bool {
        match self {
            Format::Mp3 => cfg!(feature = "mp3"),
            Format::Wav => cfg!(feature = "wav"),
            Format::Ogg => cfg!(feature = "ogg"),
            Format::Flac => cfg!(feature = "flac"),
        }
    }

    /// The file name's ending, without the dot; also the name in settings and requests.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Mp3 => "mp3",
            Format::Wav => "wav",
            Format::Ogg => "ogg",
            Format::Flac => "flac",
        }
    }

    /// The media type for HTTP (RFC 3003 for MP3, RFC 5334 for Ogg, RFC 9639 for FLAC; WAV has no registered one
    /// that browsers know, so the usual `audio/wav`).
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Mp3 => "audio/mpeg",
            Format::Wav => "audio/wav",
            Format::Ogg => "audio/ogg",
            Format::Flac => "audio/flac",
        }
    }

    /// Whether the format as such keeps every sample. A WAV file of μ-law is the exception:
    /// [`Spec::is_lossless`](crate::Spec::is_lossless) knows.
    pub const fn is_lossless(self) -> bool {
        matches!(self, Format::Wav | Format::Flac)
    }

    /// What one loses, in a line for people.
    pub const fn quality(self) -> &'static str {
        match self {
            Format::Mp3 => "lossy, constant bitrate; at 128k speech is indistinguishable from the call",
            Format::Wav => "lossless as PCM; as mu-law exactly what a mu-law telephone line carried",
            Format::Ogg => "lossy, constant quality; smaller than MP3 at the same clarity",
            Format::Flac => "lossless, compressed",
        }
    }

    /// When to choose it, in a line for people.
    pub const fn best_for(self) -> &'static str {
        match self {
            Format::Mp3 => "listening anywhere, sharing, long storage: every player and browser knows it",
            Format::Wav => "editing, speech recognition and tools that know nothing else",
            Format::Ogg => "small archives and web players that know Vorbis",
            Format::Flac => "archives that must keep every sample in half the space of WAV",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.extension())
    }
}

impl FromStr for Format {
    type Err = ParseSettingError;

    /// Reads `mp3`, `wav`, `ogg` or `flac`, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| text.trim().eq_ignore_ascii_case(format.extension()))
            .ok_or_else(|| ParseSettingError::new(text, "mp3, wav, ogg or flac"))
    }
}
