//! The trait all formats are written through: samples in, bytes appended, no file in sight.

use crate::format::Format;

/// Bytes to be written over earlier ones, when a length became known that a header states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patch {
    /// Where in the file, in bytes from its beginning. `offset + bytes.len()` never exceeds what was written.
    pub offset: u64,
    /// What goes there.
    pub bytes: Vec<u8>,
}

impl Patch {
    /// Writes the patch into a file held in memory.
    ///
    /// Bytes beyond the end of `file` are left out; no encoder of this crate asks for any.
    pub fn apply(&self, file: &mut [u8]) {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(file.len());
        for (old, new) in file[start..].iter_mut().zip(&self.bytes) {
            *old = *new;
        }
    }
}

/// Writes one audio file, piece by piece.
///
/// An encoder comes from [`Spec::encoder`](crate::Spec::encoder). It never opens a file: whatever becomes ready is
/// appended to the caller's buffer, and the caller writes that at the end of the file. The bytes depend on the spec
/// and the samples alone, not on how the samples were cut into calls.
///
/// ```
/// # #[cfg(feature = "wav")] {
/// use callrec_encode::{Format, Settings};
///
/// let spec = Settings::default().with_format(Format::Wav).resolve(8_000)?;
/// let mut encoder = spec.encoder()?;
/// let mut file = Vec::new();
/// encoder.encode(&[0; 320], &mut file)?; // 20 ms of stereo silence: 160 frames of two samples
/// if let Some(patch) = encoder.finish(&mut file)? {
///     patch.apply(&mut file); // the header now tells the length
/// }
/// assert_eq!(&file[..4], b"RIFF");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # For implementations
///
/// `encode`, `checkpoint` and `finish` append to `out` and never read or shorten it. Nothing happens in `Drop`: an
/// encoder that is dropped leaves a file as it was at the last call. Memory is bounded: what is kept does not grow
/// with the length of the recording. An encoder added here is run through every promise by `tests/promises.rs`
/// once [`Format::is_compiled`] says so.
pub trait Encoder: Send {
    /// Encodes interleaved samples (`left, right, left, ...` or mono) at the spec's rate, and appends what is ready.
    ///
    /// Any number of frames, also none. What is not ready stays inside, a few frames of the codec at most.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`]: the format cannot hold these samples too. None of them went into the file, and
    /// [`finish`](Encoder::finish) still completes what came before. [`EncodeError::Uneven`]: not a whole number of
    /// frames; nothing was taken. [`EncodeError::Codec`]: drop the encoder; the last checkpoint is what there is.
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Makes the bytes given so far, with the returned patch, a file that players open.
    ///
    /// Encoding goes on afterwards, and the finished file's audio is the same as without the checkpoint. The file
    /// at a checkpoint may lack the end of what was passed in. WAV lacks nothing. MP3 lacks up to six of its frames,
    /// which is 0.4 s at 8 kHz and 0.2 s at 16 kHz, and below 32 kbit/s up to 0.7 s. OGG lacks the page that is being
    /// filled, of 4 KiB as a rule: two seconds of speech at the default quality, six at the lowest, 10 s when both
    /// parties are silent. Until there is a frame or a page, an
    /// MP3 or OGG file holds nothing to play and players refuse it.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode).
    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError>;

    /// Appends the rest. With the patch the file is complete, and its length exact to the sample.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode).
    fn finish(self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError>;
}

/// Why samples could not be encoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The file would grow beyond what the format (or the operator) allows. Nothing of the refused samples was
    /// written; the encoder can be finished.
    #[error("a {format} file may have {limit_bytes} bytes at most, and these samples do not fit any more")]
    TooLong {
        /// The format of the file.
        format: Format,
        /// The limit that would be crossed, in bytes of the whole file.
        limit_bytes: u64,
    },
    /// The samples are not a whole number of frames.
    #[error("{samples} samples cannot be divided among {channels} channels")]
    Uneven {
        /// How many samples were passed.
        samples: usize,
        /// The channels of the spec.
        channels: u8,
    },
    /// The codec itself failed, for lack of memory for example.
    #[error("the {format} encoder failed: {message}")]
    Codec {
        /// The format of the file.
        format: Format,
        /// The codec's own words.
        message: String,
    },
}

/// Checks that `pcm` is a whole number of frames and says how many.
#[allow(dead_code, reason = "unused when no format is compiled")]
pub(crate) fn frames_of(pcm: &[i16], channels: u8) -> Result<usize, EncodeError> {
    let width = usize::from(channels.max(1));
    if pcm.len().is_multiple_of(width) {
        Ok(pcm.len() / width)
    } else {
        Err(EncodeError::Uneven { samples: pcm.len(), channels })
    }
}
