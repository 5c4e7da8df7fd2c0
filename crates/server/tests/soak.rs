//! The soak itself, for a minute: its calls go well, and what it says comes from the process. Whether all is flat takes longer.
#![cfg(all(target_os = "linux", feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

use callrec_load::soak::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_calls_of_all_kinds_goes_well_and_nothing_is_held_after_it() {
    let options = Options {
        minutes: 1,
        live: 8,
        server: Some(env!("CARGO_BIN_EXE_callrec").into()),
        work: None,
        formats: vec!["mp3", "wav", "ogg", "flac"],
        // Nobody who calls last talks for long.
        seed: 91,
    };
    let report = run(&options).await.unwrap();
    println!("{report}");
    assert_eq!(report.failed(), None);
    let (calls, answered) = (report.calls(), report.answered());
    assert!(answered * 2 > calls && answered < calls, "{report}");
    assert!(report.calls() >= 25 && report.is_settled(), "{report}");
    assert!(report.to_string().contains("descriptors"));
}
