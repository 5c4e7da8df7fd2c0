//! Whole files in memory: encoded in pieces, and decoded again.

use std::io::Cursor;

use callrec_encode::readback::{Checked, ReadBack, ReadBackError, ReadBackReport, check_file};
use callrec_encode::{Bitrate, Channels, Format, RateSetting, Settings, Spec, Tags, WavEncoding};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// Every compiled format, at its usual and its unusual settings.
pub(crate) fn specs() -> Vec<Spec> {
    let mut all = Vec::new();
    for format in Format::compiled() {
        let settings = Settings::default().with_format(format);
        let mono = settings.clone().with_channels(Channels::Mono);
        let mut some =
            vec![settings.clone(), mono.clone(), settings.clone().with_rate(RateSetting::Hz(44_100))];
        match format {
            Format::Mp3 => {
                some.push(settings.clone().with_mp3_bitrate(Bitrate(64)));
                some.push(mono.with_mp3_bitrate(Bitrate(8)));
            }
            Format::Wav => {
                some.push(settings.clone().with_wav_encoding(WavEncoding::Mulaw));
                some.push(mono.with_wav_encoding(WavEncoding::Mulaw));
            }
            Format::Ogg => some.push(settings.with_ogg_quality(-1.0)),
            Format::Flac => some.push(settings.with_flac_level(0)),
        }
        all.extend(some.into_iter().map(|settings| settings.resolve(8_000).unwrap()));
    }
    all
}

pub(crate) fn tags() -> Tags {
    Tags::default().with_title("CA0123456789").with_date("2025-07-13T10:30:00").with_encoder("callrec 0.1")
}

/// The file that comes of `pcm`, passed in pieces of `frames` frames.
pub(crate) fn encode(spec: &Spec, pcm: &[i16], frames: usize) -> Vec<u8> {
    let mut encoder = spec.encoder().unwrap();
    let mut file = Vec::new();
    for piece in pcm.chunks(frames * usize::from(spec.channels)) {
        encoder.encode(piece, &mut file).unwrap();
    }
    if let Some(patch) = encoder.finish(&mut file).unwrap() {
        assert!(patch.offset as usize + patch.bytes.len() <= file.len(), "a patch beyond the end");
        patch.apply(&mut file);
    }
    file
}

/// As [`encode`], followed by a [`ReadBack`]; `spoil` may change a piece of the file on its way there.
pub(crate) fn follow(
    spec: &Spec,
    pcm: &[i16],
    mut spoil: impl FnMut(&mut Vec<u8>),
) -> Result<ReadBackReport, ReadBackError> {
    let mut readback = ReadBack::new(spec);
    let mut encoder = spec.encoder().unwrap();
    let mut written = Vec::new();
    for piece in pcm.chunks(usize::from(spec.channels) * 4_000) {
        written.clear();
        readback.encoded(piece);
        encoder.encode(piece, &mut written).unwrap();
        spoil(&mut written);
        readback.written(&written)?;
    }
    written.clear();
    encoder.finish(&mut written).unwrap();
    spoil(&mut written);
    readback.written(&written)?;
    readback.finish()
}

pub(crate) fn check(spec: &Spec, file: &[u8], frames: usize) -> Result<Checked, ReadBackError> {
    check_file(Cursor::new(file.to_vec()), spec, frames as u64)
}

/// A file as a player hears it: interleaved samples.
pub(crate) fn play(spec: &Spec, file: &[u8]) -> Vec<i16> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(file.to_vec())), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(spec.format.extension());
    let probe = symphonia::default::get_probe();
    let mut reader = match probe.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default()) {
        Ok(reader) => reader,
        // A FLAC file without a frame is valid; this reader wants to see one.
        Err(Error::IoError(_)) if spec.format == Format::Flac && file.len() < 200 => return Vec::new(),
        Err(error) => panic!("{spec:?}: {error}"),
    };
    let params = reader.tracks()[0].codec_params.clone().unwrap();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(params.audio().unwrap(), &AudioDecoderOptions::default())
        .unwrap();
    let mut pcm = Vec::new();
    let mut piece = Vec::<i16>::new();
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // A file at a checkpoint may end within a packet; players stop there.
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => panic!("{spec:?}: {error}"),
        };
        decoder.decode(&packet).unwrap().copy_to_vec_interleaved(&mut piece);
        pcm.extend_from_slice(&piece);
    }
    pcm
}
