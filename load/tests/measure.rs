//! `callrec-load measure`, from its command line to its figures.
//!
//! It starts the server as a process. That is this program, for a binary of another package is nothing that a test finds: where
//! the environment says which port, it is callrec.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

use serde_json::Value;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    if std::env::var_os("PORT").is_some() {
        actix_web::rt::System::new().block_on(callrec_server::cli::run()).unwrap();
    } else if cfg!(target_os = "linux") && !std::env::args().any(|argument| argument == "--list") {
        relayed_calls_are_measured_with_and_without_recording();
        one_way_calls_are_measured();
        calls_that_are_not_recorded_as_they_were_made_are_told_and_fail();
    }
    ExitCode::SUCCESS
}

/// Whether it is well, what it prints, and its figures.
fn measure(arguments: &[&str]) -> (bool, String, Value) {
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_callrec-load"))
        .args(["measure", "--calls", "4", "--probes", "2", "--seconds", "3", "--ramp", "1", "--server"])
        .arg(std::env::current_exe().unwrap())
        .arg("--json")
        .arg(&json)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    println!("{said}");
    let json = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (output.status.success(), said, json)
}

fn relayed_calls_are_measured_with_and_without_recording() {
    let (well, said, json) = measure(&[]);
    assert!(well, "{said}");
    assert!(said.contains("8 calls were recorded as they were made, and 0 were not"), "{said}");
    let level = &json["levels"][0];
    let [recording, without] = [&level["recording"], &level["without"]];
    for trial in [recording, without] {
        assert_eq!(trial["checked"]["good"], 4);
        assert_eq!(trial["checked"]["lost_frames"], 0);
        assert!(trial["memory"].as_f64().unwrap() > 1e6);
        for way in ["to_bot_ms", "to_provider_ms"] {
            assert!(trial[way]["count"].as_u64().unwrap() > 50, "{way} of {trial}");
            assert!(trial[way]["max"].as_f64() >= trial[way]["p50"].as_f64(), "{way} of {trial}");
        }
    }
    assert_eq!(recording["hang_up_ms"]["count"], 4);
    assert_eq!(without["hang_up_ms"], Value::Null);
    assert_eq!(json["trials"].as_array().unwrap().len(), 2);
}

fn one_way_calls_are_measured() {
    let (well, said, json) = measure(&["--one-way", "--format", "flac", "--recording", "on"]);
    assert!(well, "{said}");
    let recording = &json["levels"][0]["recording"];
    assert_eq!((&recording["checked"]["good"], &recording["to_bot_ms"]), (&4.into(), &Value::Null));
    assert_eq!(recording["hang_up_ms"]["count"], 4);
}

fn calls_that_are_not_recorded_as_they_were_made_are_told_and_fail() {
    let (well, said, _) = measure(&["--recording", "on", "--set", "RECORD_CONVERSATIONS=false"]);
    assert!(!well && said.contains("0 calls were recorded as they were made, and 4 were not"), "{said}");
    assert!(said.contains("its audio is \"recording_off\", and not recorded"), "{said}");
}
