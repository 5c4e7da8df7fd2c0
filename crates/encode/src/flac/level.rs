//! What the levels 0 to 8 mean.

/// How much is tried for a smaller file.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Frames of samples in a block.
    pub(super) block: u16,
    /// The highest order of partitioning of the Rice code.
    pub(super) partitions: u32,
    /// The highest order of linear prediction; 0: none.
    pub(super) order: usize,
}

impl Effort {
    pub(super) fn of(level: u8, rate: u32) -> Self {
        // About a tenth of a second: speech is another one after that.
        let block = match rate {
            0..=12_000 => 1_024,
            12_001..=24_000 => 2_048,
            _ => 4_096,
        };
        let order = [0, 0, 0, 4, 6, 8, 10, 12, 16][usize::from(level.min(8))];
        Self { block, partitions: 3 + u32::from(level.min(3)), order }
    }
}
