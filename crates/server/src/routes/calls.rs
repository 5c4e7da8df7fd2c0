//! `GET /calls` and `GET /calls/{sid}`: the live and the finished calls.

use super::call_sid;
use crate::auth::Access;
use crate::error::ApiError;
use crate::state::State;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

pub(crate) async fn list(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    state.auth.check_api(&request, Access::Read)?;
    let recorder = state.recorder.clone();
    let calls = web::block(move || recorder.calls()).await?;
    Ok(HttpResponse::Ok().json(json!({ "calls": calls })))
}

pub(crate) async fn one(
    request: HttpRequest,
    sid: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    state.auth.check_api(&request, Access::Read)?;
    let sid = call_sid(&sid)?;
    let recorder = state.recorder.clone();
    match web::block(move || recorder.call(&sid)).await? {
        Some(call) => Ok(HttpResponse::Ok().json(call)),
        None => Err(ApiError::not_found("no_such_call", "there is no such call").into()),
    }
}
