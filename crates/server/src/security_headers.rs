//! What every answer tells a browser: to run nothing of it, show it in no frame, keep no copy, and give it to no other page.

use crate::config::Config;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;

/// The headers of every answer, errors and upgrades included.
pub(crate) fn security_headers(config: &Config) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((CACHE_CONTROL, "no-store"))
        .add((REFERRER_POLICY, "no-referrer"))
        .add((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .add((X_FRAME_OPTIONS, "DENY"))
        .add(("cross-origin-resource-policy", "same-origin"));
    // Believed only of an answer that came over TLS, which is the proxy's.
    match config.public_url.as_deref().is_some_and(|url| url.starts_with("https:")) {
        true => headers.add((STRICT_TRANSPORT_SECURITY, "max-age=31536000")),
        false => headers,
    }
}
