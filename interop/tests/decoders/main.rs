//! Every format, read by ffmpeg and sox: the call comes back, in time, as long as it was, and no worse than theirs.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "tests")]

mod sound;
mod tools;

use callrec_encode::{Bitrate, Channels, Format, RateSetting, Settings, Spec, Tags, WavEncoding};
use sound::{Kind, best_lag, interleaved, left, mono, snr_db};
use std::path::Path;
use tools::{ffmpeg_decode, ffmpeg_encode, flac_accepts, probe, sox_decode};

/// A finished file of ours.
fn write(spec: &Spec, pcm: &[i16], path: &Path) {
    let mut encoder = spec.encoder().unwrap();
    let mut file = Vec::new();
    for piece in pcm.chunks(usize::from(spec.channels) * 160) {
        encoder.encode(piece, &mut file).unwrap();
    }
    if let Some(patch) = encoder.finish(&mut file).unwrap() {
        patch.apply(&mut file);
    }
    std::fs::write(path, file).unwrap();
}

fn spec(format: Format, rate: u32, kbps: u32) -> Spec {
    let settings = Settings::default()
        .with_format(format)
        .with_rate(RateSetting::Hz(rate))
        .with_mp3_bitrate(Bitrate(kbps));
    let tags = Tags::default().with_title("CA1").with_date("2025-07-13T10:30:00").with_encoder("callrec");
    settings.resolve(8_000).unwrap().with_tags(tags)
}

#[test]
fn lossless_files_come_back_sample_for_sample() {
    let home = tempfile::tempdir().unwrap();
    for format in [Format::Wav, Format::Flac] {
        for kind in Kind::ALL {
            let spec = spec(format, 8_000, 64);
            let pcm = interleaved(kind, 8_000);
            let path = home.path().join(format!("{kind:?}.{format}"));
            write(&spec, &pcm, &path);
            assert!(ffmpeg_decode(&path, &spec) == pcm, "{format}, {kind:?}: ffmpeg hears something else");
            assert!(sox_decode(&path, &spec) == pcm, "{format}, {kind:?}: sox hears something else");
            assert_eq!(probe(&path).frames(8_000), pcm.len() as u64 / 2, "{format}, {kind:?}");
        }
    }
    // Mu-law in a WAV file: what a mu-law line carried comes back as it was decoded.
    let mulaw = Settings::default().with_format(Format::Wav).with_wav_encoding(WavEncoding::Mulaw);
    for channels in [Channels::Stereo, Channels::Mono] {
        let spec = mulaw.clone().with_channels(channels).resolve(8_000).unwrap();
        let mut pcm = interleaved(Kind::Speech, 8_000);
        for sample in &mut pcm {
            *sample = callrec_audio::g711::ulaw_to_linear(callrec_audio::g711::linear_to_ulaw(*sample));
        }
        let path = home.path().join(format!("mulaw{}.wav", spec.channels));
        write(&spec, &pcm, &path);
        assert!(ffmpeg_decode(&path, &spec) == pcm);
        assert!(sox_decode(&path, &spec) == pcm);
    }
}

#[test]
fn flac_accepts_the_files_with_their_length_and_checksum() {
    let home = tempfile::tempdir().unwrap();
    for (index, level) in [0, 5, 8].into_iter().enumerate() {
        for channels in [Channels::Stereo, Channels::Mono] {
            let settings =
                Settings::default().with_format(Format::Flac).with_flac_level(level).with_channels(channels);
            let spec = settings.resolve(8_000).unwrap();
            let mut pcm = interleaved(Kind::Speech, 8_000);
            // Not a whole number of blocks, and noise that nothing foretells.
            pcm.truncate(100_002);
            pcm.extend((0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 16) as i16));
            let path = home.path().join(format!("{index}-{}.flac", spec.channels));
            write(&spec, &pcm, &path);
            flac_accepts(&path);
            assert!(ffmpeg_decode(&path, &spec) == pcm);
        }
    }
}

