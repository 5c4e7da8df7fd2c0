//! A decoder by itself.

use anyhow::ensure;
use callrec_encode::Format;
use callrec_encode::readback::decode_file;
use clap::Args;
use std::fs::File;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// The MP3 file to decode.
    file: PathBuf,
}

impl Decode {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut loudest = 0;
        let decoded = decode_file(File::open(&self.file)?, Format::Mp3, |_, _, samples| {
            loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).max(loudest);
        })?;
        ensure!(decoded.frames > 0 && loudest > 0, "{} is silent", self.file.display());
        Ok(())
    }
}
