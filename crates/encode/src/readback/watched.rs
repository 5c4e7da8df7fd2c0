//! A file whose reading may fail: that says nothing of what is in it, whatever a decoder makes of that.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use super::ReadBackError;

/// Why a file could not be read, if it could not.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Error>>>);

impl Trouble {
    /// What was found, unless it was found of a file that could not be read.
    pub(super) fn unless<T>(
        &self,
        found: std::result::Result<T, ReadBackError>,
    ) -> std::result::Result<T, ReadBackError> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.map_err(|error| noted.map_or(error, ReadBackError::Io))
    }
}

/// Notes why the file cannot be read.
pub(super) struct Watched<R> {
    source: R,
    trouble: Trouble,
}

impl<R> Watched<R> {
    pub(super) fn new(source: R) -> (Self, Trouble) {
        let trouble = Trouble::default();
        (Self { source, trouble: trouble.clone() }, trouble)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.source.read(buffer).inspect_err(|error| {
            if error.kind() != ErrorKind::Interrupted {
                let noted = Error::new(error.kind(), error.to_string());
                self.trouble.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(noted);
            }
        })
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.source.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::decode_file;
    use super::*;
    use crate::format::Format;

    /// A second of silence in 8 bits.
    fn wav() -> Vec<u8> {
        let (rate, len) = (8_000_u32, 8_000_u32);
        let riff = [&b"RIFF"[..], &(36 + len).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
        let kind = [&1_u16.to_le_bytes()[..], &1_u16.to_le_bytes(), &rate.to_le_bytes(), &rate.to_le_bytes()];
        let bits = [&1_u16.to_le_bytes()[..], &8_u16.to_le_bytes(), b"data", &len.to_le_bytes()];
        [riff, kind.concat(), bits.concat(), vec![0x80; len as usize]].concat()
    }

    /// A disk that cannot read from some byte on.
    struct Bad {
        file: Cursor<Vec<u8>>,
        from: u64,
    }

    impl Read for Bad {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            match self.from.saturating_sub(self.file.position()) {
                0 if !buffer.is_empty() => Err(Error::other("a bad sector")),
                left => (&mut self.file).take(left).read(buffer),
            }
        }
    }

    impl Seek for Bad {
        fn seek(&mut self, to: SeekFrom) -> Result<u64> {
            self.file.seek(to)
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_told_to_be_damaged() {
        let file = wav();
        let decode = |from| {
            let source = Bad { file: Cursor::new(file.clone()), from };
            decode_file(source, Format::Wav, |_, _, _| {}).map(|decoded| decoded.frames)
        };
        assert_eq!(decode(u64::MAX).unwrap(), 8_000);
        for from in [0, 11, 30, 44, 4_000] {
            let error = decode(from).unwrap_err();
            assert!(
                matches!(&error, ReadBackError::Io(cause) if cause.to_string() == "a bad sector"),
                "{error:?}"
            );
        }
        let cut = decode_file(Cursor::new(file[..30].to_vec()), Format::Wav, |_, _, _| {}).unwrap_err();
        assert!(!matches!(cut, ReadBackError::Io(_)), "{cut:?}");
    }
}
