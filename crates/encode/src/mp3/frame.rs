//! Layer III frames: their headers, and LAME's output cut into whole ones.

use crate::encoder::EncodeError;
use crate::format::Format;
use crate::spec::Spec;

/// Bytes of a frame header.
const HEADER: usize = 4;

const KBPS_1: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBPS_2: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// What a frame header says (ISO/IEC 11172-3, 2.4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) rate: u32,
    pub(crate) kbps: u32,
    pub(crate) channels: u8,
    /// A byte more, to keep the average at rates that do not divide evenly.
    pub(crate) padded: bool,
}

impl FrameHeader {
    pub(crate) fn parse(bytes: [u8; HEADER]) -> Option<Self> {
        let [first, second, third, fourth] = bytes;
        // Eleven bits of sync, then version, then layer III.
        if first != 0xff || second & 0xe0 != 0xe0 || second & 0x06 != 0x02 {
            return None;
        }
        let divisor = match second >> 3 & 3 {
            3 => 1,
            2 => 2,
            0 => 4,
            _ => return None,
        };
        let base = *[44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
        let table = if divisor == 1 { KBPS_1 } else { KBPS_2 };
        let kbps = *table.get(usize::from(third >> 4)).filter(|kbps| **kbps > 0)?;
        let channels = if fourth >> 6 == 3 { 1 } else { 2 };
        Some(Self { rate: base / divisor, kbps, channels, padded: third & 2 != 0 })
    }

    /// The header's bytes: no checksum, mode stereo or mono, marked as an original as LAME does.
    pub(crate) fn bytes(self) -> Option<[u8; HEADER]> {
        let (version, divisor, table) = match self.rate {
            8_000..=12_000 => (0_u8, 4, KBPS_2),
            16_000..=24_000 => (2, 2, KBPS_2),
            _ => (3, 1, KBPS_1),
        };
        let rate = [44_100, 48_000, 32_000].iter().position(|base| base / divisor == self.rate)?;
        let kbps = table.iter().position(|kbps| *kbps == self.kbps)?;
        let (rate, kbps) = (u8::try_from(rate).ok()?, u8::try_from(kbps).ok()?);
        let mode = if self.channels == 1 { 0xc0 } else { 0 };
        Some([0xff, 0xe3 | version << 3, kbps << 4 | rate << 2 | u8::from(self.padded) << 1, mode | 0x04])
    }

    /// Frames of samples in it: 1,152 in MPEG-1, 576 below.
    pub(crate) fn samples(self) -> u32 {
        if self.rate >= 32_000 { 1_152 } else { 576 }
    }

    /// Its size in bytes, header and all.
    pub(crate) fn size(self) -> usize {
        (self.samples() / 8 * self.kbps * 1_000 / self.rate) as usize + usize::from(self.padded)
    }

    /// Bytes of side information behind the header.
    pub(crate) fn side_info(self) -> usize {
        match (self.rate >= 32_000, self.channels) {
            (true, 2) => 32,
            (true, _) | (false, 2) => 17,
            (false, _) => 9,
        }
    }
}

/// Cuts a stream of bytes into whole frames, and counts them.
pub(crate) struct Frames {
    rate: u32,
    kbps: u32,
    channels: u8,
    /// The frame being collected.
    partial: Vec<u8>,
    /// Whole frames given out.
    pub(crate) count: u32,
    /// How many there are to be: what LAME adds behind them is left out.
    pub(crate) most: u32,
    /// Their bytes.
    pub(crate) bytes: u32,
    /// Their checksum, as the tag states it.
    pub(crate) crc: Crc16,
}

impl Frames {
    pub(crate) fn new(spec: &Spec) -> Self {
        Self {
            rate: spec.rate,
            kbps: spec.mp3_bitrate.kbps(),
            channels: spec.channels,
            partial: Vec::new(),
            count: 0,
            most: u32::MAX,
            bytes: 0,
            crc: Crc16::default(),
        }
    }

    /// Takes bytes as LAME gives them, and appends the frames they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.partial.extend_from_slice(bytes);
        let mut taken = 0;
        while let Some(header) = self.partial[taken..].first_chunk::<HEADER>() {
            let size = self.checked(*header)?.size();
            let Some(frame) = self.partial.get(taken..taken + size) else { break };
            if self.count < self.most {
                self.crc.update(frame);
                out.extend_from_slice(frame);
                self.count += 1;
                self.bytes += u32::try_from(size).unwrap_or(0);
            }
            taken += size;
        }
        self.partial.drain(..taken);
        Ok(())
    }

    /// Checks that nothing is left over.
    pub(crate) fn end(&self) -> Result<(), EncodeError> {
        if self.partial.is_empty() { Ok(()) } else { Err(broken("LAME's last frame is not whole")) }
    }

    /// Refuses a frame that is not what was asked for: LAME would rather change a setting than say no.
    fn checked(&self, header: [u8; HEADER]) -> Result<FrameHeader, EncodeError> {
        let header = FrameHeader::parse(header).ok_or_else(|| broken("LAME gave no frame header"))?;
        if (header.rate, header.kbps, header.channels) == (self.rate, self.kbps, self.channels) {
            Ok(header)
        } else {
            Err(broken("LAME changed the rate, the bitrate or the channels"))
        }
    }
}

fn broken(message: &str) -> EncodeError {
    EncodeError::Codec { format: Format::Mp3, message: message.to_owned() }
}

/// The checksum of the tag: polynomial 0x8005, bits reversed, beginning with 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct Crc16(pub(crate) u16);

impl Crc16 {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 >> 8 ^ TABLE[usize::from(self.0 as u8 ^ byte)];
        }
    }
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u16;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xa001 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mpeg;

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        for rate in mpeg::RATES {
            for kbps in mpeg::bitrates(rate).iter().copied() {
                for (channels, padded) in [(1, false), (2, true)] {
                    let header = FrameHeader { rate, kbps, channels, padded };
                    assert_eq!(FrameHeader::parse(header.bytes().unwrap()), Some(header));
                }
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [[0; 4], [0xff; 4], [0xff, 0xfb, 0xf0, 0], [0xff, 0xfb, 0x0c, 0], *b"ID3\x04"] {
            assert_eq!(FrameHeader::parse(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        let mut crc = Crc16::default();
        crc.update(b"123456789"); // CRC-16/ARC, check value of the catalogue of parametrised CRC algorithms
        assert_eq!(crc.0, 0xbb3d);
    }
}
