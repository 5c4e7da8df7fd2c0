//! MP3 at a constant bitrate: LAME makes the frames; the tags around them are made here.
//!
//! LAME writes its frames piecemeal, and its own tag frame is left out by it without a word when the bitrate is low.
//! So its output is cut into whole frames, each is checked against what was asked for, and the first frame, which
//! tells players the exact length, is written by [`info`]. A file at a checkpoint ends with a whole frame.

mod frame;
mod id3;
mod info;

use std::sync::{Mutex, PoisonError};

use mp3lame_encoder::{Bitrate, Builder, FlushGap, InterleavedPcm, Mode, MonoPcm, Quality};

use crate::encoder::{EncodeError, Encoder, Patch, frames_of};
use crate::format::Format;
pub(crate) use crate::mp3::frame::FrameHeader;
use crate::mp3::frame::Frames;
pub(crate) use crate::mp3::id3::{HEAD as TAG_HEAD, length as tag_length};
use crate::mp3::info::InfoFrame;
pub(crate) use crate::mp3::info::{is_info, length_told};
use crate::spec::{Spec, SpecError};

/// Frames of samples passed to LAME at a time: bounds the scratch buffer, and costs nothing.
const BLOCK: usize = 2_304;

/// The largest file whose length the tag can state, in bytes.
const LIMIT: u64 = u32::MAX as u64;

pub(crate) struct Mp3Encoder {
    lame: mp3lame_encoder::Encoder,
    channels: u8,
    /// ID3 tag and information frame, until they are written.
    head: Option<Vec<u8>>,
    info: InfoFrame,
    frames: Frames,
    /// What LAME gave and is not yet cut into frames.
    scratch: Vec<u8>,
    /// Frames of samples taken.
    samples: u64,
    /// The size a second of this bitrate takes, to know early when the limit comes.
    bytes_per_second: u64,
    rate: u32,
}

impl Mp3Encoder {
    pub(crate) fn new(spec: &Spec) -> Result<Self, SpecError> {
        let failed = |message: String| SpecError::Codec { format: Format::Mp3, message };
        let lame = open_lame(spec).map_err(failed)?;
        let id3 = id3::tag(&spec.tags.cleaned());
        let info = InfoFrame::new(spec, id3.len() as u64);
        let mut head = id3;
        head.extend_from_slice(&info.unknown());
        Ok(Self {
            lame,
            channels: spec.channels,
            info,
            frames: Frames::new(spec),
            scratch: Vec::with_capacity(mp3lame_encoder::max_required_buffer_size(BLOCK)),
            samples: 0,
            bytes_per_second: u64::from(spec.mp3_bitrate.kbps()) * 125,
            rate: spec.rate,
            head: Some(head),
        })
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if let Some(head) = self.head.take() {
            out.extend_from_slice(&head);
        }
    }
}

/// LAME's effort, 0 the most to 9 the least.
///
/// Level 7 is the fastest that loses nothing. Measured on ten minutes of recorded telephone prompts in turns, stereo;
/// the signal-to-noise ratio in dB, and the CPU time as a share of level 3's, which is what ffmpeg's libmp3lame uses
/// (its files have the ratio of level 3 to 0.01 dB):
///
/// | | 8 kHz, 32k | 8 kHz, 64k | 16 kHz, 64k | 16 kHz, 128k | 44.1 kHz, 128k |
/// |---|---|---|---|---|---|
/// | level 7 | 23.14 | 25.06 | 25.50 | 26.01 | 26.00 |
/// | level 5 | 21.11 | 24.85 | 25.00 | 25.97 | 25.94 |
/// | level 3 | 20.86 | 24.86 | 25.01 | 25.98 | 26.00 |
/// | time of level 7 / 5 | 0.52 / 0.83 | 0.70 / 0.99 | 0.53 / 1.14 | 0.39 / 0.69 | 0.68 / 0.92 |
///
/// LAME sets itself no low-pass at these bitrates. One at 4.2 kHz would save 9 % of its instructions at 16 kHz and 128k and leave the
/// signal-to-noise ratio as it is (26.01 dB); one at 3.8 kHz costs 0.4 dB, of what a line has above 3.4 kHz. `mp3lame-encoder` has no
/// way to ask for one, and calling the C library beside it for that alone is not worth the unsafe code.
const QUALITY: Quality = Quality::Ok;

