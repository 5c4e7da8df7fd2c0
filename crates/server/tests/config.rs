//! The settings: where they come from, which wins, and what is refused.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use callrec_server::config::{Config, LogFormat, Sources};
use std::time::Duration;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../audio_config.env");

fn refusal<const N: usize>(variables: [(&str, &str); N]) -> String {
    Config::load(Sources::only(variables)).unwrap_err().to_string()
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let config = Config::load(Sources::only([])).unwrap();
    // In a build without MP3 the recommended one of those that are left.
    let format = callrec::Format::compiled().next().unwrap();
    assert_eq!(config.audio, callrec::Settings::default().with_format(format));
    assert!(config.record_conversations && config.relay_marks && config.is_loopback());
    assert_eq!(config.recordings_directory.to_str(), Some("responses"));
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8080));
    assert_eq!(config.idle_timeout, Duration::from_secs(30));
    assert_eq!(config.log_format, LogFormat::Text);
    assert!(config.bot_url.is_none() && config.public_url.is_none() && config.api_token.is_none());
}

/// It is a full build's: one without MP3 has another default.
#[test]
#[cfg(feature = "mp3")]
fn the_shipped_file_with_every_line_uncommented_is_the_defaults() {
    use callrec_server::config::SETTINGS;
    let shipped = std::fs::read_to_string(SHIPPED).unwrap();
    let is_setting = |line: &str| line.split_once('=').is_some_and(|(name, _)| !name.contains(' '));
    let uncommented: Vec<&str> =
        shipped.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| is_setting(line)).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audio_config.env");
    std::fs::write(&file, uncommented.join("\n")).unwrap();

    let from_file = Config::load(Sources { audio_config: file, ..Sources::only([]) }).unwrap();
    let from_defaults = Config::load(Sources::only([])).unwrap();
    assert_eq!(format!("{from_file:?}"), format!("{from_defaults:?}"));

    let names: Vec<&str> = uncommented.iter().map(|line| line.split_once('=').unwrap().0).collect();
    assert_eq!(names, SETTINGS.iter().map(|setting| setting.name).collect::<Vec<_>>());
    for (line, setting) in uncommented.iter().zip(SETTINGS.iter()) {
        assert_eq!(line.split_once('=').unwrap().1, setting.default.unwrap_or_default(), "{}", setting.name);
    }
}

#[test]
fn the_shipped_file_as_it_is_changes_nothing() {
    let from_file = Config::load(Sources { audio_config: SHIPPED.into(), ..Sources::only([]) }).unwrap();
    assert_eq!(format!("{from_file:?}"), format!("{:?}", Config::load(Sources::only([])).unwrap()));
}

#[test]
fn the_environment_wins_over_dot_env_and_that_over_our_own_file() {
    let directory = tempfile::tempdir().unwrap();
    let (audio_config, dot_env) =
        (directory.path().join("audio_config.env"), directory.path().join("some.env"));
    std::fs::write(&audio_config, "PORT=1\nHOST=127.0.0.2\nMAX_CALLS=7\nBOT_URL=ws://bot/\n").unwrap();
    std::fs::write(&dot_env, "PORT=2\nHOST='127.0.0.3'\nSOMEBODY_ELSES=x\n").unwrap();
    let sources = Sources { audio_config, dot_env, ..Sources::only([("PORT", "3"), ("BOT_URL", "")]) };
    let config = Config::load(sources).unwrap();
    assert_eq!((config.port, config.host.as_str(), config.max_calls), (3, "127.0.0.3", 7));
    assert!(config.bot_url.is_none(), "an empty value unsets what a lower source has set");
}

#[test]
fn an_unknown_name_is_an_error_in_our_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let audio_config = directory.path().join("audio_config.env");
    std::fs::write(&audio_config, "MP3_BITRAET=64k\n").unwrap();
    let message = Config::load(Sources { audio_config, ..Sources::only([]) }).unwrap_err().to_string();
    assert!(message.contains("MP3_BITRAET") && message.contains("audio_config.env"), "{message}");
    assert!(Config::load(Sources::only([("MP3_BITRAET", "64k")])).is_ok());
}

#[test]
fn a_line_that_cannot_be_read_is_an_error_that_does_not_show_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let audio_config = directory.path().join("audio_config.env");
    std::fs::write(&audio_config, "API_TOKEN=hush hush\n").unwrap();
    let message = Config::load(Sources { audio_config, ..Sources::only([]) }).unwrap_err().to_string();
    assert!(message.contains("audio_config.env") && !message.contains("hush"), "{message}");
}

