//! The bot's socket: we call the bot as the provider would, and hold what it has not taken yet.

use super::bot_address::BotAddress;
use super::outbox::{Outbox, Room, TooFarBehind};
use super::provider;
use crate::config::BotUrl;
use crate::secret::Secret;
use bytes::Bytes;
use bytestring::ByteString;
use callrec_protocol::signature;
use futures_util::{Sink, Stream};
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// The longest message of a bot: ten minutes of audio in one are 6.4 MB in base64.
const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;
/// What is read at once. The library fills as much with zeros before each read, and keeps it as long as the call lives; its
/// default is 128 KiB. A message of 20 ms has some 300 bytes.
const READ_AT_ONCE: usize = 8 * 1024;
/// What the library gathers before it writes without being flushed: its default.
const WRITTEN_AT_ONCE: usize = 128 * 1024;
/// What the library may hold that is not written, answers to pings among it; its default is no bound. Behind what it gathers the
/// longest message for a bot, a provider's, still finds room with its head.
const MOST_UNWRITTEN: usize = WRITTEN_AT_ONCE + provider::LONGEST_MESSAGE + 1024;
/// How far a bot may be behind with reading: more than two minutes of a call.
const MOST_UNREAD: usize = 4 * 1024 * 1024;
/// How many pings and pongs are read in a row before others have their turn.
const MOST_CONTROLS: usize = 64;

type BotStream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Calls the bot.
#[derive(Clone)]
pub(crate) struct BotConnector {
    url: Arc<str>,
    address: Arc<BotAddress>,
    signature: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    tls: Connector,
    timeout: Duration,
    room: Arc<Room>,
}

/// Why the bot did not take the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the TLS configuration is not usable: {0}")]
    Tls(#[from] rustls::Error),
    #[error("its address or signature is not usable in a request")]
    Request,
    #[error("{0}")]
    Socket(#[from] SocketError),
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

impl ConnectError {
    /// Whether a message of the bot was longer than any may be.
    pub(crate) fn is_too_long(&self) -> bool {
        matches!(self, Self::Socket(SocketError::Capacity(CapacityError::MessageTooLong { .. })))
    }
}

impl BotConnector {
    /// With a token the upgrade is signed as the provider signs it, so that a bot that checks works unchanged.
    pub(crate) fn new(
        url: &BotUrl,
        token: Option<&Secret>,
        timeout: Duration,
        room: Arc<Room>,
    ) -> Result<Self, ConnectError> {
        let without_user = url.without_user();
        let signature = token.map(|token| signature::sign_url(token.expose(), without_user.as_str()));
        let signature = signature.map(|text| HeaderValue::from_str(&text)).transpose();
        let authorization = url.authorization().map(|text| HeaderValue::from_str(text.expose())).transpose();
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        // The provider is named: which one would be the process's default depends on what else is linked.
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let signature = signature.map_err(|_| ConnectError::Request)?;
        let mut authorization = authorization.map_err(|_| ConnectError::Request)?;
        // Whoever shows the headers of a request leaves this one out.
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        let url = without_user.as_str().into();
        let address = Arc::new(BotAddress::new(without_user));
        Ok(Self {
            url,
            address,
            signature,
            authorization,
            tls: Connector::Rustls(Arc::new(tls)),
            timeout,
            room,
        })
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "BOT_URL is what the operator set, and the one address that is called"
    )]
    async fn connect(self) -> Result<BotStream, ConnectError> {
        let mut request = (&*self.url).into_client_request().map_err(|_| ConnectError::Request)?;
        if let Some(signature) = self.signature {
            request.headers_mut().insert("x-twilio-signature", signature);
        }
        if let Some(authorization) = self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AT_ONCE)
            .write_buffer_size(WRITTEN_AT_ONCE)
            .max_write_buffer_size(MOST_UNWRITTEN)
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE));
        let connecting = async {
            let addresses = self.address.get().await?;
            let stream = TcpStream::connect(&*addresses).await?;
            // Each message of a call is small and wanted at once.
            stream.set_nodelay(true)?;
            client_async_tls_with_config(request, stream, Some(config), Some(self.tls)).await
        };
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => Ok(connected?.0),
            Err(_) => Err(ConnectError::Timeout(self.timeout)),
        }
    }
}

/// What comes from the bot.
#[derive(Debug)]
pub(crate) enum FromBot {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// The bot said goodbye. It has been answered. `well`: not with a code that tells of an error.
    Closed { well: bool },
    /// The bot could not be reached, or the connection broke.
    Gone(ConnectError),
}

enum State {
    Connecting(Pin<Box<dyn Future<Output = Result<BotStream, ConnectError>>>>),
    Open(Box<BotStream>),
    /// Not reached; told at the next receive.
    Failed(ConnectError),
    Gone,
}

