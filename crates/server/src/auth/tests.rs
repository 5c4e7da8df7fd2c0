use super::*;
use crate::config::{ConfigError, Sources};
use actix_web::test::TestRequest;
use proptest::prelude::*;
use proptest::sample::select;

const TOKEN: &str = "the-auth-token";
const FULL: &str = "the-token-for-all";
const READ: &str = "the-token-for-reading";

fn auth<const N: usize>(variables: [(&str, &str); N]) -> Auth {
    Auth::new(&Config::load(Sources::only(variables)).unwrap())
}

/// A request with these headers; those that no header can have are left out.
fn request(headers: &[(&str, &[u8])]) -> HttpRequest {
    request_to("/media-stream", headers)
}

fn request_to(path: &str, headers: &[(&str, &[u8])]) -> HttpRequest {
    let mut request = TestRequest::with_uri(path);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request = request.append_header((*name, value));
        }
    }
    request.to_http_request()
}

/// Any bytes, or what is much like a host or an origin: parts of them in any order, or around one that is.
fn hosts() -> impl Strategy<Value = Vec<u8>> {
    let whole = ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "::1", "bot.example.com", "rec.example.com"];
    let marks =
        [":", ":80", ":99999", "@", "user@", "/", "/bot", "?", "#", "\\", ".", " ", "\t", "[", "]", "%2e"];
    let others = ["http", "https", "://", "//", "evil", ",", "null", "\u{e9}", "/media-stream", "-", "443"];
    let parts = || prop::collection::vec(select([&marks[..], &others].concat()), 0..3);
    let around = (parts(), select(whole.to_vec()), parts())
        .prop_map(|(before, whole, behind)| [before, vec![whole], behind].concat().concat());
    let any_order = prop::collection::vec(select([&whole[..], &marks, &others].concat()), 0..6);
    prop_oneof![
        1 => any::<Vec<u8>>(),
        2 => any_order.prop_map(|parts| parts.concat().into_bytes()),
        6 => around.prop_map(String::into_bytes),
    ]
}

