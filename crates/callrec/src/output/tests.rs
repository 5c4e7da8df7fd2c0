use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use callrec_encode::RateSetting;
use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_session::{Codec, EndReason, Event, Place, Topology, Track};

use super::*;
use crate::again::Again;
use crate::clock::simulated::use_clock_of;
use crate::header::Header;
use crate::journalling::Journalling;
use crate::recorder::Recorder;
use crate::recovery::{Recovery, recover};
use crate::shared::{Limits, Shared};
use crate::simulated::{LIMITS, recorder_on, speak, work};
use crate::space::measure_once;
use crate::workers::{take_whole, work_on};
use crate::{Audio, CallOptions};

const SECOND: u64 = 1_000_000;
const LEAST: u64 = 100_000_000;
const SPARE: u64 = 80_000_000;
/// Bytes of such a file in a second.
const RATE: u64 = 192_125;

/// A recorder of the largest files there are, on a disk that has little more room than is kept for two calls.
struct Machine {
    disk: FaultyDisk,
    shared: Arc<Shared>,
    recorder: Recorder,
    journalling: Journalling,
}

impl Machine {
    fn new() -> Self {
        let disk = FaultyDisk::default();
        let limits = Limits { waiting_bytes: 1_000_000_000, free_disk: LEAST, ..LIMITS };
        let settings = Settings::default().with_format(Format::Wav).with_rate(RateSetting::Hz(48_000));
        let (recorder, shared) = recorder_on(&disk, settings, limits);
        Self { disk, shared, recorder, journalling: Journalling::default() }
    }