/// The bot's socket, also while it is being connected.
pub(crate) struct BotSocket {
    state: State,
    outbox: Outbox<Message>,
    closing: bool,
    /// What was handed to the library, or is its answer to a ping, may not have left.
    unflushed: bool,
}

impl BotSocket {
    /// Begins to call the bot; what is sent meanwhile waits.
    pub(crate) fn connect(connector: &BotConnector) -> Self {
        Self {
            state: State::Connecting(Box::pin(connector.clone().connect())),
            outbox: Outbox::new(MOST_UNREAD, Arc::clone(&connector.room)),
            closing: false,
            unflushed: false,
        }
    }

    /// Queues a text message, byte for byte as it came.
    pub(crate) fn send_text(&mut self, text: ByteString) -> Result<(), TooFarBehind> {
        let length = text.len();
        let bytes = if self.outbox.should_copy() {
            Bytes::copy_from_slice(text.as_bytes())
        } else {
            text.into_bytes()
        };
        // Checked again, at memory speed: the two libraries have text types of their own.
        let text = Utf8Bytes::try_from(bytes).unwrap_or_default();
        if self.closing { Ok(()) } else { self.outbox.push(Message::Text(text), length) }
    }

    /// Queues a Close behind what waits already. A bot that has not answered yet is given up.
    pub(crate) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            self.outbox.push_anyway(Message::Close(Some(frame)), 2);
        }
    }

    /// Connects, and sends what can be sent now.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if let State::Connecting(connecting) = &mut self.state {
            self.state = match ready!(connecting.as_mut().poll(cx)) {
                Ok(stream) => State::Open(Box::new(stream)),
                Err(error) => State::Failed(error),
            };
        }
        let State::Open(stream) = &mut self.state else { return Poll::Pending };
        let mut stream = Pin::new(stream.as_mut());
        if !self.outbox.is_empty() {
            // Answers to pings that the bot has not read may have left no room for a message, which would be lost.
            ready!(stream.as_mut().poll_flush(cx))?;
        }
        while !self.outbox.is_empty() {
            ready!(stream.as_mut().poll_ready(cx))?;
            if let Some(message) = self.outbox.pop() {
                self.unflushed = true;
                stream.as_mut().start_send(message)?;
            }
        }
        if self.unflushed {
            ready!(stream.as_mut().poll_flush(cx))?;
            // An answer to a ping that found no room has it only now, and stays where it is until the next flush.
            ready!(stream.as_mut().poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what can be sent now. An error shows when receiving, behind what the bot said before it.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(_)) = self.poll_send(cx) {
            self.outbox.clear();
            self.unflushed = false;
        }
    }

    /// Drives connecting and sending, and gives the next news from the bot; pending for good once the end was told.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<FromBot> {
        self.poll_flush(cx);
        for _ in 0..MOST_CONTROLS {
            let stream = match &mut self.state {
                State::Open(stream) => stream,
                State::Failed(_) => return self.end(),
                State::Connecting(_) | State::Gone => return Poll::Pending,
            };
            let Poll::Ready(next) = Pin::new(stream.as_mut()).poll_next(cx) else {
                if self.unflushed {
                    self.poll_flush(cx);
                }
                return Poll::Pending;
            };
            return match next {
                Some(Ok(Message::Text(text))) => {
                    let text = ByteString::try_from(Bytes::from(text)).unwrap_or_default();
                    Poll::Ready(FromBot::Text(text))
                }
                Some(Ok(Message::Binary(bytes))) => Poll::Ready(FromBot::Binary(bytes)),
                // The library answers pings by itself, and a Close when it is flushed. The connection's own end is not
                // waited for: a bot may take its time with it.
                Some(Ok(Message::Close(frame))) => {
                    let _ = Pin::new(stream.as_mut()).poll_flush(cx);
                    self.closing = true;
                    self.outbox.clear();
                    self.state = State::Gone;
                    Poll::Ready(FromBot::Closed {
                        well: frame.is_none_or(|frame| !tells_of_an_error(frame.code)),
                    })
                }
                Some(Ok(_)) => {
                    self.unflushed = true;
                    continue;
                }
                Some(Err(error)) if !is_end(&error) => {
                    self.state = State::Failed(error.into());
                    self.end()
                }
                Some(Err(_)) | None => self.end(),
            };
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn end(&mut self) -> Poll<FromBot> {
        Poll::Ready(match std::mem::replace(&mut self.state, State::Gone) {
            State::Failed(error) => FromBot::Gone(error),
            _ => FromBot::Closed { well: true },
        })
    }

    /// Whether the end was told.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }
}

/// The codes of RFC 6455 (7.4.1) and of those who registered more: 1000 and 1001 are goodbyes, and from 3000 on each
/// bot's are its own.
fn tells_of_an_error(code: CloseCode) -> bool {
    (1002..3000).contains(&u16::from(code))
}

fn is_end(error: &SocketError) -> bool {
    matches!(error, SocketError::ConnectionClosed | SocketError::AlreadyClosed)
}
