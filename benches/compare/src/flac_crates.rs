//! The crates that write FLAC, behind callrec's trait, to be measured beside its own encoder.

use callrec_encode::{EncodeError, Encoder, Format, Patch, Spec};
use clap::ValueEnum;
use flac_codec::encode::{FlacSampleWriter, Options};
use flacenc::bitsink::ByteSink;
use flacenc::component::BitRepr as _;
use flacenc::config;
use flacenc::error::Verify as _;
use flacenc::source::MemSource;
use std::fmt::Debug;
use std::io::Cursor;

/// One of them, as it is unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlacCrate {
    Flacenc,
    FlacCodec,
}

impl FlacCrate {
    pub(crate) fn encoder(self, spec: &Spec) -> Box<dyn Encoder> {
        Box::new(Whole { by: self, rate: spec.rate, channels: spec.channels, samples: Vec::new() })
    }
}

/// Writes all of a file when it is finished: one of them holds what it wrote until then, and the other seeks back in it.
struct Whole {
    by: FlacCrate,
    rate: u32,
    channels: u8,
    samples: Vec<i32>,
}

impl Encoder for Whole {
    fn encode(&mut self, pcm: &[i16], _out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.samples.extend(pcm.iter().copied().map(i32::from));
        Ok(())
    }

    fn checkpoint(&mut self, _out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        Ok(None)
    }

    fn finish(self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        match self.by {
            FlacCrate::Flacenc => self.flacenc(out),
            FlacCrate::FlacCodec => self.flac_codec(out),
        }?;
        Ok(None)
    }
}

impl Whole {
    fn flacenc(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let config = config::Encoder::default().into_verified().map_err(|(_, error)| failed(error))?;
        let source = MemSource::from_samples(&self.samples, self.channels.into(), 16, self.rate as usize);
        let stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size);
        let mut sink = ByteSink::new();
        stream.map_err(failed)?.write(&mut sink).map_err(failed)?;
        out.extend_from_slice(sink.as_slice());
        Ok(())
    }

    fn flac_codec(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut file = Cursor::new(Vec::new());
        let total = Some(self.samples.len() as u64);
        let writer =
            FlacSampleWriter::new(&mut file, Options::default(), self.rate, 16, self.channels, total);
        let mut writer = writer.map_err(failed)?;
        // A second at a time.
        for samples in self.samples.chunks(self.rate as usize * usize::from(self.channels)) {
            writer.write(samples).map_err(failed)?;
        }
        writer.finalize().map_err(failed)?;
        out.append(&mut file.into_inner());
        Ok(())
    }
}

fn failed(error: impl Debug) -> EncodeError {
    EncodeError::Codec { format: Format::Flac, message: format!("{error:?}") }
}
