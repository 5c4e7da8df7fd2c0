//! What is kept when a call does not end as it should: full files, broken directories, shutdowns, damaged files.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use callrec::{
    Audio, Bitrate, Call, CallId, CallOptions, EndReason, Format, FormatChange, RecordError, Recorder,
    Settings, Speaker,
};
use callrec_store::RecordingsDir;
use sound::{decode_wav, finish, frames_of, journals, recorder, talk, tone};

#[test]
fn dropping_the_last_handle_completes_what_has_ended() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 50);
    drop(recorder);
    drop(call);
    assert_eq!(decode_wav(&home.path().join("call_CA1_conversation.wav")).0.len(), 8_000);
}

#[test]
fn a_shutdown_finishes_live_calls_and_takes_no_new_ones() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 50);
    assert_eq!(recorder.shutdown(Duration::from_secs(20)), 0);
    let files = recorder.files("CA1").unwrap();
    assert_eq!(files.details.streams[0].ended, EndReason::Shutdown);
    assert!(matches!(recorder.start_call(CallOptions::new("CA2")), Err(RecordError::Closing)));
    call.caller(Audio::mulaw(&[0; 160]));
}

#[test]
fn a_call_whose_end_takes_long_keeps_no_other_waiting() {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_format(Format::Wav);
    let recorder = Recorder::builder(home.path()).settings(settings).workers(1).start().unwrap();
    let begin = |name: &str| {
        let call = recorder.start_call(CallOptions::new(name)).unwrap();
        talk(&call, 0, 50);
        call
    };
    // As another process would that writes this call's texts.
    let lock = RecordingsDir::open(home.path()).unwrap().lock_call(&CallId::new("CAheld").unwrap()).unwrap();
    let held = begin("CAheld").finish(EndReason::Stopped);
    let begun = Instant::now();
    while !home.path().join("call_CAheld_conversation.wav").exists() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }
    let other = begin("CAother").finish(EndReason::Stopped);
    other.wait_timeout(Duration::from_secs(10)).expect("it waits for the other's texts").unwrap();
    assert!(held.wait_timeout(Duration::ZERO).is_none());
    drop(lock);
    held.wait().unwrap();
}

#[test]
fn a_shutdown_without_patience_leaves_the_call_to_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 50);
    assert!(call.flush());
    let finishing = call.finish(EndReason::Stopped);
    let left = recorder.shutdown(Duration::ZERO);
    drop(recorder);
    let in_time = finishing.wait().is_ok();
    drop(finishing);
    assert_eq!(left, usize::from(!in_time));
    let next = Recorder::builder(home.path()).recover_at_start(false).start().unwrap();
    // A worker that was in the middle of it may have come to its end all the same.
    assert!(next.recover().unwrap().finished <= left);
    assert_eq!(decode_wav(&next.files("CA1").unwrap().audio.unwrap()).0.len(), 8_000);
}

#[test]
fn a_directory_that_breaks_in_mid_call_loses_nothing_that_was_journalled() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 50);
    assert!(call.flush());
    // Something stands where the recording's partial file would be made: nothing can be created there any more.
    let (inside, moved) = (home.path().join(".journal"), home.path().join(".moved"));
    fs::rename(&inside, &moved).unwrap();
    fs::write(&inside, "").unwrap();
    let error = call.finish(EndReason::Stopped).wait().unwrap_err();
    assert!(matches!(error, RecordError::NotFinished { .. }), "{error}");
    assert!(!home.path().join("call_CA1_conversation.wav").exists());
    drop(recorder);
    fs::remove_file(&inside).unwrap();
    fs::rename(&moved, &inside).unwrap();
    let next = Recorder::builder(home.path()).recover_at_start(false).start().unwrap();
    assert_eq!(next.recover().unwrap().finished, 1);
    assert_eq!(decode_wav(&next.files("CA1").unwrap().audio.unwrap()).0.len(), 8_000);
}

