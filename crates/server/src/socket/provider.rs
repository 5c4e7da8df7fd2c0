//! The provider's socket: a server's end of a WebSocket that loses nothing that arrived.
//!
//! What the WebSocket library leaves to its user is done here: messages in fragments are put together; pings and Close
//! are answered; and when an error and good messages arrive at once, the good ones are handed out first.

use super::frames::is_overflow;
use super::gathering::{Gathering, Socket};
use super::in_flight::{InFlight, is_long};
use super::outbox::{Outbox, Room, TooFarBehind};
use crate::counters::{Counters, Limit};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Message, MessageStream};
use actix_ws::{ProtocolError, Session};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{Sink, Stream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The longest message of a provider. Those of Twilio have about 400 bytes.
pub(crate) const LONGEST_MESSAGE: usize = 1024 * 1024;
/// How far the provider may be behind with reading before the bot is no longer read. Ten minutes of audio, the most that
/// Twilio queues, are 6.4 MB in base64.
const MOST_UNREAD: usize = 16 * 1024 * 1024;
/// Errors after which nothing good can follow any more: the library reports one that it cannot get past again and again.
const MOST_ERRORS: u8 = 3;

/// What comes from the provider.
#[derive(Debug)]
pub(crate) enum FromProvider {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// The provider said goodbye. It has been answered.
    Closed,
    /// The connection or a frame is broken; nothing more will come. Whatever arrived before was handed out.
    Broken(ProtocolError),
    /// The connection ended without a goodbye.
    Vanished,
}

/// The provider's socket.
pub(crate) struct ProviderSocket {
    session: Session,
    messages: Option<AggregatedMessageStream>,
    outbox: Outbox<Message>,
    in_flight: InFlight,
    /// The answer to the last ping. One that was not sent before the next came need not be (RFC 6455, 5.5.3): however many come, one waits.
    pong: Option<Bytes>,
    /// A Close of ours is in the outbox or sent: nothing may follow it.
    closing: bool,
    error: Option<ProtocolError>,
    errors: u8,
    /// It was found not to read, and has not read everything since.
    deaf: bool,
    /// Until it is known whether messages are gathered.
    socket: Option<Socket>,
    gathering: Option<Gathering>,
    counters: Arc<Counters>,
}

impl ProviderSocket {
    pub(crate) fn new(
        session: Session,
        messages: MessageStream,
        counters: Arc<Counters>,
        room: Arc<Room>,
    ) -> Self {
        let messages = messages
            .max_frame_size(LONGEST_MESSAGE)
            .aggregate_continuations()
            .max_continuation_size(LONGEST_MESSAGE);
        Self {
            session,
            messages: Some(messages),
            outbox: Outbox::new(MOST_UNREAD, room),
            in_flight: InFlight::default(),
            pong: None,
            closing: false,
            error: None,
            errors: 0,
            deaf: false,
            socket: None,
            gathering: None,
            counters,
        }
    }

    /// By this socket its messages come, if it is known.
    pub(crate) fn on(self, socket: Option<Socket>) -> Self {
        Self { socket, ..self }
    }

    /// Nobody waits for single messages: several may be read at a time.
    pub(crate) fn read_several_at_once(&mut self) {
        self.gathering = self.socket.take().map(Gathering::new);
    }

    /// Whatever comes is read at once.
    pub(crate) fn read_at_once(&mut self) {
        (self.socket, self.gathering) = (None, None);
    }

    /// Queues a text message, byte for byte as it is.
    pub(crate) fn send_text(&mut self, text: ByteString) -> Result<(), TooFarBehind> {
        let bytes = text.len();
        let text = if self.outbox.should_copy() { ByteString::from(&*text) } else { text };
        self.push(Message::Text(text), bytes)
    }

    /// Queues a binary message.
    pub(crate) fn send_binary(&mut self, message: Bytes) -> Result<(), TooFarBehind> {
        let bytes = message.len();
        let message = if self.outbox.should_copy() { Bytes::copy_from_slice(&message) } else { message };
        self.push(Message::Binary(message), bytes)
    }

    fn push(&mut self, message: Message, bytes: usize) -> Result<(), TooFarBehind> {
        if self.closing {
            return Ok(());
        }
        self.outbox.push(message, bytes)?;
        // One that reads, but slowly, is behind again with each message that it gets: that is one time.
        if self.outbox.is_full() && !std::mem::replace(&mut self.deaf, true) {
            self.counters.count(Limit::ProvidersDeaf);
        }
        Ok(())
    }

    /// Whether so much waits to be read by the provider that nothing should be added.
    pub(crate) fn is_behind(&self) -> bool {
        self.outbox.is_full()
    }

    /// Queues a Close behind what waits already.
    pub(crate) fn close(&mut self, code: CloseCode) {
        if !self.closing {
            self.closing = true;
            self.pong = None;
            self.outbox.push_anyway(Message::Close(Some(CloseReason::from(code))), 2);
        }
    }

    /// Whether the Close, and all before it, has been handed on, or there is nobody to take it.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Whether the end was told.
    pub(crate) fn is_over(&self) -> bool {
        self.messages.is_none()
    }

    /// Sends what can be sent now.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) {
        while self.pong.is_some() || !self.outbox.is_empty() {
            let next = if self.pong.is_some() { 0 } else { self.outbox.next_bytes() };
            if self.in_flight.poll_free(next, cx).is_pending() {
                return;
            }
            let ready = match Pin::new(&mut self.session).poll_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(ready) => ready,
            };
            let message = self.pong.take().map(Message::Pong).or_else(|| self.outbox.pop());
            let sent = ready.and_then(|()| match message {
                Some(message) => Pin::new(&mut self.session).start_send(on_its_way(message, &self.in_flight)),
                None => Ok(()),
            });
            // Nobody reads any more. What the provider still says is told by `poll_receive`.
            if sent.is_err() {
                self.pong = None;
                self.outbox.clear();
            }
        }
        self.deaf = false;
    }

    /// The next news from the provider; pending for good once the end was told.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<FromProvider> {
        loop {
            let Some(messages) = self.messages.as_mut() else { return Poll::Pending };
            match Pin::new(messages).poll_next(cx) {
                Poll::Ready(Some(Ok(AggregatedMessage::Text(text)))) => {
                    if let Some(gathering) = &self.gathering {
                        gathering.note(text.len());
                    }
                    return Poll::Ready(FromProvider::Text(text));
                }
                Poll::Ready(Some(Ok(AggregatedMessage::Binary(bytes)))) => {
                    return Poll::Ready(FromProvider::Binary(bytes));
                }
                Poll::Ready(Some(Ok(AggregatedMessage::Ping(bytes)))) => {
                    if !self.closing {
                        if self.pong.replace(bytes).is_some() {
                            self.counters.count(Limit::PingsUnanswered);
                        }
                        self.poll_send(cx);
                    }
                }
                Poll::Ready(Some(Ok(AggregatedMessage::Pong(_)))) => {}
                Poll::Ready(Some(Ok(AggregatedMessage::Close(reason)))) => {
                    // The answer carries the code that came, as RFC 6455 (5.5.1) asks.
                    self.close(reason.map_or(CloseCode::Normal, |reason| reason.code));
                    self.poll_send(cx);
                    self.messages = None;
                    self.read_at_once();
                    return Poll::Ready(FromProvider::Closed);
                }
                // Good messages that came in the same packet follow the error: take them first.
                Poll::Ready(Some(Err(error))) => {
                    self.errors += 1;
                    self.error.get_or_insert(error);
                    if self.errors >= MOST_ERRORS {
                        return self.end(cx);
                    }
                }
                Poll::Ready(None) => return self.end(cx),
                Poll::Pending if self.error.is_some() => return self.end(cx),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn end(&mut self, cx: &mut Context<'_>) -> Poll<FromProvider> {
        self.messages = None;
        self.read_at_once();
        let Some(error) = self.error.take() else { return Poll::Ready(FromProvider::Vanished) };
        self.close(match error {
            ref error if is_too_long(error) => CloseCode::Size,
            ProtocolError::Io(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        });
        self.poll_send(cx);
        Poll::Ready(FromProvider::Broken(error))
    }
}

/// The same message, of which it is known until when it is on its way.
fn on_its_way(message: Message, in_flight: &InFlight) -> Message {
    match message {
        Message::Binary(bytes) => Message::Binary(in_flight.send(bytes)),
        Message::Text(text) if is_long(text.len()) => {
            match ByteString::try_from(in_flight.send(text.clone().into_bytes())) {
                Ok(on_its_way) => Message::Text(on_its_way),
                // It is the same text.
                Err(_) => Message::Text(text),
            }
        }
        message => message,
    }
}

/// Whether a message was longer than any may be, in one frame or in several.
pub(crate) fn is_too_long(error: &ProtocolError) -> bool {
    match error {
        ProtocolError::Overflow => true,
        // The library has no word of its own for fragments that are too much; a reset has the same kind.
        ProtocolError::Io(error) => {
            is_overflow(error) || error.to_string() == "Exceeded maximum continuation size"
        }
        _ => false,
    }
}
