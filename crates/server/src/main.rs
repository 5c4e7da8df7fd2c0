//! The `callrec` command; see `callrec --help`.

use std::io::Write as _;
use std::process::ExitCode;

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
