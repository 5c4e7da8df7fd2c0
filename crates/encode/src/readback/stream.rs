//! A decoder that follows the encoder, a few seconds behind.

use std::io::ErrorKind;

use callrec_audio::g711::{linear_to_ulaw, ulaw_to_linear};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::growing::Growing;
#[cfg(feature = "mp3")]
use super::mpeg_frames::MpegFrames;
use super::{ReadBackError, damaged, guarded, unreadable};
use crate::format::Format;
use crate::settings::WavEncoding;
use crate::spec::Spec;

/// Bytes that must wait before the decoder is asked for more, so that it never comes to the end of what is there and
/// takes it for the end of the file: more than twice the format's largest unit, for a reader looks for the next one. It is
/// memory that every live recording holds.
const fn ahead(format: Format) -> usize {
    match format {
        // 1,152 frames of two samples, as its reader takes them. An MP3 is followed frame by frame.
        Format::Wav | Format::Mp3 => 16 * 1024,
        // 4,608 frames of two samples, if nothing can be foretold.
        Format::Flac => 64 * 1024,
        // A page has 65,307 bytes at most.
        Format::Ogg => 128 * 1024,
    }
}

/// Decodes what was written, as it is written, and keeps none of it.
///
/// Tell it each piece of sound before it is encoded and each piece of file after it is written, patches excepted:
/// what a patch changes is looked at by [`check_file`](super::check_file). Memory stays at some 100 KiB (MP3: 30 KiB, OGG: 300 KiB),
/// whatever the length.
pub struct ReadBack {
    spec: Spec,
    way: Way,
    /// An error was reported; the decoder is in no state to go on.
    failed: bool,
    /// What was encoded, and what came back.
    encoded: Heard,
    decoded: Heard,
    samples: Vec<i16>,
}

/// How packets are found in what was written.
enum Way {
    /// By a reader of files.
    File { source: Growing, open: Option<Open> },
    /// By the headers of their own.
    #[cfg(feature = "mp3")]
    Frames { frames: MpegFrames, decoder: Option<Box<dyn AudioDecoder>> },
}

struct Open {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
}

/// What a [`ReadBack`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReadBackReport {
    /// Frames (samples of each channel) decoded. For MP3 including those that LAME adds at both ends and players
    /// leave out.
    pub frames: u64,
}

impl ReadBack {
    /// Begins with nothing written.
    pub fn new(spec: &Spec) -> Self {
        Self {
            spec: spec.clone(),
            way: match spec.format {
                #[cfg(feature = "mp3")]
                Format::Mp3 => Way::Frames { frames: MpegFrames::new(), decoder: None },
                _ => Way::File { source: Growing::default(), open: None },
            },
            failed: false,
            encoded: Heard::default(),
            decoded: Heard::default(),
            samples: Vec::new(),
        }
    }

    /// Notes what goes into the encoder: interleaved samples. Without it the length and the samples are not compared.
    pub fn encoded(&mut self, pcm: &[i16]) {
        if self.spec.format == Format::Wav && self.spec.wav_encoding == WavEncoding::Mulaw {
            self.encoded.add(pcm.iter().map(|sample| ulaw_to_linear(linear_to_ulaw(*sample))), u64::MAX);
        } else {
            self.encoded.add(pcm.iter().copied(), u64::MAX);
        }
    }

    /// Takes the next bytes of the file, and decodes what is far enough from the end.
    ///
    /// # Errors
    /// [`ReadBackError::Unreadable`] and [`ReadBackError::Damaged`]. The file is then not worth continuing, and every
    /// later call says so again.
    pub fn written(&mut self, bytes: &[u8]) -> Result<(), ReadBackError> {
        if !self.failed {
            match &mut self.way {
                Way::File { source, .. } => source.push(bytes),
                #[cfg(feature = "mp3")]
                Way::Frames { frames, .. } => frames.push(bytes),
            }
        }
        while self.failed || self.is_far_enough() {
            if !self.step()? {
                break;
            }
        }
        Ok(())
    }

    /// Whether a packet can be asked for that may not be there yet.
    fn is_far_enough(&self) -> bool {
        match &self.way {
            Way::File { source, .. } => source.unread() >= ahead(self.spec.format),
            #[cfg(feature = "mp3")]
            Way::Frames { .. } => true,
        }
    }

    /// Decodes the rest and compares it with what was encoded: the length, and for lossless formats each sample.
    ///
    /// # Errors
    /// Any kind of [`ReadBackError`] but `Io`.
    pub fn finish(mut self) -> Result<ReadBackReport, ReadBackError> {
        while self.step()? {}
        #[cfg(feature = "mp3")]
        if let Way::Frames { frames, .. } = &self.way
            && !frames.is_at_the_end_of_a_frame()
        {
            let frame = self.decoded.count / u64::from(self.spec.channels);
            let message = "it ends within a frame".to_owned();
            return Err(ReadBackError::Damaged { format: Format::Mp3, frame, message });
        }
        let channels = u64::from(self.spec.channels);
        let (expected, found) = (self.encoded.count / channels, self.decoded.count / channels);
        if self.encoded.count > 0 && !self.is_length_right(expected, found) {
            return Err(ReadBackError::WrongLength { expected, found });
        }
        if self.is_exact() && self.encoded.count > 0 && self.encoded.hash != self.decoded.hash {
            return Err(ReadBackError::SamplesDiffer);
        }
        Ok(ReadBackReport { frames: found })
    }

