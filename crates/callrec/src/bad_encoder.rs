//! Encoders that fail: nothing is lost by one. The journal is kept, the recording made again, and then as WAV.
//!
//! Which encoder is given to a take is [`Output`](crate::take)'s to say; in these tests, an encoder of a format that is bad for
//! the call.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use callrec_encode::{EncodeError, Encoder, Format, Patch, Settings, Spec};
use callrec_store::CallId;

use crate::live::lock;
use crate::{Audio, AudioOutcome, Call, CallFiles, CallOptions, EndReason, RecordError, Recorder};

/// What an encoder does, once it has taken so many samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It says that it failed.
    Fails,
    /// It panics.
    Panics,
    /// It goes on as if nothing were wrong, and writes something else.
    Lies,
}

/// How the encoders of a call are bad, how many more of them, and in which formats.
#[derive(Debug, Clone)]
struct Trouble {
    how: Bad,
    encoders: u32,
    formats: Vec<Format>,
}

/// By call. Takes are made on threads of their own, to which a test has no other way.
static TROUBLES: Mutex<BTreeMap<String, Trouble>> = Mutex::new(BTreeMap::new());

/// The encoder that a take of this call gets.
pub(crate) fn given(encoder: Box<dyn Encoder>, call: &CallId, spec: &Spec) -> Box<dyn Encoder> {
    let mut troubles = lock(&TROUBLES);
    let Some(trouble) = troubles.get_mut(call.as_str()) else { return encoder };
    if trouble.encoders == 0 || !trouble.formats.contains(&spec.format) {
        return encoder;
    }
    trouble.encoders -= 1;
    Box::new(BadEncoder { encoder, how: trouble.how, format: spec.format, samples: 0 })
}

struct BadEncoder {
    encoder: Box<dyn Encoder>,
    how: Bad,
    format: Format,
    samples: usize,
}

/// Half a second of both parties at 8 kHz.
const GOOD: usize = 8_000;

impl Encoder for BadEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.samples += pcm.len();
        let before = out.len();
        if self.samples <= GOOD {
            return self.encoder.encode(pcm, out);
        }
        match self.how {
            Bad::Fails => Err(EncodeError::Codec { format: self.format, message: "out of order".into() }),
            Bad::Panics => panic!("a codec panics"),
            Bad::Lies => {
                self.encoder.encode(pcm, out)?;
                out[before..].fill(0x55);
                Ok(())
            }
        }
    }

    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.encoder.checkpoint(out)
    }

    fn finish(self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.encoder.finish(out)
    }
}

/// So many encoders of a call that is yet to begin are bad.
pub(crate) fn spoil(call: &str, how: Bad, encoders: u32, formats: &[Format]) {
    let trouble = Trouble { how, encoders, formats: formats.to_vec() };
    lock(&TROUBLES).insert(call.to_owned(), trouble);
}

const SECONDS: u64 = 3;

fn begin(home: &Path, call: &str, format: Format) -> (Recorder, Call) {
    let settings = Settings::default().with_format(format);
    let recorder = Recorder::builder(home).settings(settings).recover_at_start(false).start().unwrap();
    let call = recorder.start_call(CallOptions::new(call)).unwrap();
    for frame in 0..SECONDS * 50 {
        call.caller_at(frame * 20, Audio::mulaw(&[(frame % 100) as u8; 160]));
        call.assistant_at(frame * 20, Audio::mulaw(&[128 + (frame % 100) as u8; 160]));
    }
    assert!(call.flush());
    (recorder, call)
}

fn journals(home: &Path) -> usize {
    let names = fs::read_dir(home.join(".journal")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".journal")).count()
}

/// The recording is WAV, has every sample, and says what it was meant to be.
fn assert_whole_as_wav(files: &CallFiles, asked: &str) {
    let AudioOutcome::Recorded(file) = &files.details.streams[0].audio else {
        panic!("{:?}", files.details.streams[0].audio)
    };
    assert_eq!((file.format.as_str(), file.requested_format.as_deref()), ("wav", Some(asked)));
    let mut wav = hound::WavReader::open(files.audio.as_ref().unwrap()).unwrap();
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let said = (0..SECONDS * 50).flat_map(|frame| {
        let codes = [(frame % 100) as u8, 128 + (frame % 100) as u8];
        std::iter::repeat_n(codes.map(callrec_audio::g711::ulaw_to_linear), 160).flatten()
    });
    assert!(samples.into_iter().eq(said), "every sample of both parties is there");
}

#[test]
fn an_encoder_that_keeps_failing_in_whatever_way_costs_no_audio_but_its_format() {
    for how in [Bad::Fails, Bad::Panics, Bad::Lies] {
        for format in [Format::Mp3, Format::Flac, Format::Ogg] {
            let home = tempfile::tempdir().unwrap();
            let name = format!("CAkeeps{how:?}{format}");
            spoil(&name, how, u32::MAX, &[format]);
            let (recorder, call) = begin(home.path(), &name, format);
            let files = call.finish(EndReason::Stopped).wait().unwrap();
            assert_whole_as_wav(&files, &format.to_string());
            assert_eq!(journals(home.path()), 0);
            drop(recorder);
        }
    }
}

#[test]
fn an_encoder_that_fails_once_is_asked_again_and_the_recording_is_as_it_was_meant() {
    for how in [Bad::Fails, Bad::Panics, Bad::Lies] {
        let home = tempfile::tempdir().unwrap();
        let name = format!("CAonce{how:?}");
        spoil(&name, how, 1, &[Format::Flac]);
        let (recorder, call) = begin(home.path(), &name, Format::Flac);
        let files = call.finish(EndReason::Stopped).wait().unwrap();
        let AudioOutcome::Recorded(file) = &files.details.streams[0].audio else { panic!("{how:?}") };
        assert_eq!((file.format.as_str(), &file.requested_format), ("flac", &None), "{how:?}");
        assert_eq!(lock(&TROUBLES)[&name].encoders, 0, "it was bad");
        drop(recorder);
    }
}

#[test]
fn where_no_encoder_works_the_journal_is_kept_and_told_of_and_a_later_start_makes_the_recording() {
    for how in [Bad::Fails, Bad::Panics, Bad::Lies] {
        let home = tempfile::tempdir().unwrap();
        let name = format!("CAnone{how:?}");
        spoil(&name, how, u32::MAX, &[Format::Mp3, Format::Wav]);
        let (recorder, call) = begin(home.path(), &name, Format::Mp3);
        let error = call.finish(EndReason::Stopped).wait().unwrap_err();
        assert!(matches!(&error, RecordError::NotFinished { .. }), "{error}");
        assert!(error.to_string().contains("tried again, at the next start"), "{error}");
        let told = recorder.files(&name).unwrap();
        assert!(matches!(told.details.streams[0].audio, AudioOutcome::NotSaved { .. }));
        drop(recorder);
        assert_eq!(journals(home.path()), 1);

        // MP3 stays out of order, WAV does not.
        spoil(&name, how, u32::MAX, &[Format::Mp3]);
        let next = Recorder::builder(home.path()).recover_at_start(false).start().unwrap();
        assert_eq!(next.recover().unwrap().finished, 1);
        assert_whole_as_wav(&next.files(&name).unwrap(), "mp3");
        assert_eq!(journals(home.path()), 0);
    }
}
