//! `GET /calls` and `GET /calls/{sid}`: the live and the finished calls.

use super::call_sid;
use crate::error::ApiError;
use crate::state::State;
use actix_web::{HttpResponse, web};
use serde_json::json;

pub(crate) async fn list(state: web::Data<State>) -> Result<HttpResponse, actix_web::Error> {
    let recorder = state.recorder.clone();
    let calls = web::block(move || recorder.calls()).await?;
    Ok(HttpResponse::Ok().json(json!({ "calls": calls })))
}

pub(crate) async fn one(
    sid: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let sid = call_sid(&sid)?;
    let recorder = state.recorder.clone();
    match web::block(move || recorder.call(&sid)).await? {
        Some(call) => Ok(HttpResponse::Ok().json(call)),
        None => Err(ApiError::not_found("no_such_call", "there is no such call").into()),
    }
}
