//! Signatures against the provider's own Python package: what it signs we accept, what we sign it accepts, and a server
//! lets in what it sends.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod package;
#[path = "../../../crates/server/tests/running/mod.rs"]
mod running;

use callrec_protocol::signature::{
    body_sha256, sign_form, sign_url, validate_json, validate_request, webhook_urls, websocket_urls,
};
use callrec_server::config::Sources;
use package::{ask, sign, validate};
use running::Running;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Forms as telephones, people and attackers fill them.
const FORMS: [&[(&str, &str)]; 8] = [
    &[],
    &[("CallSid", "CA1234567890ABCDE"), ("From", "+14158675309"), ("To", "+18005551212"), ("Digits", "1234")],
    &[("b", "2"), ("a", "1"), ("B", "3"), ("A", "4"), ("aa", ""), ("a1", "z")],
    &[("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234"), ("Sid", "CA123"), ("SidAccount", "AC123")],
    &[("Name", "  spaces kept  "), ("Tab", "\t"), ("Lines", "one\r\ntwo"), ("Empty", "")],
    &[("CallerName", "Žofie Müller 山田"), ("Emoji", "📞☎️"), ("ключ", "значение")],
    &[("a&b", "c=d"), ("plus", "1+1"), ("percent", "100%25"), ("quote", "\"'<>")],
    &[("a", "bc"), ("ab", "c")],
];

#[test]
fn we_sign_as_the_package_does_and_it_accepts_what_we_sign() {
    let urls = [
        "https://rec.example.com/incoming-call",
        "https://rec.example.com:8443/base/incoming-call?a=1&b=%20x",
        "http://127.0.0.1:8080/incoming-call",
        "wss://rec.example.com/media-stream",
        "wss://rec.example.com/media-stream/",
    ];
    let cases: Vec<_> = urls.iter().flat_map(|url| FORMS.iter().map(move |form| (*url, *form))).collect();
    let ours: Vec<String> = cases.iter().map(|(url, form)| sign_form(TOKEN, url, form)).collect();
    let signed = ask(&cases.iter().map(|(url, form)| sign(TOKEN, url, form)).collect::<Vec<_>>());
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&signed) {
        assert_eq!(ours, theirs, "{case:?}");
    }
    let mut orders = Vec::new();
    for ((url, form), ours) in cases.iter().zip(&ours) {
        orders.push(validate(TOKEN, url, form, ours));
        orders.push(validate("another token", url, form, ours));
    }
    for (index, accepted) in ask(&orders).iter().enumerate() {
        assert_eq!(*accepted, index % 2 == 0, "{}", orders[index]);
    }
}

#[test]
fn a_json_body_is_signed_as_the_package_has_it() {
    let body = r#"{"property": "value", "boolean": true, "name": "Žofie"}"#;
    let url = format!("https://rec.example.com/events?x=1&bodySHA256={}", body_sha256(body.as_bytes()));
    let ours = sign_url(TOKEN, &url);
    let order = |body: &str, signature: &str| json!({"do": "validate", "token": TOKEN, "url": url, "body": body, "signature": signature});
    let answers = ask(&[order(body, &ours), order("{}", &ours), sign(TOKEN, &url, &[])]);
    assert_eq!(answers[..2], [json!(true), json!(false)]);
    let theirs = answers[2].as_str().unwrap();
    assert!(validate_json(TOKEN, std::slice::from_ref(&url), body.as_bytes(), theirs));
    assert!(!validate_json(TOKEN, std::slice::from_ref(&url), b"{}", theirs));
}

/// What the package itself accepts with and without a port, or with a slash more, we accept as well.
#[test]
fn the_spellings_of_an_address_that_the_package_signs_are_all_accepted() {
    let webhooks = ["https://rec.example.com/x?a=1", "https://rec.example.com:443/x?a=1"];
    let sockets = ["wss://rec.example.com/m", "wss://rec.example.com/m/", "wss://rec.example.com:443/m"];
    let form = FORMS[1];
    let orders = webhooks.iter().map(|url| sign(TOKEN, url, form));
    let orders: Vec<Value> = orders.chain(sockets.iter().map(|url| sign(TOKEN, url, &[]))).collect();
    let signed = ask(&orders);
    for base in ["https://rec.example.com", "https://rec.example.com/", "https://rec.example.com:443"] {
        for signature in &signed[..webhooks.len()] {
            let urls = webhook_urls(base, "/x?a=1");
            assert!(validate_request(TOKEN, &urls, form, signature.as_str().unwrap()), "{base}");
        }
        for signature in &signed[webhooks.len()..] {
            let urls = websocket_urls(base, "/m");
            assert!(validate_request(TOKEN, &urls, &[], signature.as_str().unwrap()), "{base}");
        }
    }
}

