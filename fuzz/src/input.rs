//! An input taken apart, from its beginning: numbers that choose, and pieces.

/// What is left of an input. Where it is at its end, numbers are zero and pieces empty.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        self.number::<1>() as u8
    }

    pub(crate) fn u16(&mut self) -> u16 {
        self.number::<2>() as u16
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes, as many as there are.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// What is before the next such byte, which is passed over.
    pub(crate) fn until(&mut self, end: u8) -> &'a [u8] {
        let len = self.0.iter().position(|byte| *byte == end).unwrap_or(self.0.len());
        let piece = self.take(len);
        self.take(1);
        piece
    }

    fn number<const N: usize>(&mut self) -> u64 {
        self.take(N).iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}
