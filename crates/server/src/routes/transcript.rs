//! `POST /calls/{sid}/transcript`: lines of the transcript, told by the bot.

use super::call_sid;
use crate::counters::Limit;
use crate::error::{ApiError, in_short};
use crate::state::State;
use actix_web::{HttpResponse, web};
use callrec::{AddLineError, Speaker};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most lines of one request.
const MOST_LINES: usize = 1_000;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    speaker: Speaker,
    pub(crate) text: String,
    at_ms: Option<u64>,
    #[serde(default)]
    word_ms: Vec<u32>,
}

/// Why none of a request's lines is taken.
#[derive(Debug)]
pub(crate) enum BadLines {
    /// They are no lines.
    Unreadable(ApiError),
    /// They are too many, or one is too long.
    TooMuch(ApiError),
}

impl From<BadLines> for ApiError {
    fn from(bad: BadLines) -> Self {
        match bad {
            BadLines::Unreadable(error) | BadLines::TooMuch(error) => error,
        }
    }
}

pub(crate) async fn add(
    sid: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    let sid = call_sid(&sid)?;
    let lines = read_lines(&body?).map_err(|bad| {
        if matches!(bad, BadLines::TooMuch(_)) {
            state.counters.count(Limit::LinesRefused);
        }
        ApiError::from(bad)
    })?;
    let count = lines.len();
    let refused = state.in_turn(move |recorder| {
        let mut refused = 0;
        for line in &lines {
            match recorder.add_line(&sid, line.speaker, &line.text, line.at_ms, &line.word_ms) {
                // A shorter one may find room.
                Err(AddLineError::Full) => refused += 1,
                added => added?,
            }
        }
        Ok(refused)
    });
    match refused.await?.map_err(refusal)? {
        0 => Ok(HttpResponse::Ok().json(json!({ "added": count }))),
        refused => {
            let message = format!("the call's transcript has no room for {refused} of the {count} lines");
            Err(ApiError::unavailable("full", message).into())
        }
    }
}

/// One line, an array of them, or `{"lines": [...]}`. All of them are good, or none is taken.
pub(crate) fn read_lines(body: &[u8]) -> Result<Vec<Line>, BadLines> {
    let said = |what: String| {
        let example = r#"{"speaker":"assistant","text":"...","at_ms":1200}"#;
        let message = format!(
            "{}; send a line such as {example}, an array of lines, or {{\"lines\":[...]}}",
            in_short(what)
        );
        ApiError::bad_request("bad_line", message)
    };
    let bad = |what| BadLines::Unreadable(said(what));
    let too_much = |what| BadLines::TooMuch(said(what));
    let json: Value = serde_json::from_slice(body).map_err(|error| bad(format!("not JSON: {error}")))?;
    let items = match json {
        Value::Array(items) => items,
        Value::Object(mut object) if object.contains_key("lines") => match object.remove("lines") {
            Some(Value::Array(items)) if object.is_empty() => items,
            _ => return Err(bad("\"lines\" must be an array, and stand alone".to_owned())),
        },
        object @ Value::Object(_) => vec![object],
        _ => return Err(bad("neither an object nor an array".to_owned())),
    };
    match items.len() {
        0 => return Err(bad("there are no lines".to_owned())),
        1..=MOST_LINES => {}
        count => return Err(too_much(format!("{count} lines are more than {MOST_LINES}"))),
    }
    let read = |(index, item): (usize, Value)| {
        let line: Line =
            serde_json::from_value(item).map_err(|error| bad(format!("line {}: {error}", index + 1)))?;
        if line.text.trim().is_empty() {
            return Err(bad(format!("line {}: the text is empty", index + 1)));
        }
        if line.text.len() > LONGEST_LINE {
            return Err(too_much(format!("line {}: the text has more than {LONGEST_LINE} bytes", index + 1)));
        }
        Ok(line)
    };
    items.into_iter().enumerate().map(read).collect()
}

fn refusal(error: AddLineError) -> ApiError {
    match error {
        AddLineError::NoSuchCall => ApiError::not_found("no_such_call", "there is no such call"),
        AddLineError::Ended => {
            ApiError::conflict("too_late", "the call has ended; its transcript is written")
        }
        _ => ApiError::unavailable("full", "the call's transcript is full"),
    }
}