/// LAME fills tables that all its encoders share whenever one is opened, always with the same numbers. One at a time
/// leaves no encoder with a table that another has only begun to fill.
static OPENING: Mutex<()> = Mutex::new(());

fn open_lame(spec: &Spec) -> Result<mp3lame_encoder::Encoder, String> {
    let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let words = |error: mp3lame_encoder::BuildError| error.to_string();
    let bitrate = bitrate(spec.mp3_bitrate.kbps()).ok_or_else(|| "no such bitrate".to_owned())?;
    let mut builder = Builder::new().ok_or_else(|| "out of memory".to_owned())?;
    builder.set_num_channels(spec.channels).map_err(words)?;
    builder.set_sample_rate(spec.rate).map_err(words)?;
    // Said twice, for otherwise LAME resamples at low bitrates.
    builder.set_output_sample_rate(std::num::NonZeroU32::new(spec.rate)).map_err(words)?;
    builder.set_brate(bitrate).map_err(words)?;
    // Never joint stereo: it may code the sum and the difference of the parties, and what is rounded off the one who
    // speaks is then heard on the side of the one who is silent.
    builder.set_mode(if spec.channels == 2 { Mode::Stereo } else { Mode::Mono }).map_err(words)?;
    builder.set_quality(QUALITY).map_err(words)?;
    builder.set_to_write_vbr_tag(false).map_err(words)?;
    builder.build().map_err(words)
}

fn bitrate(kbps: u32) -> Option<Bitrate> {
    Some(match kbps {
        8 => Bitrate::Kbps8,
        16 => Bitrate::Kbps16,
        24 => Bitrate::Kbps24,
        32 => Bitrate::Kbps32,
        40 => Bitrate::Kbps40,
        48 => Bitrate::Kbps48,
        64 => Bitrate::Kbps64,
        80 => Bitrate::Kbps80,
        96 => Bitrate::Kbps96,
        112 => Bitrate::Kbps112,
        128 => Bitrate::Kbps128,
        160 => Bitrate::Kbps160,
        192 => Bitrate::Kbps192,
        224 => Bitrate::Kbps224,
        256 => Bitrate::Kbps256,
        320 => Bitrate::Kbps320,
        _ => return None,
    })
}

impl Encoder for Mp3Encoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let grown = self.samples + frames_of(pcm, self.channels)? as u64;
        // A second more than the samples take covers what LAME adds at both ends.
        let bytes = (grown / u64::from(self.rate) + 2) * self.bytes_per_second;
        if bytes > LIMIT {
            return Err(EncodeError::TooLong { format: Format::Mp3, limit_bytes: LIMIT });
        }
        self.start(out);
        self.samples = grown;
        for block in pcm.chunks(BLOCK * usize::from(self.channels)) {
            self.scratch.clear();
            let written = if self.channels == 2 {
                self.lame.encode_to_vec(InterleavedPcm(block), &mut self.scratch)
            } else {
                self.lame.encode_to_vec(MonoPcm(block), &mut self.scratch)
            };
            written.map_err(|error| codec(&error))?;
            self.frames.push(&self.scratch, out)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.start(out);
        Ok(Some(self.info.patch(&self.frames, 0)))
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.start(out);
        self.scratch.clear();
        // `FlushGap` encodes what LAME still holds; the other kind of flush loses up to a quarter of a second.
        self.lame.flush_to_vec::<FlushGap>(&mut self.scratch).map_err(|error| codec(&error))?;
        self.frames.most = self.info.frames_for(self.samples);
        self.frames.push(&self.scratch, out)?;
        self.frames.end()?;
        let padding = self.info.padding(&self.frames, self.samples);
        Ok(Some(self.info.patch(&self.frames, padding)))
    }
}

fn codec(error: &mp3lame_encoder::EncodeError) -> EncodeError {
    EncodeError::Codec { format: Format::Mp3, message: error.to_string() }
}
