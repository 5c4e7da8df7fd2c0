//! FLAC (RFC 9639), by an encoder of our own that is made for telephone sound.
//!
//! A decoded mu-law line fills 14 of 16 bits and has one speaker at a time. So the channels are looked at for bits that are
//! always zero, silence costs a few bytes, blocks are as short as speech stays the same, and two parties who have nothing
//! in common are not looked at for it.
//!
//! `benches/RESULTS.md` has it beside `flac -5` and the crates that write FLAC, in CPU time and size.

mod bits;
mod crc;
mod head;
mod level;
mod linear;
mod predict;
mod rice;
mod subframe;

use md5::{Digest, Md5};

use crate::encoder::{EncodeError, Encoder, Patch, frames_of};
use crate::format::Format;
use crate::spec::{Spec, SpecError, Tags};
use bits::BitWriter;
use head::{Layout, StreamInfo};
use level::Effort;
use subframe::{Channel, Work};

pub(crate) struct FlacEncoder {
    effort: Effort,
    info: StreamInfo,
    tags: Tags,
    started: bool,
    /// Interleaved samples of a block that is not full yet.
    waiting: Vec<i16>,
    blocks: u64,
    md5: Md5,
    room: Room,
}

/// What is used for each block anew.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    left: Channel,
    right: Channel,
    work: Work,
}

impl FlacEncoder {
    pub(crate) fn new(spec: &Spec) -> Result<Self, SpecError> {
        if !matches!(spec.channels, 1 | 2) || spec.rate == 0 || spec.rate >> 20 != 0 {
            let message = format!("{} channels at {} Hz cannot be written", spec.channels, spec.rate);
            return Err(SpecError::Codec { format: Format::Flac, message });
        }
        let effort = Effort::of(spec.flac_level, spec.rate);
        let info = StreamInfo {
            rate: spec.rate,
            channels: spec.channels,
            block: effort.block,
            least_bytes: 0,
            most_bytes: 0,
            total: 0,
            md5: [0; 16],
        };
        Ok(Self {
            effort,
            info,
            tags: spec.tags.clone(),
            started: false,
            waiting: Vec::new(),
            blocks: 0,
            md5: Md5::new(),
            room: Room::default(),
        })
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            out.extend_from_slice(&head::file_header(&self.info, &self.tags));
        }
    }

    /// STREAMINFO with what is known of the blocks so far.
    fn patch(&mut self) -> Patch {
        self.info.md5 = self.md5.clone().finalize().into();
        Patch { offset: head::STREAMINFO_AT, bytes: self.info.bytes() }
    }

    /// Appends one block: a full one, or the last.
    fn encode_block(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let start = out.len();
        let length = pcm.len() / usize::from(self.info.channels);
        let room = &mut self.room;
        room.bytes.clear();
        room.bytes.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        self.md5.update(&room.bytes);

        let layout = room.arrange(pcm, self.info.channels);
        head::frame_header(self.blocks, length, self.info.rate, layout, out);
        let Room { left, right, work, .. } = room;
        let channels: &[&Channel] = match layout {
            Layout::Mono => &[left],
            Layout::LeftRight => &[left, right],
        };
        let mut bits = BitWriter::new(out);
        for channel in channels {
            channel.write(&self.effort, work, &mut bits);
        }
        bits.finish();
        let crc = crc::crc16(&out[start..]);
        out.extend(crc.to_be_bytes());

        // The last block is left out of no bound but that of the block's own length.
        let bytes = u32::try_from(out.len() - start).unwrap_or(0);
        self.info.least_bytes = if self.blocks == 0 { bytes } else { self.info.least_bytes.min(bytes) };
        self.info.most_bytes = self.info.most_bytes.max(bytes);
        self.info.total += length as u64;
        self.blocks += 1;
    }
}

impl Room {
    /// Fills the channels.
    fn arrange(&mut self, pcm: &[i16], channels: u8) -> Layout {
        if channels == 1 {
            self.left.fill(pcm.iter().map(|sample| i32::from(*sample)), 16);
            return Layout::Mono;
        }
        let (frames, _) = pcm.as_chunks::<2>();
        self.left.fill(frames.iter().map(|[left, _]| i32::from(*left)), 16);
        self.right.fill(frames.iter().map(|[_, right]| i32::from(*right)), 16);
        Layout::LeftRight
    }
}

impl Encoder for FlacEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        frames_of(pcm, self.info.channels)?;
        self.start(out);
        let block = usize::from(self.effort.block) * usize::from(self.info.channels);
        let mut rest = pcm;
        if !self.waiting.is_empty() {
            let (now, later) = pcm.split_at(pcm.len().min(block - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            rest = later;
            if self.waiting.len() == block {
                let mut waiting = std::mem::take(&mut self.waiting);
                self.encode_block(&waiting, out);
                waiting.clear();
                self.waiting = waiting;
            }
        }
        let blocks = rest.chunks_exact(block);
        self.waiting.extend_from_slice(blocks.remainder());
        for pcm in blocks {
            self.encode_block(pcm, out);
        }
        Ok(())
    }

    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.start(out);
        Ok(Some(self.patch()))
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.start(out);
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.encode_block(&waiting, out);
        }
        Ok(Some(self.patch()))
    }
}
