//! What can be wrong with a message: which part of it, and whether the stream can still be recorded.

use callrec_session::DropKind;

/// What was wrong with one message.
///
/// Most are *countable*: the message is passed over, the stream goes on, and the dialect has already put an
/// [`Event::Dropped`](callrec_session::Event::Dropped) into its queue so that the recording tells of it. A *fatal* one
/// ([`is_fatal`](Self::is_fatal)) means that nothing of this stream can be recorded, now or later; the call itself is
/// not concerned.
///
/// The text names the part that was wrong and never what stood in it: it can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A binary message; the protocol has only text.
    #[error("a binary message came where the protocol has only text")]
    Binary,
    /// Not JSON.
    #[error("a message is not valid JSON (at byte {at})")]
    NotJson {
        /// Where reading stopped, in bytes from the start of the message.
        at: usize,
    },
    /// JSON, but not of the shape that the protocol gives its messages.
    #[error(
        "a message is JSON of another shape than the protocol's: an object with \"event\" and its fields once"
    )]
    Shape,
    /// A field that the message cannot do without is missing or of the wrong type.
    #[error("a \"{event}\" message has no usable {field}")]
    Missing {
        /// The kind of message.
        event: &'static str,
        /// The field, by its path in the JSON.
        field: &'static str,
    },
    /// The audio is not base64.
    #[error("the audio of a \"media\" message is not base64")]
    Base64,
    /// The audio belongs to no known party.
    #[error("a \"media\" message names a track other than inbound and outbound")]
    UnknownTrack,
    /// A text is longer than it can reasonably be.
    #[error("the {field} of a \"{event}\" message is longer than {limit} bytes")]
    TooLong {
        /// The kind of message.
        event: &'static str,
        /// The field, by its path in the JSON.
        field: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// A message that belongs to a stream came before the stream's start.
    #[error("a \"{event}\" message came before the stream's start")]
    BeforeStart {
        /// The kind of message.
        event: &'static str,
    },
    /// A stream started twice; the first start holds.
    #[error("a second \"start\" message came on one socket, which carries one stream")]
    SecondStart,
    /// The start of the stream does not say which call or stream it is. Fatal.
    #[error("the stream's start has no usable {field} (text of 1 to {limit} characters is)")]
    UnusableStart {
        /// The field, by its path in the JSON.
        field: &'static str,
        /// The most characters that are taken.
        limit: usize,
    },
    /// The stream's audio is of a kind that cannot be recorded. Fatal.
    #[error("the stream's start announces audio that cannot be recorded: {field} must be {supported}")]
    UnsupportedAudio {
        /// The field, by its path in the JSON.
        field: &'static str,
        /// What it has to be.
        supported: &'static str,
    },
}

impl ProtocolError {
    /// Whether nothing of this stream can be recorded. Everything else is countable: go on with the next message.
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::UnusableStart { .. } | Self::UnsupportedAudio { .. })
    }

    /// Under what the recording counts it.
    pub(crate) const fn drop_kind(&self) -> DropKind {
        match self {
            Self::Base64 | Self::UnknownTrack => DropKind::Audio,
            _ => DropKind::Message,
        }
    }
}

impl From<serde_json::Error> for ProtocolError {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::Shape,
            _ => Self::NotJson { at: error.column() },
        }
    }
}
