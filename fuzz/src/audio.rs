//! Damaged audio files: bytes that pass for one, or a file of callrec's and what happens to it. The first byte tells.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::{LazyLock, Mutex, PoisonError};

use callrec_encode::readback::{ReadBack, ReadBackError, check_file, decode_file};
use callrec_encode::{Bitrate, Channels, Format, Settings, Spec, WavEncoding};

use crate::damage::damage;
use crate::input::Input;

/// What a decoder may need beside what is in the file, in bytes.
const BUFFERS: u64 = 8 * 1024 * 1024;

/// A file of callrec's.
pub(crate) struct Sample {
    spec: Spec,
    pcm: Vec<i16>,
    pub(crate) file: Vec<u8>,
    /// The same before its header was put right, as it is read while it is written.
    unfinished: Vec<u8>,
}

/// A tenth of a second in every format, and what else a format has.
pub(crate) static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let of = |format| Settings::default().with_format(format);
    let mono = |format| of(format).with_channels(Channels::Mono);
    [
        mono(Format::Mp3).with_mp3_bitrate(Bitrate(8)),
        of(Format::Mp3).with_mp3_bitrate(Bitrate(64)),
        of(Format::Wav),
        mono(Format::Wav).with_wav_encoding(WavEncoding::Mulaw),
        mono(Format::Ogg).with_ogg_quality(-1.0),
        of(Format::Ogg),
        mono(Format::Flac),
        of(Format::Flac),
    ]
    .into_iter()
    .map(|settings| sample(settings.resolve(8_000).expect("settings that go together")))
    .collect()
});

fn sample(spec: Spec) -> Sample {
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 20) as i16
    };
    let samples = spec.rate as usize / 10 * usize::from(spec.channels);
    let pcm: Vec<i16> = (0..samples).map(|index| noise() + (index % 64) as i16 * 100).collect();
    let mut file = Vec::new();
    let mut encoder = spec.encoder().expect("an encoder");
    encoder.encode(&pcm, &mut file).expect("a tenth of a second fits");
    let patch = encoder.finish(&mut file).expect("a file can be finished");
    let unfinished = file.clone();
    if let Some(patch) = patch {
        patch.apply(&mut file);
    }
    Sample { spec, pcm, file, unfinished }
}

/// Reads an audio file.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    let which = usize::from(input.byte());
    let sample = &SAMPLES[which % SAMPLES.len()];
    if which < 128 {
        let _ = look(sample, input.0, input.0);
    } else {
        let (mut file, mut unfinished) = (sample.file.clone(), sample.unfinished.clone());
        damage(&mut unfinished, &mut Input(input.0));
        damage(&mut file, &mut input);
        let is_as_it_was = file == sample.file;
        let good = look(sample, &file, &unfinished);
        assert!(good || !is_as_it_was, "a file as it was written is good");
    }
}

/// Looks at a file in every way there is; says whether all of them find the sample in it.
fn look(sample: &Sample, file: &[u8], unfinished: &[u8]) -> bool {
    let Sample { spec, pcm, .. } = sample;
    let frames = (pcm.len() / usize::from(spec.channels)) as u64;
    let is_exact =
        matches!(spec.format, Format::Wav | Format::Flac) && spec.wav_encoding == WavEncoding::Pcm16;

    let mut heard = Vec::new();
    let mut decoded = Err(ReadBackError::SamplesDiffer);
    bounded(file, || {
        decoded = decode_file(Cursor::new(file.to_vec()), spec.format, |_, _, piece| {
            if heard.len() <= 2 * pcm.len() {
                heard.extend_from_slice(piece);
            }
        });
    });
    let mut checked = Err(ReadBackError::SamplesDiffer);
    bounded(file, || checked = check_file(Cursor::new(file.to_vec()), spec, frames));
    if let Ok(checked) = &checked {
        assert_eq!((checked.frames, checked.bytes), (frames, file.len() as u64));
    }
    let mut followed = Err(ReadBackError::SamplesDiffer);
    bounded(unfinished, || followed = follow(sample, unfinished));

    let is_good = checked.is_ok() && followed.is_ok();
    if is_good && let Ok(decoded) = decoded {
        assert_eq!((decoded.rate, decoded.channels), (spec.rate, spec.channels));
        assert_eq!(decoded.frames, frames);
        assert!(!is_exact || heard == *pcm, "other samples than were written, and nobody said so");
    }
    is_good
}

/// The file as it is read while it is written.
fn follow(sample: &Sample, file: &[u8]) -> Result<(), ReadBackError> {
    let mut readback = ReadBack::new(&sample.spec);
    readback.encoded(&sample.pcm);
    for piece in file.chunks(1_000) {
        if let Err(error) = readback.written(piece) {
            assert!(readback.written(&[]).is_err(), "what is damaged stays so");
            return Err(error);
        }
    }
    readback.finish().map(drop)
}

/// Does something whose memory must not depend on what a file says of itself.
fn bounded(file: &[u8], work: impl FnOnce()) {
    let memory = allocation_counter::measure(work);
    assert!(memory.bytes_max <= 16 * file.len() as u64 + BUFFERS, "{memory:?} for {} bytes", file.len());
}

/// Tells of the first panic at each place, and lets them go on: a decoder's is caught where it was called.
#[allow(clippy::print_stderr, reason = "it is for whoever watches libFuzzer")]
pub fn tell_panics_once() {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // In place of libFuzzer's, which ends the process. And without a backtrace, which would count as the decoder's memory
    // where RUST_BACKTRACE asks for one.
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            eprintln!("{panic}");
        }
    }));
}
