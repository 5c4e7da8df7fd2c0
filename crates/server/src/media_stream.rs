//! `GET /media-stream`: the WebSocket on which the provider streams a call.

use crate::connections;
use crate::counters::Limit;
use crate::error::ApiError;
use crate::live::NoPlace;
use crate::recording::Recording;
use crate::relay::{Patience, Relay};
use crate::socket::{LONGEST_MESSAGE, ProviderSocket, no_longer_than};
use crate::state::State;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use std::sync::Arc;

/// Takes the upgrade, unless there is no place for another call.
pub(crate) async fn media_stream(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let place = match state.live.open() {
        Ok(place) => place,
        Err(why) => return Ok(no_place(why, &state)),
    };
    // A call with a bot goes on without a recording.
    if state.bot.is_none()
        && let Err(error) = state.recorder.check_disk()
    {
        state.counters.count(Limit::CallsDiskLow);
        tracing::error!(%error, "a call without a bot was refused");
        return Ok(busy(&ApiError::unavailable("disk_low", error.to_string())));
    }
    let body = no_longer_than(LONGEST_MESSAGE, &request, body).await?;
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let provider =
        ProviderSocket::new(session, messages, Arc::clone(&state.counters), Arc::clone(&state.room))
            .on(connections::socket(&request));
    let recording = Recording::new(state.clone());
    let patience = Patience { start: state.config.start_timeout, idle: state.config.idle_timeout };
    let relay = Relay::new(provider, state.bot.as_ref(), recording, place, patience);
    actix_web::rt::spawn(relay.run());
    Ok(response)
}

/// The answer to a call for which there is no place.
pub(crate) fn no_place(why: NoPlace, state: &State) -> HttpResponse {
    busy(&match why {
        NoPlace::Full => {
            state.counters.count(Limit::CallsFull);
            tracing::warn!("a call was refused: as many as MAX_CALLS allows are live");
            ApiError::unavailable("full", "as many calls as MAX_CALLS allows are live; try again later")
        }
        NoPlace::Closing => ApiError::unavailable("closing", "the server is shutting down"),
    })
}

fn busy(error: &ApiError) -> HttpResponse {
    let mut response = error.error_response();
    response.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("5"));
    response
}
