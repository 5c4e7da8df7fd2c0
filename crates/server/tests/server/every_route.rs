//! Every route with every method, as a stranger: the routes are those that the server is made from, so none can be missed.

use super::phone::{CONNECTED, finished_for, inbound, one_way, outbound, start, stop};
use super::test_server::{Answer, Client, TestServer, until};
use callrec_protocol::signature::{sign_form, sign_url};
use callrec_server::{ROUTES, Route, Who};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

const TOKEN: &str = "the-auth-token";
const FULL: &str = "the-token-for-all";
const READ: &str = "the-token-for-reading";
const PUBLIC: &str = "https://rec.example.com";

const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"];

const FORM: &str = "CallSid=CAnew&From=%2B15550001111";

fn server() -> TestServer {
    TestServer::start([
        ("TWILIO_AUTH_TOKEN", TOKEN),
        ("API_TOKEN", FULL),
        ("API_READ_TOKEN", READ),
        ("PUBLIC_URL", PUBLIC),
        ("NEXT_TWIML_URL", "https://bot.example.com/next"),
        ("DEFAULT_AUDIO_FORMAT", "wav"),
        ("IDLE_TIMEOUT_SECONDS", "3600"),
    ])
}

async fn provider(server: &TestServer) -> Client {
    let signature = sign_url(TOKEN, "wss://rec.example.com/media-stream");
    server.provider_with(&[("x-twilio-signature", &signature)]).await.expect("the provider is let in")
}

fn authorized(server: &TestServer, head: &str, token: &str, body: &str) -> Answer {
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    server.request(&format!("{line}\nAuthorization: Bearer {token}\n{headers}"), body.as_bytes())
}

/// A body that the route would take.
fn body(route: &Route) -> &'static str {
    match route.path {
        "/incoming-call" => FORM,
        path if path.ends_with("/transcript") => r#"{"speaker":"caller","text":"slipped in"}"#,
        path if path.contains("set-format") => r#"{"format":"flac"}"#,
        _ => "",
    }
}

/// What strangers send: nothing, something wrong, the right thing of another door, or the right thing in a wrong place.
fn strangers(route: &Route, path: &str) -> Vec<String> {
    let signed = sign_form(TOKEN, &format!("{PUBLIC}{path}"), &[]);
    let elsewhere = sign_form(TOKEN, "https://rec.example.org/incoming-call", &[]);
    let mut heads = vec![
        String::new(),
        "Authorization: Bearer wrong".to_owned(),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer ".to_owned(),
        format!("Authorization: Basic {FULL}"),
        format!("Authorization: {FULL}"),
        format!("Authorization: Bearer {}", &FULL[1..]),
        format!("Authorization: Bearer {FULL}x"),
        format!("Authorization: Bearer {TOKEN}"),
        format!("Cookie: token={FULL}; API_TOKEN={FULL}"),
        format!("X-Twilio-Signature: {elsewhere}"),
        "X-Twilio-Signature: ".to_owned(),
        "Host: localhost".to_owned(),
        "Host: 127.0.0.1:8080\nX-Forwarded-For: 127.0.0.1\nOrigin: http://127.0.0.1:8080".to_owned(),
        "X-HTTP-Method-Override: GET\nX-Original-URL: /health".to_owned(),
    ];
    match route.who {
        Who::Webhook | Who::MediaSocket => {
            heads.push(format!("Authorization: Bearer {FULL}"));
            // Right for a form that is not the one that comes; the socket's has none, so that it would be right there.
            heads.extend((route.who == Who::Webhook).then(|| format!("X-Twilio-Signature: {signed}")));
        }
        _ => heads.push(format!("X-Twilio-Signature: {signed}")),
    }
    heads
}

