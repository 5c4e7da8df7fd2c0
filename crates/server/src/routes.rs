//! The HTTP interface: which path leads where, and who may take it. One file a resource.
//!
//! [`ROUTES`] is the only list. A route is made from its row, and its row says who may use it: no handler runs before
//! that is checked, and a route that says nothing does not compile. `clippy.toml` keeps routes from being made elsewhere.

#![allow(clippy::disallowed_methods, reason = "this is where routes are made, each from its row")]

mod calls;
mod files;
mod formats;
mod health;
pub(crate) mod incoming_call;
pub(crate) mod set_format;
pub(crate) mod transcript;

use crate::admission::admit;
use crate::config::MEDIA_SOCKET;
use crate::error::ApiError;
use crate::media_stream::media_stream;
use actix_web::guard::fn_guard;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, ResponseError, web};
use callrec::CallId;

/// The longest body of a request, in bytes.
pub(crate) const LONGEST_BODY: usize = 1024 * 1024;

/// The longest body of a webhook, in bytes. It is read before its signature can be checked, so whoever reaches the server may send one;
/// a provider's form takes a few hundred bytes.
pub(crate) const LONGEST_WEBHOOK: usize = 64 * 1024;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Whoever can reach the server. Such a route tells nothing but a status.
    Everybody,
    /// Who has a token of the REST API.
    Reader,
    /// Who has the `API_TOKEN`.
    Writer,
    /// The provider, by the signature of a webhook.
    Webhook,
    /// The provider, by the signature of a media socket's upgrade.
    MediaSocket,
}

/// One route of the server.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The methods it takes.
    pub methods: &'static [&'static str],
    /// Its path, as a pattern: `{sid}` is the SID of a call.
    pub path: &'static str,
    /// Who may use it.
    pub who: Who,
    handler: fn() -> actix_web::Route,
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
/// For files: HEAD tells how long one is, and the framework leaves out the body.
const FILE: &[&str] = &["GET", "HEAD"];

const fn route(
    methods: &'static [&'static str],
    path: &'static str,
    who: Who,
    handler: fn() -> actix_web::Route,
) -> Route {
    Route { methods, path, who, handler }
}

/// Every route of the server. Those of one path stand together.
pub static ROUTES: &[Route] = &[
    route(GET, "/audio/formats", Who::Reader, || web::to(formats::list)),
    route(POST, "/audio/set-format/{sid}", Who::Writer, || web::to(set_format::set_format)),
    route(GET, "/calls", Who::Reader, || web::to(calls::list)),
    route(GET, "/calls/{sid}", Who::Reader, || web::to(calls::one)),
    route(FILE, "/calls/{sid}/recording", Who::Reader, || web::to(files::recording)),
    route(FILE, "/calls/{sid}/transcript", Who::Reader, || web::to(files::transcript)),
    route(POST, "/calls/{sid}/transcript", Who::Writer, || web::to(transcript::add)),
    route(FILE, "/calls/{sid}/summary", Who::Reader, || web::to(files::summary)),
    route(GET, "/health", Who::Everybody, || web::to(health::health)),
    route(GET, "/health/live", Who::Everybody, || web::to(health::live)),
    route(GET, "/health/ready", Who::Everybody, || web::to(health::ready)),
    route(POST, "/incoming-call", Who::Webhook, || web::to(incoming_call::incoming_call)),
    route(GET, MEDIA_SOCKET, Who::MediaSocket, || web::to(media_stream)),
];

/// Adds every route.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(LONGEST_BODY));
    for rows in ROUTES.chunk_by(|one, next| one.path == next.path) {
        let mut resource = web::resource(rows[0].path);
        if rows.iter().any(|row| row.who == Who::Webhook) {
            resource = resource.app_data(web::PayloadConfig::new(LONGEST_WEBHOOK));
        }
        for row in rows {
            let Route { methods, who, handler, .. } = *row;
            let takes = fn_guard(move |context| methods.contains(&context.head().method.as_str()));
            let checked = from_fn(move |request, next| admit(who, request, next));
            resource = resource.route(handler().guard(takes).wrap(checked));
        }
        let methods: Vec<&str> = rows.iter().flat_map(|row| row.methods).copied().collect();
        app.service(resource.default_service(wrong_method(methods.join(", "))));
    }
}

/// The answer to the other methods: which a path takes.
fn wrong_method(allowed: String) -> actix_web::Route {
    web::to(move || {
        let message = format!("this route takes {allowed} alone");
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        let mut response: HttpResponse = error.error_response();
        if let Ok(allowed) = HeaderValue::from_str(&allowed) {
            response.headers_mut().insert(ALLOW, allowed);
        }
        async { response }
    })
}

/// The call SID in a path, checked by the rule that file names are made by.
pub(crate) fn call_sid(text: &str) -> Result<String, ApiError> {
    let sid = CallId::new(text).map_err(|error| ApiError::bad_request("bad_call_sid", error.to_string()))?;
    Ok(sid.to_string())
}
