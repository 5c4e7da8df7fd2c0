//! What happens to a file: bytes changed, cut off, gone, doubled, or sectors that were never written.

use crate::input::Input;

/// A sector of a disk, in bytes.
const SECTOR: usize = 512;

/// What a damaged file still has.
pub(crate) struct Damage {
    /// Where the first byte is that may not be as it was.
    pub(crate) first: usize,
    /// Whether each byte behind it that is as it was is where it was.
    pub(crate) in_place: bool,
}

/// Damages a file as the input tells.
pub(crate) fn damage(file: &mut Vec<u8>, input: &mut Input<'_>) -> Damage {
    let (mut first, mut in_place) = (file.len(), true);
    while !input.is_empty() && !file.is_empty() {
        let (what, at, value) = (input.byte(), usize::from(input.u16()) % file.len(), input.byte());
        in_place &= !matches!(what % 6, 2 | 3);
        first = first.min(match what % 6 {
            0 => {
                file[at] ^= value;
                at
            }
            1 => {
                file.truncate(at);
                at
            }
            2 => {
                let end = (at + usize::from(value)).min(file.len());
                file.drain(at..end);
                at
            }
            3 => {
                let end = (at + usize::from(value)).min(file.len());
                let doubled = file[at..end].to_vec();
                file.splice(at..at, doubled);
                at
            }
            4 => {
                let sector = at / SECTOR * SECTOR;
                let end = (sector + SECTOR).min(file.len());
                file[sector..end].fill(value);
                sector
            }
            _ => {
                file.extend((0..=value).map(|byte| byte ^ what));
                file.len() - usize::from(value) - 1
            }
        });
    }
    Damage { first, in_place }
}
