//! `POST /audio/set-format/{call_sid}`: chooses the format of a call's recording, before or during the call.

use super::call_sid;
use crate::error::{ApiError, in_short};
use crate::state::State;
use actix_web::{HttpRequest, HttpResponse, web};
use callrec::{Bitrate, Format, FormatChange, SetFormat, SetFormatError, mpeg};
use serde::Deserialize;
use serde_json::json;

/// What may be asked for, in the query or in a JSON body; the body wins.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    format: Option<String>,
    bitrate: Option<TextOrNumber>,
}

/// `"64k"`, `"64"` and `64` are one and the same.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(u32),
}

pub(crate) async fn set_format(
    request: HttpRequest,
    sid: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let sid = call_sid(&sid)?;
    let change = read_change(request.query_string(), &body?)?;
    let (format, bitrate) = (change.format, change.bitrate);
    let answer = {
        let sid = sid.clone();
        state.in_turn(move |recorder| recorder.set_format(&sid, &change)).await?
    };
    match answer {
        Ok(applied) => Ok(HttpResponse::Ok().json(json!({
            "call": sid,
            "format": format,
            "bitrate": bitrate,
            "applied": match applied {
                SetFormat::Pending => "when the call starts",
                _ => "to the whole call",
            },
        }))),
        Err(error) => Err(refusal(error).into()),
    }
}

/// What is asked for, checked.
pub(crate) fn read_change(query: &str, body: &[u8]) -> Result<FormatChange, ApiError> {
    read_wish(query, body)?.check()
}

fn read_wish(query: &str, body: &[u8]) -> Result<Wish, ApiError> {
    let bad = |error: &dyn std::fmt::Display| {
        let message =
            format!("{}; send `?format=flac` or {{\"format\":\"mp3\",\"bitrate\":\"64k\"}}", in_short(error));
        ApiError::bad_request("bad_request", message)
    };
    let queried = web::Query::<Wish>::from_query(query).map_err(|error| bad(&error))?.into_inner();
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(queried);
    }
    let wish: Wish = serde_json::from_slice(body).map_err(|error| bad(&error))?;
    Ok(Wish { format: wish.format.or(queried.format), bitrate: wish.bitrate.or(queried.bitrate) })
}

impl Wish {
    fn check(self) -> Result<FormatChange, ApiError> {
        let format = self.format.map(|name| name.parse::<Format>().map_err(|_| unknown_format(&name)));
        let format = format.transpose()?;
        if let Some(format) = format.filter(|format| !format.is_compiled()) {
            return Err(unknown_format(&format.to_string()));
        }
        let bitrate = self.bitrate.map(|bitrate| match bitrate {
            TextOrNumber::Text(text) => text.parse::<Bitrate>(),
            TextOrNumber::Number(kbps) => kbps.to_string().parse(),
        });
        let bitrate = bitrate.transpose().map_err(|error| impossible_bitrate(&in_short(error)))?;
        // Also beside a format that has no use for it: it is remembered for the call.
        if let Some(bitrate) = bitrate.filter(|bitrate| !mpeg::all_bitrates().contains(&bitrate.kbps())) {
            return Err(impossible_bitrate(&format!("{bitrate} is none of MPEG's")));
        }
        if format.is_none() && bitrate.is_none() {
            return Err(ApiError::bad_request(
                "bad_request",
                "say which format or bitrate; GET /audio/formats lists them",
            ));
        }
        let mut change = FormatChange::default();
        (change.format, change.bitrate) = (format, bitrate);
        Ok(change)
    }
}

fn unknown_format(name: &str) -> ApiError {
    let name: String = name.chars().take(40).collect();
    let known: Vec<String> = Format::compiled().map(|format| format.to_string()).collect();
    let message = format!("{name:?} is no format of this server; allowed: {}", known.join(", "));
    ApiError::bad_request("unknown_format", message)
}

fn impossible_bitrate(what: &str) -> ApiError {
    let allowed: Vec<String> =
        mpeg::all_bitrates().into_iter().map(|kbps| Bitrate(kbps).to_string()).collect();
    let message = format!("bitrate: {what}; allowed: {}", allowed.join(", "));
    ApiError::bad_request("impossible_bitrate", message)
}

fn refusal(error: SetFormatError) -> ApiError {
    match error {
        SetFormatError::TooLate => {
            ApiError::conflict("too_late", "the call has ended; its recording keeps the format it has")
        }
        SetFormatError::Impossible(error) => ApiError::bad_request("impossible_format", error.to_string()),
        SetFormatError::BadCallId(error) => ApiError::bad_request("bad_call_sid", error.to_string()),
        error => ApiError::unavailable("full", error.to_string()),
    }
}
