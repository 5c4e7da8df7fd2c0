//! `GET /health`: by status to everybody, in words to those with a token.
//!
//! `/health/live` says that the process answers, `/health/ready` that it takes calls; `/health` is the latter.

use crate::state::State;
use crate::telemetry;
use actix_web::{HttpRequest, HttpResponse, web};
use callrec::Health;
use serde_json::{Value, json};

/// What is promised of journals and of a disk in time, in milliseconds.
const BEHIND_MS: u64 = 1_000;

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

pub(crate) async fn ready(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    health(request, state).await
}

pub(crate) async fn health(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let recorder = state.recorder.health();
    let problems = problems(&state, &recorder);
    let status = if problems.is_empty() { "ready" } else { "not ready" };
    let mut response =
        if problems.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    if !state.auth.is_trusted(&request) {
        return response.json(json!({ "status": status }));
    }
    response.json(json!({
        "status": status,
        "problems": problems,
        "warnings": warnings(&recorder),
        "version": env!("CARGO_PKG_VERSION"),
        "sockets": { "open": state.live.count(), "most": state.live.most() },
        "connections": { "open": state.connections.open(), "most": state.connections.most() },
        "relay": state.bot.is_some(),
        "recording": state.config.record_conversations,
        "recorder": recorder,
        "refused": refused(&state),
    }))
}

/// How often each limit was met: those of this server, and that of the process's log.
fn refused(state: &State) -> Value {
    let mut refused = state.counters.to_json();
    refused["log_lines_dropped"] = telemetry::lines_dropped().into();
    refused
}

/// What keeps new calls from being taken and recorded.
fn problems(state: &State, recorder: &Health) -> Vec<String> {
    let mut problems = Vec::new();
    if state.live.is_closing() {
        problems.push("the server is shutting down".to_owned());
    }
    if let Some(error) = &recorder.journal_error {
        problems.push(format!("the journals cannot be written: {error}"));
    }
    if let Some(low) = &recorder.disk_low {
        problems.push(format!("no new recordings are begun: {low}"));
    }
    if state.live.count() >= state.live.most() {
        problems.push("as many calls as MAX_CALLS allows are live".to_owned());
    }
    if recorder.live + recorder.finishing >= recorder.most {
        problems.push("too many recordings are being finished; new ones wait for the disk".to_owned());
    }
    problems
}

/// What is not as it should be, while calls are taken and recorded all the same.
fn warnings(recorder: &Health) -> Vec<String> {
    let mut warnings = Vec::new();
    if recorder.journal_behind_ms > BEHIND_MS {
        let behind = recorder.journal_behind_ms;
        warnings.push(format!("the journals are {behind} ms behind: if callrec is killed, so much is lost"));
    }
    if recorder.sync_behind_ms > BEHIND_MS {
        let behind = recorder.sync_behind_ms;
        warnings.push(format!("the sync is {behind} ms behind: a power loss takes so much more"));
    }
    if let Some(error) = &recorder.sync_error {
        warnings.push(format!("a sync failed, and what it was of may be forgotten by the disk: {error}"));
    }
    if recorder.recovering {
        warnings.push("recordings that were left in their journals are being finished".to_owned());
    }
    if recorder.left_in_journals {
        warnings
            .push("the disk had no room for recordings, or refused them: they are tried again".to_owned());
    }
    if recorder.left_for_a_person {
        let told = "recordings could not be made, for the process ended each time: their journals are kept, and `callrec recover` tries them";
        warnings.push(told.to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_is_not_as_it_should_be_is_named() {
        assert_eq!(warnings(&Health::default()), [""; 0]);
        let mut ill = Health::default();
        (ill.journal_behind_ms, ill.sync_behind_ms) = (1_001, 1_001);
        (ill.recovering, ill.left_in_journals, ill.left_for_a_person) = (true, true, true);
        ill.sync_error = Some("the disk is gone".to_owned());
        let warnings = warnings(&ill);
        let named =
            ["journals are", "sync is", "sync failed", "being finished", "tried again", "ended each time"];
        for (warning, names) in warnings.iter().zip(named) {
            assert!(warning.contains(names), "{warning}");
        }
        assert_eq!(warnings.len(), named.len());
    }
}
