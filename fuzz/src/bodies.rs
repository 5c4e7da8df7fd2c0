//! What a request brings: a form, lines of a transcript, a wish for a format, a call SID. The first byte tells which.

use callrec_encode::{Bitrate, Format, mpeg};
use callrec_protocol::signature;
use callrec_server::error::ApiError;
use callrec_server::fuzzing;
use serde_json::json;
use url::form_urlencoded;

use crate::input::Input;

/// The longest refusal, in bytes: what was sent is not sent back.
const LONGEST_REFUSAL: usize = 1_000;

/// Reads a body.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() % 4 {
        0 => form(input.0),
        1 => lines(input.0),
        2 => {
            let query = String::from_utf8_lossy(input.until(b'\n'));
            change(&query, input.0);
        }
        _ => sid(&String::from_utf8_lossy(input.0)),
    }
}

fn form(body: &[u8]) {
    const URL: &str = "https://calls.example.com/incoming-call";
    let fields = fuzzing::form(body);
    let again = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    assert_eq!(fuzzing::form(again.as_bytes()), fields);
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (urls, signed) = ([URL.to_owned()], signature::sign_form("token", URL, &fields));
    assert!(signature::validate_request("token", &urls, &fields, &signed));
    assert!(!signature::validate_request("other", &urls, &fields, &signed));
    let _ = signature::validate_request("token", &urls, &fields, &String::from_utf8_lossy(body));
}

fn lines(body: &[u8]) {
    match fuzzing::transcript_lines(body) {
        Ok(lines) => {
            assert!((1..=1_000).contains(&lines.len()));
            assert!(lines.iter().all(|line| !line.trim().is_empty()));
            let again: Vec<_> =
                lines.iter().map(|text| json!({ "speaker": "caller", "text": text })).collect();
            let again = json!({ "lines": again }).to_string();
            assert_eq!(fuzzing::transcript_lines(again.as_bytes()).ok(), Some(lines));
        }
        Err(error) => refused(&error),
    }
}

fn change(query: &str, body: &[u8]) {
    match fuzzing::format_change(query, body) {
        Ok(change) => {
            assert!(change.format.is_some() || change.bitrate.is_some());
            assert!(change.format.is_none_or(Format::is_compiled));
            assert!(change.bitrate.is_none_or(|bitrate| mpeg::all_bitrates().contains(&bitrate.kbps())));
            let again = json!({
                "format": change.format.map(|format| format.to_string()),
                "bitrate": change.bitrate.map(Bitrate::kbps),
            });
            let again = fuzzing::format_change("", again.to_string().as_bytes());
            assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, ApiError>(change)));
        }
        Err(error) => refused(&error),
    }
}

fn sid(text: &str) {
    match fuzzing::call_sid(text) {
        Ok(sid) => {
            assert_eq!(fuzzing::call_sid(&sid).ok().as_ref(), Some(&sid));
            assert!(!sid.contains(['/', '\\', '\0']) && !sid.starts_with('.'));
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &ApiError) {
    let message = error.to_string();
    assert!((1..=LONGEST_REFUSAL).contains(&message.len()), "{} bytes: {message}", message.len());
}
