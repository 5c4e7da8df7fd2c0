//! A call as it can be looked at: live by its journal, and finished by its recording.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use std::fs;

use callrec::inspect::{InspectError, Inspection, Source, StreamInspection, TrackLevels, Voice};
use callrec::{
    Call, CallOptions, Channels, Codec, Cut, CutBy, EndReason, Event, Format, Gap, GapWhy, Place, Recorder,
    Settings, Speaker, Topology, Track,
};
use sound::{finish, recorder};

const LOUD: [u8; 160] = [0x10; 160];

/// A relayed call of 4 seconds: a frame of the caller is lost at 1,000 ms; the assistant is to speak for 3 seconds from
/// 500 ms on, and is cut off at 1,300 ms.
fn relayed(recorder: &Recorder, call: &str) -> Call {
    let call = recorder.start_call(CallOptions::new(call).stream("MZ1").topology(Topology::Relay)).unwrap();
    let at = |ms: u64, event: Event<'_>| call.handle_at(ms * 1_000, &event);
    let frame = |ms: u64| {
        let bytes = if (2_000..3_000).contains(&ms) { &LOUD } else { &[0xff; 160] };
        let place = Place::At(ms);
        at(ms + 20, Event::Audio { track: Track::Caller, place, codec: Codec::Mulaw, bytes });
    };
    let frames = |from: u64, to: u64| (from..to).step_by(20).for_each(frame);
    frames(0, 500);
    at(500, Event::Said { speaker: Speaker::Assistant, text: "A long story", at_ms: None });
    let speech = LOUD.repeat(150);
    let (track, place) = (Track::Assistant, Place::Queued);
    at(500, Event::Audio { track, place, codec: Codec::Mulaw, bytes: &speech });
    at(500, Event::MarkSent { name: "the bot's" });
    at(510, Event::MarkSent { name: "callrec-0123456789abcdef-1" });
    frames(500, 1_000);
    frames(1_020, 1_300);
    at(1_300, Event::Cleared);
    frames(1_300, 1_340);
    at(1_340, Event::MarkEchoed { name: "the bot's" });
    at(1_340, Event::MarkEchoed { name: "callrec-0123456789abcdef-1" });
    frames(1_340, 4_000);
    assert!(call.flush());
    call
}

/// What is known of it, live or finished.
fn check(stream: &StreamInspection) {
    let notes = stream.notes.as_ref().unwrap();
    let gap = Gap { track: Track::Caller, begin_ms: 1_000, end_ms: 1_020, why: GapWhy::Lost };
    assert_eq!(notes.gaps, [gap]);
    let [cut] = notes.cuts[..] else { panic!("{notes:?}") };
    assert!((1_300..=1_340).contains(&cut.at_ms), "{cut:?}");
    assert_eq!(cut, Cut { unheard_ms: 3_500 - cut.at_ms, by: CutBy::Cleared, ..cut });
    let [spurt] = notes.spurts[..] else { panic!("{notes:?}") };
    assert_eq!((spurt.begin_ms, spurt.end_ms), (500, cut.at_ms));

    assert_eq!((stream.number, stream.duration_ms, stream.complete), (1, 4_000, Some(false)));
    assert_eq!((stream.stream.as_deref(), stream.topology), (Some("MZ1"), Some(Topology::Relay)));
    assert!(stream.lines[0].cut_off);
    assert!(stream.sentences.iter().any(|told| told.contains("20 ms") || told.contains("0.020 s")));
    let [caller, assistant] = &stream.tracks[..] else { panic!() };
    assert_eq!((caller.voice(), assistant.voice()), (Voice::Caller, Voice::Assistant));
    for (from, to, sounds) in [(0, 1_900, false), (2_100, 2_900, true), (3_100, 4_000, false)] {
        assert_eq!(caller.between(from, to).sounds(), sounds, "{from}");
    }
    for (from, to, sounds) in [(0, 400, false), (600, 1_280, true), (1_400, 4_000, false)] {
        assert_eq!(assistant.between(from, to).sounds(), sounds, "{from}");
    }
}

#[test]
fn a_live_calls_journal_tells_all_and_the_call_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = relayed(&recorder, "CA1");
    let live = Inspection::of_call(home.path(), "CA1").unwrap();
    assert_eq!((live.call.as_deref(), live.streams.len()), (Some("CA1"), 1));
    let stream = &live.streams[0];
    check(stream);
    let path = home.path().join(".journal/CA1_1.journal");
    assert_eq!(stream.source, Source::Journal { path: path.clone() });
    assert_eq!((stream.ended, stream.queued_ms), (None, 0));
    assert!(stream.remarks[0].contains("the call is live"), "{:?}", stream.remarks);
    let marks = stream.marks.as_ref().unwrap();
    assert_eq!((marks.bots.echoed, marks.bots.max_ms), (1, Some(840)));
    assert_eq!((marks.ours.echoed, marks.ours.median_ms), (1, Some(830)));
    assert_eq!((marks.each[0].name.as_str(), marks.each[0].sent_ms), ("the bot's", 500));
    assert_eq!(stream.format.as_ref().unwrap().rate_hz, 8_000);

    let by_path = Inspection::of_file(path).unwrap();
    assert_eq!(serde_json::to_value(&by_path).unwrap(), serde_json::to_value(&live).unwrap());
    assert!(finish(call).audio.is_some());
}

