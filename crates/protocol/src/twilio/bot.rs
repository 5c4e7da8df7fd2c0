//! What a bot sends through the relay to the provider: `media`, `mark`, `clear`; and to us alone: `transcript`.

use callrec_session::{DropKind, Event, Place, Speaker, Track};
use serde_json::value::RawValue;

use super::messages::{Envelope, SpokenLine, number, text};
use super::provider::mark_name;
use super::queue::{EventQueue, Pending};
use super::{MAX_LINE, MAX_LINES};
use crate::{Message, ProtocolError};

/// What the relay does with a message of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The message goes on to the provider, byte for byte as it came.
    Forward,
    /// The message was for the recorder; the provider would complain about it.
    Swallow,
}

/// The bot's side of a relayed Twilio stream.
///
/// ```
/// use callrec_protocol::{Message, twilio::{BotSide, Verdict, outgoing}};
/// use callrec_session::{Event, Place, Speaker, Track};
///
/// let mut bot = BotSide::new();
/// let verdict = bot.handle_message(Message::Text(&outgoing::media("MZ1", &[0xff; 160])))?;
/// assert_eq!(verdict, Verdict::Forward);
/// assert!(matches!(
///     bot.poll_event(),
///     Some(Event::Audio { track: Track::Assistant, place: Place::Queued, bytes, .. }) if bytes.len() == 160
/// ));
///
/// let line = r#"{"event":"transcript","speaker":"assistant","text":"Good morning","at_ms":1200}"#;
/// assert_eq!(bot.handle_message(Message::Text(line))?, Verdict::Swallow);
/// assert!(matches!(
///     bot.poll_event(),
///     Some(Event::Said { speaker: Speaker::Assistant, text: "Good morning", at_ms: Some(1_200) })
/// ));
/// # Ok::<(), callrec_protocol::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct BotSide {
    queue: EventQueue,
}

impl BotSide {
    /// For one socket of a bot.
    #[expect(clippy::new_without_default, reason = "a default bot would say nothing")]
    pub fn new() -> Self {
        Self { queue: EventQueue::new() }
    }

    /// Reads one message and says what is to become of it; take its events with [`poll_event`](Self::poll_event).
    ///
    /// A message of any size is taken: ten minutes of audio in one `media` is what the provider allows. A message that
    /// the recorder does not know is forwarded and counted.
    ///
    /// # Errors
    /// The recorder cannot read the message. It is counted already, never fatal, and **is to be forwarded** all the
    /// same: what the provider makes of it is between the bot and the provider.
    pub fn handle_message(&mut self, message: Message<'_>) -> Result<Verdict, ProtocolError> {
        self.queue.begin();
        let outcome = match message {
            Message::Text(json) => self.read(json),
            Message::Binary(_) => Err(ProtocolError::Binary),
        };
        if let Err(error) = outcome {
            self.queue.push_dropped(error.drop_kind(), 1);
        }
        outcome
    }

    /// The next event of the messages so far.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        self.queue.poll()
    }

    fn read(&mut self, json: &str) -> Result<Verdict, ProtocolError> {
        let message: Envelope<'_> = serde_json::from_str(json)?;
        let event = message.event.as_ref().map(|event| &*event.0);
        match event.ok_or(ProtocolError::Shape)? {
            "media" => {
                let payload = message.media.and_then(|media| media.payload);
                let payload =
                    payload.ok_or(ProtocolError::Missing { event: "media", field: "media.payload" })?;
                self.queue.push_audio(Track::Assistant, Place::Queued, &payload.0)?;
            }
            "mark" => {
                let name = mark_name(message.mark)?;
                self.queue.push_mark(&name, Pending::MarkSent);
            }
            "clear" => self.queue.push(Pending::Cleared),
            "transcript" => {
                self.transcript(&message);
                return Ok(Verdict::Swallow);
            }
            _ => self.queue.push_dropped(DropKind::UnknownMessage, 1),
        }
        Ok(Verdict::Forward)
    }

    /// A line beside the event, or several in `lines`. Whatever is wrong with a line, the provider does not get it.
    fn transcript(&mut self, message: &Envelope<'_>) {
        let mut unusable = 0;
        if let Some(raw) = message.lines {
            match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
                Ok(lines) => {
                    for line in lines.iter().take(MAX_LINES) {
                        let line = serde_json::from_str(line.get()).ok();
                        unusable += u32::from(!line.is_some_and(|line| self.said(&line)));
                    }
                    unusable += u32::try_from(lines.len().saturating_sub(MAX_LINES)).unwrap_or(u32::MAX);
                }
                Err(_) => unusable = 1,
            }
        } else {
            let line = SpokenLine {
                speaker: message.speaker,
                text: message.text,
                at_ms: message.at_ms,
                word_ms: message.word_ms,
            };
            unusable = u32::from(!self.said(&line));
        }
        self.queue.push_dropped(DropKind::TranscriptLine, unusable);
    }

    /// Whether the line could be used.
    fn said(&mut self, line: &SpokenLine<'_>) -> bool {
        let speaker = match text(line.speaker).as_deref() {
            Some("assistant") => Speaker::Assistant,
            Some("caller") => Speaker::Caller,
            Some("system") => Speaker::System,
            _ => return false,
        };
        let Some(words) = text(line.text) else { return false };
        let words = words.trim();
        if words.is_empty() || words.len() > MAX_LINE {
            return false;
        }
        self.queue.push(Pending::Said { speaker, text: words.to_owned(), at_ms: number(line.at_ms) });
        // Times that are none are no reason to lose the line.
        if let Some(starts_ms) = line.word_ms.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            self.queue.push(Pending::WordTimes(starts_ms));
        }
        true
    }
}