/// Behind a proxy, as in life: the package signs the public address, and asks the server at another.
#[test]
fn a_server_lets_in_what_the_package_sends_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let sources = Sources::only([
        ("TWILIO_AUTH_TOKEN", TOKEN),
        ("API_TOKEN", "the-token-for-all"),
        ("PUBLIC_URL", "https://rec.example.com"),
        ("NEXT_TWIML_URL", "https://bot.example.com/next"),
    ]);
    let server = Running::start(sources, &home.path().join("responses"));
    let send = |method: &str, path: &str, token: &str, url: &str, form: &[(&str, &str)]| {
        json!({"do": "send", "address": server.address.to_string(), "method": method, "path": path,
               "token": token, "url": url, "form": form})
    };
    let webhook = "https://rec.example.com/incoming-call";
    let mut orders: Vec<(Value, u64)> = Vec::new();
    for form in FORMS {
        orders.push((send("POST", "/incoming-call", TOKEN, webhook, form), 200));
        orders.push((send("POST", "/incoming-call", "another token", webhook, form), 403));
        let mut changed = send("POST", "/incoming-call", TOKEN, webhook, form);
        let mut sent = form.to_vec();
        sent.push(("From", "+15550001111"));
        changed["sent"] = json!(sent);
        orders.push((changed, 403));
    }
    let with_query = "https://rec.example.com/incoming-call?a=1&b=%20x";
    orders.push((send("POST", "/incoming-call?a=1&b=%20x", TOKEN, with_query, FORMS[1]), 200));
    orders.push((send("POST", "/incoming-call?a=2", TOKEN, with_query, FORMS[1]), 403));
    let elsewhere = "https://rec.example.org/incoming-call";
    orders.push((send("POST", "/incoming-call", TOKEN, elsewhere, FORMS[1]), 403));
    for (url, status) in [
        ("wss://rec.example.com/media-stream", 101),
        ("wss://rec.example.com/media-stream/", 101),
        ("wss://rec.example.org/media-stream", 403),
        ("wss://rec.example.com/other", 403),
    ] {
        orders.push((send("GET", "/media-stream", TOKEN, url, &[]), status));
    }
    let answers = ask(&orders.iter().map(|(order, _)| order.clone()).collect::<Vec<_>>());
    for ((order, expected), status) in orders.iter().zip(&answers) {
        assert_eq!(status, expected, "{order}");
    }
}

#[test]
fn a_bot_that_checks_with_the_package_lets_our_upgrade_in() {
    let bot = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/bot/media", bot.local_addr().unwrap());
    let home = tempfile::tempdir().unwrap();
    let sources =
        Sources::only([("TWILIO_AUTH_TOKEN", TOKEN), ("API_TOKEN", "the-token-for-all"), ("BOT_URL", &url)]);
    let server = Running::start(sources, &home.path().join("responses"));
    let socket = format!("ws://{}/media-stream", server.address);
    let mut provider = TcpStream::connect(server.address).unwrap();
    write!(
        provider,
        "GET /media-stream HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Twilio-Signature: {}\r\n\r\n",
        server.address,
        sign_url(TOKEN, &socket)
    )
    .unwrap();
    let (mut call, _) = bot.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        call.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let is_it = |line: &&str| line.to_ascii_lowercase().starts_with("x-twilio-signature: ");
    let (_, signature) = head.lines().find(is_it).expect("it is signed").split_once(": ").unwrap();
    let answers =
        ask(&[validate(TOKEN, &url, &[], signature), validate("another token", &url, &[], signature)]);
    assert_eq!(answers, [json!(true), json!(false)]);
    drop((call, provider));
}