#[test]
fn a_finished_recording_of_any_format_is_shown_with_what_its_summary_noted() {
    for format in Format::compiled() {
        let home = tempfile::tempdir().unwrap();
        let recorder = recorder(home.path(), format);
        let files = finish(relayed(&recorder, "CA1"));
        let audio = files.audio.unwrap();
        let of_call = Inspection::of_call(home.path(), "CA1").unwrap();
        for shown in [
            &of_call,
            &Inspection::of_file(&audio).unwrap(),
            &Inspection::of_file(files.summary_json).unwrap(),
        ] {
            check(&shown.streams[0]);
            assert_eq!(shown.streams[0].source, Source::Recording { path: audio.clone() });
            assert_eq!(shown.streams[0].ended, Some(EndReason::Stopped));
            assert_eq!(shown.streams[0].marks, None);
            let known = shown.streams[0].format.as_ref().unwrap();
            assert_eq!((known.format.as_str(), known.channels), (format.extension(), 2));
            assert_eq!(known.size_bytes, Some(fs::metadata(&audio).unwrap().len()));
        }
    }
}

#[test]
fn what_waits_to_be_played_in_a_live_call_is_not_cut_off() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1").topology(Topology::Relay)).unwrap();
    let audio = |at_ms: u64, track, place, bytes: &[u8]| {
        call.handle_at(at_ms * 1_000, &Event::Audio { track, place, codec: Codec::Mulaw, bytes });
    };
    audio(20, Track::Caller, Place::At(0), &LOUD);
    call.handle_at(20_000, &Event::Said { speaker: Speaker::Assistant, text: "To be heard", at_ms: None });
    audio(20, Track::Assistant, Place::Queued, &LOUD.repeat(50));
    for ms in (20..500).step_by(20) {
        audio(ms + 20, Track::Caller, Place::At(ms), &LOUD);
    }
    assert!(call.flush());
    let live = Inspection::of_call(home.path(), "CA1").unwrap();
    let stream = &live.streams[0];
    assert!((500..=540).contains(&stream.queued_ms), "{}", stream.queued_ms);
    assert!(stream.notes.as_ref().unwrap().cuts.is_empty() && !stream.lines[0].cut_off);
    let playout = stream.completeness.as_ref().unwrap().playout.as_ref().unwrap();
    assert_eq!((playout.cuts, playout.cuts_pinned, playout.unheard_ms), (0, 0, 0));
    assert_eq!(stream.complete, Some(true));
}

#[test]
fn a_recording_without_its_summary_and_one_in_mono_are_shown_by_their_sound() {
    let home = tempfile::tempdir().unwrap();
    let mono = Settings::default().with_format(Format::Wav).with_channels(Channels::Mono);
    let recorder = Recorder::builder(home.path()).settings(mono).start().unwrap();
    let files = finish(relayed(&recorder, "CA1"));
    let elsewhere = home.path().join("some.wav");
    fs::copy(files.audio.unwrap(), &elsewhere).unwrap();
    let shown = Inspection::of_file(elsewhere).unwrap();
    assert_eq!((shown.call, shown.streams.len()), (None, 1));
    let stream = &shown.streams[0];
    assert_eq!((stream.duration_ms, &stream.notes, stream.complete), (4_000, &None, None));
    assert_eq!(stream.tracks.iter().map(TrackLevels::voice).collect::<Vec<_>>(), [Voice::Both]);
    assert!(
        stream.tracks[0].between(600, 1_200).sounds() && !stream.tracks[0].between(1_400, 1_900).sounds()
    );
    assert!(stream.remarks[0].contains("no summary"));
}

#[test]
fn what_is_not_there_is_told_with_the_places_that_were_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing");
    let told = Inspection::of_call(&missing, "CA9").unwrap_err().to_string();
    let journals = missing.join(".journal");
    for place in ["CA9", missing.to_str().unwrap(), journals.to_str().unwrap()] {
        assert!(told.contains(place), "{told}");
    }
    assert!(!missing.exists(), "looking makes nothing");
    assert!(matches!(Inspection::of_call(&missing, "../CA9"), Err(InspectError::BadCallId(_))));
    let refused = Inspection::of_file(missing.join("call.mp3")).unwrap_err();
    assert!(matches!(refused, InspectError::NoSuchFile { .. }), "{refused}");
    fs::write(home.path().join("notes.txt"), "").unwrap();
    let told = Inspection::of_file(home.path().join("notes.txt")).unwrap_err().to_string();
    assert!(told.contains("*.journal") && told.contains("*.mp3") && told.contains("_summary.json"), "{told}");
    fs::write(home.path().join("call_CA2_conversation.mp3"), "no audio").unwrap();
    let refused = Inspection::of_call(home.path(), "CA2").unwrap_err();
    assert!(matches!(refused, InspectError::Recording { .. }), "{refused}");
}
