//! Writes the seeds of every target into `fuzz/seeds/`.
#![allow(clippy::disallowed_methods, reason = "what it is for")]

use std::path::Path;

fn main() -> std::io::Result<()> {
    for (target, name, bytes) in callrec_fuzz::seeds::seeds() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}
