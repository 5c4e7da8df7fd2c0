//! What the operator has set: read from files and the environment once, checked, and never changed after.
//!
//! The order of the sources is: defaults, `audio_config.env`, `.env`, the environment; the later wins. The files are
//! read as sources of their own, the process's environment is never changed.

mod error;
mod layers;
mod settings;
mod values;

pub use error::ConfigError;
pub use settings::{SETTINGS, Setting};

use crate::secret::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use callrec::{Bitrate, Channels, Format, MarkEchoes, Settings as AudioSettings, mpeg};
use callrec_protocol::signature;
use layers::Layer;
use percent_encoding::percent_decode_str;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use values::Values;

/// Where the settings are read from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Our own file; unknown names in it are errors.
    pub audio_config: PathBuf,
    /// The file that is shared with other programs.
    pub dot_env: PathBuf,
    /// The environment's variables.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// `audio_config.env` and `.env` in the working directory, and this process's environment. Variables that are
    /// not Unicode are none of ours.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_this_process() -> Self {
        let environment = std::env::vars_os();
        Self {
            audio_config: "audio_config.env".into(),
            dot_env: ".env".into(),
            environment: environment
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        }
    }

    /// No files; the variables given. For tests and for embedding.
    pub fn only<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let owned = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { audio_config: PathBuf::new(), dot_env: PathBuf::new(), environment: owned.collect() }
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The checked settings of the server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How recordings are encoded unless something else was chosen for a call.
    pub audio: AudioSettings,
    /// Whether audio is recorded at all.
    pub record_conversations: bool,
    /// Where the files go.
    pub recordings_directory: PathBuf,
    /// Whether the group of the directory may read what is finished.
    pub recordings_group_read: bool,
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// The base address under which the provider reaches us, without a slash at its end.
    pub public_url: Option<WebUrl>,
    /// The bot that calls are relayed to.
    pub bot_url: Option<BotUrl>,
    /// Whether the relay adds playback marks of its own.
    pub relay_marks: bool,
    /// Where the provider puts the echo of a mark that it reaches within a tick.
    pub mark_echoes: MarkEchoes,
    /// Where a call goes on when there is no bot.
    pub next_twiml_url: Option<WebUrl>,
    /// Signs and checks requests between the provider, us and the bot.
    pub twilio_auth_token: Option<Secret>,
    /// The token for the whole REST API.
    pub api_token: Option<Secret>,
    /// A token that can only read.
    pub api_read_token: Option<Secret>,
    /// Live calls at once.
    pub max_calls: usize,
    /// Open connections at once, those of calls included.
    pub max_connections: usize,
    /// Bytes that may wait for the disk over all calls.
    pub max_waiting_bytes: usize,
    /// Bytes of the disk that must be free for another recording to begin.
    pub min_free_disk: u64,
    /// How long a request may take to arrive as a whole and be answered.
    pub request_timeout: Duration,
    /// How long a media socket may take to send `start`.
    pub start_timeout: Duration,
    /// How long a media socket may be silent.
    pub idle_timeout: Duration,
    /// How long the bot may take to accept a call.
    pub bot_connect_timeout: Duration,
    /// How long live calls may take to finish at shutdown.
    pub shutdown: Duration,
    /// What is logged.
    pub log_filter: String,
    /// How logs are written.
    pub log_format: LogFormat,
}

/// The address of the bot. Its `Debug` shows host and port alone: paths, queries and user names may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct BotUrl(Url);

impl BotUrl {
    /// The address in full.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The address as it is asked for and signed: without a user's name and password, which no provider signs either.
    pub fn without_user(&self) -> Url {
        let mut url = self.0.clone();
        // An address with a host can have neither taken from it in vain.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }

    /// What the `Authorization` header of the upgrade says, where the address has a user's name or password (Basic, RFC 7617).
    pub fn authorization(&self) -> Option<Secret> {
        let (user, password) = (self.0.username(), self.0.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        let mut both: Vec<u8> = percent_decode_str(user).collect();
        both.push(b':');
        both.extend(percent_decode_str(password.unwrap_or_default()));
        Some(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(both))))
    }

    /// Scheme, host and port: what may be logged.
    pub fn shown(&self) -> String {
        host_of(&self.0)
    }
}

/// Scheme, host and port of an address.
fn host_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// An address that the provider calls. Its `Debug` shows host and port alone, as that of [`BotUrl`].
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(String);

