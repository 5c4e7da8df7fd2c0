//! What MPEG audio layer III allows: which bitrate at which sampling rate.
//!
//! LAME, asked for a bitrate that a rate does not have, changes one of the two and says nothing. So the tables are
//! kept here, and what is not in them is refused. Facts: ISO/IEC 11172-3 table of `bitrate_index` (MPEG-1, 32 to
//! 48 kHz), ISO/IEC 13818-3 (MPEG-2, 16 to 24 kHz); MPEG-2.5 (8 to 12 kHz) is an extension that every player
//! knows, with the table of MPEG-2, of which LAME uses the part up to 64 kbit/s.
//!
//! 56 and 144 kbit/s are in the standard but not in the binding to LAME, and so not here.

/// The sampling rates of layer III in Hz, ascending. The other formats are offered the same.
pub const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

const MPEG_1: &[u32] = &[32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG_2: &[u32] = &[8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160];
const MPEG_2_5: &[u32] = &[8, 16, 24, 32, 40, 48, 64];

/// The bitrates in kbit/s that a sampling rate in Hz allows, ascending; empty for a rate that layer III lacks.
pub const fn bitrates(rate: u32) -> &'static [u32] {
    match rate {
        8_000 | 11_025 | 12_000 => MPEG_2_5,
        16_000 | 22_050 | 24_000 => MPEG_2,
        32_000 | 44_100 | 48_000 => MPEG_1,
        _ => &[],
    }
}

/// The sampling rates in Hz at which a bitrate in kbit/s exists, ascending.
pub fn rates_for(kbps: u32) -> impl Iterator<Item = u32> {
    RATES.into_iter().filter(move |rate| bitrates(*rate).contains(&kbps))
}

/// The bitrates in kbit/s that exist at any rate, ascending.
pub fn all_bitrates() -> Vec<u32> {
    let mut all: Vec<u32> = RATES.into_iter().flat_map(|rate| bitrates(rate).iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}
