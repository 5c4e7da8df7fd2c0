//! Settings: an `audio_config.env`, a `.env` and an environment, with a zero byte between them.

use callrec_server::config::ConfigError;
use callrec_server::fuzzing;

use crate::input::Input;

/// A credential that no input has by chance, and what must never be shown of it.
const SECRET: &str = "q7-Zx!9w~Vb_K2.m";

/// Reads settings.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (audio_config, dot_env) = (input.until(0), input.until(0));
    let lines = String::from_utf8_lossy(input.0);
    let mut environment: Vec<(String, String)> = lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if bytes.len().is_multiple_of(2) {
        environment.push(("API_READ_TOKEN".to_owned(), SECRET.to_owned()));
    }
    if bytes.len().is_multiple_of(3) {
        // With a space in it, it is refused.
        environment.push(("TWILIO_AUTH_TOKEN".to_owned(), format!("{SECRET} ")));
    }
    let shown = match fuzzing::settings(audio_config, dot_env, environment) {
        Ok(config) => {
            assert!(config.audio.resolve(8_000).is_ok(), "settings that no call can have");
            assert!((1..=100_000).contains(&config.max_calls));
            assert!(!config.idle_timeout.is_zero() && !config.start_timeout.is_zero());
            let is_open = config.public_url.is_some() || !config.is_loopback();
            let has_token = config.api_token.is_some() || config.api_read_token.is_some();
            assert!(!is_open || (has_token && config.twilio_auth_token.is_some()), "recordings lie open");
            let tokens = [&config.api_token, &config.api_read_token];
            let is_short = tokens.into_iter().flatten().any(|token| token.expose().len() < 16);
            assert!(!is_open || !is_short, "a token could be guessed");
            format!("{config:?}")
        }
        Err(error) => {
            if let ConfigError::Impossible { allowed, .. } = &error {
                assert!(!allowed.is_empty(), "{error}");
            }
            format!("{error} {error:?}")
        }
    };
    assert!(!shown.contains(SECRET) || contains(bytes, SECRET.as_bytes()), "{shown}");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
