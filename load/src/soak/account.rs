//! The credentials of a soak, and all that is asked with them: webhooks and upgrades that the provider signs, and requests of a client
//! that has the token.

use anyhow::{Context as _, ensure};
use callrec_protocol::signature::{sign_form, sign_url};

use crate::rest::{self, Answer};

/// Signs what the provider asks.
const AUTH_TOKEN: &str = "the-auth-token-of-a-soak";
/// Goes with what a client asks.
const API_TOKEN: &str = "the-api-token-of-a-soak";

/// What the server is started with.
pub(super) const SETTINGS: [(&str, &str); 2] = [("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("API_TOKEN", API_TOKEN)];

/// The head of a bearer token.
fn bearer() -> String {
    format!("Bearer {API_TOKEN}")
}

/// A client's request.
///
/// # Errors
/// There is no answer, the server does not know the client, or it cannot do what it should.
pub(super) async fn ask(address: &str, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    let headers = [("content-type", "application/json"), ("authorization", &bearer())];
    let (status, answer) = rest::send(address, method, path, &headers, body).await?;
    judge(path, status)?;
    Ok((status, answer))
}

/// Whether a client may be told so, whatever it asked for.
fn judge(path: &str, status: u16) -> anyhow::Result<()> {
    ensure!(!matches!(status, 401 | 403), "{path}: a client is refused: {status}");
    ensure!(status < 500, "{path}: the server fails: {status}");
    Ok(())
}

/// A client that says half of what it wanted, and is gone.
///
/// # Errors
/// The server does not take the connection.
pub(super) async fn break_off(address: &str) -> anyhow::Result<()> {
    rest::break_off(address, &bearer()).await
}

/// The signature of a media socket's upgrade.
pub(super) fn signature(url: &str) -> String {
    sign_url(AUTH_TOKEN, url)
}

/// The webhook of a new call; gives the token that the TwiML has for its stream.
///
/// # Errors
/// The call is not answered, or not with a stream to `url` and a token.
pub(super) async fn call(address: &str, sid: &str, url: &str) -> anyhow::Result<String> {
    const PATH: &str = "/incoming-call";
    let form = [("CallSid", sid), ("From", "caller"), ("Direction", "inbound")];
    let signature = sign_form(AUTH_TOKEN, &format!("http://{address}{PATH}"), &form);
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("x-twilio-signature", signature.as_str())];
    let body = form.map(|(name, value)| format!("{name}={value}")).join("&");
    let (status, twiml) = rest::send(address, "POST", PATH, &headers, &body).await?;
    ensure!(status == 200, "a call is not answered: {status}");
    let twiml = String::from_utf8(twiml).context("TwiML that is no text")?;
    ensure!(twiml.contains(&format!("<Stream url=\"{url}\"")), "its stream goes elsewhere");
    let (_, token) =
        twiml.split_once("<Parameter name=\"callrec_token\" value=\"").context("TwiML without a token")?;
    Ok(token.split('"').next().unwrap_or_default().to_owned())
}

/// What strangers ask, and are not told.
///
/// # Errors
/// One is let in, or there is no answer.
pub(super) async fn turn_strangers_away(address: &str) -> anyhow::Result<()> {
    for (method, path, expected) in
        [("GET", "/calls", 401), ("POST", "/incoming-call", 403), ("GET", "/media-stream", 403)]
    {
        let (status, _) = rest::send(address, method, path, &[], "").await?;
        ensure!(status == expected, "a stranger's {path}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_refused_and_a_server_that_fails_are_told() {
        for (status, found) in
            [(401, "refused: 401"), (403, "refused: 403"), (500, "fails: 500"), (503, "fails: 503")]
        {
            assert!(judge("/calls", status).unwrap_err().to_string().contains(found));
        }
        for status in [200, 404, 409] {
            assert!(judge("/calls", status).is_ok());
        }
    }
}