/// Other ways to write a path, for which a door could be forgotten.
fn spellings(path: &str) -> Vec<String> {
    let last = path.rsplit('/').next().unwrap();
    vec![
        path.to_owned(),
        format!("{path}?token={FULL}&api_token={FULL}&access_token={FULL}"),
        format!("{path}/"),
        format!("/{path}"),
        path.replace("/calls", "/%63alls").replace("/audio", "/a%75dio"),
        path.replace(last, &last.to_uppercase()),
        format!("/health/..{path}"),
        format!("/health/%2e%2e{path}"),
        format!("{path};x"),
        format!("{path}%00"),
    ]
}

/// Everything below a directory.
fn everything_in(directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => everything_in(&path, found),
            false => drop(found.insert(path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_nothing_is_read_changed_or_listed_but_the_status_of_health() {
    let server = server();
    let mut call = provider(&server).await;
    for message in [CONNECTED.to_owned(), one_way("CAdone"), inbound(0, 0x10), outbound(0, 0x90)] {
        call.send(message).await;
    }
    until("it is live", || authorized(&server, "GET /calls/CAdone", READ, "").status == 200).await;
    let line = r#"{"speaker":"caller","text":"the secret word"}"#;
    assert_eq!(authorized(&server, "POST /calls/CAdone/transcript", FULL, line).status, 200);
    call.send(stop("CAdone")).await;
    call.close().await;
    finished_for(&server, "CAdone", READ).await;
    let mut live = provider(&server).await;
    live.send(one_way("CAlive")).await;
    until("it is live", || authorized(&server, "GET /calls/CAlive", READ, "").status == 200).await;

    // The live call's journal goes on by itself; it is looked at in the end.
    let snapshot = || {
        let mut found = BTreeMap::new();
        everything_in(&server.responses(), &mut found);
        found.retain(|path, _| !path.contains(".journal/"));
        found
    };
    let before = snapshot();
    assert_eq!(before.len(), 4, "{:?}", before.keys());
    let mut asked = 0;
    for route in ROUTES {
        for sid in ["CAdone", "CAlive", "CAnew"] {
            let path = route.path.replace("{sid}", sid);
            let bare = METHODS.iter().map(|method| (*method, path.clone(), String::new()));
            let mut requests: Vec<_> = bare.collect();
            for method in route.methods {
                requests
                    .extend(strangers(route, &path).into_iter().map(|head| (*method, path.clone(), head)));
                requests.extend(spellings(&path).into_iter().map(|path| (*method, path, String::new())));
            }
            for (method, path, head) in requests {
                let answer = server.request(&format!("{method} {path}\n{head}"), body(route).as_bytes());
                hold_back(route, &answer, &format!("{method} {path} {head:?}: {answer:?}"));
                asked += 1;
            }
            if path == route.path {
                break;
            }
        }
    }
    assert!(asked > 40 * ROUTES.len(), "{asked}");
    assert!(snapshot() == before, "files have changed: {:?}", snapshot().keys());
    let listed = authorized(&server, "GET /calls", READ, "").json();
    let listed: Vec<&str> =
        listed["calls"].as_array().unwrap().iter().map(|call| call["call"].as_str().unwrap()).collect();
    assert_eq!(listed, ["CAlive", "CAdone"]);
    let sockets = authorized(&server, "GET /health", READ, "").json()["sockets"]["open"].clone();
    assert_eq!(sockets, 1, "a stranger's socket is open");

    // What strangers asked of the live call, and of the one to come, was not done.
    live.send(stop("CAlive")).await;
    let mut next = provider(&server).await;
    for message in [one_way("CAnew"), inbound(0, 0x10), stop("CAnew")] {
        next.send(message).await;
    }
    for sid in ["CAlive", "CAnew"] {
        let summary = finished_for(&server, sid, READ).await;
        let transcript = authorized(&server, &format!("GET /calls/{sid}/transcript"), READ, "").text();
        assert!(!transcript.contains("slipped in"), "{transcript}");
        assert_ne!(summary["streams"][0]["audio"]["format"], "flac", "{summary}");
    }
}

/// That an answer tells a stranger nothing, and that it was not what the route does.
fn hold_back(route: &Route, answer: &Answer, what: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    for told in
        ["secret", "RIFF", "SUMMARY", "Stream", "problems", "version", "mb_per_minute", "CAdone", "CAlive"]
    {
        assert!(!text.contains(told), "{told} is told: {what}");
    }
    if answer.status == 200 {
        assert_eq!(route.who, Who::Everybody, "{what}");
        assert!(matches!(&*text, r#"{"status":"ready"}"# | r#"{"status":"live"}"#), "{what}");
    } else {
        assert!(matches!(answer.status, 400 | 401 | 403 | 404 | 405), "{what}");
        // The framework's own refusal, of a method in small letters, comes before anything is looked at.
        let is_door = answer.status != 400 || what.starts_with("get ");
        assert!(is_door, "a stranger's request was looked at: {what}");
    }
}

#[tokio::test]
async fn no_stranger_opens_the_media_socket() {
    let server = server();
    let elsewhere = sign_url(TOKEN, "wss://rec.example.org/media-stream");
    let forged = sign_url("another token", "wss://rec.example.com/media-stream");
    let bearer = format!("Bearer {FULL}");
    for headers in [
        &[][..],
        &[("authorization", bearer.as_str())],
        &[("x-twilio-signature", elsewhere.as_str())],
        &[("x-twilio-signature", forged.as_str())],
        &[("x-twilio-signature", "")],
        &[("host", "localhost")],
    ] {
        assert_eq!(server.provider_with(headers).await.err(), Some(403), "{headers:?}");
    }
}

/// So that the walk above does not hold because nobody is let in.
#[tokio::test(flavor = "multi_thread")]
async fn each_door_opens_to_its_own_credentials_alone() {
    let server = server();
    let mut call = provider(&server).await;
    call.send(start("CA1", "MZ1", &["inbound", "outbound"], &json!({}))).await;
    until("it is live", || authorized(&server, "GET /calls/CA1", READ, "").status == 200).await;
    for route in ROUTES {
        let path = route.path.replace("{sid}", "CA1");
        for method in route.methods {
            let line = format!("{method} {path}");
            let (read, full) = (
                authorized(&server, &line, READ, body(route)).status,
                authorized(&server, &line, FULL, body(route)).status,
            );
            // 409: its files are not there yet.
            let is_let_in = |status: u16| matches!(status, 200 | 409);
            match route.who {
                Who::Everybody | Who::Reader => {
                    assert!(is_let_in(read) && is_let_in(full), "{line}: {read} {full}");
                }
                Who::Writer => assert!(read == 403 && is_let_in(full), "{line}: {read} {full}"),
                Who::Webhook => {
                    assert_eq!((read, full), (403, 403), "{line}");
                    let form = [("CallSid", "CAnew"), ("From", "+15550001111")];
                    let signature = sign_form(TOKEN, &format!("{PUBLIC}{path}"), &form);
                    let head = format!("{line}\nX-Twilio-Signature: {signature}");
                    assert_eq!(server.request(&head, FORM.as_bytes()).status, 200, "{line}");
                }
                Who::MediaSocket => {
                    assert_eq!((read, full), (403, 403), "{line}");
                    provider(&server).await.close().await;
                }
                other => panic!("{line}: nobody has tried who may take a route of {other:?}"),
            }
        }
    }
}

/// The header that says which methods a path takes is made from the same rows.
#[test]
fn every_route_tells_the_methods_that_it_takes() {
    let server = TestServer::start([]);
    for route in ROUTES {
        let answer = server.request(&format!("DELETE {}", route.path.replace("{sid}", "CA1")), b"");
        let allowed = answer.header("allow").unwrap_or_default();
        assert_eq!(answer.status, 405, "{}", route.path);
        for method in route.methods {
            assert!(allowed.split(", ").any(|name| name == *method), "{}: {allowed}", route.path);
        }
    }
}
