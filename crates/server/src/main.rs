//! The `callrec` command; see `callrec --help`.

use std::io::Write as _;
use std::process::ExitCode;

/// glibc's keeps in its arenas what calls have given back; this one returns it to the system within seconds, for LAME and libvorbis
/// too, and costs no more time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    match callrec_server::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not be installed yet, and this is for the person at the terminal.
            let _ = writeln!(std::io::stderr(), "callrec: {error:#}");
            ExitCode::FAILURE
        }
    }
}
