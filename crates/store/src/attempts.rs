//! How often somebody began to make something of a journal and never came to an end, for it ended the process: a mark beside the
//! journal, a line for each time.
//!
//! Nothing of it is synced: what ends a process leaves what that has written.

use std::path::PathBuf;

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

    /// Notes that something is made of the journal, until what this gives is dropped. `by` is one line, and not empty.
    ///
    /// # Errors
    /// The disk refused. That need keep nobody from it.
    pub fn begin_attempt(&self, by: &str) -> Result<Attempt, StoreError> {
        let path = self.mark();
        let file = open::lock_file(self.disk(), &path)?;
        let len = file.len().at("look at", &path)?;
        if len < LONGEST {
            open::write_at(&file, format!("{by}\n").as_bytes(), len).at("write", &path)?;
        }
        Ok(Attempt { dir: self.dir().clone(), path, stands: false })
    }

    fn mark(&self) -> PathBuf {
        self.dir().journals().join(names::attempts(self.call(), self.number()))
    }

    /// With the journal goes what is noted of it. If that cannot be removed, [clean-up](RecordingsDir::clean_up) tries again.
    pub(crate) fn forget_attempts(&self) {
        let _ = self.disk().remove(&self.mark());
    }
}

/// Something is made of a journal. When this is dropped it is over, and so are those before, however it went: the process goes on.
#[derive(Debug)]
pub struct Attempt {
    dir: RecordingsDir,
    path: PathBuf,
    stands: bool,
}

impl Attempt {
    /// It counts as one that is not over, and so do those before.
    pub fn let_stand(mut self) {
        self.stands = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.stands {
            let _ = self.dir.disk().remove(&self.path);
        }
    }
}

impl RecordingsDir {
    /// Whether a name is that of a mark whose journal is gone.
    pub(crate) fn is_stale_mark(&self, name: &str) -> Result<bool, StoreError> {
        let Some((call, number)) = names::parse_attempts(name) else { return Ok(false) };
        Ok(!dir::exists(self.disk(), &self.journals().join(names::journal(&call, number)))?)
    }
}