impl std::ops::Deref for WebUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&values::without_secrets(self.0.clone()))
    }
}

impl std::fmt::Debug for BotUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Config {
    /// Reads the sources and checks everything, so that nothing about a setting can fail in a call.
    ///
    /// # Errors
    /// The first setting that is unknown or impossible; the message names it, its value and what is allowed.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut layers = vec![Layer::defaults()];
        for (file, strict) in [(&sources.audio_config, true), (&sources.dot_env, false)] {
            if file != Path::new("") {
                layers.push(Layer::file(file, strict)?);
            }
        }
        layers.push(Layer::environment(sources.environment));
        Self::of(layers)
    }

    /// The same for files that are in memory.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_bytes(
        audio_config: &[u8],
        dot_env: &[u8],
        environment: Vec<(String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::of(vec![
            Layer::defaults(),
            Layer::lines(dotenvy::Iter::new(audio_config), "audio_config.env".to_owned(), true)?,
            Layer::lines(dotenvy::Iter::new(dot_env), ".env".to_owned(), false)?,
            Layer::environment(environment),
        ])
    }

    fn of(layers: Vec<Layer>) -> Result<Self, ConfigError> {
        let config = Self::read(&Values::merge(layers)?)?;
        config.check_credentials()?;
        config.check_signatures()?;
        Ok(config)
    }

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let audio = audio_settings(values)?;
        let web = |scheme: &str| matches!(scheme, "http" | "https");
        let max_calls = values.in_range("MAX_CALLS", 1..=100_000)?;
        Ok(Self {
            audio,
            record_conversations: values.switch("RECORD_CONVERSATIONS")?,
            recordings_directory: PathBuf::from(values.required("RECORDINGS_DIRECTORY")?),
            recordings_group_read: match values.switch("RECORDINGS_GROUP_READ")? {
                true if cfg!(not(unix)) => {
                    let reason = "this system's files have no group that could read them".to_owned();
                    return Err(values.impossible("RECORDINGS_GROUP_READ", Some(reason)));
                }
                group => group,
            },
            host: values.required("HOST")?.to_owned(),
            port: values.parse("PORT")?,
            public_url: values.public_url("PUBLIC_URL")?,
            bot_url: values.bot_url("BOT_URL")?.map(BotUrl),
            relay_marks: values.switch("RELAY_MARKS")?,
            mark_echoes: match values.required("MARK_ECHOES")? {
                "behind" => MarkEchoes::BehindFrame,
                "before" => MarkEchoes::BeforeFrame,
                _ => return Err(values.impossible("MARK_ECHOES", None)),
            },
            next_twiml_url: values.url("NEXT_TWIML_URL", web)?.map(|url| WebUrl(url.into())),
            twilio_auth_token: values.secret("TWILIO_AUTH_TOKEN")?,
            api_token: values.secret("API_TOKEN")?,
            api_read_token: values.secret("API_READ_TOKEN")?,
            max_calls,
            max_connections: match values.required("MAX_CONNECTIONS")? {
                "auto" => max_calls + OTHER_CONNECTIONS,
                _ => values.in_range("MAX_CONNECTIONS", 1..=200_000)?,
            },
            max_waiting_bytes: values.in_range("MAX_WAITING_MB", 1..=1_000_000_usize)? * MB,
            min_free_disk: values.in_range("MIN_FREE_DISK_MB", 0..=1_000_000_000_u64)? * MB as u64,
            request_timeout: values.seconds("REQUEST_TIMEOUT_SECONDS", 600)?,
            start_timeout: values.seconds("START_TIMEOUT_SECONDS", 600)?,
            idle_timeout: values.seconds("IDLE_TIMEOUT_SECONDS", 3_600)?,
            bot_connect_timeout: values.seconds("BOT_CONNECT_TIMEOUT_SECONDS", 60)?,
            shutdown: values.seconds("SHUTDOWN_SECONDS", 3_600)?,
            log_filter: values.log_filter("RUST_LOG")?,
            log_format: match values.required("LOG_FORMAT")? {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(values.impossible("LOG_FORMAT", None)),
            },
        })
    }

    /// Whether only this machine can reach the server, as far as the address to listen on tells.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Recordings of phone calls must not lie open: a server that others can reach needs both kinds of credentials, and tokens that
    /// nobody finds by trying. And a token that can only read must be another than the one that can do everything.
    fn check_credentials(&self) -> Result<(), ConfigError> {
        let same = |one: &Option<Secret>, other: &Option<Secret>| match (one, other) {
            (Some(one), Some(other)) => one.matches(other.expose()),
            _ => false,
        };
        if same(&self.api_token, &self.api_read_token) {
            return Err(ConfigError::SameTokens);
        }
        let (name, value) = match &self.public_url {
            Some(url) => ("PUBLIC_URL", format!("{url:?}")),
            None if !self.is_loopback() => ("HOST", self.host.clone()),
            None => return Ok(()),
        };
        let mut missing = Vec::new();
        if self.twilio_auth_token.is_none() {
            missing.push("TWILIO_AUTH_TOKEN (checks that requests come from the provider)");
        }
        if self.api_token.is_none() && self.api_read_token.is_none() {
            missing.push("API_TOKEN (a long random word that clients of the REST API send)");
        }
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            return Err(ConfigError::Open { name, value, missing });
        }
        let tokens = [("API_TOKEN", &self.api_token), ("API_READ_TOKEN", &self.api_read_token)];
        let is_short = |token: &Option<Secret>| {
            token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_TOKEN)
        };
        match tokens.into_iter().find(|(_, token)| is_short(token)) {
            Some((token, _)) => Err(ConfigError::ShortToken { token, least: SHORTEST_TOKEN, name, value }),
            None => Ok(()),
        }
    }

    /// A signature that the bot is shown opens no socket here, so no address of ours may be one that the provider signs alike.
    fn check_signatures(&self) -> Result<(), ConfigError> {
        let (Some(_), Some(public), Some(bot)) = (&self.twilio_auth_token, &self.public_url, &self.bot_url)
        else {
            return Ok(());
        };
        let signed = bot.without_user();
        if !signature::websocket_urls(public, MEDIA_SOCKET).iter().any(|url| url == signed.as_str()) {
            return Ok(());
        }
        Err(ConfigError::SignedAlike { public: format!("{public:?}"), bot: format!("{bot:?}") })
    }
}

