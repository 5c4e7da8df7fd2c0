//! Who may ask for what: bearer tokens for the REST API, request signatures for the provider.

use crate::config::{Config, WebUrl};
use crate::error::ApiError;
use crate::secret::Secret;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use actix_web::http::uri::Authority;
use actix_web::{HttpMessage as _, HttpRequest};
use callrec_protocol::signature;
use std::net::{IpAddr, Ipv6Addr};
use url::Url;

/// The header with the provider's signature.
const SIGNATURE: &str = "x-twilio-signature";

/// What a client of the REST API wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// See calls and files.
    Read,
    /// Change something.
    Write,
}

/// The credentials that requests are checked against.
#[derive(Debug, Clone)]
pub(crate) struct Auth {
    full: Option<Secret>,
    read_only: Option<Secret>,
    provider: Option<Secret>,
    public_url: Option<WebUrl>,
    /// The signature that the bot is shown, if it is shown one.
    shown_to_bot: Option<Secret>,
}

impl Auth {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            full: config.api_token.clone(),
            read_only: config.api_read_token.clone(),
            provider: config.twilio_auth_token.clone(),
            public_url: config.public_url.clone(),
            shown_to_bot: config.twilio_auth_token.as_ref().zip(config.bot_url.as_ref()).map(
                |(token, bot)| Secret::new(signature::sign_url(token.expose(), bot.without_user().as_str())),
            ),
        }
    }

    /// Checks the bearer token of a request to the REST API. A server without tokens listens on this machine alone and
    /// answers whoever is on it, but no web page that a browser there has open, and nobody behind a tunnel.
    pub(crate) fn check_api(&self, request: &HttpRequest, access: Access) -> Result<(), ApiError> {
        if self.full.is_none() && self.read_only.is_none() {
            return if is_from_this_machine(request) {
                Ok(())
            } else {
                Err(unauthorized(
                    "set API_TOKEN, and send it as a bearer token, to use the API from elsewhere",
                ))
            };
        }
        let Some(token) = bearer_token(request) else {
            return Err(unauthorized("send the token: `Authorization: Bearer <API_TOKEN>`"));
        };
        // Both are compared always, so that the time taken does not tell which one is set.
        let is = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| secret.matches(token));
        match (is(&self.full), is(&self.read_only), access) {
            (true, _, _) | (_, true, Access::Read) => Ok(()),
            (false, true, Access::Write) => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "read_only",
                "this token can only read; changes take the API_TOKEN",
            )),
            (false, false, _) => Err(unauthorized("the token is not the right one")),
        }
    }

    /// Whether a request may be told more than that the server lives.
    pub(crate) fn is_trusted(&self, request: &HttpRequest) -> bool {
        self.check_api(request, Access::Read).is_ok()
    }

    /// Checks that no web page of another origin has a browser open a socket or post: with a browser's request comes
    /// which page asked for it, with that of a program nothing.
    pub(crate) fn check_origin(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let is_ours = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| self.is_own(origin, request));
        if request.headers().get_all(ORIGIN).all(is_ours) {
            return Ok(());
        }
        Err(forbidden(
            "a web page of another origin may not do this: use a program, which sends no Origin header, or a page of \
             PUBLIC_URL's own origin",
        ))
    }

    /// The origin of PUBLIC_URL; and on this very machine that of the address which was asked for. Of other Host headers
    /// nothing follows: whoever owns a name may have it lead here.
    fn is_own(&self, origin: &str, request: &HttpRequest) -> bool {
        let is_public = self
            .public_url
            .as_deref()
            .and_then(|url| Url::parse(url).ok())
            .is_some_and(|url| url.origin().ascii_serialization().eq_ignore_ascii_case(origin));
        let host = host_header(request);
        let is_local = is_loopback_host(host)
            && origin.split_once("://").is_some_and(|(scheme, asked)| {
                matches!(scheme, "http" | "https") && asked.eq_ignore_ascii_case(host)
            });
        is_public || is_local
    }

    /// Checks what can be known of the provider's POST before its body is read: that it is signed; or, of a server that can check no
    /// signature, that it is from this machine.
    pub(crate) fn check_webhook_head(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.check_signature(request, |_, _| true)
    }

    /// Checks the signature of the provider's POST: of its form, or of the hash of its JSON.
    pub(crate) fn check_webhook(&self, request: &HttpRequest, body: &[u8]) -> Result<(), ApiError> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let urls: Vec<String> =
            self.bases(request).iter().flat_map(|base| signature::webhook_urls(base, path)).collect();
        if is_json(request) {
            return self.check_signature(request, |token, offered| {
                signature::validate_json(token, &urls, body, offered)
            });
        }
        let form = crate::routes::incoming_call::read_form(body);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.check_signature(request, |token, offered| {
            signature::validate_request(token, &urls, &form, offered)
        })
    }

    /// Checks the signature on the upgrade of a media socket.
    pub(crate) fn check_upgrade(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let urls: Vec<String> =
            self.bases(request).iter().flat_map(|base| signature::websocket_urls(base, path)).collect();
        self.check_signature(request, |token, offered| {
            signature::validate_request(token, &urls, &[], offered)
        })
    }

    /// Checks a signature. A server without TWILIO_AUTH_TOKEN takes calls of this machine alone, as it answers clients: what comes
    /// through a tunnel may be anybody's.
    fn check_signature(
        &self,
        request: &HttpRequest,
        is_valid: impl FnOnce(&str, &str) -> bool,
    ) -> Result<(), ApiError> {
        let Some(token) = &self.provider else {
            return if is_from_this_machine(request) {
                Ok(())
            } else {
                Err(forbidden(
                    "without TWILIO_AUTH_TOKEN calls are taken of this machine alone: to take them through a tunnel or a \
                     proxy, set TWILIO_AUTH_TOKEN to the provider's primary auth token and PUBLIC_URL to the address that \
                     the provider calls, and API_TOKEN for the REST API",
                ))
            };
        };
        let Some(offered) = request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok()) else {
            return Err(forbidden("the request has no X-Twilio-Signature"));
        };
        // What we sign for the bot, that might show to anybody.
        let is_bots = self.shown_to_bot.as_ref().is_some_and(|shown| shown.matches(offered));
        if is_valid(token.expose(), offered) && !is_bots {
            return Ok(());
        }
        Err(forbidden(
            "the X-Twilio-Signature is not right: PUBLIC_URL must be the address that the provider calls, and \
             TWILIO_AUTH_TOKEN the primary token of the account",
        ))
    }

    /// The addresses under which the provider may have called. Only the operator knows behind a proxy; without a
    /// PUBLIC_URL the Host header is believed, since a wrong one makes no signature right that the token did not make.
    fn bases(&self, request: &HttpRequest) -> Vec<String> {
        match &self.public_url {
            Some(url) => vec![url.to_string()],
            None => {
                let host = host_header(request);
                // Nothing else, as a user before it or a path behind.
                let is_plain = host_alone(host).is_some();
                if is_plain { vec![format!("https://{host}"), format!("http://{host}")] } else { vec![] }
            }
        }
    }
}

