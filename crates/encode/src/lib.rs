//! Audio files written as a call goes on: MP3, WAV, OGG Vorbis and FLAC behind one trait, and the check that what
//! was written can be read.

#[cfg(feature = "mp3")]
mod mp3;
#[cfg(feature = "ogg")]
mod ogg;
#[cfg(feature = "wav")]
mod wav;

mod encoder;
mod format;
pub mod formats;
pub mod mpeg;
pub mod readback;
mod settings;
mod spec;

pub use encoder::{EncodeError, Encoder, Patch};
pub use format::Format;
pub use settings::{Bitrate, Channels, ParseSettingError, RateSetting, Settings, WavEncoding};
pub use spec::{Setting, Spec, SpecError, Tags};