#[test]
fn impossible_values_are_refused_with_name_value_and_what_is_allowed() {
    for (name, value, allowed) in [
        ("MP3_BITRATE", "127k", "8k to 320k"),
        ("MP3_BITRATE", "lots", "8k to 320k"),
        ("RECORD_CONVERSATIONS", "maybe", "true or false"),
        ("RECORDINGS_GROUP_READ", "0750", "true or false"),
        ("AUDIO_SAMPLE_RATE", "8001", "11025"),
        ("AUDIO_CHANNELS", "5.1", "stereo or mono"),
        ("OGG_QUALITY", "11", "-1 to 10"),
        ("OGG_QUALITY", "NaN", "-1 to 10"),
        ("FLAC_LEVEL", "9", "0 to 8"),
        ("WAV_ENCODING", "float", "pcm16 or mulaw"),
        ("PORT", "65536", "0 to 65535"),
        ("PUBLIC_URL", "rec.example.com", "https://"),
        ("PUBLIC_URL", "ftp://rec.example.com", "https://"),
        ("PUBLIC_URL", "http://rec.example.com", "https://"),
        ("PUBLIC_URL", "http://127.0.0.1.example.com", "https://"),
        ("BOT_URL", "http://bot.example.com", "ws:// or wss://"),
        ("NEXT_TWIML_URL", "/next", "http://"),
        ("RELAY_MARKS", "perhaps", "on or off"),
        ("MARK_ECHOES", "inside", "behind or before"),
        ("MAX_CALLS", "0", "1 to 100000"),
        ("IDLE_TIMEOUT_SECONDS", "-1", "1 to 3600"),
        ("RUST_LOG", "callrec=loud", "filter"),
        ("RUST_LOG", "warn, ééé[span]=debug", "filter"),
        ("RUST_LOG", "info,callrec_server[call{sid=a.*b}]=debug", "name modules and levels"),
        ("LOG_FORMAT", "xml", "text or json"),
    ] {
        let message = refusal([(name, value)]);
        assert!(message.contains(&format!("{name}={value}")) && message.contains(allowed), "{message}");
    }
}

#[test]
fn a_format_that_cannot_be_written_is_refused_with_those_that_can() {
    for wanted in ["aac", "", "mp3", "wav", "ogg", "flac"] {
        if wanted.parse::<callrec::Format>().is_ok_and(callrec::Format::is_compiled) {
            continue;
        }
        let message = refusal([("DEFAULT_AUDIO_FORMAT", wanted)]);
        let (told, allowed) = message.split_once("allowed: ").unwrap();
        assert!(told.contains(&format!("DEFAULT_AUDIO_FORMAT={wanted} ")), "{message}");
        let allowed: Vec<&str> =
            allowed.split([',', ' ']).filter(|word| !["", "or"].contains(word)).collect();
        let compiled: Vec<&str> = callrec::Format::compiled().map(callrec::Format::extension).collect();
        assert_eq!(allowed, compiled, "{message}");
    }
}

#[test]
#[cfg(feature = "mp3")]
fn a_bitrate_that_its_rate_does_not_have_is_refused() {
    let message = refusal([("MP3_BITRATE", "128k"), ("AUDIO_SAMPLE_RATE", "8000")]);
    assert!(message.contains("MP3_BITRATE=128k") && message.contains("64k"), "{message}");
}

#[test]
fn a_server_that_others_can_reach_needs_both_kinds_of_credentials() {
    for public in [("HOST", "0.0.0.0"), ("HOST", "::"), ("PUBLIC_URL", "https://rec.example.com")] {
        let message = refusal([public]);
        assert!(message.contains(public.0) && message.contains("TWILIO_AUTH_TOKEN"), "{message}");
        let message = refusal([public, ("TWILIO_AUTH_TOKEN", "12345")]);
        assert!(message.contains(public.0) && message.contains("API_TOKEN"), "{message}");
        assert!(refusal([public, ("API_TOKEN", "abcde")]).contains("TWILIO_AUTH_TOKEN"));
        let both = [public, ("TWILIO_AUTH_TOKEN", "12345"), ("API_TOKEN", "abcdefghijklmnop")];
        assert!(Config::load(Sources::only(both)).is_ok());
    }
    for local in ["127.0.0.1", "127.9.9.9", "::1", "localhost"] {
        assert!(Config::load(Sources::only([("HOST", local)])).is_ok(), "{local}");
    }
}

