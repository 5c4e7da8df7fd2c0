//! The HTTP interface: which path leads where. One file a resource.

mod calls;
mod files;
mod formats;
mod health;
mod incoming_call;
mod set_format;
mod transcript;

use crate::error::ApiError;
use crate::media_stream::media_stream;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, Resource, ResponseError, Route, guard, web};
use callrec::CallId;

/// The longest body of a request, in bytes.
pub(crate) const LONGEST_BODY: usize = 1024 * 1024;

/// Adds every route.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(LONGEST_BODY))
        .service(only("GET", "/audio/formats", web::get().to(formats::list)))
        .service(only("POST", "/audio/set-format/{sid}", web::post().to(set_format::set_format)))
        .service(only("GET", "/calls", web::get().to(calls::list)))
        .service(only("GET", "/calls/{sid}", web::get().to(calls::one)))
        .service(only("GET, HEAD", "/calls/{sid}/recording", get_or_head().to(files::recording)))
        .service(
            web::resource("/calls/{sid}/transcript")
                .route(get_or_head().to(files::transcript))
                .route(web::post().to(transcript::add))
                .default_service(wrong_method("GET, HEAD, POST")),
        )
        .service(only("GET, HEAD", "/calls/{sid}/summary", get_or_head().to(files::summary)))
        .service(only("GET", "/health", web::get().to(health::health)))
        .service(only("GET", "/health/live", web::get().to(health::live)))
        .service(only("GET", "/health/ready", web::get().to(health::ready)))
        .service(only("POST", "/incoming-call", web::post().to(incoming_call::incoming_call)))
        .service(only("GET", "/media-stream", web::get().to(media_stream)));
}

/// For files: HEAD tells how long one is, and the framework leaves out the body.
fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A path that takes these methods alone, and says so to the others.
fn only(methods: &'static str, path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(wrong_method(methods))
}

fn wrong_method(allowed: &'static str) -> Route {
    web::route().to(move || async move {
        let message = format!("this route takes {allowed} alone");
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        let mut response: HttpResponse = error.error_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        response
    })
}

/// The call SID in a path, checked by the rule that file names are made by.
fn call_sid(text: &str) -> Result<String, ApiError> {
    let sid = CallId::new(text).map_err(|error| ApiError::bad_request("bad_call_sid", error.to_string()))?;
    Ok(sid.to_string())
}
