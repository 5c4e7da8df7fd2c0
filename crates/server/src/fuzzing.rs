//! What reads bytes that others wrote, without a server around it. For tests of this workspace alone: nothing here is
//! promised to anybody.

use crate::config::{Config, ConfigError};
use crate::error::ApiError;
use crate::opening::{Opening, may_be_a_start};
use crate::routes;
use callrec::FormatChange;

/// Settings of an `audio_config.env`, a `.env` and an environment.
///
/// # Errors
/// As [`Config::load`].
pub fn settings(
    audio_config: &[u8],
    dot_env: &[u8],
    environment: Vec<(String, String)>,
) -> Result<Config, ConfigError> {
    Config::of_bytes(audio_config, dot_env, environment)
}

/// The body of `POST /incoming-call`. Any bytes are a form.
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    routes::incoming_call::read_form(body)
}

/// The query and the body of `POST /audio/set-format/{call_sid}`.
///
/// # Errors
/// What the client is told.
pub fn format_change(query: &str, body: &[u8]) -> Result<FormatChange, ApiError> {
    routes::set_format::read_change(query, body)
}

/// The body of `POST /calls/{sid}/transcript`: the texts of the lines.
///
/// # Errors
/// What the client is told.
pub fn transcript_lines(body: &[u8]) -> Result<Vec<String>, ApiError> {
    Ok(routes::transcript::read_lines(body)?.into_iter().map(|line| line.text).collect())
}

/// The call SID in a path.
///
/// # Errors
/// What the client is told.
pub fn call_sid(text: &str) -> Result<String, ApiError> {
    routes::call_sid(text)
}

/// What a message of the provider is that comes before the start of a stream: the call that it starts a stream of, none if it starts
/// none, or none that there is one way to read.
pub fn started_call(message: &str) -> Option<String> {
    match Opening::read(message) {
        Opening::Start(asked) => Some(asked?.call),
        Opening::Connected | Opening::Other => None,
    }
}

/// Whether somebody could take a message for the start of a stream.
pub fn is_perhaps_a_start(message: &str) -> bool {
    may_be_a_start(message)
}
