//! What an earlier process left is finished beside live calls, and behind them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod sound;

use std::time::{Duration, Instant};

use callrec::{Audio, CallOptions, EndReason, Format, Recorder, Settings};
use sound::{journals, talk};

const LEFT: usize = 12;

#[test]
fn live_calls_are_finished_at_once_while_what_an_earlier_process_left_waits() {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_format(Format::Mp3);
    let earlier = Recorder::builder(home.path()).settings(settings.clone()).workers(1).start().unwrap();
    let second = vec![0x10; 8_000];
    let calls: Vec<_> = (0..LEFT)
        .map(|number| {
            let call = earlier.start_call(CallOptions::new(format!("CA{number}"))).unwrap();
            for at in 0..300 {
                call.caller_at(at * 1_000, Audio::mulaw(&second));
                call.assistant_at(at * 1_000, Audio::mulaw(&second));
            }
            assert!(call.flush());
            call
        })
        .collect();
    earlier.shutdown(Duration::ZERO);
    drop((calls, earlier));
    let left = journals(home.path());
    assert!(left > LEFT / 2, "{left} were left");

    let recorder = Recorder::builder(home.path()).settings(settings).workers(1).start().unwrap();
    let mut slowest = Duration::ZERO;
    let mut beside = 0;
    let mut waiting = std::collections::BTreeSet::new();
    for number in 0..20 {
        let call = recorder.start_call(CallOptions::new(format!("CB{number}"))).unwrap();
        talk(&call, 0, 250);
        let begun = Instant::now();
        call.finish(EndReason::Stopped).wait().unwrap();
        let health = recorder.health();
        waiting.insert(health.recoveries_waiting);
        if health.recovering {
            slowest = slowest.max(begun.elapsed());
            beside += 1;
            #[cfg(target_os = "linux")]
            assert_eq!(nice("callrec-recover"), Some(19), "the thread has no other's priority");
        }
    }
    println!("{beside} calls beside {left} recoveries, the slowest finished in {slowest:?}");
    assert!(beside >= 5, "recovery was over too soon to tell");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let begun = Instant::now();
    while recorder.health().recovering {
        waiting.insert(recorder.health().recoveries_waiting);
        assert!(begun.elapsed() < Duration::from_secs(120), "recovery gets on");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The journal of the first live call may be among those that are looked at.
    waiting.remove(&0);
    let (least, most) = (waiting.first().unwrap(), waiting.last().unwrap());
    assert!(least < most && (left / 2..=left + 1).contains(most), "fewer and fewer: {waiting:?}");
    assert_eq!((journals(home.path()), recorder.health().recoveries_waiting), (0, 0));
    for number in 0..LEFT {
        let files = recorder.files(&format!("CA{number}")).unwrap();
        assert!(files.audio.is_some() && files.details.streams[0].duration_ms >= 299_000);
    }
}

/// The nice value of this process's thread of that name.
#[cfg(target_os = "linux")]
fn nice(name: &str) -> Option<i64> {
    std::fs::read_dir("/proc/self/task").unwrap().find_map(|task| {
        let task = task.ok()?.path();
        let is_it = std::fs::read_to_string(task.join("comm")).ok()?.trim() == name;
        let stat = std::fs::read_to_string(task.join("stat")).ok().filter(|_| is_it)?;
        // Behind the name in brackets; the third field is the first of these.
        stat.rsplit_once(") ")?.1.split(' ').nth(19 - 3)?.parse().ok()
    })
}
