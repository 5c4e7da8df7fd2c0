//! A frame of a running call costs the thread that hands it in no allocation: it is copied into a buffer that was there before.
#![cfg(feature = "wav")]
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec::{Audio, CallOptions, EndReason, Recorder};

/// Frames of 20 ms between two writes of the journal.
const FRAMES: u64 = 250;

#[test]
fn frames_of_a_running_call_allocate_nothing() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let mut ms = 0;
    let mut frames = || {
        for _ in 0..FRAMES {
            call.caller_at(ms, Audio::mulaw(&[0x10; 160]));
            call.assistant_at(ms, Audio::mulaw(&[0x90; 160]));
            ms += 20;
        }
    };
    // The buffers grow, with room to spare: one is filled while the other is written. They do not grow so large that they would be
    // given back when they are empty, however late the journal's thread comes.
    for _ in 0..16 {
        (0..2).for_each(|_| frames());
        assert!(call.flush());
    }
    for _ in 0..10 {
        let info = allocation_counter::measure(&mut frames);
        assert_eq!(info.count_total, 0, "{info:?}");
        assert!(call.flush());
    }
    drop(call.finish(EndReason::Finished).wait().unwrap());
}
