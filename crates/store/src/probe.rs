//! Whether a directory can do all that recording needs of it.

use std::io;
use std::path::Path;

use crate::error::{At, StoreError};
use crate::{RecordingsDir, names, open};

impl RecordingsDir {
    /// Tries whether files can be made, locked, written, named as a recording is (without replacing anything) and removed here, and
    /// whether names can be brought to the disk.
    ///
    /// # Errors
    /// What a recording would fail with, for a check at start or for a health report.
    pub fn probe(&self) -> Result<(), StoreError> {
        let (file, path) = open::locked_temporary(self.disk(), self.own_journals()?, names::temporary)?;
        let name = self.path().join(names::PROBE);
        let written = open::write_at(&file, &[0; 4096], 0).at("write", &path);
        match written.and_then(|()| self.name_for_a_moment(&path, &name)) {
            Ok(true) => {
                let synced = self.disk().sync_directory(self.path());
                let synced = synced.map_err(|cause| lacking("sync", self.path(), cause));
                self.disk().remove(&name).at("remove", &name)?;
                synced
            }
            Ok(false) => self.disk().remove(&path).at("remove", &path),
            Err(error) => {
                let _ = self.disk().remove(&path);
                Err(error)
            }
        }
    }

    /// Gives a file the name of what is tried; false if somebody else's has it, who tries the same now and could.
    fn name_for_a_moment(&self, path: &Path, name: &Path) -> Result<bool, StoreError> {
        loop {
            match self.renaming().rename(self.disk(), path, name) {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    // Perhaps it was left by a process that was killed.
                    if !self.remove_unowned(name)? {
                        return Ok(false);
                    }
                }
                Err(cause) => return Err(lacking("give a file the free name", name, cause)),
            }
        }
    }
}

/// Of what is asked as it should be, `EINVAL` too says that a file system does not know it.
fn lacking(doing: &'static str, path: &Path, cause: io::Error) -> StoreError {
    match cause.kind() {
        io::ErrorKind::InvalidInput => StoreError::Unsupported { doing, path: path.to_owned(), cause },
        _ => StoreError::new(doing, path, cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_cannot_name_a_recording_or_sync_a_directory_is_told_of_as_one() {
        let told = |kind: io::ErrorKind| lacking("sync", Path::new("responses"), kind.into()).to_string();
        for kind in [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported] {
            assert!(told(kind).contains("this file system cannot do it, choose a recordings directory"));
        }
        assert!(told(io::ErrorKind::StorageFull).contains("free some space"));
    }
}