/// Whether a body is said to be JSON, which is signed by its hash, and has no fields of a form.
pub(crate) fn is_json(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/json")
}

/// The Host header as it was sent.
pub(crate) fn host_header(request: &HttpRequest) -> &str {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(Authority::as_str)).unwrap_or_default()
}

/// A host without its port; none if there is anything else in it than a name or an address, and perhaps a port.
fn host_alone(authority: &str) -> Option<&str> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (port.is_empty() || port.parse::<u16>().is_ok()) => host,
        _ => authority,
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    is_host.then_some(host)
}

/// Whether a host, with or without a port, is this machine by its own name for itself.
pub(crate) fn is_loopback_host(authority: &str) -> bool {
    host_alone(authority).is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Headers that a proxy adds: who it asks for may be anywhere, and only the proxy is on this machine.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

fn is_from_this_machine(request: &HttpRequest) -> bool {
    if FORWARDED.iter().any(|name| request.headers().contains_key(*name)) {
        return false;
    }
    let is_local_page = |origin: &HeaderValue| {
        let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        host.is_some_and(|(_, host)| is_loopback_host(host))
    };
    is_loopback_host(host_header(request)) && request.headers().get_all(ORIGIN).all(is_local_page)
}

fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

#[cfg(test)]
mod tests;
