//! The load generator, as a process of its own.

use anyhow::ensure;
use callrec_load::measure::{self, Options};

/// Measures; fails unless every call was recorded as it was made.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let report = measure::run(options)?;
    ensure!(report.is_well(), "{report}");
    Ok(())
}
