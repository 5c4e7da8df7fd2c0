//! `GET /calls/{sid}/recording`, `/transcript`, `/summary`: the files of a finished call; the recording with ranges, and
//! of several streams each by its number.

use super::call_sid;
use crate::error::ApiError;
use crate::state::State;
use actix_files::NamedFile;
use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpRequest, HttpResponse, web};
use callrec::{CallFiles, CallState, RecordError};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    /// Of several streams of a call, the one with this number; the first that has a recording, if not said.
    stream: Option<u32>,
}

pub(crate) async fn recording(
    request: HttpRequest,
    sid: web::Path<String>,
    which: web::Query<Which>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    send(&request, &sid, state, |files| {
        let path = match which.stream {
            Some(number) => files.recording(number),
            None => files.audio,
        };
        path.ok_or_else(|| {
            ApiError::not_found("no_recording", "there is no such audio file; the call's summary says why")
        })
    })
    .await
}

pub(crate) async fn transcript(
    request: HttpRequest,
    sid: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    send(&request, &sid, state, |files| Ok(files.transcript)).await
}

/// As text for people; with `Accept: application/json` the same for programs.
pub(crate) async fn summary(
    request: HttpRequest,
    sid: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let accept = request.headers().get(actix_web::http::header::ACCEPT);
    let json = accept.and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("json"));
    send(&request, &sid, state, |files| Ok(if json { files.summary_json } else { files.summary })).await
}

async fn send(
    request: &HttpRequest,
    sid: &str,
    state: web::Data<State>,
    choose: impl FnOnce(CallFiles) -> Result<PathBuf, ApiError>,
) -> Result<HttpResponse, actix_web::Error> {
    let sid = call_sid(sid)?;
    let found = state.in_turn(move |recorder| (recorder.files(&sid), recorder.call(&sid))).await?;
    let path = match found {
        (Some(files), _) => choose(files)?,
        (None, Some(call)) if call.state != CallState::Finished => {
            return Err(ApiError::conflict("not_ready", "the call is not finished yet").into());
        }
        (None, _) => return Err(ApiError::not_found("no_such_call", "there is no such call").into()),
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // By the recorder, which follows no symbolic link.
    let opened = state.in_turn(move |recorder| {
        let file = recorder.open_file(&path)?;
        Ok::<_, RecordError>(NamedFile::from_file(file, path))
    });
    let file = opened.await?.map_err(|error| {
        tracing::warn!(%error, "a file of a finished call cannot be read");
        ApiError::not_found("no_file", "the file is not there any more; the log says what is in its place")
    })??;
    let disposition = ContentDisposition {
        disposition: DispositionType::Inline,
        parameters: vec![DispositionParam::Filename(name)],
    };
    Ok(file.set_content_disposition(disposition).into_response(request))
}