#[test]
fn a_server_that_others_can_reach_takes_no_token_that_could_be_found_by_trying() {
    let (long, short) = ("0123456789abcdef", "hush-hush-hush-");
    assert_eq!((long.len(), short.len()), (16, 15));
    for public in [("HOST", "0.0.0.0"), ("PUBLIC_URL", "https://rec.example.com")] {
        let with = |api, read| {
            let tokens = [("TWILIO_AUTH_TOKEN", "x"), ("API_TOKEN", api), ("API_READ_TOKEN", read)];
            Config::load(Sources::only([public, tokens[0], tokens[1], tokens[2]]))
        };
        for (api, read, told) in [
            (short, "", "API_TOKEN has"),
            ("a", "", "API_TOKEN has"),
            (short, long, "API_TOKEN has"),
            (long, short, "API_READ_TOKEN has"),
            ("", short, "API_READ_TOKEN has"),
        ] {
            let message = with(api, read).unwrap_err().to_string();
            assert!(message.starts_with(told) && message.contains("openssl rand -hex 32"), "{message}");
            assert!(message.contains(public.0) && !message.contains("hush"), "{message}");
        }
        assert!(with(long, "").is_ok() && with("", long).is_ok() && with(long, "fedcba9876543210").is_ok());
        // Only the provider can make that token, so its length is taken as it is; nothing is no token.
        for none in ["", " ", "\t"] {
            let tokens = [public, ("TWILIO_AUTH_TOKEN", none), ("API_TOKEN", long)];
            assert!(refusal(tokens).contains("TWILIO_AUTH_TOKEN"));
        }
    }
    assert!(Config::load(Sources::only([("API_TOKEN", short)])).is_ok(), "on this machine alone");
}

#[test]
fn an_address_whose_host_is_not_where_it_belongs_is_refused() {
    for (name, scheme) in
        [("BOT_URL", "ws"), ("BOT_URL", "wss"), ("NEXT_TWIML_URL", "https"), ("PUBLIC_URL", "https")]
    {
        for rest in [
            ":/hush",
            ":hush",
            ":///hush",
            ":////hush/x",
            ":\\\\hush",
            ":/\\hush",
            "://\\hush",
            "://",
            "://?hush",
        ] {
            let message = refusal([(name, &format!("{scheme}{rest}"))]);
            assert!(
                message.starts_with(&format!("{name}={scheme}:")) && !message.contains("hush"),
                "{message}"
            );
        }
    }
    let message = refusal([("BOT_URL", "ws:/secret")]);
    assert!(message.contains("two slashes") && message.contains("a ws:// or wss:// address"), "{message}");
    let message = refusal([("BOT_URL", "wss://bot.example.com/media#hush")]);
    assert!(message.contains("fragment") && !message.contains("hush"), "{message}");
}

