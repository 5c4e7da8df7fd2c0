//! The list of every setting: its name, default, allowed values and meaning. `--help` and the tests read it too.

use callrec::Format;
use std::sync::LazyLock;

/// One setting of the server.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name of the variable.
    pub name: &'static str,
    /// What holds when nobody sets it; `None`: unset.
    pub default: Option<&'static str>,
    /// The values it takes, in words.
    pub allowed: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

const fn setting(
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    about: &'static str,
) -> Setting {
    Setting { name, default: Some(default), allowed, about, secret: false }
}

const fn unset(name: &'static str, allowed: &'static str, about: &'static str) -> Setting {
    Setting { name, default: None, allowed, about, secret: false }
}

const fn secret(name: &'static str, about: &'static str) -> Setting {
    Setting { name, default: None, allowed: "visible ASCII characters, without spaces", about, secret: true }
}

/// Every setting, in the order of `audio_config.env`.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    vec![
        setting(
            "DEFAULT_AUDIO_FORMAT",
            default_format().extension(),
            &FORMATS,
            "the format of a recording for which none was chosen",
        ),
        setting(
            "MP3_BITRATE",
            "128k",
            "8k to 320k, as MPEG has them (64k, 128k, 192k ...): at most 64k up to 12 kHz, 160k up to 24 kHz",
            "the bitrate of MP3 files",
        ),
        setting(
            "RECORD_CONVERSATIONS",
            "true",
            "true or false",
            "false: no audio is written, only transcripts and summaries",
        ),
        setting("RECORDINGS_DIRECTORY", "responses", "a directory, made if missing", "where the files go"),
        setting(
            "RECORDINGS_GROUP_READ",
            "false",
            "true or false",
            "true: the directory's group may read what is finished (0750, files 0640); false: the owner alone (0700, 0600)",
        ),
        setting(
            "AUDIO_SAMPLE_RATE",
            "auto",
            "auto, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 or 48000 (Hz)",
            "auto: the lowest rate that format and bitrate allow, never below what the phone line carries",
        ),
        setting(
            "AUDIO_CHANNELS",
            "stereo",
            "stereo or mono",
            "stereo: the caller left, the assistant right; mono: both in one",
        ),
        setting("OGG_QUALITY", "4", "a number from -1 to 10", "the quality of OGG (Vorbis) files"),
        setting(
            "FLAC_LEVEL",
            "5",
            "a whole number from 0 to 8",
            "how hard FLAC tries; the sound is the same",
        ),
        setting(
            "WAV_ENCODING",
            "pcm16",
            "pcm16 or mulaw",
            "mulaw: half the size, as the phone line carries it",
        ),
        setting("HOST", "127.0.0.1", "an IP address or a host name", "the address to listen on"),
        setting("PORT", "8080", "0 to 65535; 0 takes a free one", "the port to listen on"),
        unset(
            "PUBLIC_URL",
            "an https:// address, or http:// of this very machine",
            "the base address under which the provider reaches this server",
        ),
        unset(
            "BOT_URL",
            "a ws:// or wss:// address",
            "the bot that calls are relayed to; without it calls are only recorded",
        ),
        setting(
            "RELAY_MARKS",
            "on",
            "on or off",
            "marks of our own tell what the caller heard; off: relayed calls are recorded uncalibrated",
        ),
        setting(
            "MARK_ECHOES",
            "behind",
            "behind or before",
            "where the provider puts an echo: behind the caller's frame of its tick, or before it",
        ),
        unset(
            "NEXT_TWIML_URL",
            "an http:// or https:// address",
            "where a call goes on when there is no BOT_URL",
        ),
        secret(
            "TWILIO_AUTH_TOKEN",
            "checks that requests come from the provider, and signs those to the bot",
        ),
        secret("API_TOKEN", "the bearer token of the REST API, for everything"),
        secret("API_READ_TOKEN", "a bearer token that can only read"),
        setting(
            "MAX_CALLS",
            "1000",
            "a whole number from 1 to 100000",
            "live calls at once; more are refused with 503",
        ),
        setting(
            "MAX_CONNECTIONS",
            "auto",
            "auto, which is MAX_CALLS and 1000 more, or a whole number from 1 to 200000",
            "open connections at once, those of calls included; more are answered 503 and closed",
        ),
        setting(
            "MAX_WAITING_MB",
            "512",
            "a whole number from 1 to 1000000 (MB of 1000000 bytes)",
            "what may wait for a slow disk over all calls, beyond which audio is dropped and told; and for slow bots and providers",
        ),
        setting(
            "MIN_FREE_DISK_MB",
            "512",
            "a whole number from 0 to 1000000000 (MB of 1000000 bytes); 0: it is not looked",
            "with less free, and 10 MB or more for each live call, no audio of new calls is recorded, only what is said",
        ),
        setting(
            "REQUEST_TIMEOUT_SECONDS",
            "10",
            "a whole number from 1 to 600",
            "how long a request may take to arrive as a whole and be answered",
        ),
        setting(
            "START_TIMEOUT_SECONDS",
            "10",
            "a whole number from 1 to 600",
            "how long a media socket may take to send its start message",
        ),
        setting(
            "IDLE_TIMEOUT_SECONDS",
            "30",
            "a whole number from 1 to 3600",
            "a media socket silent for so long is closed and its recording finished",
        ),
        setting(
            "BOT_CONNECT_TIMEOUT_SECONDS",
            "5",
            "a whole number from 1 to 60",
            "how long the bot may take to accept a call",
        ),
        setting(
            "SHUTDOWN_SECONDS",
            "20",
            "a whole number from 1 to 3600",
            "how long live calls may take to finish at shutdown; what is left is finished at the next start",
        ),
        setting(
            "RUST_LOG",
            "info,actix_server=warn,actix_http=off,symphonia=error",
            "a filter as tracing knows it, such as warn or info,callrec_server=debug",
            "what is logged",
        ),
        setting("LOG_FORMAT", "text", "text or json", "how logs are written, to standard error"),
    ]
});

/// The formats that this build can write, in words.
static FORMATS: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = Format::compiled().map(Format::extension).collect();
    match names.split_last() {
        None => "none, for this build can write no format".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
});

/// The recommended one of the formats that this build can write.
fn default_format() -> Format {
    Format::compiled().next().unwrap_or_default()
}

/// The setting of that name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
