//! Who goes first, of calls whose recordings are made by nobody but the test.

use std::time::Duration;

use callrec_encode::Format;
use callrec_faulty_disk::FaultyDisk;
use callrec_session::EndReason;

use super::*;
use crate::clock::simulated::use_clock_of;
use crate::journalling::Journalling;
use crate::recorder::Recorder;
use crate::shared::Shared;
use crate::simulated::{LIMITS, recorder_on, settings, speak, work};
use crate::workers::work_on;
use crate::{Audio, Call, CallOptions, FormatChange};

/// Frames of a call whose journal is several times [`FAR_BEHIND`].
const LONG: u64 = 20_000;

struct Played {
    recorder: Recorder,
    shared: Arc<Shared>,
    journalling: Journalling,
}

impl Played {
    fn new() -> Self {
        let (recorder, shared) = recorder_on(&FaultyDisk::default(), settings(), LIMITS);
        Self { recorder, shared, journalling: Journalling::default() }
    }

    fn begin(&self, call: &str) -> Call {
        self.recorder.start_call(CallOptions::new(call)).unwrap()
    }

    /// A call of some minutes whose take has come as far.
    fn talk(&mut self, call: &str) -> Call {
        let call = self.begin(call);
        for from in (0..LONG).step_by(1_000) {
            speak(&call, from..from + 1_000);
            self.write();
            work(&self.shared);
        }
        call
    }

    /// Writes the journals, and has the takes follow them.
    fn write(&mut self) {
        for _ in 0..4 {
            self.journalling.turn(&self.shared);
        }
    }

    /// Whose slice is next, which is worked on.
    fn slice(&self) -> Option<String> {
        let call = self.shared.work_at_hand()?;
        work_on(&self.shared, &call);
        Some(call.id.to_string())
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.shared.abandon();
        use_clock_of(None);
    }
}

#[test]
fn who_begins_anew_late_in_a_long_call_keeps_nobody_waiting() {
    let mut played = Played::new();
    let long = played.talk("CAlong");
    let other = Format::compiled().next().unwrap();
    assert_ne!(other, settings().format);
    long.set_format(&FormatChange::to(other)).unwrap();
    let live = played.begin("CAlive");
    live.caller(Audio::mulaw(&[0x10; 160]));
    played.write();
    // It finds that it is to begin anew.
    assert_eq!([played.slice(), played.slice()].map(Option::unwrap), ["CAlive", "CAlong"]);
    let waiting = [long.finish(EndReason::Stopped), {
        let short = played.begin("CAshort");
        speak(&short, 0..50);
        short.finish(EndReason::Stopped)
    }];
    live.caller(Audio::mulaw(&[0x10; 160]));
    played.write();
    let mut slices = Vec::new();
    while waiting[1].wait_timeout(Duration::ZERO).is_none() {
        slices.push(played.slice().unwrap());
    }
    assert_eq!(slices, ["CAshort"], "the long one has ended too");
    assert_eq!(played.slice().unwrap(), "CAlive");
    work(&played.shared);
    let told = waiting[0].wait_timeout(Duration::ZERO).expect("it is done").unwrap();
    let stream = &told.details.streams[0];
    assert_eq!((stream.duration_ms, told.audio.is_some()), (LONG * 20, true));
}

#[test]
fn who_hangs_up_while_his_take_waits_among_those_of_live_calls_does_not_wait_for_them() {
    let mut played = Played::new();
    let calls = ["CA1", "CA2", "CA3", "CA4"].map(|name| played.begin(name));
    calls.iter().for_each(|call| speak(call, 0..50));
    played.write();
    assert_eq!(played.shared.takes_waiting(), 4);
    let [_first, second, _third, last] = calls;
    let waiting = [last, second].map(|call| call.finish(EndReason::Stopped));
    played.journalling.write_urgent(&played.shared);
    let slices: Vec<_> = std::iter::from_fn(|| played.slice()).collect();
    assert_eq!(
        slices,
        ["CA2", "CA4", "CA1", "CA3"],
        "ended ones in the order in which their ends are journalled"
    );
    let done = waiting.map(|finishing| finishing.wait_timeout(Duration::ZERO).expect("it is done").is_ok());
    assert_eq!(done, [true, true]);
}

#[test]
fn of_calls_that_have_ended_and_have_much_to_encode_the_first_is_done_before_the_next_is_begun() {
    let mut played = Played::new();
    let calls = ["CA1", "CA2"].map(|name| played.begin(name));
    // More than a slice, and not so much that they are far behind.
    for from in (0..5_000).step_by(1_000) {
        calls.iter().for_each(|call| speak(call, from..from + 1_000));
        played.write();
    }
    let waiting = calls.map(|call| call.finish(EndReason::Stopped));
    played.write();
    let slices: Vec<_> = std::iter::from_fn(|| played.slice()).collect();
    assert_eq!(slices, ["CA1", "CA1", "CA1", "CA2", "CA2", "CA2"]);
    let done = waiting.map(|finishing| finishing.wait_timeout(Duration::ZERO).expect("it is done").is_ok());
    assert_eq!(done, [true, true]);
}

#[test]
fn who_is_far_behind_has_every_ninth_slice_however_much_there_is_to_do() {
    let played = Played::new();
    let _begun = ["CA1", "CA2", "CAfar"].map(|name| played.begin(name));
    let call =
        |name: &str| played.shared.live_calls().into_iter().find(|call| call.id.as_str() == name).unwrap();
    let mut queue = Queue::default();
    let far = call("CAfar");
    far.is_far_behind.store(true, Ordering::Release);
    queue.push(Arc::clone(&far));
    let others = [call("CA1"), call("CA2")];
    others[1].sealed.store(true, Ordering::Release);
    let slices = (0..27).map(|_| {
        others.iter().cloned().for_each(|call| queue.push(call));
        let next = queue.pop().unwrap();
        if next.id == far.id {
            queue.push(Arc::clone(&next));
        }
        next.id.to_string()
    });
    let slices: Vec<String> = slices.collect();
    let (ended, far) = (vec!["CA2"; 8], vec!["CAfar"]);
    assert_eq!(slices, [ended.clone(), far.clone(), ended.clone(), far.clone(), ended, far].concat());
}
