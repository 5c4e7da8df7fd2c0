//! Echoes that come when what they speak of is encoded already: the recording is made again, and is as they say.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use callrec::{CallOptions, Codec, Event, Format, MarkEchoes, Place, Speaker, StreamStart, Topology, Track};
use callrec_session::{Timeline, TimelineLimits};
use sound::{decode_wav, finish, recorder};
use std::borrow::Cow;
use std::fs;
use std::ops::Range;

/// The way to the provider stands still from when the bot speaks until then.
const ARRIVES_MS: u64 = 4_600;
const SPOKEN_MS: u64 = 1_000;
const SPEECH: [u8; 8_000] = [0x10; 8_000];

/// A sentence of a second that reaches the provider 3.6 s after it was sent, in the tick that begins with
/// [`ARRIVES_MS`]: as a call's events, with their times in microseconds.
///
/// Echoes stand behind the caller's frame of their tick. That before the speech meets an empty queue, so it begins with the next
/// tick; that behind it comes back when it has ended, a second later.
fn happens(tell: &mut dyn FnMut(u64, &Event<'_>)) {
    for ms in (0..8_000).step_by(20) {
        let (track, place) = (Track::Caller, Place::At(ms));
        let at_us = (ms + 20) * 1_000;
        tell(at_us, &Event::Audio { track, place, codec: Codec::Mulaw, bytes: &[0xff; 160] });
        match ms {
            // Nothing takes time on its way, until it stands still.
            200 => {
                tell(at_us, &Event::MarkSent { name: "lone" });
                tell(at_us, &Event::MarkEchoed { name: "lone" });
            }
            SPOKEN_MS => {
                let (track, place) = (Track::Assistant, Place::Queued);
                let said = Event::Said { speaker: Speaker::Assistant, text: "A sentence", at_ms: None };
                tell(at_us, &said);
                tell(at_us, &Event::MarkSent { name: "before" });
                tell(at_us, &Event::Audio { track, place, codec: Codec::Mulaw, bytes: &SPEECH });
                tell(at_us, &Event::MarkSent { name: "behind" });
            }
            ARRIVES_MS => tell(at_us, &Event::MarkEchoed { name: "before" }),
            _ if ms == ARRIVES_MS + 1_000 => tell(at_us, &Event::MarkEchoed { name: "behind" }),
            _ => {}
        }
    }
}

/// Where there is sound, in samples.
fn sounding(samples: &[i16]) -> Range<usize> {
    let first = samples.iter().position(|sample| *sample != 0).expect("a sound");
    let behind = samples.iter().rposition(|sample| *sample != 0).unwrap() + 1;
    assert!(samples[first..behind].iter().all(|sample| *sample != 0), "without a pause");
    first..behind
}

#[test]
fn speech_whose_echoes_come_behind_the_horizon_is_recorded_again_where_they_say_it_was_heard() {
    // What a live take knows: the sentence's time came before any echo did, so it is where the model has it.
    let mut live = Timeline::new(TimelineLimits::default());
    let start = StreamStart::new("CA1", "MZ1", Topology::Relay);
    assert_eq!(start.mark_echoes, MarkEchoes::BehindFrame);
    live.handle_event(0, &Event::Started(Cow::Owned(start)));
    happens(&mut |at_us, event| live.handle_event(at_us, event));
    let mut given = Vec::new();
    while let Some(stretch) = live.poll_output() {
        if stretch.track == Track::Assistant {
            given.extend_from_slice(stretch.samples);
        }
    }
    let modelled = sounding(&given);
    assert_eq!(modelled.len(), SPEECH.len());
    assert!(modelled.start.abs_diff(SPOKEN_MS as usize * 8) <= 320, "{modelled:?}");
    assert_eq!(live.completeness().playout.unwrap().late_news, 1);

    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1").topology(Topology::Relay)).unwrap();
    happens(&mut |at_us, event| call.handle_at(at_us, event));
    let files = finish(call);
    let (_, right) = decode_wav(files.audio.as_ref().unwrap());
    let told = (ARRIVES_MS as usize + 20) * 8;
    assert_eq!(sounding(&right), told..told + SPEECH.len());
    let stream = &files.details.streams[0];
    let playout = stream.completeness.playout.as_ref().unwrap();
    assert!(stream.completeness.taken_again && playout.calibrated, "{:?}", stream.completeness);
    assert_eq!((playout.late_news, playout.echoes, playout.stray_echoes), (0, 3, 0));
    // What is said of the recording is said of the second one.
    let line = &stream.lines[0];
    assert_eq!((line.at_ms, line.cut_off), (ARRIVES_MS + 20, false));
    let spurt = stream.notes.as_ref().unwrap().spurts[0];
    assert_eq!((spurt.begin_ms, spurt.end_ms, spurt.pinned), (ARRIVES_MS + 20, ARRIVES_MS + 1_020, true));
    let summary = fs::read_to_string(files.summary).unwrap();
    assert!(summary.contains("made again at the end"), "{summary}");
}