/// Bytes of which some are this word, whole, bent, or with something around it.
fn near(word: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let bent = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8).prop_map(move |(at, byte, how)| {
        let mut word = word.as_bytes().to_vec();
        let at = at.index(word.len());
        match how {
            0 => word[at] = byte,
            1 => word.truncate(at),
            2 => word.insert(at, byte),
            _ => drop(word.remove(at)),
        }
        word
    });
    let around = select(vec!["", " ", "\t", ",", "\"", "=", "bearer ", "Bearer\t"]);
    let whole = (around.clone(), around)
        .prop_map(move |(before, behind)| format!("{before}{word}{behind}").into_bytes());
    prop_oneof![any::<Vec<u8>>(), bent, whole]
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_host_that_is_taken_for_this_machine_is_it_to_whoever_reads_addresses(host in hosts()) {
        let request = request(&[("host", &host)]);
        let text = host_header(&request);
        let is_local = is_from_this_machine(&request);
        prop_assert_eq!(is_local, is_loopback_host(text));
        prop_assert_eq!(auth([]).check_api(&request, Access::Write).is_ok(), is_local);
        prop_assert_eq!(auth([]).check_upgrade(&request).is_ok(), is_local);
        if is_local {
            let url = Url::parse(&format!("http://{text}/x")).unwrap();
            prop_assert!(is_this_machine(&url), "{url}");
            prop_assert_eq!((url.username(), url.password(), url.path()), ("", None, "/x"));
        }
    }

    #[test]
    fn no_host_makes_the_signature_that_a_bot_is_shown_one_of_the_providers(
        host in hosts(), bot in select(vec!["bot.example.com", "bot.example.com:443", "bot.example.com:8443"]),
        path in select(vec!["/media-stream", "/media-stream/", "/media-stream?bot", "/bot/media-stream"]),
    ) {
        let url = format!("wss://{bot}{path}");
        let signature = signature::sign_url(TOKEN, Url::parse(&url).unwrap().as_str());
        let asked = request(&[("host", &host), (SIGNATURE, signature.as_bytes())]);
        let bots = request(&[("host", bot.as_bytes()), (SIGNATURE, signature.as_bytes())]);
        let same = request_to(path, &[("host", bot.as_bytes()), (SIGNATURE, signature.as_bytes())]);
        let settings = [("TWILIO_AUTH_TOKEN", TOKEN), ("API_TOKEN", FULL), ("BOT_URL", &url)];
        let public = ["https://bot.example.com", "https://bot.example.com:8443", "https://bot.example.com:81"];
        let mut auths = vec![auth(settings)];
        for public in public {
            let settings = [settings[0], settings[1], settings[2], ("PUBLIC_URL", public)];
            match Config::load(Sources::only(settings)) {
                Ok(config) => auths.push(Auth::new(&config)),
                // Of these the provider's own would be refused with the bot's.
                Err(error) => {
                    prop_assert!(matches!(error, ConfigError::SignedAlike { .. }), "{error}");
                    prop_assert!(path.trim_end_matches('/') == "/media-stream", "{public}, {url}");
                }
            }
        }
        for auth in auths {
            for request in [&asked, &bots, &same] {
                prop_assert!(auth.check_upgrade(request).is_err());
                prop_assert!(auth.check_webhook(request, b"").is_err());
            }
        }
    }

    #[test]
    fn of_origins_our_own_alone_is_taken_and_with_another_beside_none(
        origin in prop_oneof![near("https://rec.example.com"), near("http://localhost:8080"), hosts()],
        host in prop_oneof![Just(b"localhost:8080".to_vec()), Just(b"rec.example.com".to_vec()), hosts()],
    ) {
        let public = [
            ("PUBLIC_URL", "https://rec.example.com"), ("TWILIO_AUTH_TOKEN", TOKEN), ("API_TOKEN", FULL),
        ];
        let auth = auth(public);
        let asked = request(&[("host", &host), ("origin", &origin)]);
        let shown = asked.headers().get(ORIGIN).map(|origin| origin.as_bytes().to_ascii_lowercase());
        let local = format!("http://{}", host_header(&asked).to_ascii_lowercase()).into_bytes();
        let secure = format!("https://{}", host_header(&asked).to_ascii_lowercase()).into_bytes();
        let is_local_host = is_loopback_host(host_header(&asked));
        let is_own = shown.as_ref().is_none_or(|origin| {
            origin == b"https://rec.example.com" || (is_local_host && (*origin == local || *origin == secure))
        });
        prop_assert_eq!(auth.check_origin(&asked).is_ok(), is_own);
        if shown.is_some() {
            let two = request(&[("host", &host), ("origin", b"https://other.example"), ("origin", &origin)]);
            prop_assert!(auth.check_origin(&two).is_err() && !is_from_this_machine(&two));
            let two = request(&[("host", &host), ("origin", &origin), ("origin", b"https://other.example")]);
            prop_assert!(auth.check_origin(&two).is_err() && !is_from_this_machine(&two));
        }
    }

    #[test]
    fn of_bearer_tokens_the_exact_one_alone_is_taken(
        scheme in prop_oneof![near("Bearer"), Just(b"bearer".to_vec())], between in select(vec![" ", "  ", "\t", ""]),
        token in prop_oneof![near(FULL), near(READ), Just(FULL.into()), Just(READ.into())],
    ) {
        let auth = auth([("API_TOKEN", FULL), ("API_READ_TOKEN", READ)]);
        let value = [&scheme, between.as_bytes(), &token].concat();
        let request = request(&[("host", b"localhost"), ("authorization", &value)]);
        let has = |right: &str| {
            let bare = value.trim_ascii_end().strip_suffix(right.as_bytes());
            bare.is_some_and(|scheme| {
                scheme.ends_with(b" ") | scheme.ends_with(b"\t")
                    && scheme.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
                    && scheme[7..].trim_ascii().is_empty()
            })
        };
        prop_assert_eq!(auth.check_api(&request, Access::Write).is_ok(), has(FULL));
        prop_assert_eq!(auth.check_api(&request, Access::Read).is_ok(), has(FULL) || has(READ));
    }
}

#[test]
fn a_host_of_any_plain_form_is_believed_where_no_public_address_is_set() {
    let auth = auth([("TWILIO_AUTH_TOKEN", TOKEN), ("BOT_URL", "wss://rec.example.com/media")]);
    for host in
        ["rec.example.com", "rec_1.example.com:8443", "192.0.2.1", "[2001:db8::1]:443", "localhost:8080"]
    {
        let signature = signature::sign_url(TOKEN, &format!("wss://{host}/media-stream"));
        let asked = request(&[("host", host.as_bytes()), (SIGNATURE, signature.as_bytes())]);
        assert!(auth.check_upgrade(&asked).is_ok(), "{host}");
    }
}
