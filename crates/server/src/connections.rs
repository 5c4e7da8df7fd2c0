//! How many connections are open, and how long each may keep the server waiting.
//!
//! A connection carries one request: the web framework has a deadline for the head of the first one alone.

use crate::counters::{Counters, Limit};
use crate::descriptors::OpenFiles;
use crate::error::ApiError;
#[cfg(unix)]
use crate::security_headers::SECURITY_HEADERS;
use crate::socket::{Descriptor, Socket};
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::Stream;
use std::any::Any;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The count of open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    open: AtomicUsize,
    /// How long a client may leave unread what it is sent.
    unread: Duration,
    files: OpenFiles,
    counters: Arc<Counters>,
}

/// One of them, as long as it is open.
struct Connection {
    connections: Arc<Connections>,
    asked: AtomicBool,
    is_too_many: bool,
    descriptor: Option<Descriptor>,
    /// The body of its request, if that is chunked; see [`hold_body`].
    body: RefCell<Option<Rc<RefCell<Payload>>>>,
}

/// Connections beyond the most whose request is read, so that whoever watches over the process learns that it lives.
const FOR_WATCHERS: usize = 100;
/// Connections beyond the most that are taken at all: those of watchers, and those that are being told that there are too many.
const BEYOND: usize = 1_000;
/// What is answered to all others.
const FULL: &str = "as many connections as MAX_CONNECTIONS allows are open; try again later";

/// How many connections one of so many workers takes before it leaves them to the others, or to the system until there is room: the
/// web framework counts for each worker alone.
pub(crate) fn of_each_worker(most: usize, workers: usize) -> usize {
    most.saturating_add(BEYOND).div_ceil(workers.max(1))
}

impl Connections {
    pub(crate) fn new(most: usize, unread: Duration, files: OpenFiles, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { most, open: AtomicUsize::new(0), unread, files, counters })
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// A connection was accepted. If it is one too many, its request is refused; if there are many such, it is told so at once,
    /// whatever it was to ask, and closed.
    pub(crate) fn accept(self: &Arc<Self>, socket: &dyn Any, data: &mut Extensions) {
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        let is_turned_away = before >= self.most.saturating_add(FOR_WATCHERS);
        let socket = socket.downcast_ref::<TcpStream>();
        data.insert(Connection {
            connections: Arc::clone(self),
            asked: AtomicBool::new(is_turned_away),
            is_too_many: before >= self.most,
            descriptor: socket.map(Descriptor::of),
            body: RefCell::new(None),
        });
        let Some(socket) = socket else { return };
        if self.files.are_nearly_all_open(socket) {
            self.counters.count(Limit::FilesNearlyAllOpen);
        }
        if is_turned_away {
            self.counters.count(Limit::ConnectionsFull);
            turn_away(socket);
        } else {
            limit_unread(socket, self.unread);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::AcqRel);
        if !*self.asked.get_mut() {
            self.connections.counters.count(Limit::ConnectionsWithoutRequest);
        }
    }
}

/// Says that there are too many connections, without waiting: nothing was written to it yet, so there is room.
#[cfg(unix)]
fn turn_away(socket: &TcpStream) {
    let body = format!(r#"{{"error":{{"code":"full","message":"{FULL}"}}}}"#);
    let secure: String =
        SECURITY_HEADERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         {secure}retry-after: 5\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = rustix::net::send(socket, answer.as_bytes(), rustix::net::SendFlags::NOSIGNAL);
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

#[cfg(not(unix))]
fn turn_away(_: &TcpStream) {}

/// A client that is gone without a goodbye, or does not read, is given up by the kernel.
#[cfg(target_os = "linux")]
fn limit_unread(socket: &TcpStream, unread: Duration) {
    let ms = u32::try_from(unread.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, ms) {
        tracing::debug!(%error, "a connection has the system's own patience");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_unread(_: &TcpStream, _: Duration) {}

/// Middleware: a request comes on a connection that there may be, and must be there as a whole, and answered, within `patience`.
pub(crate) async fn in_time<B: MessageBody + 'static>(
    patience: Duration,
    counters: Arc<Counters>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    hold_body(&mut request);
    if is_another(request.request()) {
        let message = "a connection carries one request; open another for the next";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "one_request", message).into());
    }
    if is_too_many(request.request()) && request.path() != "/health/live" {
        counters.count(Limit::ConnectionsFull);
        return Err(ApiError::unavailable("full", FULL).into());
    }
    let Ok(answered) = actix_web::rt::time::timeout(patience, next.call(request)).await else {
        counters.count(Limit::RequestsTooSlow);
        let message = "the request did not arrive as a whole, or could not be answered, in \
                       REQUEST_TIMEOUT_SECONDS; send it again";
        return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).into());
    };
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        counters.count(Limit::BodiesTooLong);
    }
    answered
}

/// The socket on which a request came whose handler this is called in.
pub(crate) fn socket(request: &HttpRequest) -> Option<Socket> {
    let descriptor = request.conn_data::<Connection>()?.descriptor?;
    let socket = descriptor.socket();
    socket.inspect_err(|error| tracing::debug!(%error, "a media socket is read message by message")).ok()
}

/// Notes that a request came on its connection; tells whether one had come before: they can be sent all at once.
fn is_another(request: &HttpRequest) -> bool {
    request.conn_data::<Connection>().is_some_and(|connection| connection.asked.swap(true, Ordering::AcqRel))
}

/// Whether the connection of a request is one too many.
fn is_too_many(request: &HttpRequest) -> bool {
    request.conn_data::<Connection>().is_some_and(|connection| connection.is_too_many)
}

/// Keeps a chunked body until its connection ends. If one was dropped when the request is answered, the web framework reads what is left
/// of it, without a deadline; if one is still there, it closes the connection, as with a body of known length.
fn hold_body(request: &mut ServiceRequest) {
    if !request.chunked().unwrap_or(false) {
        return;
    }
    let body = Rc::new(RefCell::new(request.take_payload()));
    if let Some(connection) = request.request().conn_data::<Connection>() {
        connection.body.replace(Some(Rc::clone(&body)));
    }
    request.set_payload(Payload::Stream { payload: Box::pin(HeldBody(body)) });
}

/// A body that is read here and kept by its connection.
struct HeldBody(Rc<RefCell<Payload>>);

impl Stream for HeldBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}