#[test]
fn the_user_of_a_bots_address_is_a_header_and_no_part_of_what_is_signed() {
    let bot = |url: &str| Config::load(Sources::only([("BOT_URL", url)])).unwrap().bot_url.unwrap();
    for (url, without, header) in [
        (
            "wss://Aladdin:open%20sesame@bot.example.com:8443/m?x=1",
            "wss://bot.example.com:8443/m?x=1",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        ("ws://user@bot.example.com", "ws://bot.example.com/", Some("Basic dXNlcjo=")),
        ("ws://:word@bot.example.com", "ws://bot.example.com/", Some("Basic OndvcmQ=")),
        ("ws://bot.example.com/a@b", "ws://bot.example.com/a@b", None),
        ("ws://@bot.example.com", "ws://bot.example.com/", None),
    ] {
        let bot = bot(url);
        assert_eq!(bot.without_user().as_str(), without);
        assert_eq!(bot.authorization().as_ref().map(callrec_server::secret::Secret::expose), header, "{url}");
    }
}

#[test]
fn a_token_that_can_only_read_must_be_another() {
    let message = refusal([("API_TOKEN", "hush-1"), ("API_READ_TOKEN", "hush-1")]);
    assert!(message.contains("API_READ_TOKEN") && !message.contains("hush"), "{message}");
    assert!(Config::load(Sources::only([("API_TOKEN", "hush-1"), ("API_READ_TOKEN", "hush-2")])).is_ok());
}

#[test]
fn a_bot_whose_address_the_provider_may_sign_for_our_own_socket_is_refused() {
    let load = |public, bot| {
        let tokens = [("TWILIO_AUTH_TOKEN", "12345"), ("API_TOKEN", "abcdefghijklmnop")];
        Config::load(Sources::only([tokens[0], tokens[1], ("PUBLIC_URL", public), ("BOT_URL", bot)]))
    };
    for (public, bot) in [
        ("https://example.com", "wss://example.com/media-stream"),
        ("https://example.com/", "wss://example.com:443/media-stream/"),
        // The provider may leave the port out.
        ("https://example.com:8443", "wss://example.com/media-stream"),
        ("https://example.com:8443", "wss://hush:hush@EXAMPLE.com:8443/media-stream"),
        ("https://example.com/hush", "wss://example.com/hush/media-stream"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/media-stream"),
    ] {
        let message = load(public, bot).unwrap_err().to_string();
        for word in ["PUBLIC_URL=", "BOT_URL=", "another path or another host"] {
            assert!(message.contains(word) && !message.contains("hush"), "{public}, {bot}: {message}");
        }
    }
    for (public, bot) in [
        ("https://example.com", "wss://example.com/bot"),
        ("https://example.com", "wss://bot.example.com/media-stream"),
        ("https://example.com", "wss://example.com:8443/media-stream"),
        ("https://example.com/callrec", "wss://example.com/media-stream"),
        ("https://example.com", "wss://example.com/media-stream?bot"),
        ("http://127.0.0.1:8080", "wss://127.0.0.1:8080/media-stream"),
    ] {
        assert!(load(public, bot).is_ok(), "{public}, {bot}");
    }
    // Whose own address is not known, or who signs nothing, has none that could be alike.
    let bot = ("BOT_URL", "wss://example.com/media-stream");
    assert!(Config::load(Sources::only([bot, ("TWILIO_AUTH_TOKEN", "12345")])).is_ok());
    assert!(Config::load(Sources::only([bot])).is_ok());
}

#[test]
fn a_public_address_without_tls_is_this_very_machine() {
    for url in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost/base/"] {
        let public = [("PUBLIC_URL", url), ("TWILIO_AUTH_TOKEN", "12345"), ("API_TOKEN", "abcdefghijklmnop")];
        let config = Config::load(Sources::only(public)).unwrap();
        assert_eq!(config.public_url.as_deref(), Some(url.trim_end_matches('/')));
    }
}

#[test]
fn secrets_are_shown_neither_by_debug_nor_by_refusals() {
    let config = Config::load(Sources::only([
        ("API_TOKEN", "hush-1-that-is-long"),
        ("API_READ_TOKEN", "hush-2-that-is-long"),
        ("TWILIO_AUTH_TOKEN", "hush-3"),
        ("BOT_URL", "wss://user:hush-4@bot.example.com:8443/hush-5?token=hush-6"),
        ("PUBLIC_URL", "https://user:hush-7@rec.example.com/hush-8"),
        ("NEXT_TWIML_URL", "https://user:hush-9@next.example.com/?token=hush-10"),
    ]))
    .unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hush") && shown.contains("wss://bot.example.com:8443"), "{shown}");
    assert!(
        shown.contains("https://rec.example.com") && shown.contains("https://next.example.com"),
        "{shown}"
    );
    let message = refusal([("PUBLIC_URL", "https://user:hush@rec.example.com/hush")]);
    assert!(
        message.contains("PUBLIC_URL=https://rec.example.com ") && !message.contains("hush"),
        "{message}"
    );
    let message = refusal([("API_TOKEN", "hush hush")]);
    assert!(message.contains("API_TOKEN") && !message.contains("hush"), "{message}");
    for name in ["BOT_URL", "NEXT_TWIML_URL", "PUBLIC_URL"] {
        for value in [
            "ftp://user:hush@bot.example.com/hush?token=hush",
            "gopher://user:hush@bot.example.com/hush?token=hush#hush",
            "mailto:hush@bot.example.com",
            "user:hush@bot.example.com",
            "bot.example.com/?token=hush",
            "bot.example.com/hush",
            "//bot.example.com/hush",
            "wss://user:hush@bot.example.com:99999/",
            "ws:/user:hush",
            "wss:user:hush",
            "https:////user:hush",
            "http:\\\\user:hush",
            "mailto:hush",
            "hush:8443",
        ] {
            let message = refusal([(name, value)]);
            assert!(message.contains(name) && !message.contains("hush"), "{message}");
        }
    }
    let message = refusal([("BOT_URL", "ws:/user:hush")]);
    assert!(message.contains("BOT_URL=ws:(hidden"), "{message}");
}
