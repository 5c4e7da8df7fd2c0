//! `POST /incoming-call`: the provider's webhook; the answer is TwiML that sends the call's audio here.

use crate::auth::{host_header, is_json, is_loopback_host};
use crate::config::MEDIA_SOCKET;
use crate::media_stream::no_place;
use crate::state::State;
use crate::stream_tokens;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use callrec_protocol::twiml;

/// What a caller hears when nothing is set up to answer.
const NOBODY_TO_ANSWER: &str = "This number is not set up yet. Goodbye.";

pub(crate) async fn incoming_call(
    request: HttpRequest,
    form: web::Bytes,
    state: web::Data<State>,
) -> HttpResponse {
    let socket = media_socket(&request, &state);
    let config = &state.config;
    let fields = if is_json(&request) { vec![] } else { read_form(&form) };
    let call = fields.into_iter().find(|(name, _)| name == "CallSid");
    // A call that nobody could talk to: the provider has another address for it, or tells the caller. One that goes on elsewhere is
    // answered, and lacks its recording alone; so is one that comes back from its own stream, whose place it has.
    let is_live = call.as_ref().is_some_and(|(_, sid)| state.stream_tokens.is_live(sid));
    if config.bot_url.is_some()
        && !is_live
        && let Err(why) = state.live.has_place()
    {
        return no_place(why, &state);
    }
    let answers = config.bot_url.is_some() || config.next_twiml_url.is_some();
    let token = call.filter(|_| answers).and_then(|(_, sid)| state.stream_tokens.issue(&sid));
    let parameters: Vec<_> = token.iter().map(|token| (stream_tokens::PARAMETER, token.as_str())).collect();
    let answer = match (&config.bot_url, &config.next_twiml_url) {
        (Some(_), _) => twiml::connect_stream(&socket, &parameters),
        (None, Some(next)) => twiml::start_stream_both_tracks(&socket, &parameters, next),
        (None, None) => {
            tracing::error!("a call came and nobody can answer it: set BOT_URL or NEXT_TWIML_URL");
            twiml::say(NOBODY_TO_ANSWER)
        }
    };
    HttpResponse::Ok().content_type(ContentType::xml()).body(answer)
}

/// The most fields of a form: they are sorted before its signature can be checked. A provider's has some thirty.
pub(crate) const MOST_FIELDS: usize = 1_000;

/// Whether a form has more fields than it may.
pub(crate) fn has_too_many_fields(body: &[u8]) -> bool {
    url::form_urlencoded::parse(body).nth(MOST_FIELDS).is_some()
}

/// The fields of the provider's form, in their order.
pub(crate) fn read_form(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// The address of our media socket as the provider reaches it. Without a PUBLIC_URL the request knows best: a tunnel
/// speaks TLS to the provider, whatever reaches us.
fn media_socket(request: &HttpRequest, state: &State) -> String {
    let base = match &state.config.public_url {
        Some(url) => match url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => url.to_string(),
        },
        None => {
            let host = host_header(request);
            let scheme = if is_loopback_host(host) { "ws" } else { "wss" };
            format!("{scheme}://{host}")
        }
    };
    format!("{base}{MEDIA_SOCKET}")
}