fn audio_settings(values: &Values) -> Result<AudioSettings, ConfigError> {
    let format = match values.required("DEFAULT_AUDIO_FORMAT")?.parse::<Format>() {
        Ok(format) if format.is_compiled() => format,
        Ok(format) => {
            let reason = format!("this build of callrec cannot write {format}");
            return Err(values.impossible("DEFAULT_AUDIO_FORMAT", Some(reason)));
        }
        // The parser's own words name formats that this build may lack.
        Err(_) => return Err(values.impossible("DEFAULT_AUDIO_FORMAT", None)),
    };
    let ogg_quality: f32 = values.parse("OGG_QUALITY")?;
    if !(-1.0..=10.0).contains(&ogg_quality) {
        return Err(values.impossible("OGG_QUALITY", None));
    }
    let bitrate: Bitrate = values.parse("MP3_BITRATE")?;
    // It must exist even where MP3 is not the default: a call may ask for MP3 and nothing else.
    if !mpeg::all_bitrates().contains(&bitrate.kbps()) {
        return Err(values.impossible("MP3_BITRATE", None));
    }
    let channels: Channels = values.parse("AUDIO_CHANNELS")?;
    let settings = AudioSettings::default()
        .with_format(format)
        .with_mp3_bitrate(bitrate)
        .with_rate(values.parse("AUDIO_SAMPLE_RATE")?)
        .with_channels(channels)
        .with_ogg_quality(ogg_quality)
        .with_flac_level(values.in_range("FLAC_LEVEL", 0..=8)?)
        .with_wav_encoding(values.parse("WAV_ENCODING")?);
    settings.resolve(PHONE_LINE_HZ).map_err(ConfigError::Audio)?;
    Ok(settings)
}

/// The path of our media socket.
pub(crate) const MEDIA_SOCKET: &str = "/media-stream";
/// The fewest characters of a token of a server that others can reach: of hexadecimal digits, these are 64 bits.
const SHORTEST_TOKEN: usize = 16;
/// Connections beside those of calls, if nobody says how many.
const OTHER_CONNECTIONS: usize = 1_000;
/// Bytes.
const MB: usize = 1_000_000;

/// The sample rate of a telephone line in Hz, against which settings are checked before a call tells its own.
pub const PHONE_LINE_HZ: u32 = 8_000;
