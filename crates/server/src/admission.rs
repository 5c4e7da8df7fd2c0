//! The door of every route: nothing of a request is looked at by a handler before its sender was.

use crate::auth::{Access, is_json};
use crate::counters::Limit;
use crate::error::ApiError;
use crate::routes::Who;
use crate::routes::incoming_call::{MOST_FIELDS, has_too_many_fields};
use crate::state::State;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{HttpRequest, web};

/// Lets a request pass that may use the route, and answers every other.
pub(crate) async fn admit<B: MessageBody + 'static>(
    who: Who,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<BoxBody, B>>, actix_web::Error> {
    match check(who, &mut request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_right_body()),
        // Handed on as an answer and not as an error, for those above add their headers to answers alone.
        Err(refusal) => Ok(request.error_response(refusal).map_into_left_body()),
    }
}

async fn check(who: Who, request: &mut ServiceRequest) -> Result<(), actix_web::Error> {
    // Without it nobody can be checked, so nobody is let in.
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return Err(ApiError::unavailable("internal", "the server is not set up").into());
    };
    if changes(who, request.request()) {
        state.auth.check_origin(request.request())?;
    }
    match who {
        Who::Everybody => Ok(()),
        Who::Reader => Ok(state.auth.check_api(request.request(), Access::Read)?),
        Who::Writer => Ok(state.auth.check_api(request.request(), Access::Write)?),
        Who::MediaSocket => Ok(state.auth.check_upgrade(request.request())?),
        Who::Webhook => check_webhook(&state, request).await,
    }
}

/// Whether a request may do more than read: what a browser sends for any page that asks it to, and no page may ask.
fn changes(who: Who, request: &HttpRequest) -> bool {
    who == Who::MediaSocket || !matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The signature covers the body, so that is read first, as far as a webhook's may be long and of as many fields as it may have, and
/// given back for the handler.
async fn check_webhook(state: &State, request: &mut ServiceRequest) -> Result<(), actix_web::Error> {
    state.auth.check_webhook_head(request.request())?;
    let body = request.extract::<web::Bytes>().await?;
    if !is_json(request.request()) && has_too_many_fields(&body) {
        state.counters.count(Limit::FormsRefused);
        let message = format!("a form has {MOST_FIELDS} fields at most");
        return Err(ApiError::bad_request("too_many_fields", message).into());
    }
    state.auth.check_webhook(request.request(), &body)?;
    request.set_payload(Payload::from(body));
    Ok(())
}
