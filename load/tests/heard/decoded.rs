//! A recording as a player hears it.

use std::fs::File;
use std::path::Path;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::FormatOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// The two sides of a stereo file.
pub(crate) struct Decoded {
    pub(crate) rate: u32,
    pub(crate) caller: Vec<i16>,
    pub(crate) assistant: Vec<i16>,
}

/// Decodes a whole file.
pub(crate) fn decode(path: &Path) -> Decoded {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(path.extension().unwrap().to_str().unwrap());
    let mut reader = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .unwrap();
    let track = reader.tracks().first().unwrap();
    let params = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    assert_eq!(params.channels.as_ref().unwrap().count(), 2, "{}", path.display());
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&params, &AudioDecoderOptions::default())
        .unwrap();
    let (mut samples, mut piece) = (Vec::<i16>::new(), Vec::new());
    while let Some(packet) = reader.next_packet().unwrap() {
        decoder.decode(&packet).unwrap().copy_to_vec_interleaved(&mut piece);
        samples.append(&mut piece);
    }
    let (caller, assistant) = samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    Decoded { rate: params.sample_rate.unwrap(), caller, assistant }
}
