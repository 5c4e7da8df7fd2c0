//! Audio files written as a call goes on: MP3, WAV, OGG Vorbis and FLAC behind one trait, and the check that what
//! was written can be read.
//!
//! Nothing here opens a file. An [`Encoder`] takes samples and appends bytes to a buffer of yours; where a header
//! must be corrected once the length is known, it hands back a [`Patch`]. So a recording can go to a disk, a socket
//! or a test with the same code, and it can be stopped anywhere: a [`checkpoint`](Encoder::checkpoint) makes what
//! there is a file that plays.
//!
//! * [`Settings`] say what is wanted, in words that operators and bots use; [`Settings::resolve`] checks them against
//!   the source's sampling rate and refuses what a codec would silently change. The result is a [`Spec`].
//! * [`Spec::encoder`] opens the encoder. The bytes depend on the spec and the samples alone.
//! * [`readback`] decodes the file as it is written, and looks at the finished one, with decoders that share nothing
//!   with the encoders.
//! * [`formats`] tells people what there is to choose from, and what a minute costs. Where both parties are silent, a minute from mu-law to
//!   file takes 0.60 of the time of one in which one of them speaks in MP3, 0.50 in OGG, 0.45 in FLAC and 0.38 in WAV at 44.1 kHz.
//!
//! # A call's way into a file
//!
//! ```
//! use callrec_encode::readback::{ReadBack, check_file};
//! use callrec_encode::{Format, Settings, Tags};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let Some(format) = Format::compiled().next() else { return Ok(()) };
//! // From a telephone line at 8 kHz; the rate of the file follows from the format and its bitrate.
//! let spec = Settings::default().with_format(format).resolve(8_000)?;
//! let spec = spec.with_tags(Tags::default().with_title("CA0123456789").with_date("2025-07-13T10:30:00"));
//!
//! let mut encoder = spec.encoder()?;
//! let mut readback = ReadBack::new(&spec);
//! let (mut file, mut written) = (Vec::new(), Vec::new());
//! let mut frames = 0;
//!
//! for _ in 0..50 {
//!     // 20 ms, already at `spec.rate`: left the caller, right the assistant.
//!     let pcm = vec![0_i16; spec.rate as usize / 50 * usize::from(spec.channels)];
//!     frames += u64::from(spec.rate / 50);
//!     readback.encoded(&pcm);
//!     written.clear();
//!     encoder.encode(&pcm, &mut written)?;
//!     readback.written(&written)?;
//!     file.extend_from_slice(&written);
//! }
//! written.clear();
//! let patch = encoder.finish(&mut written)?;
//! readback.written(&written)?;
//! readback.finish()?; // all of it decodes, and as much came back as went in
//! file.extend_from_slice(&written);
//! if let Some(patch) = patch {
//!     patch.apply(&mut file); // in a real file: seek to `patch.offset`, write `patch.bytes`
//! }
//! let checked = check_file(std::io::Cursor::new(file), &spec, frames)?;
//! assert_eq!(checked.frames, frames); // a player plays one second, to the sample
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! Each format is a feature: `mp3` (LAME, linked statically, LGPL), `wav`, `ogg` (libvorbis) and `flac`; all are on
//! by default. A format that is left out is refused by name, with a list of those there are.

#[cfg(feature = "flac")]
mod flac;
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
