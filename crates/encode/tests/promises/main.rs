//! What every format promises, tried on every format that is compiled.
#![allow(clippy::unwrap_used, reason = "tests")]

mod file;
mod sound;

use std::io::Cursor;

use callrec_encode::readback::{ReadBackError, decode_file};
use callrec_encode::{Format, Patch, Settings};
use file::{check, encode, follow, play, specs, tags};
use sound::{conversation, one_sided};

#[test]
fn the_way_sound_is_cut_into_calls_does_not_change_the_file() {
    for spec in specs() {
        let pcm = conversation(30_011, spec.rate, spec.channels);
        let whole = encode(&spec, &pcm, 30_011);
        for frames in [1, 7, 160, 1_024, 5_000] {
            assert!(encode(&spec, &pcm, frames) == whole, "{spec:?} in pieces of {frames}");
        }
    }
}

#[test]
fn an_empty_call_is_a_valid_file() {
    for spec in specs() {
        let file = encode(&spec, &[], 1);
        assert!(play(&spec, &file).is_empty(), "{spec:?}");
        check(&spec, &file, 0).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        follow(&spec, &[], |_| ()).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
    }
}

#[test]
fn the_length_is_exact_to_the_sample() {
    for spec in specs() {
        for frames in [1, 2, 63, 575, 576, 577, 1_023, 1_024, 1_025, 1_152, 2_000, 8_191, 33_333, 120_000] {
            let pcm = conversation(frames, spec.rate, spec.channels);
            let file = encode(&spec, &pcm, 160);
            let played = play(&spec, &file).len() / usize::from(spec.channels);
            assert_eq!(played, frames, "{spec:?}");
            let checked = check(&spec, &file, frames).unwrap_or_else(|e| panic!("{spec:?}, {frames}: {e}"));
            assert_eq!((checked.frames, checked.bytes), (frames as u64, file.len() as u64), "{spec:?}");
        }
    }
}

#[test]
fn a_finished_file_is_decoded_to_what_is_played_and_a_damaged_one_is_refused() {
    for spec in specs() {
        for frames in [0, 30_011] {
            let file = encode(&spec, &conversation(frames, spec.rate, spec.channels), 160);
            let mut heard = Vec::new();
            let decoded = decode_file(Cursor::new(file.clone()), spec.format, |rate, channels, pcm| {
                assert_eq!((rate, channels), (spec.rate, spec.channels), "{spec:?}");
                heard.extend_from_slice(pcm);
            });
            assert_eq!(decoded.unwrap().frames, frames as u64, "{spec:?}");
            assert!(heard == play(&spec, &file), "{spec:?}");
        }
        let noise = Cursor::new(vec![0x5a; 4_000]);
        assert!(decode_file(noise, spec.format, |_, _, _| ()).is_err(), "{spec:?}");
    }
}

#[test]
fn a_checkpoint_is_a_playable_file_and_does_not_disturb_what_follows() {
    for spec in specs() {
        let seconds = 12;
        let pcm = conversation(spec.rate as usize * seconds, spec.rate, spec.channels);
        let undisturbed = encode(&spec, &pcm, 160);
        let mut encoder = spec.encoder().unwrap();
        let mut written = Vec::new();
        let apply = |written: &[u8], patch: Option<Patch>| {
            let mut file = written.to_vec();
            if let Some(patch) = patch {
                patch.apply(&mut file);
            }
            file
        };
        let second = spec.rate as usize * usize::from(spec.channels);
        for (passed, piece) in (1..).zip(pcm.chunks(second)) {
            encoder.encode(piece, &mut written).unwrap();
            let patch = encoder.checkpoint(&mut written).unwrap();
            let file = apply(&written, patch);
            let lacks = match spec.format {
                Format::Wav => 0.0,
                Format::Mp3 if spec.mp3_bitrate.kbps() < 32 => 0.7,
                Format::Mp3 => 0.4 * 8_000.0 / f64::from(spec.rate).min(16_000.0),
                Format::Ogg if spec.ogg_quality < 0.0 => 6.0,
                Format::Ogg => 2.5,
                Format::Flac => 1.0,
            };
            let passed = f64::from(passed);
            if spec.format == Format::Ogg && passed < lacks {
                continue; // not a page of sound yet
            }
            let played = play(&spec, &file).len() as f64 / second as f64;
            assert!(played <= passed, "{spec:?}: {played} s of {passed} s");
            assert!(played >= passed - lacks, "{spec:?}: {played} s of {passed} s");
        }
        let patch = encoder.finish(&mut written).unwrap();
        let file = apply(&written, patch);
        assert!(play(&spec, &file) == play(&spec, &undisturbed), "{spec:?}");
    }
}

