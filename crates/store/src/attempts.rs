//! How often somebody began to make something of a journal and never came to an end, for it ended the process: a mark beside the
//! journal, a line for each time.
//!
//! Nothing of it is synced: what ends a process leaves what that has written.

use std::path::PathBuf;

use crate::disk::File;
use crate::error::At;
use crate::{LockedJournal, RecordingsDir, StoreError, dir, names, open};

/// How long a mark may become, in bytes.
const LONGEST: u64 = 4096;

impl LockedJournal {
    /// How many [attempts](Self::begin_attempt) by those who call themselves so are not over, though nobody is at them any more.
    ///
    /// # Errors
    /// The mark cannot be read.
    pub fn unended_attempts(&self, by: &str) -> Result<u32, StoreError> {
        let path = self.mark();
        let Some(file) = open::read(self.disk(), &path)? else { return Ok(0) };
        let mut bytes = vec![0; LONGEST as usize];
        let len = open::read_at(&file, &mut bytes, 0).at("read", &path)?;
        let lines = bytes[..len].split(|byte| *byte == b'\n');
        Ok(u32::try_from(lines.filter(|line| *line == by.as_bytes()).count()).unwrap_or(u32::MAX))
    }

    /// Notes that something is made of the journal, until what this gives is over or dropped. `by` is one line, and not empty.
    ///
    /// # Errors
    /// The disk refused. That need keep nobody from it.
    pub fn begin_attempt(&self, by: &str) -> Result<Attempt, StoreError> {
        let path = self.mark();
        let file = open::lock_file(self.disk(), &path)?;
        let before = file.len().at("look at", &path)?;
        if before < LONGEST {
            let written = open::write_at(&file, format!("{by}\n").as_bytes(), before);
            // Of a line that found no room nothing is to be left: another would be written behind it.
            written.inspect_err(|_| drop(file.set_len(before))).at("write", &path)?;
        }
        Ok(Attempt { dir: self.dir().clone(), file, path, before, stands: false })
    }

    fn mark(&self) -> PathBuf {
        self.dir().journals().join(names::attempts(self.call(), self.number()))
    }

    /// With the journal goes what is noted of it. If that cannot be removed, [clean-up](RecordingsDir::clean_up) tries again.
    pub(crate) fn forget_attempts(&self) {
        let _ = self.disk().remove(&self.mark());
    }
}

/// Something is made of a journal. When this is dropped it does not count, for the process goes on; those before do as they did. It is to
/// be dropped before the journal is given up.
#[derive(Debug)]
pub struct Attempt {
    dir: RecordingsDir,
    file: File,
    path: PathBuf,
    /// How long the mark was, in bytes.
    before: u64,
    stands: bool,
}

impl Attempt {
    /// It came to its end, and so none of those before counts any more.
    pub fn over(mut self) {
        self.before = 0;
    }

    /// It counts as one that is not over, and so do those before.
    pub fn let_stand(mut self) {
        self.stands = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.stands {
            return;
        }
        let _ = match self.before {
            0 => self.dir.disk().remove(&self.path),
            before => self.file.set_len(before),
        };
    }
}

impl RecordingsDir {
    /// Whether a name is that of a mark whose journal is gone.
    pub(crate) fn is_stale_mark(&self, name: &str) -> Result<bool, StoreError> {
        let Some((call, number)) = names::parse_attempts(name) else { return Ok(false) };
        Ok(!dir::exists(self.disk(), &self.journals().join(names::journal(&call, number)))?)
    }
}
