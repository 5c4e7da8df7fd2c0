//! WAV files as an independent reader and the RIFF specification see them.
#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "wav")]

use std::io::Cursor;

use callrec_audio::g711::{linear_to_ulaw, ulaw_to_linear};
use callrec_encode::readback::check_file;
use callrec_encode::{Channels, EncodeError, Format, Settings, Spec, Tags, WavEncoding};

fn spec(encoding: WavEncoding, channels: Channels) -> Spec {
    let settings = Settings::default().with_format(Format::Wav).with_wav_encoding(encoding);
    settings.with_channels(channels).resolve(8_000).unwrap()
}

fn ramp(samples: usize) -> Vec<i16> {
    (0..samples).map(|index| (index as i64 * 7_919 % 65_536 - 32_768) as i16).collect()
}

fn encode(spec: &Spec, pcm: &[i16]) -> Vec<u8> {
    let mut encoder = spec.encoder().unwrap();
    let mut file = Vec::new();
    encoder.encode(pcm, &mut file).unwrap();
    encoder.finish(&mut file).unwrap().unwrap().apply(&mut file);
    file
}

fn le32(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

/// Where a chunk's body begins and how long it is.
fn chunk(file: &[u8], id: &[u8; 4]) -> Option<(usize, usize)> {
    let mut at = 12;
    while at + 8 <= file.len() {
        let length = le32(file, at + 4) as usize;
        if &file[at..at + 4] == id {
            return Some((at + 8, length));
        }
        at += 8 + length + length % 2;
    }
    None
}

#[test]
fn hound_reads_the_samples_that_were_written() {
    for (channels, samples) in [(Channels::Stereo, 20_000), (Channels::Mono, 9_999), (Channels::Stereo, 0)] {
        let pcm = ramp(samples);
        let tags = Tags::default().with_title("CA1").with_date("2025-07-13").with_encoder("callrec");
        let spec = spec(WavEncoding::Pcm16, channels).with_tags(tags);
        let mut reader = hound::WavReader::new(Cursor::new(encode(&spec, &pcm))).unwrap();
        let header = reader.spec();
        assert_eq!((header.channels, header.sample_rate), (u16::from(spec.channels), 8_000));
        assert_eq!((header.bits_per_sample, header.sample_format), (16, hound::SampleFormat::Int));
        assert_eq!(reader.len() as usize, samples);
        assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), pcm);
    }
}

#[test]
fn hound_reads_a_file_at_a_checkpoint() {
    let pcm = ramp(3_200);
    let mut encoder = spec(WavEncoding::Pcm16, Channels::Stereo).encoder().unwrap();
    let mut file = Vec::new();
    for passed in 1..=5_u32 {
        encoder.encode(&pcm, &mut file).unwrap();
        encoder.checkpoint(&mut file).unwrap().unwrap().apply(&mut file);
        let reader = hound::WavReader::new(Cursor::new(file.clone())).unwrap();
        assert_eq!(reader.len(), passed * 3_200);
    }
}

#[test]
fn mulaw_has_format_tag_7_a_fact_chunk_and_the_codes_of_g711() {
    let pcm = ramp(2_001);
    let spec = spec(WavEncoding::Mulaw, Channels::Mono);
    let file = encode(&spec, &pcm);
    let (format, length) = chunk(&file, b"fmt ").unwrap();
    assert_eq!(length, 18);
    assert_eq!(file[format..format + 4], [7, 0, 1, 0]); // tag 7, one channel
    assert_eq!((le32(&file, format + 4), le32(&file, format + 8)), (8_000, 8_000)); // Hz, bytes a second
    assert_eq!(file[format + 12..format + 18], [1, 0, 8, 0, 0, 0]); // bytes a frame, bits, no extension
    let (fact, _) = chunk(&file, b"fact").unwrap();
    assert_eq!(le32(&file, fact), 2_001);
    let (data, length) = chunk(&file, b"data").unwrap();
    assert_eq!(length, 2_001);
    assert_eq!(file.len(), data + 2_002); // filled up to an even length
    assert_eq!(le32(&file, 4) as usize, file.len() - 8);
    let codes: Vec<u8> = pcm.iter().map(|sample| linear_to_ulaw(*sample)).collect();
    assert_eq!(file[data..data + 2_001], codes);
    check_file(Cursor::new(file), &spec, 2_001).unwrap();
}

#[test]
fn a_mulaw_line_is_kept_as_it_was() {
    let line: Vec<i16> = (0..=255).map(ulaw_to_linear).collect();
    let file = encode(&spec(WavEncoding::Mulaw, Channels::Stereo), &line);
    let (data, length) = chunk(&file, b"data").unwrap();
    let back: Vec<i16> = file[data..data + length].iter().map(|code| ulaw_to_linear(*code)).collect();
    assert_eq!(back, line);
}

#[test]
fn the_tags_are_an_info_list() {
    let tags = Tags::default().with_title("CA1").with_date("2025-07-13").with_encoder("callrec\0\n");
    let file = encode(&spec(WavEncoding::Pcm16, Channels::Stereo).with_tags(tags), &[]);
    let (at, length) = chunk(&file, b"LIST").unwrap();
    let expected = b"INFOINAM\x04\0\0\0CA1\0ICRD\x0b\0\0\x002025-07-13\0\0ISFT\x08\0\0\0callrec\0";
    assert_eq!(&file[at..at + length], expected);
}

#[test]
fn a_file_cut_off_before_any_patch_says_that_its_length_is_unknown() {
    let mut encoder = spec(WavEncoding::Pcm16, Channels::Stereo).encoder().unwrap();
    let mut file = Vec::new();
    encoder.encode(&ramp(100), &mut file).unwrap();
    assert_eq!((le32(&file, 4), le32(&file, 40)), (u32::MAX, u32::MAX));
}

#[test]
fn samples_beyond_the_limit_are_refused_whole_and_the_file_still_finishes() {
    for (encoding, channels, bytes) in
        [(WavEncoding::Pcm16, Channels::Stereo, 2), (WavEncoding::Mulaw, Channels::Mono, 1)]
    {
        let settings = Settings::default().with_format(Format::Wav).with_wav_encoding(encoding);
        let spec = settings.with_channels(channels).with_wav_limit_bytes(10_001).resolve(8_000).unwrap();
        let mut encoder = spec.encoder().unwrap();
        let mut file = Vec::new();
        let piece = ramp(1_000);
        let mut taken = 0;
        let error = loop {
            let before = file.clone();
            match encoder.encode(&piece, &mut file) {
                Ok(()) => taken += piece.len(),
                Err(error) => {
                    assert_eq!(file, before);
                    break error;
                }
            }
        };
        assert_eq!(error, EncodeError::TooLong { format: Format::Wav, limit_bytes: 10_001 });
        encoder.encode(&piece[..2], &mut file).unwrap(); // what still fits is still taken
        taken += 2;
        encoder.finish(&mut file).unwrap().unwrap().apply(&mut file);
        assert!(file.len() <= 10_001 && file.len() + 1_000 * bytes > 10_001);
        check_file(Cursor::new(file), &spec, (taken / usize::from(spec.channels)) as u64).unwrap();
    }
}