    /// Whether each sample can be foretold: always but for the lossy codecs.
    fn is_exact(&self) -> bool {
        matches!(self.spec.format, Format::Wav | Format::Flac)
    }

    fn is_length_right(&self, expected: u64, found: u64) -> bool {
        match self.spec.format {
            // 1,105 samples of delay, the rest of the last frame and one more frame at most.
            Format::Mp3 => (expected + 1_105..=expected + 1_105 + 2 * 1_152).contains(&found),
            // An odd number of bytes is followed by one that fills the chunk.
            Format::Wav if self.spec.wav_bits() == 8 && self.spec.channels == 1 => {
                found == expected + expected % 2
            }
            Format::Wav | Format::Ogg | Format::Flac => found == expected,
        }
    }

    /// Decodes one packet; says whether there was one. After an error there is only that.
    fn step(&mut self) -> Result<bool, ReadBackError> {
        let format = self.spec.format;
        if self.failed {
            let message = "it was found damaged before".to_owned();
            return Err(ReadBackError::Unreadable { format, message });
        }
        self.failed = true;
        let result = guarded(format, || self.decode_packet());
        self.failed = result.is_err();
        result
    }

    /// What [`step`](Self::step) guards.
    fn decode_packet(&mut self) -> Result<bool, ReadBackError> {
        let format = self.spec.format;
        let at = self.decoded.count / u64::from(self.spec.channels);
        let read;
        let (packet, decoder) = match &mut self.way {
            Way::File { source, open: opened } => {
                if opened.is_none() {
                    *opened = open(source, format)?;
                }
                let Some(Open { reader, decoder, track }) = opened else { return Ok(false) };
                let packet = match reader.next_packet() {
                    Ok(Some(packet)) => packet,
                    Ok(None) => return Ok(false),
                    // A header that leaves the length open has no other end; whether it came too early, the count shows.
                    Err(error) if is_end(&error) => return Ok(false),
                    Err(error) => return Err(damaged(format, at, &error)),
                };
                if packet.track_id != *track {
                    return Ok(true);
                }
                read = packet;
                (read.as_packet_ref(), decoder)
            }
            #[cfg(feature = "mp3")]
            Way::Frames { frames, decoder } => {
                let Some(packet) = frames.next(&self.spec, at)? else { return Ok(false) };
                let decoder = match decoder {
                    Some(decoder) => decoder,
                    none => none.insert(MpegFrames::decoder(&self.spec)?),
                };
                (packet, decoder)
            }
        };
        let audio = decoder.decode_ref(&packet).map_err(|error| damaged(format, at, &error))?;
        audio.copy_to_vec_interleaved(&mut self.samples);
        let limit = if self.encoded.count > 0 { self.encoded.count } else { u64::MAX };
        self.decoded.add(self.samples.iter().copied(), limit);
        Ok(true)
    }
}

/// None if there is a header, and nothing behind it that a decoder would open.
fn open(source: &Growing, format: Format) -> Result<Option<Open>, ReadBackError> {
    let stream = MediaSourceStream::new(Box::new(source.clone()), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(format.extension());
    let probed = symphonia::default::get_probe().probe(
        &hint,
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    );
    let reader = match probed {
        Ok(reader) => reader,
        // A FLAC file without a frame is valid, and its reader wants to see one.
        Err(error) if format == Format::Flac && is_end(&error) => return Ok(None),
        Err(error) => return Err(unreadable(format, &error)),
    };
    let nothing = || ReadBackError::Unreadable { format, message: "it holds no sound".to_owned() };
    let track = reader.tracks().first().ok_or_else(nothing)?;
    let params = track.codec_params.as_ref().and_then(|params| params.audio()).ok_or_else(nothing)?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(params, &AudioDecoderOptions::default())
        .map_err(|error| unreadable(format, &error))?;
    Ok(Some(Open { track: track.id, decoder, reader }))
}

fn is_end(error: &SymphoniaError) -> bool {
    matches!(error, SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof)
}

/// Samples counted, and a hash of them.
#[derive(Default)]
struct Heard {
    count: u64,
    hash: u64,
}

impl Heard {
    /// Adds samples; those from the `limit`th on are counted and not hashed.
    fn add(&mut self, samples: impl Iterator<Item = i16>, limit: u64) {
        for sample in samples {
            if self.count < limit {
                // Against accidents, not against attackers: every step can be undone, so one wrong sample always
                // shows, and a lost or exchanged one does but for odds of 2^-64.
                let mixed = (self.hash ^ u64::from(sample.cast_unsigned()) ^ 0x5bd1)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                self.hash = mixed.rotate_left(29);
            }
            self.count += 1;
        }
    }
}
