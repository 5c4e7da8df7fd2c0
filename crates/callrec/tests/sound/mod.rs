//! Tones to be recorded, calls that speak them, and files read back with decoders that are not ours.
#![allow(dead_code, clippy::disallowed_methods, reason = "tests; not every binary uses all of it")]

use std::f64::consts::TAU;
use std::fs::{self, File};
use std::path::Path;

use callrec::{Audio, Call, CallFiles, EndReason, Format, Recorder, Settings};
use callrec_audio::g711::Law;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// A second of a tone in μ-law.
pub(crate) fn tone(hz: f64, rate: u32) -> Vec<u8> {
    let pcm: Vec<i16> =
        (0..rate).map(|n| ((f64::from(n) * hz * TAU / f64::from(rate)).sin() * 8_000.0) as i16).collect();
    let mut codes = Vec::new();
    Law::Mulaw.encode(&pcm, &mut codes);
    codes
}

/// The 20 ms of a tone's endless repetition that have this index.
pub(crate) fn frames_of(tone: &[u8], index: u64) -> Vec<u8> {
    let start = index as usize % 50 * 160;
    tone[start..start + 160].to_vec()
}

/// What so many frames sound like.
pub(crate) fn heard(tone: &[u8], frames: u64) -> Vec<i16> {
    let codes: Vec<u8> = (0..frames).flat_map(|index| frames_of(tone, index)).collect();
    let mut pcm = Vec::new();
    Law::Mulaw.decode(&codes, &mut pcm);
    pcm
}

/// The two channels of a WAV file.
pub(crate) fn decode_wav(path: &Path) -> (Vec<i16>, Vec<i16>) {
    let samples: Vec<i16> = hound::WavReader::open(path).unwrap().samples().map(Result::unwrap).collect();
    samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip()
}

/// The two channels of a file of any format, as a player hears them.
pub(crate) fn play(path: &Path) -> (Vec<i16>, Vec<i16>) {
    let mut reader = open(path);
    let params = reader.tracks()[0].codec_params.clone().unwrap();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(params.audio().unwrap(), &AudioDecoderOptions::default())
        .unwrap();
    let (mut both, mut piece) = (Vec::new(), Vec::<i16>::new());
    while let Some(packet) = reader.next_packet().unwrap() {
        decoder.decode(&packet).unwrap().copy_to_vec_interleaved(&mut piece);
        both.extend(piece.chunks_exact(2).map(|pair| (pair[0], pair[1])));
    }
    both.into_iter().unzip()
}

/// How many frames (samples of each channel) a player finds in a file.
pub(crate) fn length_of(path: &Path) -> u64 {
    open(path).tracks()[0].num_frames.unwrap()
}

fn open(path: &Path) -> Box<dyn FormatReader> {
    let stream = MediaSourceStream::new(Box::new(File::open(path).unwrap()), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(path.extension().unwrap().to_str().unwrap());
    symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .unwrap()
}

/// A recorder of one format.
pub(crate) fn recorder(home: &Path, format: Format) -> Recorder {
    Recorder::builder(home).settings(Settings::default().with_format(format)).start().unwrap()
}

/// Feeds both tracks by the provider's clock: a tone of its own for each.
pub(crate) fn talk(call: &Call, from_frame: u64, frames: u64) {
    for index in from_frame..from_frame + frames {
        call.caller_at(index * 20, Audio::mulaw(&frames_of(&tone(440.0, 8_000), index)));
        call.assistant_at(index * 20, Audio::mulaw(&frames_of(&tone(700.0, 8_000), index)));
        if index % 100 == 99 {
            call.flush();
        }
    }
}

/// Ends a call and waits for its files.
pub(crate) fn finish(call: Call) -> CallFiles {
    call.finish(EndReason::Stopped).wait().unwrap()
}

/// What is in the directory, without the journal's.
pub(crate) fn names(home: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How many journals there are.
pub(crate) fn journals(home: &Path) -> usize {
    let files = fs::read_dir(home.join(".journal")).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "journal")).count()
}
