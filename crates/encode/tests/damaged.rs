//! A damaged file is read or refused, whatever the damage: nothing breaks, and no other sound passes for the recording.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use callrec_encode::readback::{ReadBack, ReadBackError, check_file, decode_file};
use callrec_encode::{Bitrate, Format, Settings, Spec};
use proptest::prelude::*;

/// A tenth of a second of noise, and the file of it.
fn recording(spec: &Spec) -> (Vec<i16>, Vec<u8>) {
    let mut seed = 1_u32;
    let samples = spec.rate as usize / 10 * usize::from(spec.channels);
    let noise = (0..samples).map(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 18) as i16
    });
    let pcm: Vec<i16> = noise.collect();
    let mut encoder = spec.encoder().unwrap();
    let mut file = Vec::new();
    encoder.encode(&pcm, &mut file).unwrap();
    if let Some(patch) = encoder.finish(&mut file).unwrap() {
        patch.apply(&mut file);
    }
    (pcm, file)
}

fn follow(spec: &Spec, pcm: &[i16], file: &[u8]) -> Result<(), ReadBackError> {
    let mut readback = ReadBack::new(spec);
    readback.encoded(pcm);
    readback.written(file)?;
    readback.finish().map(drop)
}

/// Looks at a file in every way; panics if it passes for a recording that it is not.
fn look(spec: &Spec, pcm: &[i16], file: &[u8]) {
    let mut heard = Vec::new();
    let decoded =
        decode_file(Cursor::new(file.to_vec()), spec.format, |_, _, piece| heard.extend_from_slice(piece));
    let frames = (pcm.len() / usize::from(spec.channels)) as u64;
    let checked = check_file(Cursor::new(file.to_vec()), spec, frames);
    let followed = follow(spec, pcm, file);
    if let (Ok(decoded), Ok(_), Ok(())) = (decoded, checked, followed) {
        assert_eq!((decoded.rate, decoded.channels, decoded.frames), (spec.rate, spec.channels, frames));
        assert!(
            heard == pcm || matches!(spec.format, Format::Mp3 | Format::Ogg),
            "other sound, and nobody said so"
        );
    }
}

#[test]
#[cfg(feature = "wav")]
fn a_header_that_its_decoder_cannot_multiply_is_refused_and_no_panic() {
    let spec = Settings::default().with_format(Format::Wav).resolve(8_000).unwrap();
    let (pcm, mut file) = recording(&spec);
    // Channels, and bits of a sample: their product is more than 16 bits hold.
    file[22..24].copy_from_slice(&0xffff_u16.to_le_bytes());
    file[34..36].copy_from_slice(&32_u16.to_le_bytes());
    assert!(decode_file(Cursor::new(file.clone()), spec.format, |_, _, _| ()).is_err());
    assert!(check_file(Cursor::new(file.clone()), &spec, pcm.len() as u64 / 2).is_err());
    assert!(follow(&spec, &pcm, &file).is_err());
}

fn specs() -> Vec<Spec> {
    let of = |format| Settings::default().with_format(format).with_mp3_bitrate(Bitrate(64));
    Format::compiled().map(|format| of(format).resolve(8_000).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for spec in specs() {
            look(&spec, &[], &bytes);
        }
    }

    #[test]
    fn any_file_is_read_or_refused_however_it_is_bent(
        bends in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..4),
        // Headers are where most can go wrong.
        within in prop_oneof![Just(60), Just(400), Just(usize::MAX)],
    ) {
        for spec in specs() {
            let (pcm, mut file) = recording(&spec);
            for (at, byte, how) in &bends {
                let at = at.index(file.len().min(within) + 1);
                match how {
                    0 | 3 if at < file.len() => file[at] = *byte,
                    1 => file.truncate(at),
                    2 => file.insert(at, *byte),
                    _ => {}
                }
            }
            look(&spec, &pcm, &file);
        }
    }
}
