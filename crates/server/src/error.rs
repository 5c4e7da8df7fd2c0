//! Errors of the HTTP interface: `{"error":{"code":"...","message":"..."}}`, whoever found them.

use crate::security_headers::SECURITY_HEADERS;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use std::fmt;

/// What a client is told when something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// An error with a status, a word for programs and a sentence for people that says what to do.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }
}

/// What a parser says of a request, for the answer to it. A parser may quote all that it was given; a client knows that.
pub(crate) fn in_short(words: impl fmt::Display) -> String {
    /// More than any parser has to say of its own.
    const LONGEST: usize = 160;
    let words = words.to_string();
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &words[..end]),
        None => words,
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let error = serde_json::json!({ "code": self.code, "message": self.message });
        let mut response = HttpResponse::build(self.status);
        for header in SECURITY_HEADERS {
            response.insert_header(header);
        }
        response.json(serde_json::json!({ "error": error }))
    }
}

/// Gives the errors that the web framework finds (routes, methods, bodies, upgrades) the same shape as ours.
pub(crate) async fn in_one_shape<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, actix_web::Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    let is_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    let is_ours = response.headers().get(CONTENT_TYPE).is_some_and(is_json);
    // A range that cannot be satisfied (416) is told by its headers, which the file's own answer has.
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || is_ours || status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response.map_into_left_body());
    }
    let said = response.response().error().map(ToString::to_string);
    let reason = status.canonical_reason().unwrap_or("error");
    let message = match status {
        StatusCode::NOT_FOUND => "there is no such route; the README lists them".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => {
            "this route does not take that method; see the Allow header".to_owned()
        }
        status if status.is_client_error() => said.unwrap_or_else(|| reason.to_owned()),
        _ => "the server failed; its log says why".to_owned(),
    };
    let error = ApiError::new(status, code_of(status), message);
    let (request, ours) = (response.request().clone(), response);
    let mut shaped = error.error_response();
    for (name, value) in ours.headers() {
        if name != CONTENT_TYPE {
            shaped.headers_mut().insert(name.clone(), value.clone());
        }
    }
    Ok(ServiceResponse::new(request, shaped.map_into_right_body()))
}

fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "no_such_route",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        status if status.is_server_error() => "internal",
        _ => "bad_request",
    }
}
