//! What can be wrong with the settings, told so that the operator can put it right.

use callrec::SpecError;

/// Why the server does not start with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that the setting does not take.
    #[error("{name}={value} (from {origin}) is not possible: {reason}; allowed: {allowed}")]
    Impossible {
        /// The variable.
        name: &'static str,
        /// Its value; for secrets only a word about it.
        value: String,
        /// Where it was set.
        origin: String,
        /// What is wrong.
        reason: String,
        /// What the setting takes.
        allowed: &'static str,
    },
    /// A name in our own file that is no setting of ours.
    #[error("{file}: there is no setting named {name}; `callrec --help` lists them all")]
    Unknown {
        /// The name.
        name: String,
        /// The file.
        file: String,
    },
    /// A file that cannot be read or parsed. The line itself is not shown: it may hold a secret.
    #[error("{file}: {}", without_content(error))]
    File {
        /// The file.
        file: String,
        /// What went wrong; its own text may quote the line.
        error: dotenvy::Error,
    },
    /// Settings of the audio that do not go together.
    #[error("{0}")]
    Audio(SpecError),
    /// Others can reach the server, and credentials are missing.
    #[error(
        "with {name}={value} others can reach this server, and its recordings would lie open: set {missing}, \
         or listen on 127.0.0.1 without a PUBLIC_URL"
    )]
    Open {
        /// The variable that makes the server public.
        name: &'static str,
        /// Its value.
        value: String,
        /// The variables to set, and what they are for.
        missing: String,
    },
    /// Others can reach the server, and a token could be found by trying.
    #[error(
        "{token} has fewer than {least} characters, and with {name}={value} others can reach this server and try one after \
         another: make a longer one, as `openssl rand -hex 32` does"
    )]
    ShortToken {
        /// The variable of the token.
        token: &'static str,
        /// How many characters it must have.
        least: usize,
        /// The variable that makes the server public.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// The token that can only read is the one that can do everything.
    #[error(
        "API_READ_TOKEN is the same as API_TOKEN, so that whoever may only read could do everything: make another, \
         or leave it out"
    )]
    SameTokens,
    /// The provider signs our media socket as we sign the bot's.
    #[error(
        "with PUBLIC_URL={public} and BOT_URL={bot} the provider may sign callrec's media socket with the same text as callrec \
         its request to the bot, and what the bot is shown opens no socket here, so that calls would be refused: give the bot \
         another path or another host than callrec's"
    )]
    SignedAlike {
        /// What `PUBLIC_URL` shows of itself.
        public: String,
        /// What `BOT_URL` shows of itself.
        bot: String,
    },
    /// The sources could not be put together.
    #[error("the settings cannot be read: {0}")]
    Sources(#[from] config::ConfigError),
}

fn without_content(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::Io(error) => error.to_string(),
        dotenvy::Error::LineParse(_, at) => {
            format!(
                "a line is not NAME=value (character {at} of the line); put values with spaces or $ in quotes"
            )
        }
        _ => "it cannot be read as NAME=value lines".to_owned(),
    }
}