#[test]
fn lossy_files_are_in_time_as_long_as_they_were_and_no_worse_than_ffmpegs() {
    let home = tempfile::tempdir().unwrap();
    let cells = [
        (Format::Mp3, 8_000, 64),
        (Format::Mp3, 16_000, 128),
        (Format::Mp3, 44_100, 128),
        (Format::Ogg, 8_000, 0),
        (Format::Ogg, 16_000, 0),
        (Format::Ogg, 44_100, 0),
    ];
    let mut bad = Vec::new();
    for (format, rate, kbps) in cells {
        for kind in Kind::ALL {
            let spec = spec(format, rate, kbps.max(64));
            let pcm = interleaved(kind, rate);
            let (ours, theirs) =
                (home.path().join(format!("ours.{format}")), home.path().join(format!("theirs.{format}")));
            write(&spec, &pcm, &ours);
            ffmpeg_encode(&pcm, &spec, kbps, &theirs);
            let (heard, reference) = (ffmpeg_decode(&ours, &spec), ffmpeg_decode(&theirs, &spec));
            let cell = format!("{format} {rate} Hz {kind:?}");
            let (lag, limit) = (best_lag(&mono(&pcm), &mono(&heard)), rate as i64 / 1_000);
            let (our_snr, their_snr) = (snr_db(&pcm, &heard), snr_db(&pcm, &reference));
            let sizes = [&ours, &theirs].map(|path| std::fs::metadata(path).unwrap().len());
            eprintln!("{cell}: lag {lag}, SNR {our_snr:.2} dB, ffmpeg's {their_snr:.2} dB, bytes {sizes:?}");
            if lag.abs() > limit {
                bad.push(format!("{cell}: {lag} samples off"));
            }
            if our_snr < their_snr - 0.5 {
                bad.push(format!("{cell}: {our_snr:.2} dB, ffmpeg's encoder has {their_snr:.2} dB"));
            }
            let frames = pcm.len() as u64 / 2;
            // Of MPEG-1, and of MPEG-2 and 2.5; a long block of Vorbis.
            let codec_frame: u64 = match (format, rate) {
                (Format::Mp3, 32_000..) => 1_152,
                (Format::Mp3, _) => 576,
                _ => 1_024,
            };
            if probe(&ours).frames(rate).abs_diff(frames) > codec_frame {
                bad.push(format!("{cell}: ffprobe shows {} frames of {frames}", probe(&ours).frames(rate)));
            }
            if heard.len() != pcm.len() {
                bad.push(format!("{cell}: ffmpeg hears {} samples of {}", heard.len(), pcm.len()));
            }
            let by_sox = sox_decode(&ours, &spec);
            let sox_lag = best_lag(&mono(&pcm), &mono(&by_sox));
            // sox knows nothing of the LAME tag: it plays the frame that holds it, and the codec's delay.
            let known = if format == Format::Mp3 { codec_frame as i64 + 1_105 } else { 0 };
            if (sox_lag - known).abs() > limit {
                bad.push(format!("{cell}: {sox_lag} samples off in sox"));
            }
            if kind == Kind::OneSided {
                let leak = left(&heard).iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                if leak > 4 {
                    bad.push(format!("{cell}: the silent channel reaches {leak}"));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn tags_are_read_by_others() {
    let home = tempfile::tempdir().unwrap();
    for format in Format::compiled() {
        let spec = spec(format, 16_000, 128);
        let path = home.path().join(format!("tagged.{format}"));
        write(&spec, &interleaved(Kind::Bursts, 16_000), &path);
        let probed = probe(&path);
        assert_eq!(probed.tag("title").as_deref(), Some("CA1"), "{format}");
        assert!(
            probed.tag("date").is_some_and(|date| date.starts_with("2025-07-13")),
            "{format}: {probed:?}"
        );
        assert!(
            probed.tag("encoder").is_some_and(|encoder| encoder.contains("callrec")),
            "{format}: {probed:?}"
        );
    }
}

#[test]
fn a_file_at_a_checkpoint_plays() {
    let home = tempfile::tempdir().unwrap();
    for format in Format::compiled() {
        let spec = spec(format, 16_000, 128);
        let pcm = interleaved(Kind::Speech, 16_000);
        let (mut encoder, mut file) = (spec.encoder().unwrap(), Vec::new());
        encoder.encode(&pcm, &mut file).unwrap();
        if let Some(patch) = encoder.checkpoint(&mut file).unwrap() {
            patch.apply(&mut file);
        }
        let path = home.path().join(format!("half.{format}"));
        std::fs::write(&path, file).unwrap();
        let heard = ffmpeg_decode(&path, &spec);
        assert!(heard.len() * 10 > pcm.len() * 7, "{format}: {} of {}", heard.len(), pcm.len());
    }
}