    fn on_disk(&self, of: &str) -> u64 {
        let files = self.disk.files().into_iter().filter(|(path, _)| path.contains(of));
        files.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Measures the disk, of which so much is free if nothing is on it.
    fn measure(&self, empty: u64) {
        self.disk.set_free(empty.saturating_sub(self.on_disk("")));
        measure_once(&self.shared);
    }

    /// Journals and encodes for a second.
    fn work(&mut self) {
        for _ in 0..4 {
            self.journalling.turn(&self.shared);
            work(&self.shared);
            self.disk.pass(SECOND / 4);
        }
    }
}

#[test]
fn a_stream_that_sends_minutes_at_once_takes_nothing_of_what_is_kept_for_the_call_beside_and_waits_for_room()
{
    let mut machine = Machine::new();
    let begin = |name: &str| machine.recorder.start_call(CallOptions::new(name)).unwrap();
    let [ahead, beside] = ["CA1", "CA2"].map(begin);
    let bursts = CallOptions::new("CA3").topology(Topology::Relay);
    let bursts = machine.recorder.start_call(bursts).unwrap();
    let kept = machine.shared.kept();
    let (empty, seconds) = (LEAST + kept + SPARE, 8);
    for second in 0..seconds {
        machine.measure(empty);
        for frame in second * 6_000..(second + 1) * 6_000 {
            ahead.caller_at(frame * 20, Audio::mulaw(&[0x30; 160]));
        }
        for frame in second * 50..(second + 1) * 50 {
            beside.caller_at(frame * 20, Audio::mulaw(&[0x10; 160]));
            beside.assistant_at(frame * 20, Audio::mulaw(&[0x20; 160]));
        }
        if second == 5 {
            // Ten minutes, of which the journal takes more than what is kept for it.
            bursts.assistant(Audio::mulaw(&[0x10; 4_800_000]));
        }
        machine.work();
        let left = empty - machine.on_disk("");
        assert!(left >= LEAST + kept / 3 * 2, "{left} bytes are left in second {second}");
    }
    let recording = machine.on_disk("CA1") - machine.on_disk("CA1_1.journal");
    let most = (AHEAD_S + seconds) * RATE + SPARE - FOR_JOURNALS + STEP;
    assert!(recording > AHEAD_S * RATE && recording < most, "{recording} of {most} bytes");
    let refused = machine.recorder.health().refused;
    assert_eq!((refused.recordings_no_room, refused.journals_full), (1, 0), "it waits, and no journal does");
    drop(bursts.finish(EndReason::Stopped));

    machine.measure(empty);
    let [ahead, beside] = [ahead, beside].map(|call| call.finish(EndReason::Stopped));
    machine.work();
    let outcome = |call: &crate::Finishing| call.wait_timeout(Duration::ZERO).unwrap();
    let of_beside = outcome(&beside).unwrap().details.streams[0].clone();
    assert!(of_beside.completeness.is_complete(), "{:?}", of_beside.completeness.sentences());
    assert_eq!(of_beside.duration_ms, seconds * 1_000);
    assert!(of_beside.audio.file().is_some());

    let told = outcome(&ahead).unwrap_err().to_string();
    assert!(told.contains("no room") && told.contains("tried again"), "{told}");
    let files = machine.recorder.files("CA1").unwrap();
    assert!(!files.is_saved() && files.recordings.is_empty());
    assert_eq!(machine.on_disk("CA1"), machine.on_disk("CA1_1.journal") + texts(&machine.disk, "CA1"));
    let health = machine.recorder.health();
    assert_eq!((health.refused.recordings_no_room, health.left_in_journals, health.finishing), (2, true, 0));

    // In a minute, and when there is room.
    let mut again = Again::new();
    assert!(!again.is_due(&machine.shared));
    machine.disk.pass(59 * SECOND);
    assert!(!again.is_due(&machine.shared));
    machine.disk.pass(SECOND);
    machine.measure(LEAST);
    assert!(machine.shared.space.is_low() && !again.is_due(&machine.shared));
    machine.measure(LEAST + 2 * SPARE);
    assert!(again.is_due(&machine.shared));
    let nothing = Recovery { failed: 1, ..Recovery::default() };
    assert_eq!(recover(&machine.shared).unwrap(), nothing, "there is less room than there was");
    // Then in two.
    assert!(!again.is_due(&machine.shared));
    machine.measure(10_000 * LEAST);
    machine.disk.pass(119 * SECOND);
    assert!(!again.is_due(&machine.shared));
    machine.disk.pass(SECOND);
    assert!(again.is_due(&machine.shared));
    assert_eq!(recover(&machine.shared).unwrap(), Recovery { finished: 1, ..Recovery::default() });
    let health = machine.recorder.health();
    assert_eq!((health.refused.recordings_no_room, health.left_in_journals), (3, false));
    machine.disk.pass(10_000 * SECOND);
    assert!(!again.is_due(&machine.shared), "nothing is left");
    let stream = machine.recorder.files("CA1").unwrap().details.streams[0].clone();
    assert!(stream.audio.file().is_some() && stream.completeness.is_complete());
    assert_eq!(stream.duration_ms, seconds * 120_000);
    use_clock_of(None);
}

/// What transcript and summaries of a call take.
fn texts(disk: &FaultyDisk, call: &str) -> u64 {
    let files = disk.files().into_iter();
    let texts = files.filter(|(path, _)| path.contains(call) && !path.contains(".journal"));
    texts.map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn what_is_made_of_a_whole_journal_takes_nothing_of_what_is_kept_and_a_call_in_time_needs_nothing_else() {
    let mut machine = Machine::new();
    let begin = |name: &str| machine.recorder.start_call(CallOptions::new(name)).unwrap();
    let [call, beside] = ["CA1", "CA2"].map(begin);
    // There is nothing to spare, and the call goes on for ten minutes.
    for minute in 0..10 {
        machine.disk.set_free(LEAST + machine.shared.kept());
        measure_once(&machine.shared);
        for second in minute * 60..(minute + 1) * 60 {
            speak(&call, second * 50..(second + 1) * 50);
            machine.disk.pass(SECOND);
        }
        machine.work();
    }
    assert_eq!(machine.recorder.health().refused.recordings_no_room, 0);
    assert!(machine.on_disk("CA1") > 590 * RATE, "{} bytes", machine.on_disk("CA1"));

    machine.disk.set_faults(Faults::refusing(&[Operation::Write(What::Partial)]));
    let finishing = call.finish(EndReason::Stopped);
    machine.work();
    assert!(finishing.wait_timeout(Duration::ZERO).unwrap().is_err());
    machine.disk.set_faults(Faults::none());
    // The other call goes on, and what is left beside it is for journals.
    machine.measure(machine.on_disk("") + LEAST + machine.shared.kept() + FOR_JOURNALS);
    assert_eq!(recover(&machine.shared).unwrap(), Recovery { failed: 1, owned: 1, finished: 0 });
    assert_eq!(machine.recorder.health().refused.recordings_no_room, 1);
    machine.measure(10_000 * LEAST);
    assert_eq!(recover(&machine.shared).unwrap(), Recovery { finished: 1, owned: 1, failed: 0 });
    drop(beside.finish(EndReason::Stopped));
    machine.work();
    use_clock_of(None);
}

#[test]
#[cfg(feature = "mp3")]
fn what_waits_for_room_is_recorded_when_it_ends_if_there_is_room_for_the_format_that_was_set_last() {
    let mut machine = Machine::new();
    let call = machine.recorder.start_call(CallOptions::new("CA1")).unwrap();
    machine.measure(LEAST + machine.shared.kept() + SPARE);
    speak(&call, 0..24_000);
    machine.work();
    assert_eq!(machine.recorder.health().refused.recordings_no_room, 1);
    call.set_format(&crate::FormatChange::to(Format::Mp3)).unwrap();
    // Eight minutes of MP3 take 8 MB, and these of WAV 92.
    machine.disk.set_free(LEAST + machine.shared.kept() + FOR_JOURNALS + 10_000_000);
    measure_once(&machine.shared);
    let finishing = call.finish(EndReason::Stopped);
    machine.work();
    let stream = finishing.wait_timeout(Duration::ZERO).unwrap().unwrap().details.streams[0].clone();
    assert_eq!(stream.audio.file().unwrap().format, "mp3");
    assert!(stream.duration_ms == 480_000 && stream.completeness.is_complete());
    let health = machine.recorder.health();
    assert_eq!((health.refused.recordings_no_room, health.left_in_journals), (1, false));
    use_clock_of(None);
}

/// A relayed call of three minutes and the disk that it is recorded on, which has so much to spare. Where `late` is set, an echo says
/// behind the horizon when a sentence was heard, and the recording is made again.
fn ends_on_a_disk_that_has_to_spare(spare: u64, late: bool) -> (Machine, crate::Finishing) {
    let mut machine = Machine::new();
    let call = machine.recorder.start_call(CallOptions::new("CA1").topology(Topology::Relay)).unwrap();
    let arrives = if late { 4_600 } else { 1_000 };
    let room = LEAST + machine.shared.kept() + spare;
    for second in 0..180 {
        machine.measure(room + machine.on_disk(""));
        for ms in (second * 1_000..(second + 1) * 1_000).step_by(20) {
            let tell = |event: &Event<'_>| call.handle_at((ms + 20) * 1_000, event);
            let audio = |track, place, bytes| Event::Audio { track, place, codec: Codec::Mulaw, bytes };
            tell(&audio(Track::Caller, Place::At(ms), &[0x90; 160]));
            match ms {
                200 => ["lone"].iter().for_each(|name| {
                    tell(&Event::MarkSent { name });
                    tell(&Event::MarkEchoed { name });
                }),
                1_000 => {
                    tell(&Event::MarkSent { name: "before" });
                    tell(&audio(Track::Assistant, Place::Queued, &[0x10; 8_000]));
                    tell(&Event::MarkSent { name: "behind" });
                }
                _ => {}
            }
            if ms == arrives {
                tell(&Event::MarkEchoed { name: "before" });
            }
            if ms == arrives + 1_000 {
                tell(&Event::MarkEchoed { name: "behind" });
            }
        }
        machine.work();
    }
    machine.measure(room + machine.on_disk(""));
    let finishing = call.finish(EndReason::Stopped);
    machine.journalling.turn(&machine.shared);
    (machine, finishing)
}

#[test]
fn a_recording_that_is_made_again_for_late_news_takes_the_room_that_its_first_file_had() {
    for late in [false, true] {
        let (mut machine, finishing) = ends_on_a_disk_that_has_to_spare(0, late);
        assert!(machine.on_disk(".partial") > 170 * RATE);
        machine.work();
        let told = finishing.wait_timeout(Duration::ZERO).expect("it is told");
        let stream = told.expect("there is room").details.streams[0].clone();
        assert_eq!(stream.completeness.taken_again, late);
        assert_eq!((stream.duration_ms, stream.audio.file().is_some()), (180_000, true));
        assert_eq!(machine.recorder.health().refused.recordings_no_room, 0);
        use_clock_of(None);
    }
}

#[test]
fn a_recording_that_is_made_again_for_late_news_lets_others_have_their_turn() {
    let turns = [false, true].map(|late| {
        let (machine, finishing) = ends_on_a_disk_that_has_to_spare(0, late);
        let mut turns = 0;
        while let Some(call) = machine.shared.work_at_hand() {
            work_on(&machine.shared, &call);
            turns += 1;
        }
        assert!(finishing.wait_timeout(Duration::ZERO).unwrap().is_ok());
        use_clock_of(None);
        turns
    });
    // 9,000 frames of the caller are read once more.
    assert!(turns[1] >= turns[0] + 9_000 / 2_000, "{turns:?}");
}

#[test]
fn a_recovery_that_makes_a_recording_again_for_late_news_is_left_when_the_recorder_ends() {
    let (mut machine, finishing) = ends_on_a_disk_that_has_to_spare(10_000 * LEAST, true);
    machine.disk.set_faults(Faults::refusing(&[Operation::Write(What::Partial)]));
    machine.work();
    assert!(finishing.wait_timeout(Duration::ZERO).unwrap().is_err());
    machine.disk.set_faults(Faults::none());
    let journal = machine.shared.dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap();
    let subject = Subject {
        dir: machine.shared.dir.clone(),
        call: journal.call().clone(),
        number: journal.number(),
        header: Header::from_bytes(journal.header().unwrap()).unwrap(),
        memory: Arc::clone(&machine.shared.memory),
        ahead_s: 0,
    };
    let asked = Cell::new(0);
    let take = |most| {
        asked.set(0);
        let between = || asked.replace(asked.get() + 1) < most;
        take_whole(&machine.shared, &subject, 0, || journal.reader(), between)
    };
    assert!(take(u32::MAX).unwrap().completeness.taken_again);
    let times = asked.get();
    assert!(times >= 2 * (9_000 / 2_000), "asked {times} times");
    // In the second half it makes the recording again.
    for most in 0..times {
        assert!(matches!(take(most), Err(TakeError::Stopped)), "asked {most} of {times} times");
    }
    use_clock_of(None);
}
