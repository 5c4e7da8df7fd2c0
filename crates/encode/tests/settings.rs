//! Which settings are possible, and what the refusal of the others says.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_encode::{Bitrate, Channels, Format, RateSetting, Settings, SpecError, Tags, WavEncoding};

fn rate_of(settings: &Settings, source_hz: u32) -> Result<u32, String> {
    settings.resolve(source_hz).map(|spec| spec.rate).map_err(|error| error.to_string())
}

#[cfg(feature = "mp3")]
mod mp3 {
    use callrec_encode::{Setting, mpeg};

    use super::*;

    fn mp3(kbps: u32) -> Settings {
        Settings::default().with_mp3_bitrate(Bitrate(kbps))
    }

    #[test]
    fn the_automatic_rate_is_the_lowest_that_the_bitrate_allows() {
        for (kbps, source, rate) in [
            (128, 8_000, 16_000),
            (64, 8_000, 8_000),
            (8, 8_000, 8_000),
            (160, 8_000, 16_000),
            (192, 8_000, 32_000),
            (320, 8_000, 32_000),
            (64, 16_000, 16_000),
            (128, 24_000, 24_000),
            (64, 9_000, 11_025),
            (128, 44_100, 44_100),
            (128, 96_000, 48_000),
        ] {
            assert_eq!(rate_of(&mp3(kbps), source), Ok(rate), "{kbps}k from {source} Hz");
        }
    }

    #[test]
    fn what_the_codec_would_change_silently_is_refused_by_name() {
        let at = |hz| mp3(128).with_rate(RateSetting::Hz(hz));
        assert_eq!(
            rate_of(&at(8_000), 8_000).unwrap_err(),
            "MP3_BITRATE=128k is not possible; allowed: at 8000 Hz: 8k, 16k, 24k, 32k, 40k, 48k, 64k"
        );
        assert!(rate_of(&mp3(320).with_rate(RateSetting::Hz(16_000)), 8_000).is_err());
        assert!(rate_of(&mp3(127), 8_000).unwrap_err().starts_with("MP3_BITRATE=127k"));
        assert!(rate_of(&mp3(8), 48_000).unwrap_err().contains("at 48000 Hz: 32k"));
        let error = at(9_000).resolve(8_000).unwrap_err();
        assert!(matches!(error, SpecError::Impossible { setting: Setting::Rate, .. }), "{error}");
    }

    /// The heart of the table: LAME obeys it everywhere. The encoder refuses a frame that differs from what was
    /// asked for, so a file that comes out is one that was asked for.
    #[test]
    fn lame_writes_every_rate_bitrate_and_channel_count_of_the_table() {
        for rate in mpeg::RATES {
            for kbps in mpeg::bitrates(rate) {
                for channels in [Channels::Stereo, Channels::Mono] {
                    let settings = mp3(*kbps).with_rate(RateSetting::Hz(rate)).with_channels(channels);
                    let spec = settings.resolve(8_000).unwrap();
                    let mut encoder = spec.encoder().unwrap();
                    let mut file = Vec::new();
                    let pcm: Vec<i16> =
                        (0..20_000).map(|index: i32| (index * 7_919 % 9_001) as i16).collect();
                    encoder.encode(&pcm, &mut file).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
                    let patch = encoder.finish(&mut file).unwrap().unwrap();
                    patch.apply(&mut file);
                    let frames = 20_000 / u64::from(spec.channels);
                    let source = std::io::Cursor::new(file);
                    callrec_encode::readback::check_file(source, &spec, frames)
                        .unwrap_or_else(|error| panic!("{spec:?}: {error}"));
                }
            }
        }
    }
}

#[test]
#[cfg(feature = "ogg")]
fn vorbis_writes_every_rate_at_every_quality() {
    use callrec_encode::mpeg;

    for rate in mpeg::RATES {
        for quality in -2..=20 {
            for channels in [Channels::Stereo, Channels::Mono] {
                let settings = Settings::default().with_format(Format::Ogg).with_channels(channels);
                let settings =
                    settings.with_rate(RateSetting::Hz(rate)).with_ogg_quality(quality as f32 / 2.0);
                settings
                    .resolve(8_000)
                    .unwrap()
                    .encoder()
                    .unwrap_or_else(|error| panic!("{settings:?}: {error}"));
            }
        }
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    for (format, settings, variable) in [
        (Format::Ogg, Settings::default().with_ogg_quality(10.5), "OGG_QUALITY=10.5"),
        (Format::Ogg, Settings::default().with_ogg_quality(f32::NAN), "OGG_QUALITY=NaN"),
        (Format::Flac, Settings::default().with_flac_level(9), "FLAC_LEVEL=9"),
        (Format::Wav, Settings::default().with_wav_limit_bytes(1 << 32), "WAV_LIMIT_BYTES=4294967296"),
        (Format::Wav, Settings::default().with_wav_limit_bytes(10), "WAV_LIMIT_BYTES=10"),
        (Format::Wav, Settings::default().with_rate(RateSetting::Hz(0)), "AUDIO_SAMPLE_RATE=0"),
    ] {
        if format.is_compiled() {
            let error = rate_of(&settings.with_format(format), 8_000).unwrap_err();
            assert!(error.starts_with(variable), "{error}");
        }
    }
}

#[test]
fn a_format_that_is_not_compiled_is_refused_with_a_list_of_those_that_are() {
    for format in Format::ALL.into_iter().filter(|format| !format.is_compiled()) {
        let error = Settings::default().with_format(format).resolve(8_000).unwrap_err();
        assert!(matches!(error, SpecError::NotCompiled { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("{format} is not part of this build; it has:")));
    }
}

#[test]
fn settings_are_read_as_people_write_them() {
    assert_eq!("128k".parse(), Ok(Bitrate(128)));
    assert_eq!(" 64K ".parse(), Ok(Bitrate(64)));
    assert_eq!("96".parse(), Ok(Bitrate(96)));
    for nonsense in ["", "k", "0k", "-1", "+8k", "128kbps", "1e2", "99999999999k"] {
        assert!(nonsense.parse::<Bitrate>().is_err(), "{nonsense}");
    }
    assert_eq!("auto".parse(), Ok(RateSetting::Auto));
    assert_eq!("16000".parse(), Ok(RateSetting::Hz(16_000)));
    assert!("16 kHz".parse::<RateSetting>().is_err());
    assert_eq!("FLAC".parse(), Ok(Format::Flac));
    assert_eq!("Mono".parse(), Ok(Channels::Mono));
    assert_eq!("mulaw".parse(), Ok(WavEncoding::Mulaw));
    assert_eq!("aiff".parse::<Format>().unwrap_err().to_string(), "\"aiff\" is not mp3, wav, ogg or flac");
}

#[test]
fn tags_from_a_socket_are_cut_and_cleaned() {
    let tags = Tags::default().with_title("a\0b\nc").with_date("\r\n").with_encoder(&"ü".repeat(1_000));
    assert_eq!(tags.title.as_deref(), Some("abc"));
    assert_eq!(tags.date, None);
    assert_eq!(tags.encoder.map(|text| text.chars().count()), Some(200));
}
