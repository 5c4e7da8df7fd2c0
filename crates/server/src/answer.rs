//! The body of an answer, which knows whether it was taken as a whole.

use crate::counters::{Counters, Limit};
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pin_project! {
    /// Counts itself if it is dropped before its end was asked for: its client does not read, or is gone.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        left: Left,
    }
}

/// Whether something of it is left.
struct Left {
    is_some: bool,
    counters: Arc<Counters>,
}

impl<B: MessageBody> Answer<B> {
    pub(crate) fn to(response: ServiceResponse<B>, counters: Arc<Counters>) -> ServiceResponse<Self> {
        // A socket's answer is its whole life, and of an answer to HEAD the body is not sent.
        let is_body = response.status() != StatusCode::SWITCHING_PROTOCOLS
            && response.request().method() != Method::HEAD;
        response.map_body(|_, body| {
            let is_some = is_body && !matches!(body.size(), BodySize::None | BodySize::Sized(0));
            Self { body, left: Left { is_some, counters } }
        })
    }
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let next = this.body.poll_next(cx);
        if let Poll::Ready(None) = next {
            this.left.is_some = false;
        }
        next
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if self.is_some {
            self.counters.count(Limit::AnswersUnread);
        }
    }
}
