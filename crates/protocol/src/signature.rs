//! The `X-Twilio-Signature` header: made, and checked, for webhooks and for the upgrade of a media socket.
//!
//! The signature is `base64(HMAC-SHA1(auth token, text))`, where the text is the URL as the provider called it and, for
//! a form, every parameter's name and value behind it, sorted by name (Twilio, "Security": *Validating requests*).
//! What makes it hard in practice is "as the provider called it": behind a proxy only the operator knows, so the URL is
//! built from a configured public base, never from a request's headers, and several spellings of it are tried:
//! [`webhook_urls`] and [`websocket_urls`] list them.
//!
//! ```
//! use callrec_protocol::signature::{sign_url, validate_request, websocket_urls};
//!
//! let urls = websocket_urls("https://example.com", "/media-stream");
//! let header = sign_url("12345", "wss://example.com/media-stream");
//! assert_eq!(header, "XFfwGS2Ev7f9qAP9MmRoMS7C724=");
//! assert!(validate_request("12345", &urls, &[], &header));
//! assert!(!validate_request("another token", &urls, &[], &header));
//! ```
//!
//! A signature holds neither a time nor a nonce: it proves that somebody who knew the token made it once for this URL.

use base64_simd::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The signature of a request to `url` without form parameters: a GET, a JSON body, or the upgrade of a WebSocket
/// (`url` then begins with `wss://`).
pub fn sign_url(token: &str, url: &str) -> String {
    sign_form(token, url, &[])
}

/// The signature of a form POST to `url`. The parameters are decoded, untrimmed and in any order; of equal pairs one
/// counts.
pub fn sign_form(token: &str, url: &str, params: &[(&str, &str)]) -> String {
    sign_canonical(token, url, &canonical(params))
}

fn sign_canonical(token: &str, url: &str, params: &[(&str, &str)]) -> String {
    // HMAC takes keys of every length, so there is no error to hand on.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return String::new() };
    mac.update(url.as_bytes());
    for (name, value) in params {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode_to_string(mac.finalize().into_bytes())
}

/// Whether `signature` is the header that the provider makes for a request to one of `urls` with these form parameters
/// (none for a GET or the upgrade of a WebSocket; use [`validate_json`] for a JSON body).
///
/// The parameters are sorted once; every URL is tried, and compared in constant time. An empty token, which anybody knows, makes nothing
/// valid.
pub fn validate_request(token: &str, urls: &[String], params: &[(&str, &str)], signature: &str) -> bool {
    let params = canonical(params);
    let mut valid = Choice::from(0);
    for url in urls {
        valid |= sign_canonical(token, url, &params).as_bytes().ct_eq(signature.as_bytes());
    }
    !token.is_empty() && bool::from(valid)
}

/// Whether `signature` is the header of a request to one of `urls` with this JSON body.
///
/// The provider does not sign such a body itself but puts its hash into the URL as `bodySHA256`; both must be right.
pub fn validate_json(token: &str, urls: &[String], body: &[u8], signature: &str) -> bool {
    let hash = body_sha256(body);
    let mut valid = Choice::from(0);
    for url in urls {
        let claimed = query_value(url, "bodySHA256").unwrap_or_default().to_ascii_lowercase();
        valid |= sign_url(token, url).as_bytes().ct_eq(signature.as_bytes())
            & claimed.as_bytes().ct_eq(hash.as_bytes());
    }
    !token.is_empty() && bool::from(valid)
}

/// SHA-256 of a body in lower-case hex, as `bodySHA256` carries it.
pub fn body_sha256(body: &[u8]) -> String {
    Sha256::digest(body).iter().fold(String::with_capacity(64), |mut hex, byte| {
        for nibble in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(nibble.into(), 16));
        }
        hex
    })
}

/// The spellings of a media socket's URL that a provider may have signed, the likeliest first.
///
/// `public_url` is the base that the provider calls (`https://rec.example.com`, a port or a path may follow), `path` the
/// rest (`/media-stream`). Twilio signs with the scheme `wss`, sometimes with a slash appended (its "Security" page says
/// so), and is not consistent about the port. `http` bases, for tests on one machine, give `ws`. What is no http(s) or
/// ws(s) URL gives no spelling, so that nothing is valid.
pub fn websocket_urls(public_url: &str, path: &str) -> Vec<String> {
    let Some(base) = Base::parse(public_url) else { return Vec::new() };
    let path = base.join(path);
    let toggled = match path.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{path}/"),
    };
    let schemes = if base.secure { ["wss", "https"] } else { ["ws", "http"] };
    let mut urls = Vec::new();
    for scheme in schemes {
        for authority in base.authorities() {
            for path in [&path, &toggled] {
                push_new(&mut urls, format!("{scheme}://{authority}{path}"));
            }
        }
    }
    urls
}

/// The spellings of a webhook's URL that a provider may have signed: as configured, without its port, and with the
/// scheme's own port. `path_and_query` is the request's, byte for byte (`/incoming-call?x=1`).
pub fn webhook_urls(public_url: &str, path_and_query: &str) -> Vec<String> {
    let Some(base) = Base::parse(public_url) else { return Vec::new() };
    let path = base.join(path_and_query);
    let scheme = if base.secure { "https" } else { "http" };
    let mut urls = Vec::new();
    for authority in base.authorities() {
        push_new(&mut urls, format!("{scheme}://{authority}{path}"));
    }
    urls
}

/// Sorted by name, and by value within a name, each pair once.
fn canonical<'a>(params: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut sorted = params.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn query_value<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn push_new(urls: &mut Vec<String>, url: String) {
    if !urls.contains(&url) {
        urls.push(url);
    }
}

/// The public base, taken apart.
struct Base<'a> {
    secure: bool,
    host: &'a str,
    port: Option<&'a str>,
    /// Without a slash at its end.
    path: &'a str,
}

impl<'a> Base<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return None,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        // The provider signs without user and password.
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        // A colon inside the brackets of an IPv6 address is not the port's.
        let (host, port) = match authority.rfind(':') {
            Some(at) if !authority[at..].contains(']') => (&authority[..at], Some(&authority[at + 1..])),
            _ => (authority, None),
        };
        let valid = !host.is_empty() && !rest.contains(['?', '#', ' ']);
        valid.then(|| Base { secure, host, port, path: path.trim_end_matches('/') })
    }

    fn join(&self, path: &str) -> String {
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{path}", self.path)
    }

    /// As configured, without a port, with the scheme's own port.
    fn authorities(&self) -> Vec<String> {
        let Base { host, port, .. } = self;
        let mut spellings = Vec::new();
        if let Some(port) = port {
            spellings.push(format!("{host}:{port}"));
        }
        push_new(&mut spellings, (*host).to_owned());
        push_new(&mut spellings, format!("{host}:{}", if self.secure { 443 } else { 80 }));
        spellings
    }
}
