//! What a browser may do: no page of another origin opens a socket or posts, and every answer says what may be done with it.

use super::phone::{CONNECTED, one_way};
use super::test_server::{Answer, TestServer};
use callrec_protocol::signature::{sign_form, sign_url};
use callrec_server::{ROUTES, Who};

const FOREIGN: [&str; 7] = [
    "https://evil.example",
    "null",
    "https://rec.example.com.evil.example",
    "http://rec.example.com",
    "https://rec.example.com:8443",
    "http://localhost:1",
    "",
];

fn public() -> TestServer {
    TestServer::start([
        ("TWILIO_AUTH_TOKEN", "12345"),
        ("API_TOKEN", "the-token-for-all"),
        ("PUBLIC_URL", "https://rec.example.com/base"),
    ])
}

/// With all that a request must have.
fn post(server: &TestServer, path: &str, origins: &[&str]) -> Answer {
    let form = [("CallSid", "CA1")];
    let signature = sign_form("12345", &format!("https://rec.example.com/base{path}"), &form);
    let origins: String = origins.iter().map(|origin| format!("\nOrigin: {origin}")).collect();
    let head = format!(
        "POST {path}\nAuthorization: Bearer the-token-for-all\nX-Twilio-Signature: {signature}{origins}"
    );
    server.request(&head, b"CallSid=CA1")
}

#[test]
fn a_page_of_another_origin_can_post_to_no_route_whatever_it_has() {
    let server = public();
    for route in ROUTES.iter().filter(|route| route.methods.contains(&"POST")) {
        let path = route.path.replace("{sid}", "CA1");
        for foreign in FOREIGN {
            let answer = post(&server, &path, &[foreign]);
            assert_eq!((answer.status, answer.error_code().as_str()), (403, "forbidden"), "{path} {foreign}");
            assert!(answer.text().contains("origin"), "{path} {foreign}: {}", answer.text());
        }
        let twice = post(&server, &path, &["https://rec.example.com", "https://evil.example"]);
        assert_eq!(twice.status, 403, "{path}");
        for allowed in [&[][..], &["https://rec.example.com"], &["HTTPS://REC.example.com"]] {
            assert!(!post(&server, &path, allowed).text().contains("origin"), "{path} {allowed:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_origin_can_open_no_socket_with_a_signature_or_without() {
    let signed = sign_url("12345", "wss://rec.example.com/base/media-stream");
    let (public, local) = (public(), TestServer::start([]));
    for foreign in FOREIGN {
        let headers = [("x-twilio-signature", signed.as_str()), ("origin", foreign)];
        assert_eq!(public.provider_with(&headers).await.err(), Some(403), "{foreign}");
        assert_eq!(local.provider_with(&[("origin", foreign)]).await.err(), Some(403), "{foreign}");
    }
    // A name of the page's own that leads here: what it says of itself agrees, and proves nothing.
    let rebound = [("origin", "http://evil.example"), ("host", "evil.example")];
    assert_eq!(local.provider_with(&rebound).await.err(), Some(403));
    let own = format!("http://{}", local.address);
    local.provider_with(&[("origin", &own)]).await.expect("its own page").close().await;
    let headers = [("x-twilio-signature", signed.as_str()), ("origin", "https://rec.example.com")];
    public.provider_with(&headers).await.expect("its own page").close().await;
}

#[test]
fn without_tokens_no_page_and_nobody_behind_a_proxy_is_answered() {
    let server = TestServer::start([]);
    for header in [
        "Host: evil.example",
        "Origin: https://evil.example",
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Host: rec.example.com",
        "Forwarded: for=203.0.113.7",
        "X-Real-IP: 203.0.113.7",
        "Via: 1.1 proxy",
    ] {
        let head = format!("GET /calls\n{header}");
        assert_eq!(server.request(&head, b"").status, 401, "{header}");
    }
    assert_eq!(server.get("/calls").status, 200);
    assert_eq!(server.request("POST /calls/CA1/transcript\nOrigin: http://localhost:3000", b"").status, 403);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = public();
    let mut answers = vec![server.get("/"), server.get("/nothing-here"), server.get("/%00")];
    let huge = vec![b'a'; 3_000_000];
    answers.push(server.request("POST /incoming-call\nX-Twilio-Signature: x", &huge));
    for route in ROUTES {
        let path = route.path.replace("{sid}", "CA1");
        for method in ["GET", "POST", "DELETE"] {
            answers.push(server.request(&format!("{method} {path}"), b""));
            answers.push(
                server.request(&format!("{method} {path}\nAuthorization: Bearer the-token-for-all"), b""),
            );
        }
        if route.who == Who::Webhook {
            answers.push(post(&server, &path, &[]));
            answers.push(post(&server, &path, &["null"]));
        }
    }
    for status in [200, 401, 403, 404, 405, 413] {
        assert!(answers.iter().any(|answer| answer.status == status), "no answer has {status}");
    }
    for answer in &answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name).as_deref(), Some(value), "{name}: {}", answer.head);
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    // The upgrade too, and a recording that is sent.
    let local = TestServer::start([]);
    let mut provider = local.provider().await;
    for message in [CONNECTED.to_owned(), one_way("CA1"), super::phone::stop("CA1")] {
        provider.send(message).await;
    }
    super::phone::finished(&local, "CA1").await;
    for path in ["/calls/CA1/transcript", "/calls/CA1/summary"] {
        let answer = local.get(path);
        assert_eq!(
            (answer.status, answer.header("x-frame-options").as_deref()),
            (200, Some("DENY")),
            "{path}"
        );
        assert_eq!(answer.header("strict-transport-security"), None, "not without TLS in front");
    }
}
