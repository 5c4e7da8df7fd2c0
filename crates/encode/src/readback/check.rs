//! The finished file, opened as a player would.

use std::io::{Read, Seek, SeekFrom};

use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Timestamp;

use super::watched::Watched;
use super::{ReadBackError, damaged, guarded, unreadable};
use crate::format::Format;
use crate::spec::Spec;

/// What [`check_file`] found good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// Frames (samples of each channel) that a player plays.
    pub frames: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// By how many frames the time is wrong at most behind a jump into the middle of an MP3: two of its own frames.
const ESTIMATE: u64 = 2 * 1_152;

/// Opens a finished file, compares its header and its length with what was recorded, and decodes its first and its
/// last second.
///
/// `expected_frames` are the frames that went into the encoder; players must find exactly as many. The middle of the
/// file is not decoded: that was [`ReadBack`](super::ReadBack)'s task while it was written.
///
/// # Errors
/// Any kind of [`ReadBackError`] but `SamplesDiffer`.
pub fn check_file(
    source: impl Read + Seek + Send + Sync + 'static,
    spec: &Spec,
    expected_frames: u64,
) -> Result<Checked, ReadBackError> {
    let (source, trouble) = Watched::new(source);
    trouble.unless(guarded(spec.format, || check(source, spec, expected_frames)))
}

fn check(
    mut source: impl Read + Seek + Send + Sync + 'static,
    spec: &Spec,
    expected_frames: u64,
) -> Result<Checked, ReadBackError> {
    let format = spec.format;
    let bytes = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(0))?;
    // Valid, and its reader would want to see a frame.
    if format == Format::Flac && is_header_alone(&mut source, bytes)? {
        let found = 0;
        return match expected_frames {
            0 => Ok(Checked { frames: 0, bytes }),
            expected => Err(ReadBackError::WrongLength { expected, found }),
        };
    }
    if format == Format::Mp3 {
        check_length_told(&mut source, bytes)?;
    }
    source.seek(SeekFrom::Start(0))?;
    let stream = MediaSourceStream::new(Box::new(Sized { source, bytes }), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(format.extension());
    let mut reader = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| unreadable(format, &error))?;

    let nothing = || ReadBackError::Unreadable { format, message: "it holds no sound".to_owned() };
    let track = reader.tracks().first().ok_or_else(nothing)?;
    let track_id = track.id;
    let stated = track.num_frames;
    let params = track.codec_params.as_ref().and_then(|params| params.audio()).ok_or_else(nothing)?.clone();
    check_kind(reader.as_ref(), &params, spec)?;
    if let Some(found) = stated.filter(|found| *found != expected_frames) {
        return Err(ReadBackError::WrongLength { expected: expected_frames, found });
    }

    let second = u64::from(spec.rate);
    let mut ends = Ends { reader: reader.as_mut(), params, track_id, format };
    let mut reached = ends.decode(second)?;
    if reached < expected_frames {
        let from = expected_frames.saturating_sub(second);
        let mut skips = from > reached;
        if skips {
            let to = SeekTo::Timestamp { ts: Timestamp::new(i64::try_from(from).unwrap_or(0)), track_id };
            ends.reader.seek(mode(format), to).map_err(|error| damaged(format, reached, &error))?;
        }
        let end = ends.decode(u64::MAX)?;
        // Where that is, is an estimate, by the number of bytes; that these are as many as they should be was seen.
        skips &= format == Format::Mp3 && end.abs_diff(expected_frames) <= ESTIMATE;
        reached = if skips { expected_frames } else { end.max(reached) };
    }
    if reached != expected_frames {
        return Err(ReadBackError::WrongLength { expected: expected_frames, found: reached });
    }
    Ok(Checked { frames: reached, bytes })
}

/// How to go to the last second. To know exactly where that is in an MP3, each of its frames would have to be looked at: of an hour
/// that are 100,000 and more.
fn mode(format: Format) -> SeekMode {
    if format == Format::Mp3 { SeekMode::Coarse } else { SeekMode::Accurate }
}

