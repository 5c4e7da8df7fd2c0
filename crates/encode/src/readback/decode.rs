//! A finished file as samples, for whoever wants to see or measure what is in it.

use std::io::{Read, Seek, SeekFrom};

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::check::{Sized, is_header_alone};
use super::watched::Watched;
use super::{ReadBackError, damaged, guarded, unreadable};
use crate::format::Format;

/// What [`decode_file`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// Samples a second of each channel; 0 of a FLAC file without sound.
    pub rate: u32,
    /// How many channels.
    pub channels: u8,
    /// Frames (samples of each channel) that a player plays.
    pub frames: u64,
}

/// Decodes a whole file as a player would, without what an encoder put at its ends. `heard` takes the sound piece by
/// piece: samples a second of each channel, channels, and interleaved samples.
///
/// Every format is decoded, whether this build can encode it or not. Memory does not grow with the file.
///
/// # Errors
/// [`ReadBackError::Unreadable`], [`ReadBackError::Damaged`] and [`ReadBackError::Io`]; what was heard before stays heard.
pub fn decode_file(
    source: impl Read + Seek + Send + Sync + 'static,
    format: Format,
    heard: impl FnMut(u32, u8, &[i16]),
) -> Result<Decoded, ReadBackError> {
    let (source, trouble) = Watched::new(source);
    trouble.unless(guarded(format, || decode(source, format, heard)))
}

fn decode(
    mut source: impl Read + Seek + Send + Sync + 'static,
    format: Format,
    mut heard: impl FnMut(u32, u8, &[i16]),
) -> Result<Decoded, ReadBackError> {
    let bytes = source.seek(SeekFrom::End(0))?;
    if format == Format::Flac && is_header_alone(&mut source, bytes)? {
        return Ok(Decoded { rate: 0, channels: 0, frames: 0 });
    }
    source.seek(SeekFrom::Start(0))?;
    let stream = MediaSourceStream::new(Box::new(Sized { source, bytes }), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(format.extension());
    let mut reader = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| unreadable(format, &error))?;
    decode_track(reader.as_mut(), format, &mut heard)
}

fn decode_track(
    reader: &mut dyn FormatReader,
    format: Format,
    heard: &mut dyn FnMut(u32, u8, &[i16]),
) -> Result<Decoded, ReadBackError> {
    let nothing = || ReadBackError::Unreadable { format, message: "it holds no sound".to_owned() };
    let track = reader.tracks().first().ok_or_else(nothing)?;
    let (id, params) = (track.id, track.codec_params.as_ref().and_then(|params| params.audio()));
    let params = params.ok_or_else(nothing)?.clone();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&params, &AudioDecoderOptions::default())
        .map_err(|error| unreadable(format, &error))?;
    let (mut rate, mut channels) = (params.sample_rate.unwrap_or(0), 0);
    let (mut frames, mut samples) = (0_u64, Vec::<i16>::new());
    while let Some(packet) = reader.next_packet().map_err(|error| damaged(format, frames, &error))? {
        if packet.track_id != id {
            continue;
        }
        let audio = decoder.decode(&packet).map_err(|error| damaged(format, frames, &error))?;
        rate = audio.spec().rate();
        channels = u8::try_from(audio.spec().channels().count()).unwrap_or(u8::MAX);
        frames += audio.frames() as u64;
        audio.copy_to_vec_interleaved(&mut samples);
        heard(rate, channels, &samples);
    }
    Ok(Decoded { rate, channels, frames })
}
