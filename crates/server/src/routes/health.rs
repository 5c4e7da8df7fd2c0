//! `GET /health`: by status to everybody, in words to those with a token.
//!
//! `/health/live` says that the process answers, `/health/ready` that it takes calls; `/health` is the latter.

use crate::state::State;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

pub(crate) async fn ready(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    health(request, state).await
}

pub(crate) async fn health(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let problems = problems(&state);
    let status = if problems.is_empty() { "ready" } else { "not ready" };
    let mut response =
        if problems.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    if !state.auth.is_trusted(&request) {
        return response.json(json!({ "status": status }));
    }
    let recorder = state.recorder.health();
    response.json(json!({
        "status": status,
        "problems": problems,
        "version": env!("CARGO_PKG_VERSION"),
        "sockets": { "open": state.live.count(), "most": state.live.most() },
        "relay": state.bot.is_some(),
        "recording": state.config.record_conversations,
        "recorder": recorder,
    }))
}

/// What keeps new calls from being taken.
fn problems(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    if state.live.is_closing() {
        problems.push("the server is shutting down".to_owned());
    } else if let Some(error) = state.recorder.health().journal_error {
        problems.push(format!("the journals cannot be written: {error}"));
    } else if state.live.count() >= state.live.most() {
        problems.push("as many calls as MAX_CALLS allows are live".to_owned());
    }
    problems
}
