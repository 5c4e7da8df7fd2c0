//! An MP3 while it is written, cut into frames where their headers say. A reader of files would hold 64 KiB and more of each, and
//! stay behind by as much.

use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::{ReadBackError, unreadable};
use crate::format::Format;
use crate::mp3::{FrameHeader, TAG_HEAD, is_info, tag_length};
use crate::spec::Spec;

/// What was written, from the frame on that was given out last.
pub(super) struct MpegFrames {
    unread: Vec<u8>,
    /// Bytes of it that were given out.
    given: usize,
    begun: Begun,
}

/// How far the file's beginning was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// Not at all.
    No,
    /// The tag in front has so many bytes more.
    InTag(u64),
    /// The first frame comes next, which may have no sound in it.
    AtFirst,
    /// All frames have sound.
    Sound,
}

impl MpegFrames {
    pub(super) fn new() -> Self {
        Self { unread: Vec::new(), given: 0, begun: Begun::No }
    }

    /// A decoder for what this spec makes.
    pub(super) fn decoder(spec: &Spec) -> Result<Box<dyn AudioDecoder>, ReadBackError> {
        let mut params = AudioCodecParameters::new();
        params.for_codec(CODEC_ID_MP3).with_sample_rate(spec.rate);
        symphonia::default::get_codecs()
            .make_audio_decoder(&params, &AudioDecoderOptions::default())
            .map_err(|error| unreadable(Format::Mp3, &error))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Whether nothing is left of a frame that did not end.
    pub(super) fn is_at_the_end_of_a_frame(&self) -> bool {
        self.unread.len() == self.given
    }

    /// The next frame with sound in it that is there as a whole. `at` is how many samples of each channel came before.
    pub(super) fn next(&mut self, spec: &Spec, at: u64) -> Result<Option<PacketRef<'_>>, ReadBackError> {
        self.unread.drain(..std::mem::take(&mut self.given));
        let mut from = 0;
        let frame = loop {
            let unread = &self.unread[from..];
            match self.begun {
                Begun::No => {
                    let Some(head) = unread.first_chunk::<TAG_HEAD>() else { break None };
                    self.begun = Begun::InTag(tag_length(head));
                }
                Begun::InTag(0) => self.begun = Begun::AtFirst,
                Begun::InTag(_) if unread.is_empty() => break None,
                Begun::InTag(left) => {
                    let skipped = unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    from += skipped;
                    self.begun = Begun::InTag(left - skipped as u64);
                }
                Begun::AtFirst | Begun::Sound => {
                    let Some(head) = unread.first_chunk() else { break None };
                    let header = FrameHeader::parse(*head).ok_or_else(|| no_frame(at))?;
                    is_of(header, spec)?;
                    let Some(frame) = unread.get(..header.size()) else { break None };
                    from += frame.len();
                    let is_silent = self.begun == Begun::AtFirst && is_info(header, frame);
                    self.begun = Begun::Sound;
                    if !is_silent {
                        break Some((from - frame.len()..from, header.samples()));
                    }
                }
            }
        };
        self.given = from;
        Ok(frame.map(|(bytes, samples)| {
            let pts = Timestamp::new(i64::try_from(at).unwrap_or(i64::MAX));
            PacketRef::new(0, pts, Duration::from(u64::from(samples)), &self.unread[bytes])
        }))
    }
}

fn no_frame(at: u64) -> ReadBackError {
    let message = "no frame begins where the one before ends".to_owned();
    ReadBackError::Damaged { format: Format::Mp3, frame: at, message }
}

/// That a frame is what was asked for.
fn is_of(header: FrameHeader, spec: &Spec) -> Result<(), ReadBackError> {
    if (header.rate, header.channels) == (spec.rate, spec.channels) {
        return Ok(());
    }
    let describe = |rate: u32, channels: u8| format!("mp3, {rate} Hz, {channels} channels");
    let (expected, found) = (describe(spec.rate, spec.channels), describe(header.rate, header.channels));
    Err(ReadBackError::WrongKind { expected, found })
}
