//! What the log says of a panic, in a process of its own: this file's, run once more.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use callrec_server::config::{Config, Sources};
use callrec_server::telemetry;
use std::process::Command;

const PANICS: &str = "CALLREC_TEST_PANICS";

#[test]
fn a_panic_is_logged_by_its_place_and_nothing_that_it_says_is() {
    if std::env::var_os(PANICS).is_some() {
        let log = telemetry::init(&Config::load(Sources::only([])).unwrap());
        let worker = std::thread::Builder::new().name("worker".to_owned());
        let word = std::hint::black_box("secretword");
        assert!(worker.spawn(move || panic!("{word}")).unwrap().join().is_err());
        drop(log);
        return;
    }
    for (backtraces, has_backtrace) in [("0", false), ("1", true)] {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "a_panic_is_logged_by_its_place_and_nothing_that_it_says_is", "--nocapture"]);
        let done = again.env(PANICS, "1").env("RUST_BACKTRACE", backtraces).output().unwrap();
        let log = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{log}");
        assert!(log.contains("ERROR") && log.contains("panics.rs:") && log.contains("worker"), "{log}");
        assert!(!log.contains("secretword"), "{log}");
        assert_eq!(log.contains("backtrace"), has_backtrace, "{log}");
    }
}
