//! Bits in the order FLAC has them, the most significant first.

/// Appends bits to a buffer that belongs to somebody else.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// The bits not yet in `out`: the lowest `64 - free`. What stands above them is left over and falls out.
    pending: u64,
    free: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, pending: 0, free: 64 }
    }

    /// Appends the lowest `bits` (up to 63) of `value`; what is above them must be zero.
    #[inline]
    pub(super) fn put(&mut self, value: u64, bits: u32) {
        debug_assert!(bits < 64 && value >> bits == 0, "{value} in {bits} bits");
        if bits < self.free {
            self.pending = self.pending << bits | value;
            self.free -= bits;
        } else {
            let rest = bits - self.free;
            self.out.extend_from_slice(&(self.pending << self.free | value >> rest).to_be_bytes());
            self.pending = value;
            self.free = 64 - rest;
        }
    }

    /// Appends a signed number in two's complement.
    #[inline]
    pub(super) fn put_signed(&mut self, value: i32, bits: u32) {
        self.put(u64::from(value.cast_unsigned()) & ((1 << bits) - 1), bits);
    }

    /// Appends `zeros` zeros and a one.
    pub(super) fn put_unary(&mut self, mut zeros: u32) {
        while zeros >= 63 {
            self.put(0, 63);
            zeros -= 63;
        }
        self.put(1, zeros + 1);
    }

    /// Fills the last byte with zeros.
    pub(super) fn finish(self) {
        let used = 64 - self.free;
        if used > 0 {
            let bytes = (self.pending << self.free).to_be_bytes();
            self.out.extend_from_slice(&bytes[..used.div_ceil(8) as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_in_the_order_they_went_in() {
        let fields: Vec<(u64, u32)> = (0..500_u64)
            .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), (n % 64) as u32))
            .map(|(v, b)| (v & ((1 << b) - 1), b))
            .collect();
        let mut out = vec![0xaa];
        let mut bits = BitWriter::new(&mut out);
        for (value, width) in &fields {
            bits.put(*value, *width);
        }
        bits.finish();
        let mut text: String = fields
            .iter()
            .filter(|(_, width)| *width > 0)
            .map(|(value, width)| format!("{value:0width$b}", width = *width as usize))
            .collect();
        while !text.len().is_multiple_of(8) {
            text.push('0');
        }
        let written: String = out[1..].iter().map(|byte| format!("{byte:08b}")).collect();
        assert_eq!(written, text);
        assert_eq!(out[0], 0xaa);
    }

    #[test]
    fn a_long_run_of_zeros_is_as_long_as_asked() {
        for zeros in [0, 1, 62, 63, 64, 126, 1_000] {
            let mut out = Vec::new();
            let mut bits = BitWriter::new(&mut out);
            bits.put_unary(zeros);
            bits.finish();
            let first = out
                .iter()
                .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
                .position(|bit| bit == 1);
            assert_eq!(first, Some(zeros as usize));
        }
    }
}
