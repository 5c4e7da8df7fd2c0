//! What the levels 0 to 8 mean. From 5 on all are the same: what other encoders try there, longer predictors and more blocks,
//! does not pay on telephone sound.

/// How much is tried for a smaller file.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Frames of samples in a block.
    pub(super) block: u16,
    /// The highest order of partitioning of the Rice code.
    pub(super) partitions: u32,
}

impl Effort {
    pub(super) fn of(level: u8) -> Self {
        Self { block: 4_096, partitions: 3 + u32::from(level.min(5)) }
    }
}
