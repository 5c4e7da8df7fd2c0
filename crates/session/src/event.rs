//! What happened in a call, in no provider's words.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One party's audio.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// The person on the phone: the provider's inbound audio.
    Caller,
    /// The voice bot: the provider's outbound audio.
    Assistant,
}

/// Who said a line of the transcript.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person on the phone.
    Caller,
    /// The voice bot.
    Assistant,
    /// Neither: a remark of the program that runs the call.
    System,
}

/// How the bytes of an [`Event::Audio`] stand for samples.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// G.711 μ-law, a byte a sample.
    Mulaw,
    /// G.711 A-law, a byte a sample.
    Alaw,
    /// Linear 16-bit samples, little-endian.
    Pcm16,
}

impl Codec {
    /// How many bytes one sample takes.
    #[must_use]
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Mulaw | Self::Alaw => 1,
            Self::Pcm16 => 2,
        }
    }
}

/// Where the assistant's audio comes from, and so who knows when it was heard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// The provider sends both tracks, each frame with its time.
    OneWay,
    /// The bot's audio goes through the recorder to the provider, which queues and plays it.
    Relay,
}

/// Where a provider puts the echo of a mark that it reaches within a tick of 20 ms. No provider documents it; it is a
/// constant of the provider, and can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkEchoes {
    /// Behind the caller's frame of that tick.
    #[default]
    BehindFrame,
    /// Before it.
    BeforeFrame,
}

/// Where audio belongs on the stream clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// It begins this many milliseconds after the stream did.
    At(u64),
    /// Behind what the provider has queued already.
    Queued,
    /// Nobody said: it is heard as it arrives.
    Untimed,
}

/// What was lost of a call before it reached the recording.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    /// A message that could not be read.
    Message,
    /// Audio that could not be read, or that no buffer had room for.
    Audio,
    /// A message of a kind this version does not know.
    UnknownMessage,
    /// A time that was no time; its audio was kept.
    Timestamp,
    /// A parameter of the stream beyond what is kept.
    Parameter,
    /// A line of the transcript.
    TranscriptLine,
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The provider said that it stopped.
    Stopped,
    /// The provider closed the connection without saying so.
    Closed,
    /// The connection broke.
    Aborted,
    /// Nothing came for too long.
    Idle,
    /// The connection to the bot broke, or the bot could not be reached.
    BotGone,
    /// The program that records said that it is over.
    Finished,
    /// The recorder was told to stop.
    Shutdown,
    /// The recorder died in mid-call, and found the call again.
    Interrupted,
    /// The bot hung up.
    BotClosed,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the provider stopped the stream",
            Self::Closed => "the provider closed the connection",
            Self::Aborted => "the connection broke",
            Self::Idle => "nothing came any more",
            Self::BotGone => "the bot went away or could not be reached",
            Self::Finished => "the call was finished",
            Self::Shutdown => "the recorder was shut down",
            Self::Interrupted => "the recorder was interrupted, and recovered the call",
            Self::BotClosed => "the bot ended the call",
        })
    }
}

/// What is known of a stream when it begins.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamStart {
    /// The call's SID.
    pub call: String,
    /// The stream's SID.
    pub stream: String,
    /// Where the assistant's audio comes from.
    pub topology: Topology,
    /// Sampling rate of the caller's audio, in Hz.
    pub caller_rate: u32,
    /// Sampling rate of the assistant's audio, in Hz.
    pub assistant_rate: u32,
    /// What the call's owner gave along, name and value.
    pub parameters: Vec<(String, String)>,
    /// How the provider sends marks back, where the bot's audio is relayed.
    #[serde(default)]
    pub mark_echoes: MarkEchoes,
}

impl StreamStart {
    /// A stream whose tracks have the telephone's 8,000 Hz, without parameters.
    #[must_use]
    pub fn new(call: impl Into<String>, stream: impl Into<String>, topology: Topology) -> Self {
        Self {
            call: call.into(),
            stream: stream.into(),
            topology,
            caller_rate: 8000,
            assistant_rate: 8000,
            parameters: Vec::new(),
            mark_echoes: MarkEchoes::default(),
        }
    }

    /// The sampling rate of a track, in Hz.
    #[must_use]
    pub const fn rate(&self, track: Track) -> u32 {
        match track {
            Track::Caller => self.caller_rate,
            Track::Assistant => self.assistant_rate,
        }
    }
}

