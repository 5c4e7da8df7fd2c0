//! What stands before the sound: the marker, STREAMINFO, the tags; and the header of each frame.

use super::bits::BitWriter;
use super::crc::crc8;
use crate::spec::Tags;

/// Where STREAMINFO's contents begin, in bytes from the file's beginning.
pub(super) const STREAMINFO_AT: u64 = 8;
/// Bytes of STREAMINFO's contents.
const STREAMINFO_BYTES: usize = 34;

/// The facts of STREAMINFO (RFC 9639, section 8.2). Zero stands for "not known" in all but the first three.
#[derive(Clone)]
pub(super) struct StreamInfo {
    pub(super) rate: u32,
    pub(super) channels: u8,
    /// Frames of samples in every block but the last.
    pub(super) block: u16,
    pub(super) least_bytes: u32,
    pub(super) most_bytes: u32,
    /// Frames of samples in the file.
    pub(super) total: u64,
    /// Of the samples, interleaved, little-endian.
    pub(super) md5: [u8; 16],
}

impl StreamInfo {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(STREAMINFO_BYTES);
        let mut bits = BitWriter::new(&mut out);
        bits.put(self.block.into(), 16);
        bits.put(self.block.into(), 16);
        bits.put(self.least_bytes.into(), 24);
        bits.put(self.most_bytes.into(), 24);
        bits.put(self.rate.into(), 20);
        bits.put(u64::from(self.channels == 2), 3);
        bits.put(16 - 1, 5);
        // Beyond 36 bits (16 days at 48 kHz) the length is "not known", as the format provides.
        bits.put(if self.total >> 36 == 0 { self.total } else { 0 }, 36);
        bits.finish();
        out.extend_from_slice(&self.md5);
        out
    }
}

/// Everything before the first frame.
pub(super) fn file_header(info: &StreamInfo, tags: &Tags) -> Vec<u8> {
    let mut out = b"fLaC".to_vec();
    metadata(0, false, &info.bytes(), &mut out);
    metadata(4, true, &comments(tags), &mut out);
    out
}

fn metadata(kind: u8, is_last: bool, contents: &[u8], out: &mut Vec<u8>) {
    // Tags are bounded to a few kilobytes, so that 24 bits hold any length here.
    let length = u32::try_from(contents.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.push(kind | if is_last { 0x80 } else { 0 });
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(contents);
}

/// VORBIS_COMMENT: little-endian, unlike the rest of the file.
fn comments(tags: &Tags) -> Vec<u8> {
    let tags = tags.cleaned();
    let fields: Vec<String> = [("TITLE", tags.title), ("DATE", tags.date), ("ENCODER", tags.encoder)]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
        .collect();
    let mut out = Vec::new();
    counted(VENDOR, &mut out);
    out.extend(length(fields.len()));
    for field in &fields {
        counted(field, &mut out);
    }
    out
}

/// Names the library that encoded. Without a version, so that the bytes depend on the spec and the samples alone.
const VENDOR: &str = "callrec";

fn counted(text: &str, out: &mut Vec<u8>) {
    out.extend(length(text.len()));
    out.extend(text.as_bytes());
}

fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

/// How the two channels are written (the codes of RFC 9639, section 9.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    Mono = 0,
    LeftRight = 1,
}

/// Appends the header of a frame of `length` (1 to 65,536) frames of samples, its checksum included.
pub(super) fn frame_header(number: u64, length: usize, rate: u32, layout: Layout, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0xff, 0xf8]); // the sync code; all blocks but the last have one size
    let less_one = u16::try_from(length - 1).unwrap_or(u16::MAX);
    let size_code = match length {
        256 | 512 | 1_024 | 2_048 | 4_096 | 8_192 => length.trailing_zeros() as u8,
        1..=256 => 6,
        _ => 7,
    };
    let (rate_code, rate_bytes) = rate_code(rate);
    out.push(size_code << 4 | rate_code);
    out.push((layout as u8) << 4 | 0b1000); // 16 bits
    coded_number(number, out);
    match size_code {
        6 => out.push(less_one as u8),
        7 => out.extend(less_one.to_be_bytes()),
        _ => {}
    }
    out.extend(rate_bytes.into_iter().flat_map(u16::to_be_bytes));
    let crc = crc8(&out[start..]);
    out.push(crc);
}

/// The rate in a frame's header: a code, and the Hz themselves where no code is for them. A rate that does not fit
/// stands in STREAMINFO alone, as is allowed.
fn rate_code(rate: u32) -> (u8, Option<u16>) {
    match (rate, u16::try_from(rate)) {
        (8_000, _) => (4, None),
        (16_000, _) => (5, None),
        (22_050, _) => (6, None),
        (24_000, _) => (7, None),
        (32_000, _) => (8, None),
        (44_100, _) => (9, None),
        (48_000, _) => (10, None),
        (_, Ok(hz)) => (13, Some(hz)),
        (_, Err(_)) => (0, None),
    }
}

/// A frame's number, coded like a character of UTF-8, but of up to 36 bits.
fn coded_number(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 {
        out.push(number as u8);
        return;
    }
    // With `more` bytes of six bits each, the first byte has 6 - more bits of its own.
    let more = (1..6_u32).find(|more| number >> (5 * more + 6) == 0).unwrap_or(6);
    let lead = (0xff00_u32 >> (more + 1)) as u8;
    out.push(lead | (number >> (6 * more)) as u8);
    for index in (0..more).rev() {
        out.push(0x80 | (number >> (6 * index)) as u8 & 0x3f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_as_utf_8_codes_characters() {
        for number in [0_u32, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff] {
            let mut out = Vec::new();
            coded_number(number.into(), &mut out);
            let mut expected = [0; 4];
            let text = char::from_u32(number).unwrap().encode_utf8(&mut expected);
            assert_eq!(out, text.as_bytes(), "{number:x}");
        }
        let mut out = Vec::new();
        coded_number(0x7fff_ffff, &mut out);
        assert_eq!(out, [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
    }
}
