//! `GET /calls` and `GET /calls/{sid}`: the live and the finished calls.

use super::call_sid;
use crate::counters::Limit;
use crate::error::ApiError;
use crate::state::State;
use actix_web::{HttpResponse, web};
use callrec::Recorder;

pub(crate) async fn list(state: web::Data<State>) -> Result<HttpResponse, actix_web::Error> {
    let list = state.in_turn(Recorder::list_calls).await?;
    if list.left_out > 0 {
        state.counters.count(Limit::ListsCut);
    }
    Ok(HttpResponse::Ok().json(list))
}

pub(crate) async fn one(
    sid: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let sid = call_sid(&sid)?;
    match state.in_turn(move |recorder| recorder.call(&sid)).await? {
        Some(call) => Ok(HttpResponse::Ok().json(call)),
        None => Err(ApiError::not_found("no_such_call", "there is no such call").into()),
    }
}