#[test]
fn a_file_that_took_the_recordings_name_is_left_alone_and_costs_no_audio() {
    let mut other_call = Vec::new();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(std::io::Cursor::new(&mut other_call), spec).unwrap();
    (0..2 * 4_000).for_each(|_| writer.write_sample(1_i16).unwrap());
    writer.finalize().unwrap();
    for foreign in [&b"not this call"[..], &other_call] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("call_CA1_conversation.wav");
        let recorder = recorder(home.path(), Format::Wav);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        talk(&call, 0, 50);
        assert!(call.flush());
        fs::write(&path, foreign).unwrap();
        let error = call.finish(EndReason::Stopped).wait().unwrap_err().to_string();
        assert!(error.contains("call_CA1_conversation.wav is not this call's recording"), "{error}");
        assert_eq!((fs::read(&path).unwrap(), journals(home.path())), (foreign.to_vec(), 1));
        let summary = fs::read_to_string(recorder.files("CA1").unwrap().summary).unwrap();
        assert!(summary.contains("it could not be saved: ") && summary.contains("move it away"), "{summary}");
        drop(recorder);
        fs::rename(&path, home.path().join("moved.wav")).unwrap();
        let next = Recorder::builder(home.path()).recover_at_start(false).start().unwrap();
        assert_eq!(next.recover().unwrap().finished, 1);
        assert_eq!(decode_wav(&next.files("CA1").unwrap().audio.unwrap()).0.len(), 8_000);
    }
}

#[test]
fn a_disk_that_is_well_again_shows_without_another_call() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let (inside, moved) = (home.path().join(".journal"), home.path().join(".moved"));
    fs::rename(&inside, &moved).unwrap();
    fs::write(&inside, "").unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let error = call.finish(EndReason::Stopped).wait().unwrap_err().to_string();
    assert!(error.contains("nothing of it could be written"), "{error}");
    assert_eq!(recorder.health().live + recorder.health().finishing, 0);
    assert!(recorder.health().journal_error.is_some(), "it is still broken");
    fs::remove_file(&inside).unwrap();
    fs::rename(&moved, &inside).unwrap();
    let begun = Instant::now();
    while recorder.health().journal_error.is_some() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", recorder.health());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_call_that_could_not_be_recorded_is_told_of_when_the_disk_is_well_again() {
    for is_over in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let recorder = recorder(home.path(), Format::Wav);
        let (inside, moved) = (home.path().join(".journal"), home.path().join(".moved"));
        fs::rename(&inside, &moved).unwrap();
        fs::write(&inside, "").unwrap();
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        talk(&call, 0, 50);
        let told = call.finish(EndReason::Stopped).wait().unwrap_err().to_string();
        assert!(told.contains("nothing of it could be written") && recorder.files("CA1").is_none(), "{told}");
        fs::remove_file(&inside).unwrap();
        fs::rename(&moved, &inside).unwrap();
        let home = home.path().to_owned();
        let files = || callrec::files_of(&home, "CA1");
        if is_over {
            drop(recorder);
            assert!(files().is_some(), "the end tries once more");
        } else {
            let begun = Instant::now();
            while files().is_none() {
                assert!(begun.elapsed() < Duration::from_secs(30));
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let files = files().unwrap();
        let summary = fs::read_to_string(&files.summary).unwrap();
        assert!(summary.contains("it could not be saved: nothing of it could be written"), "{summary}");
        let stream = &files.details.streams[0];
        assert!(!files.is_saved() && stream.ended == EndReason::Stopped);
        assert!(stream.completeness.unjournalled_bytes > 2 * 50 * 160);
    }
}

/// Leaves room for so much while the disk refuses. A one-way call makes nothing of marks.
fn fill_all_but_a_mebibyte(call: &Call) {
    // The first that the disk refuses is held apart.
    assert!(!call.flush(), "the disk refuses");
    let mebibyte = "x".repeat(1024 * 1024);
    for _ in 0..31 {
        call.mark_sent(&mebibyte);
    }
}

