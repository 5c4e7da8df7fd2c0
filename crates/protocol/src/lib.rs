//! Media-stream protocols of telephony providers as session events, and their request signatures.
//!
//! A [`Dialect`] is one provider's protocol, sans-IO: it owns no socket, reads no clock and starts no task. The loop
//! around it is always the same:
//!
//! 1. hand it each message of the socket, in order, with [`Dialect::handle_message`];
//! 2. take its events with [`Dialect::poll_event`] until there is none, and give them to the recording;
//! 3. send what [`Dialect::poll_transmit`] has, until there is nothing.
//!
//! ```
//! use callrec_protocol::{Dialect, Message, twilio::Twilio};
//! use callrec_session::{Event, Topology};
//!
//! let mut dialect = Twilio::new(Topology::OneWay);
//! let socket = [
//!     r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#,
//!     r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1",
//!         "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#,
//!     r#"{"event":"media","sequenceNumber":"2","streamSid":"MZ1",
//!         "media":{"track":"inbound","chunk":"1","timestamp":"0","payload":"//////8="}}"#,
//!     r#"{"event":"stop","sequenceNumber":"3","streamSid":"MZ1","stop":{"callSid":"CA1"}}"#,
//! ];
//! let mut seen = Vec::new();
//! for message in socket {
//!     match dialect.handle_message(Message::Text(message)) {
//!         Ok(()) => {}
//!         Err(error) if error.is_fatal() => panic!("this stream cannot be recorded: {error}"),
//!         Err(error) => eprintln!("passed over: {error}"), // and counted in the recording
//!     }
//!     while let Some(event) = dialect.poll_event() {
//!         seen.push(match event {
//!             Event::Started(start) => format!("call {} began", start.call),
//!             Event::Audio { bytes, .. } => format!("{} bytes of audio", bytes.len()),
//!             Event::Ended { .. } => "it ended".to_owned(),
//!             _ => continue,
//!         });
//!     }
//! }
//! assert_eq!(seen, ["call CA1 began", "5 bytes of audio", "it ended"]);
//! ```
//!
//! In a relay the bot has a socket of its own; its messages go through [`twilio::BotSide`], whose events belong to the
//! same recording. [`signature`] tells whether a request is the provider's, and [`twiml`] writes the answers that send
//! a call's audio here.
//!
//! Input from a socket is hostile: any bytes give events or a [`ProtocolError`], never a panic, and what is kept of a
//! message is bounded by the message. How long a message may be is for the owner of the socket to say.

mod error;
pub mod signature;
pub mod twilio;
pub mod twiml;

use callrec_session::Event;

pub use error::ProtocolError;

/// One message of a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// Tells the kind and the length: what stands in a message is nobody's business but the recording's.
impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// One provider's protocol, on one socket: messages in, session events out.
///
/// # For implementations
/// Decide on the first message that tells what the stream is; lose no audio, whatever stands beside it; put an
/// [`Event::Dropped`] into the queue for every countable error, so that the recording tells of it. A message before the
/// stream's start is told behind it. Queued events stay until they are polled, however many messages come before.
pub trait Dialect: Send {
    /// Reads one message. What it says waits in [`poll_event`](Self::poll_event).
    ///
    /// # Errors
    /// Says what was wrong with the message, for a log. If [fatal](ProtocolError::is_fatal), nothing of the stream can
    /// be recorded and later messages are passed over; otherwise it is counted already, and the stream goes on.
    fn handle_message(&mut self, message: Message<'_>) -> Result<(), ProtocolError>;

    /// The next event. The audio and texts in it are borrowed until the next call.
    fn poll_event(&mut self) -> Option<Event<'_>>;

    /// The next text message to send to the provider, for protocols that want answers.
    fn poll_transmit(&mut self) -> Option<String>;
}