#[test]
fn a_checkpoint_in_a_long_silence_is_at_most_ten_seconds_behind() {
    for spec in specs() {
        let mut encoder = spec.encoder().unwrap();
        let mut written = Vec::new();
        let second = vec![0; spec.rate as usize * usize::from(spec.channels)];
        for passed in 1..=40 {
            encoder.encode(&second, &mut written).unwrap();
            let patch = encoder.checkpoint(&mut written).unwrap();
            let mut file = written.clone();
            if let Some(patch) = patch {
                patch.apply(&mut file);
            }
            if passed > 10 {
                let played = play(&spec, &file).len() / second.len();
                assert!(played + 10 >= passed, "{spec:?}: {played} s of {passed} s");
            }
        }
    }
}

#[test]
fn the_same_sound_gives_the_same_bytes_and_another_serial_only_another_serial() {
    for spec in specs() {
        let spec = spec.with_tags(tags());
        let pcm = conversation(20_000, spec.rate, spec.channels);
        let file = encode(&spec, &pcm, 160);
        assert!(file == encode(&spec.clone(), &pcm, 160), "{spec:?}");
        let other = encode(&spec.clone().with_serial(7), &pcm, 160);
        assert_eq!(file != other, spec.format == Format::Ogg, "{spec:?}");
        assert!(play(&spec, &file) == play(&spec, &other), "{spec:?}");
    }
}

#[test]
fn lossless_is_lossless() {
    for spec in specs().into_iter().filter(callrec_encode::Spec::is_lossless) {
        let mut pcm = conversation(50_000, spec.rate, spec.channels);
        let extremes = [i16::MIN, i16::MAX, -1, 1, 0, i16::MIN];
        pcm.splice(1_000..1_006, extremes);
        assert!(play(&spec, &encode(&spec, &pcm, 160)) == pcm, "{spec:?}");
    }
}

#[test]
fn a_silent_side_stays_silent_beside_a_talking_one() {
    for spec in specs().into_iter().filter(|spec| spec.channels == 2) {
        let pcm = one_sided(spec.rate as usize * 10, spec.rate);
        let played = play(&spec, &encode(&spec, &pcm, 160));
        let loudest =
            |side: usize| played.iter().skip(side).step_by(2).map(|s| s.unsigned_abs()).max().unwrap();
        assert!(loudest(0) > 5_000, "{spec:?}");
        eprintln!(
            "{:?} {} {}: {} beside {}",
            spec.format,
            spec.rate,
            spec.ogg_quality,
            loudest(1),
            loudest(0)
        );
        assert_eq!(loudest(1), 0, "{spec:?}: beside {}", loudest(0));
    }
}

#[test]
fn lossy_sound_is_still_that_sound() {
    for spec in specs().into_iter().filter(|spec| !spec.is_lossless()) {
        if spec.mp3_bitrate.kbps() == 8 || spec.ogg_quality < 0.0 {
            continue; // what is asked for there is smallness
        }
        let pcm = conversation(spec.rate as usize * 5, spec.rate, spec.channels);
        let played = play(&spec, &encode(&spec, &pcm, 160));
        let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|s| s * s).sum::<f64>();
        let signal = power(&mut pcm.iter().map(|s| f64::from(*s)));
        let error = power(&mut pcm.iter().zip(&played).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let snr = 10.0 * (signal / error).log10();
        assert!(snr > 8.0, "{spec:?}: {snr:.1} dB"); // a shift of one sample or exchanged sides give below 0
    }
}

#[test]
fn the_tags_are_in_the_file() {
    for spec in specs() {
        let spec = spec.with_tags(tags());
        let pcm = conversation(5_000, spec.rate, spec.channels);
        let file = encode(&spec, &pcm, 160);
        for wanted in ["CA0123456789", "2025-07-13T10:30:00", "callrec 0.1"] {
            let found = file.windows(wanted.len()).any(|bytes| bytes == wanted.as_bytes());
            assert!(found, "{spec:?}: {wanted}");
        }
        assert!(play(&spec, &file).len() == pcm.len(), "{spec:?}");
    }
}

#[test]
fn a_reader_that_follows_finds_all_that_was_written() {
    for spec in specs() {
        let pcm = conversation(spec.rate as usize * 20, spec.rate, spec.channels);
        let report = follow(&spec, &pcm, |_| ()).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        assert!(report.frames >= u64::from(spec.rate) * 20, "{spec:?}");
    }
}

#[test]
fn a_reader_that_follows_refuses_what_lacks_a_piece() {
    for spec in specs() {
        let pcm = conversation(spec.rate as usize * 20, spec.rate, spec.channels);
        let mut piece = 0;
        let result = follow(&spec, &pcm, |bytes| {
            piece += 1;
            if piece > 20 && bytes.len() > 150 {
                bytes.drain(20..120);
            }
        });
        assert!(result.is_err(), "{spec:?}: {result:?}");
    }
}