/// Shows how many parameters there are, and none of them: they may hold a phone number or a token.
impl fmt::Debug for StreamStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamStart")
            .field("call", &self.call)
            .field("stream", &self.stream)
            .field("topology", &self.topology)
            .field("caller_rate", &self.caller_rate)
            .field("assistant_rate", &self.assistant_rate)
            .field("parameters", &self.parameters.len())
            .field("mark_echoes", &self.mark_echoes)
            .finish()
    }
}

/// What happened in a call. Audio and texts are borrowed from where they were read.
#[derive(Clone, PartialEq)]
pub enum Event<'a> {
    /// The stream began. Its clock is at zero.
    Started(Cow<'a, StreamStart>),
    /// Audio of one party.
    Audio {
        /// Whose.
        track: Track,
        /// Where it belongs on the stream clock.
        place: Place,
        /// How its bytes stand for samples.
        codec: Codec,
        /// The audio as received, of any length.
        bytes: &'a [u8],
    },
    /// Audio of one party of which nothing is kept but its length.
    Omitted {
        /// Whose.
        track: Track,
        /// Where it belongs on the stream clock.
        place: Place,
        /// How many samples.
        samples: u32,
    },
    /// A playback marker went to the provider, behind the audio sent so far.
    MarkSent {
        /// The marker's name.
        name: &'a str,
    },
    /// The provider sent a marker back: what was before it has been played, or was cleared.
    MarkEchoed {
        /// The marker's name.
        name: &'a str,
    },
    /// The bot emptied the playout queue.
    Cleared,
    /// The stream is over for the caller: what was not played by now is never heard. Only lines are told after it, and the
    /// end.
    Over,
    /// The caller pressed a key.
    Dtmf {
        /// The key.
        digit: &'a str,
    },
    /// A line of the transcript.
    Said {
        /// Who said it.
        speaker: Speaker,
        /// The words.
        text: &'a str,
        /// When it began, in milliseconds of the stream clock; if unknown, when it was told.
        at_ms: Option<u64>,
    },
    /// When each word of the line that was told last began.
    WordTimes {
        /// In milliseconds since the line's speech began, as many as the line has words.
        starts_ms: Cow<'a, [u32]>,
    },
    /// Something was lost before it reached the recording.
    Dropped {
        /// What.
        what: DropKind,
        /// How many.
        count: u32,
    },
    /// The stream ended. Nothing comes after it.
    Ended {
        /// How.
        reason: EndReason,
    },
}

/// Shows lengths where there are audio, words, digits or names: an event may be logged, a conversation may not.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(start) => f.debug_tuple("Started").field(start).finish(),
            Self::Audio { track, place, codec, bytes } => {
                write!(f, "Audio({track:?}, {place:?}, {codec:?}, {} bytes)", bytes.len())
            }
            Self::Omitted { track, place, samples } => {
                write!(f, "Omitted({track:?}, {place:?}, {samples} samples)")
            }
            Self::MarkSent { name } => write!(f, "MarkSent({} bytes)", name.len()),
            Self::MarkEchoed { name } => write!(f, "MarkEchoed({} bytes)", name.len()),
            Self::Cleared => f.write_str("Cleared"),
            Self::Over => f.write_str("Over"),
            Self::Dtmf { digit } => write!(f, "Dtmf({} bytes)", digit.len()),
            Self::Said { speaker, text, at_ms } => {
                write!(f, "Said({speaker:?}, {} bytes, {at_ms:?})", text.len())
            }
            Self::WordTimes { starts_ms } => write!(f, "WordTimes({} words)", starts_ms.len()),
            Self::Dropped { what, count } => write!(f, "Dropped({what:?}, {count})"),
            Self::Ended { reason } => write!(f, "Ended({reason:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_shows_no_audio_words_or_digits() {
        let mut start = StreamStart::new("CA1", "MZ1", Topology::Relay);
        start.parameters.push(("from".to_owned(), "+15550001111".to_owned()));
        let shown = [
            format!("{:?}", Event::Started(Cow::Owned(start))),
            format!("{:?}", Event::Said { speaker: Speaker::Caller, text: "my secret", at_ms: None }),
            format!("{:?}", Event::Dtmf { digit: "7" }),
            format!("{:?}", Event::MarkSent { name: "secret" }),
        ]
        .join(" ");
        assert!(!shown.contains("secret") && !shown.contains('7') && !shown.contains("555"), "{shown}");
    }
}