/// That an MP3 has as many bytes as its `Info` tag says.
#[cfg(feature = "mp3")]
fn check_length_told(source: &mut (impl Read + Seek), bytes: u64) -> Result<(), ReadBackError> {
    match crate::mp3::length_told(source)? {
        Some(told) if told != bytes => {
            let message = format!("it says that it has {told} bytes, and has {bytes}");
            Err(ReadBackError::Unreadable { format: Format::Mp3, message })
        }
        Some(_) => Ok(()),
        None => Err(ReadBackError::Unreadable {
            format: Format::Mp3,
            message: "it does not say how long it is".to_owned(),
        }),
    }
}

#[cfg(not(feature = "mp3"))]
fn check_length_told(_: &mut (impl Read + Seek), _: u64) -> Result<(), ReadBackError> {
    Ok(())
}

/// Whether a FLAC file of this many bytes ends with its metadata (RFC 9639, section 8.1).
pub(super) fn is_header_alone(source: &mut (impl Read + Seek), bytes: u64) -> Result<bool, ReadBackError> {
    let (mut block, mut at) = ([0; 4], 4);
    source.seek(SeekFrom::Start(0))?;
    while at + 4 <= bytes {
        source.seek(SeekFrom::Start(at))?;
        source.read_exact(&mut block)?;
        let [kind, length @ ..] = block;
        at += 4 + u64::from(u32::from_be_bytes([0, length[0], length[1], length[2]]));
        if kind & 0x80 != 0 {
            return Ok(at == bytes);
        }
    }
    Ok(false)
}

struct Ends<'a> {
    reader: &'a mut dyn FormatReader,
    params: AudioCodecParameters,
    track_id: u32,
    format: Format,
}

impl Ends<'_> {
    /// Decodes from where the reader stands until the file's `until`th frame or its end; says which frame was reached.
    fn decode(&mut self, until: u64) -> Result<u64, ReadBackError> {
        let format = self.format;
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&self.params, &AudioDecoderOptions::default())
            .map_err(|error| unreadable(format, &error))?;
        let mut reached = 0;
        while reached < until {
            let Some(packet) = self.reader.next_packet().map_err(|error| damaged(format, reached, &error))?
            else {
                break;
            };
            if packet.track_id != self.track_id {
                continue;
            }
            let decoded = decoder.decode(&packet).map_err(|error| damaged(format, reached, &error))?.frames();
            // A packet that players leave out altogether (an encoder's delay or padding) reaches nowhere.
            if decoded > 0 {
                let start = packet.pts.get() + i64::try_from(packet.trim_start.get()).unwrap_or(0);
                reached = reached.max(u64::try_from(start).unwrap_or(0) + decoded as u64);
            }
        }
        Ok(reached)
    }
}

fn check_kind(
    reader: &dyn FormatReader,
    params: &AudioCodecParameters,
    spec: &Spec,
) -> Result<(), ReadBackError> {
    let container = match spec.format {
        Format::Mp3 => "mp3",
        Format::Wav => "wave",
        Format::Ogg => "ogg",
        Format::Flac => "flac",
    };
    let describe = |name: &str, rate: u32, channels: usize| format!("{name}, {rate} Hz, {channels} channels");
    let channels = params.channels.as_ref().map_or(0, symphonia::core::audio::Channels::count);
    let found = describe(reader.format_info().short_name, params.sample_rate.unwrap_or(0), channels);
    let expected = describe(container, spec.rate, usize::from(spec.channels));
    if found == expected { Ok(()) } else { Err(ReadBackError::WrongKind { expected, found }) }
}

/// A source that knows its size.
pub(super) struct Sized<R> {
    pub(super) source: R,
    pub(super) bytes: u64,
}

impl<R: Read> Read for Sized<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.source.read(buffer)
    }
}

impl<R: Seek> Seek for Sized<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.source.seek(to)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Sized<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.bytes)
    }
}
