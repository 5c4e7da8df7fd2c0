//! Vorbis in Ogg, at a constant quality.

mod send;

use std::num::{NonZeroU8, NonZeroU32};
use std::sync::{Arc, Mutex, PoisonError};

use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisEncoderBuilder, VorbisError};

use crate::encoder::{EncodeError, Encoder, Patch, frames_of};
use crate::format::Format;
use crate::ogg::send::SendEncoder;
use crate::spec::{Spec, SpecError};

/// Frames of samples passed to Vorbis at a time. Always this many, for what it makes of a stream's beginning depends
/// on how much of it it sees at once.
const BLOCK: usize = 1_024;

pub(crate) struct OggEncoder {
    vorbis: SendEncoder<Pages>,
    pages: Pages,
    channels: u8,
    /// One block, a vector to each channel, as far as it is filled.
    block: Vec<Vec<f32>>,
}

impl OggEncoder {
    pub(crate) fn new(spec: &Spec) -> Result<Self, SpecError> {
        let failed = |message: String| SpecError::Codec { format: Format::Ogg, message };
        let nothing = || failed("no channels or no rate".to_owned());
        let rate = NonZeroU32::new(spec.rate).ok_or_else(nothing)?;
        let channels = NonZeroU8::new(spec.channels).ok_or_else(nothing)?;
        let pages = Pages::default();
        let serial = i32::from_ne_bytes(spec.serial.to_ne_bytes());
        let mut builder = VorbisEncoderBuilder::new_with_serial(rate, channels, pages.clone(), serial);
        builder.bitrate_management_strategy(VorbisBitrateManagementStrategy::QualityVbr {
            target_quality: (spec.vorbis_quality() / 10.0).min(1.0),
        });
        let tags = spec.tags.cleaned();
        for (name, text) in [("TITLE", tags.title), ("DATE", tags.date), ("ENCODER", tags.encoder)] {
            if let Some(text) = text {
                builder.comment_tag(name, text).map_err(|error| failed(error.to_string()))?;
            }
        }
        let vorbis = SendEncoder::build(&mut builder).map_err(|error| failed(error.to_string()))?;
        let block = vec![Vec::with_capacity(BLOCK); usize::from(spec.channels)];
        Ok(Self { vorbis, pages, channels: spec.channels, block })
    }

    fn encode_block(&mut self) -> Result<(), EncodeError> {
        self.vorbis.encode_audio_block(&self.block).map_err(|error| codec(&error))?;
        for channel in &mut self.block {
            channel.clear();
        }
        Ok(())
    }
}

impl Encoder for OggEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        frames_of(pcm, self.channels)?;
        for frame in pcm.chunks_exact(usize::from(self.channels)) {
            for (channel, sample) in self.block.iter_mut().zip(frame) {
                channel.push(f32::from(*sample) / 32_768.0);
            }
            if self.block[0].len() == BLOCK {
                self.encode_block()?;
            }
        }
        self.pages.take(out);
        Ok(())
    }

    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.pages.take(out);
        Ok(None)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        if !self.block[0].is_empty() {
            self.encode_block()?;
        }
        let Self { vorbis, pages, .. } = *self;
        vorbis.finish().map_err(|error| codec(&error))?;
        pages.take(out);
        Ok(None)
    }
}

fn codec(error: &VorbisError) -> EncodeError {
    EncodeError::Codec { format: Format::Ogg, message: error.to_string() }
}

/// Where Vorbis leaves its pages until the next call takes them out.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Pages {
    fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl std::io::Write for Pages {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
