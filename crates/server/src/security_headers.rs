//! What every answer tells a browser: to run nothing of it, show it in no frame, keep no copy, and give it to no other page.

use crate::config::Config;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;

/// Those that are the same for every server.
pub(crate) const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// The headers of every answer, refusals and upgrades included. Only what middleware refuses passes by them, and what is refused before
/// it is read: such errors have [`SECURITY_HEADERS`] by themselves. The framework's own answers to what is no request (400, 408, 431)
/// have neither headers nor a body.
pub(crate) fn security_headers(config: &Config) -> DefaultHeaders {
    let headers = SECURITY_HEADERS.into_iter().fold(DefaultHeaders::new(), DefaultHeaders::add);
    // Believed only of an answer that came over TLS, which is the proxy's.
    match config.public_url.as_deref().is_some_and(|url| url.starts_with("https:")) {
        true => headers.add((STRICT_TRANSPORT_SECURITY, "max-age=31536000")),
        false => headers,
    }
}