#[test]
fn a_call_whose_audio_found_no_room_is_not_one_without_audio() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let (inside, moved) = (home.path().join(".journal"), home.path().join(".moved"));
    fs::rename(&inside, &moved).unwrap();
    fs::write(&inside, "").unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    fill_all_but_a_mebibyte(&call);
    call.mark_sent(&"x".repeat(1024 * 1024));
    call.caller_at(0, Audio::mulaw(&[0x10; 160]));
    fs::remove_file(&inside).unwrap();
    fs::rename(&moved, &inside).unwrap();
    let files = finish(call);
    assert_eq!(files.details.streams[0].completeness.dropped.audio, 1);
    let summary = fs::read_to_string(&files.summary).unwrap();
    assert!(summary.contains("No audio file: it could not be saved"), "{summary}");
    assert!(!files.is_saved());
}

#[test]
fn what_finds_no_room_while_the_disk_refuses_is_counted_and_the_summary_tells() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let (inside, moved) = (home.path().join(".journal"), home.path().join(".moved"));
    fs::rename(&inside, &moved).unwrap();
    fs::write(&inside, "").unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    fill_all_but_a_mebibyte(&call);
    // Two minutes; nearly all of it finds room.
    for index in 0..6_000 {
        call.caller_at(index * 20, Audio::mulaw(&frames_of(&tone(440.0, 8_000), index)));
    }
    call.said_at(0, Speaker::Caller, "small things still find room");
    assert!(!call.flush(), "the disk refuses");
    assert!(recorder.health().journal_error.is_some());
    fs::remove_file(&inside).unwrap();
    fs::rename(&moved, &inside).unwrap();
    let files = finish(call);
    let stream = &files.details.streams[0];
    let dropped = stream.completeness.dropped.audio;
    assert!(dropped > 0 && !stream.completeness.is_complete());
    let (left, _) = decode_wav(files.audio.as_ref().unwrap());
    assert_eq!(left.len() as u64 / 160 + dropped, 6_000, "what is not there is counted");
    assert_eq!(stream.lines.len(), 1);
    assert!(fs::read_to_string(files.summary).unwrap().contains("found no room, and are missing"));
}

#[test]
fn an_unreadable_summary_is_set_aside_and_a_damaged_journal_too() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("call_CA1_summary.json"), "not json").unwrap();
    fs::create_dir(home.path().join(".journal")).unwrap();
    fs::write(home.path().join(".journal/CA9_1.journal"), "no journal at all").unwrap();
    let recorder = Recorder::builder(home.path()).recover_at_start(false).start().unwrap();
    let recovery = recorder.recover().unwrap();
    assert_eq!((recovery.finished, recovery.failed), (0, 1));
    assert!(home.path().join(".journal/CA9_1.journal.bad").exists());
    finish(recorder.start_call(CallOptions::new("CA1")).unwrap());
    assert!(home.path().join("call_CA1_summary.json.bad").exists());
    assert_eq!(recorder.files("CA1").unwrap().details.streams.len(), 1);
}

#[test]
fn a_damaged_journal_is_recorded_but_for_its_damage_and_kept_for_a_person() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = recorder(live.path(), Format::Wav);
    let call = other.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 100);
    assert!(call.flush());
    let mut bytes = fs::read(live.path().join(".journal/CA1_1.journal")).unwrap();
    let third = bytes.len() / 3;
    bytes[third] ^= 1;

    fs::create_dir(crashed.path().join(".journal")).unwrap();
    let journal = crashed.path().join(".journal/CA1_1.journal");
    let aside = journal.with_extension("journal.bad");
    let recorder = Recorder::builder(crashed.path()).recover_at_start(false).start().unwrap();
    // The second time its recording is there, as when the process was killed before the journal was set aside.
    for _ in 0..2 {
        fs::write(&journal, &bytes).unwrap();
        assert_eq!(recorder.recover().unwrap().finished, 1);
        assert!(!journal.exists() && fs::read(&aside).unwrap() == bytes);
        fs::remove_file(&aside).unwrap();
        let stream = &recorder.files("CA1").unwrap().details.streams[0];
        let (left, right) = decode_wav(&crashed.path().join("call_CA1_conversation.wav"));
        let (whole, silent) =
            (left.len().min(right.len()), |samples: &[i16]| samples.iter().all(|s| *s == 0));
        let silent = left.chunks(160).chain(right.chunks(160)).filter(|frame| silent(frame)).count();
        // One record of 20 ms is not there, and what is behind it is in its place.
        assert_eq!((stream.duration_ms, whole, silent), (2_000, 16_000, 1));
        let lost = &stream.completeness;
        assert!((160..200).contains(&lost.damaged_bytes) && lost.torn_bytes == 0, "{lost:?}");
        let summary = fs::read_to_string(recorder.files("CA1").unwrap().summary).unwrap();
        assert!(summary.contains("bytes within the journal were damaged, and are missing"), "{summary}");
    }
    // With nothing behind it, it goes.
    fs::remove_file(crashed.path().join("call_CA1_summary.json")).unwrap();
    fs::remove_file(crashed.path().join("call_CA1_conversation.wav")).unwrap();
    fs::write(&journal, &bytes[..=third]).unwrap();
    assert_eq!(recorder.recover().unwrap().finished, 1);
    assert!(!journal.exists() && !aside.exists());
    finish(call);
}

