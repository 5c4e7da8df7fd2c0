//! The first frame of an MP3, which is silent and tells players the exact length and where to seek.
//!
//! It is the `Info` tag that Xing began and LAME extended; the layout is that of LAME's "Mp3 Info Tag revision 1".
//! Players skip a frame that holds it. A tag whose flags are empty says nothing, and that is what stands in the file
//! until a patch fills it in.

use std::io::{self, Read, Seek, SeekFrom};

use crate::encoder::Patch;
use crate::mp3::frame::{Crc16, FrameHeader, Frames};
use crate::mp3::id3;
use crate::mpeg;
use crate::spec::Spec;

/// Samples LAME puts before the first one that was passed in, its decoder's 529 not counted.
const ENCODER_DELAY: u64 = 576;
/// Samples by which a decoder is late.
const DECODER_DELAY: u64 = 529;
/// `Info`, flags, frames, bytes, table of contents, quality.
const XING: usize = 4 + 4 + 4 + 4 + 100 + 4;
/// LAME's extension.
const LAME: usize = 36;

/// Whether a frame has no sound, but this tag.
pub(crate) fn is_info(header: FrameHeader, frame: &[u8]) -> bool {
    frame.get(4 + header.side_info()..).is_some_and(|rest| rest.starts_with(b"Info"))
}

/// The length in bytes that a file's `Info` tag says the file has, tags in front of it included; none if it says nothing.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn length_told(source: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    let tag = id3::length(&at(source, 0)?);
    let Some(header) = FrameHeader::parse(at::<4>(source, tag)?) else { return Ok(None) };
    let xing: [u8; 16] = at(source, tag + 4 + header.side_info() as u64)?;
    let [i, n, f, o, _, _, _, flags, _, _, _, _, length @ ..] = xing;
    let says_it = [i, n, f, o] == *b"Info" && flags & 0x03 == 0x03;
    Ok(says_it.then(|| tag + u64::from(u32::from_be_bytes(length))))
}

/// Bytes of a file from there on; zeros behind its end.
fn at<const N: usize>(source: &mut (impl Read + Seek), offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = Vec::with_capacity(N);
    source.seek(SeekFrom::Start(offset))?;
    source.take(N as u64).read_to_end(&mut bytes)?;
    bytes.resize(N, 0);
    Ok(bytes.try_into().unwrap_or([0; N]))
}

pub(crate) struct InfoFrame {
    header: FrameHeader,
    /// Where in the file it stands.
    offset: u64,
    /// The bitrate of the frames that follow, which may be too low for this one.
    kbps: u32,
}

impl InfoFrame {
    pub(crate) fn new(spec: &Spec, offset: u64) -> Self {
        let kbps = spec.mp3_bitrate.kbps();
        let mut header = FrameHeader { rate: spec.rate, kbps, channels: spec.channels, padded: false };
        let needed = 4 + header.side_info() + XING + LAME;
        let roomy = mpeg::bitrates(spec.rate).iter().copied().filter(|choice| *choice >= kbps);
        header.kbps = roomy
            .into_iter()
            .find(|kbps| FrameHeader { kbps: *kbps, ..header }.size() >= needed)
            .unwrap_or(kbps);
        Self { header, offset, kbps }
    }

    /// The frame that says nothing yet.
    pub(crate) fn unknown(&self) -> Vec<u8> {
        let mut out = vec![0; self.header.size()];
        if let Some(bytes) = self.header.bytes() {
            out[..4].copy_from_slice(&bytes);
        }
        let tag = 4 + self.header.side_info();
        out[tag..tag + 4].copy_from_slice(b"Info");
        out
    }

    /// How many frames a decoder needs for so many samples: LAME gives one more now and then, and players that know
    /// nothing of this tag would play it.
    pub(crate) fn frames_for(&self, samples: u64) -> u32 {
        let needed = (ENCODER_DELAY + DECODER_DELAY + samples).div_ceil(u64::from(self.header.samples()));
        u32::try_from(needed).unwrap_or(u32::MAX)
    }

    /// How many samples behind the last real one the whole frames hold.
    pub(crate) fn padding(&self, frames: &Frames, samples: u64) -> u64 {
        (u64::from(frames.count) * u64::from(self.header.samples())).saturating_sub(ENCODER_DELAY + samples)
    }

    /// The frame that tells what was written so far.
    pub(crate) fn patch(&self, frames: &Frames, padding: u64) -> Patch {
        let mut out = self.unknown();
        let total = u32::try_from(out.len()).unwrap_or(0) + frames.bytes;
        let mut at = 4 + self.header.side_info() + 4;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&0x0f_u32.to_be_bytes()); // frames, bytes, table of contents and quality are given
        put(&frames.count.to_be_bytes());
        put(&total.to_be_bytes());
        put(&table_of_contents(total - frames.bytes, total));
        put(&0_u32.to_be_bytes()); // quality: not judged
        put(b"LAME3.100");
        put(&[0x01, 0]); // constant bitrate; lowpass not stated
        put(&[0; 8]); // peak and replay gain: not measured
        put(&[0x10, u8::try_from(self.kbps).unwrap_or(u8::MAX)]); // psychoacoustics of LAME 3.9x; the bitrate
        let gaps = (ENCODER_DELAY << 12 | padding.min(0xfff)).to_be_bytes();
        put(&gaps[5..]);
        let stereo = if self.header.channels == 2 { 1 << 2 } else { 0 };
        put(&[stereo, 0, 0, 0]); // mode; gain and preset: none
        put(&total.to_be_bytes());
        put(&frames.crc.0.to_be_bytes());
        let end = at;
        let mut crc = Crc16::default();
        crc.update(&out[..end]);
        out[end..end + 2].copy_from_slice(&crc.0.to_be_bytes());
        Patch { offset: self.offset, bytes: out }
    }
}

/// Where each hundredth of the time begins, in 256ths of the bytes. All frames are of one size but for a byte of
/// padding, so time and bytes go together.
fn table_of_contents(first: u32, total: u32) -> [u8; 100] {
    let (first, total) = (u64::from(first), u64::from(total).max(1));
    std::array::from_fn(|percent| {
        let at = first + (total - first) * percent as u64 / 100;
        u8::try_from(at * 256 / total).unwrap_or(u8::MAX)
    })
}
