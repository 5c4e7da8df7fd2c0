//! The `callrec-load` command; see `callrec-load --help`.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match callrec_load::cli::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "callrec-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