#[test]
fn a_journal_that_comes_back_shorter_takes_nothing_from_a_call_of_which_no_audio_is_recorded() {
    let options = CallOptions::new("CA1");
    for (records, options) in [(false, options.clone()), (true, options.without_audio("no room"))] {
        let home = tempfile::tempdir().unwrap();
        let recorder =
            Recorder::builder(home.path()).record_audio(records).recover_at_start(false).start().unwrap();
        let call = recorder.start_call(options).unwrap();
        let journal = home.path().join(".journal/CA1_1.journal");
        call.said(Speaker::Caller, "first");
        assert!(call.flush());
        let shorter = fs::read(&journal).unwrap();
        call.said(Speaker::Caller, "second");
        finish(call);
        // As a disk may bring it back that had failed to sync it.
        fs::write(&journal, shorter).unwrap();
        assert_eq!(recorder.recover().unwrap().finished, 1);
        let stream = &recorder.files("CA1").unwrap().details.streams[0];
        let texts: Vec<&str> = stream.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((texts, stream.recovered, journals(home.path())), (vec!["first", "second"], false, 0));
    }
}

#[test]
fn the_same_journal_gives_the_same_bytes_live_and_after_a_crash_and_a_change_of_format() {
    for format in Format::compiled() {
        let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(crashed.path().join(".journal")).unwrap();
        let recorder = recorder(live.path(), Format::Mp3);
        // A summary of a later version cannot be added to: the journal stays when the audio is published.
        fs::write(live.path().join("call_CA1_summary.json"), r#"{"version":999}"#).unwrap();
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        talk(&call, 0, 100);
        std::thread::sleep(Duration::from_millis(1_200));
        recorder.set_format("CA1", &FormatChange::to(format).with_bitrate(Bitrate(64))).unwrap();
        talk(&call, 100, 100);
        let error = call.finish(EndReason::Stopped).wait().unwrap_err();
        assert!(error.to_string().contains("later version"), "{error}");
        let name = format!("call_CA1_conversation.{format}");
        let journal = Path::new(".journal").join("CA1_1.journal");
        fs::copy(live.path().join(&journal), crashed.path().join(&journal)).unwrap();

        let other = Recorder::builder(crashed.path()).recover_at_start(false).start().unwrap();
        assert_eq!(other.recover().unwrap().finished, 1);
        let (first, second) =
            (fs::read(live.path().join(&name)).unwrap(), fs::read(crashed.path().join(&name)).unwrap());
        assert!(first == second, "{format}: {} and {} bytes differ", first.len(), second.len());
        let files = other.files("CA1").unwrap();
        assert!(files.details.streams[0].recovered);
        assert!(fs::read_to_string(files.summary).unwrap().contains("Recovered: yes"));

        // The one that was published before its journal could be removed is kept, and its journal goes.
        fs::remove_file(live.path().join("call_CA1_summary.json")).unwrap();
        drop(recorder);
        let again = Recorder::builder(live.path()).recover_at_start(false).start().unwrap();
        assert_eq!(again.recover().unwrap().finished, 1);
        assert!(fs::read(live.path().join(&name)).unwrap() == first);
        assert_eq!(again.files("CA1").unwrap().recordings.len(), 1);
        assert_eq!(journals(live.path()), 0);
    }
}
