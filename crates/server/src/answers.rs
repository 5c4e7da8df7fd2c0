//! Answers that are not taken as a whole: their client does not read them, or is gone.

use crate::counters::{Counters, Limit};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The body of an answer, as long as it is given out.
///
/// The web framework asks for more once nearly all that it had was written to the socket: when it is told that there is no more,
/// what the client has not taken fits into the buffers of both sides.
pub(crate) struct Answer {
    body: BoxBody,
    /// Nothing is left of it, or of a socket that began with it there is no end to wait for.
    is_given_out: bool,
    counters: Arc<Counters>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Err(error))) = &polled {
            tracing::warn!(%error, "an answer could not be read to its end");
        }
        // What could not be read here is not the client's fault.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.is_given_out = true;
        }
        polled
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_given_out {
            self.counters.count(Limit::AnswersUnread);
        }
    }
}

/// Middleware: counts the answers that are not taken.
pub(crate) async fn counted<B: MessageBody + 'static>(
    counters: Arc<Counters>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Answer>, actix_web::Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let is_socket = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    Ok(response.map_body(|_, body| {
        let is_empty = matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Answer { body, is_given_out: is_socket || is_empty, counters }
    }))
}
