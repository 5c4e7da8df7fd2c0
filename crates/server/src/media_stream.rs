//! `GET /media-stream`: the WebSocket on which the provider streams a call.

use crate::error::ApiError;
use crate::live::NoPlace;
use crate::recording::Recording;
use crate::relay::{Patience, Relay};
use crate::socket::ProviderSocket;
use crate::state::State;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

/// Takes the upgrade, unless there is no place for another call.
pub(crate) async fn media_stream(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let place = match state.live.open() {
        Ok(place) => place,
        Err(why) => return Ok(no_place(why)),
    };
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let provider = ProviderSocket::new(session, messages);
    let recording = Recording::new(state.clone());
    let patience = Patience { start: state.config.start_timeout, idle: state.config.idle_timeout };
    let relay = Relay::new(provider, state.bot.as_ref(), recording, place, patience);
    actix_web::rt::spawn(relay.run());
    Ok(response)
}

fn no_place(why: NoPlace) -> HttpResponse {
    let error = match why {
        NoPlace::Full => {
            tracing::warn!("a call was refused: as many as MAX_CALLS allows are live");
            ApiError::unavailable("full", "as many calls as MAX_CALLS allows are live")
        }
        NoPlace::Closing => ApiError::unavailable("closing", "the server is shutting down"),
    };
    let mut response = error.error_response();
    response.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("5"));
    response
}
