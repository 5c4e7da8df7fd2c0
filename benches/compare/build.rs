//! Tells the program of what tree it is built: it may be run later, when that has changed.

#![allow(clippy::print_stdout, reason = "how cargo is told")]

use std::path::Path;
use std::process::Command;

/// The root of the workspace, from here.
const ROOT: &str = "../..";
/// What the programs that are measured are made of, and what says which commit that is.
const SOURCES: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "crates", "load", "benches/compare", ".git/logs/HEAD"];
/// Results that were measured before, and what is composed of them, do not count as a change.
const OTHERS: [&str; 5] = [
    "--",
    ":/",
    ":(top,exclude)benches/results",
    ":(top,exclude)benches/RESULTS.md",
    ":(top,exclude)README.md",
];

fn main() {
    for source in SOURCES {
        // What is not there would count as changed each time.
        if Path::new(ROOT).join(source).exists() {
            println!("cargo::rerun-if-changed={ROOT}/{source}");
        }
    }
    if let Some(commit) = git(&["rev-parse", "--short", "HEAD"]).filter(|commit| !commit.is_empty()) {
        println!("cargo::rustc-env=CALLREC_COMMIT={commit}");
        let changes = git(&[&["status", "--porcelain"], &OTHERS[..]].concat());
        if changes.is_none_or(|changes| !changes.is_empty()) {
            println!("cargo::rustc-env=CALLREC_CHANGED=1");
        }
    }
}

/// What it prints; none where there is no git, or this is not in a tree of its.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
