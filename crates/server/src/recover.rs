//! `callrec recover`: what a killed server left is finished, without a server and by the user whose it is.

use crate::config::Config;
use anyhow::Context as _;
use callrec::{Health, Recorder};
use std::io::{self, Write as _};

/// Finishes what is free of it, and tells how much.
///
/// # Errors
/// The directory is another user's or cannot be used, or some of it could not be finished.
pub(crate) fn run(config: &Config) -> anyhow::Result<()> {
    #[cfg(unix)]
    owner::must_be(rustix::process::geteuid().as_raw(), &config.recordings_directory)?;
    let recorder = Recorder::builder(&config.recordings_directory)
        .group_read(config.recordings_group_read)
        .settings(config.audio.clone())
        .min_free_disk(config.min_free_disk)
        .recover_at_start(false)
        .start()
        .context("RECORDINGS_DIRECTORY")?;
    let recovery = recorder.recover()?;
    let mut stdout = io::stdout();
    let _ = writeln!(
        stdout,
        "recordings finished: {}; failed: {}; in use by a running server: {}",
        recovery.finished, recovery.failed, recovery.owned
    );
    anyhow::ensure!(recovery.failed == 0, not_recovered(config, &recorder.health()));
    Ok(())
}

/// What to do where some journals could not be finished.
fn not_recovered(config: &Config, health: &Health) -> String {
    let told = "some journals could not be finished; the log says why, and they are kept";
    let (no_room, free) = (health.refused.recordings_no_room, health.disk_free_bytes.unwrap_or_default());
    if no_room == 0 {
        return told.to_owned();
    }
    format!(
        "{told}. For want of room: {no_room}; the disk has {} MB free, and {} MB are to stay free beside some for live calls: free some \
         space, or lower MIN_FREE_DISK_MB",
        free / 1_000_000,
        config.min_free_disk / 1_000_000
    )
}

/// Whose the recordings are.
#[cfg(unix)]
mod owner {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    /// Refuses what is another user's: files that this one made there, locks above all, which stay, the other's server could not open.
    pub(super) fn must_be(us: u32, directory: &Path) -> anyhow::Result<()> {
        // Where it is, it was made by the server, whoever made the directory for it. Of what cannot be looked at, the start tells.
        let found = [directory.join(".journal"), directory.to_owned()]
            .into_iter()
            .find_map(|path| Some((fs::metadata(&path).ok()?.uid(), path)));
        let Some((owner, path)) = found.filter(|(owner, _)| *owner != us) else { return Ok(()) };
        anyhow::bail!(
            "{} belongs to another user (number {owner}, and this is number {us}), whose server could not open what is made there now: \
             run it as that user, `sudo -u '#{owner}' callrec recover` (RECORDINGS_DIRECTORY)",
            path.display()
        )
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_directory_of_another_user_is_refused_and_one_of_ours_or_none_is_not() {
            let home = tempfile::tempdir().unwrap();
            let us = fs::metadata(home.path()).unwrap().uid();
            must_be(us, home.path()).unwrap();
            must_be(us + 1, &home.path().join("missing")).unwrap();
            let refused = |directory: &Path| must_be(us + 1, directory).unwrap_err().to_string();
            let told = refused(home.path());
            assert!(
                told.starts_with(&format!("{} belongs to another user", home.path().display())),
                "{told}"
            );
            assert!(told.contains(&format!("`sudo -u '#{us}' callrec recover`")), "{told}");
            // It is what tells whose server it is.
            fs::DirBuilder::new().create(home.path().join(".journal")).unwrap();
            must_be(us, home.path()).unwrap();
            assert!(refused(home.path()).contains("/.journal belongs to another user"));
        }
    }
}