#[test]
fn one_wrong_bit_in_a_lossless_file_is_found() {
    for spec in specs().into_iter().filter(|spec| spec.format.is_lossless()) {
        let pcm = conversation(spec.rate as usize * 20, spec.rate, spec.channels);
        let mut piece = 0;
        let result = follow(&spec, &pcm, |bytes| {
            piece += 1;
            if piece == 21 {
                bytes[501] ^= 0x10;
            }
        });
        assert!(result.is_err(), "{spec:?}: {result:?}");
        if spec.format == Format::Wav {
            assert!(matches!(result, Err(ReadBackError::SamplesDiffer)), "{spec:?}: {result:?}");
        }
    }
}

#[test]
fn a_truncated_file_is_refused() {
    for spec in specs() {
        let frames = spec.rate as usize * 5;
        let file = encode(&spec, &conversation(frames, spec.rate, spec.channels), 160);
        for kept in [0, 1, 3, 20, 44, 100, 500, file.len() / 2, file.len() - 2_000, file.len() - 2] {
            let result = check(&spec, &file[..kept.min(file.len() - 2)], frames);
            assert!(result.is_err(), "{spec:?}: {kept} of {} bytes are found good", file.len());
        }
    }
}

#[test]
fn a_long_mp3_that_lacks_a_piece_anywhere_is_refused_though_its_middle_is_not_decoded() {
    for spec in specs().into_iter().filter(|spec| spec.format == Format::Mp3) {
        for frames in [3, 17, 60].map(|seconds| spec.rate as usize * seconds + 777) {
            let file = encode(&spec, &conversation(frames, spec.rate, spec.channels), 4_000);
            assert_eq!(check(&spec, &file, frames).unwrap().frames, frames as u64, "{spec:?}, {frames}");
            let refused = |spoil: &dyn Fn(&mut Vec<u8>), how: &str| {
                let mut spoilt = file.clone();
                spoil(&mut spoilt);
                assert!(check(&spec, &spoilt, frames).is_err(), "{spec:?}, {frames}: {how}");
            };
            let (middle, end) = (file.len() / 2, file.len());
            refused(&|file| drop(file.drain(middle..middle + 1)), "a byte less in the middle");
            refused(&|file| file.extend([0]), "a byte more at the end");
            let half_a_second = spec.mp3_bitrate.kbps() as usize * 125 / 2;
            refused(&|file| file[end - half_a_second..].fill(0), "an end that was never written");
            refused(&|file| file.truncate(end - 10), "an end that is missing");
        }
    }
}

#[test]
fn a_file_of_another_length_or_kind_is_refused() {
    for spec in specs() {
        let frames = spec.rate as usize * 3;
        let file = encode(&spec, &conversation(frames, spec.rate, spec.channels), 160);
        for wrong in [frames - 1, frames + 1, 0] {
            let result = check(&spec, &file, wrong);
            assert!(matches!(result, Err(ReadBackError::WrongLength { .. })), "{spec:?}: {result:?}");
        }
        let mut slower = spec.clone();
        slower.rate /= 2;
        assert!(matches!(check(&slower, &file, frames), Err(ReadBackError::WrongKind { .. })), "{spec:?}");
    }
}

#[test]
fn damage_and_nonsense_are_errors_and_never_panics() {
    for spec in specs() {
        let frames = spec.rate as usize * 2;
        let file = encode(&spec, &conversation(frames, spec.rate, spec.channels), 160);
        let mut seed = 5_u32;
        for _ in 0..60 {
            let mut spoilt = file.clone();
            for _ in 0..20 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % spoilt.len();
                spoilt[at] = seed as u8;
            }
            let _ = check(&spec, &spoilt, frames); // may be good: sound has no checksum in most formats
            let mut head = spoilt;
            head[..200].reverse();
            assert!(check(&spec, &head, frames).is_err(), "{spec:?}");
        }
    }
}

#[test]
fn a_header_at_which_the_decoder_panics_is_an_error() {
    for spec in specs().into_iter().filter(|spec| spec.format == Format::Wav && spec.channels == 1) {
        let mut file = encode(&spec, &conversation(8_000, spec.rate, 1), 160);
        file[22..24].fill(0xff); // 65,535 channels: their sizes do not multiply
        assert!(check(&spec, &file, 8_000).is_err());
        let spoil = |bytes: &mut Vec<u8>| {
            if bytes.starts_with(b"RIFF") {
                bytes[22..24].fill(0xff);
            }
        };
        assert!(follow(&spec, &conversation(80_000, spec.rate, 1), spoil).is_err());
    }
}

#[test]
fn half_a_frame_is_refused_and_nothing_of_it_taken() {
    for format in Format::compiled() {
        let spec = Settings::default().with_format(format).resolve(8_000).unwrap();
        let mut encoder = spec.encoder().unwrap();
        let mut file = Vec::new();
        assert!(encoder.encode(&[1, 2, 3], &mut file).is_err());
        let patch = encoder.finish(&mut file).unwrap();
        if let Some(patch) = patch {
            patch.apply(&mut file);
        }
        check(&spec, &file, 0).unwrap();
    }
}
