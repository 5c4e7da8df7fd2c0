//! Who may do what.

use super::limits::{ask, status};
use super::test_server::TestServer;
use callrec_protocol::signature::{sign_form, sign_url};

#[test]
fn without_tokens_this_machine_is_answered_and_nobody_else() {
    let server = TestServer::start([]);
    assert_eq!(server.get("/audio/formats").status, 200);
    for foreign in ["Host: abc.ngrok.app", "Origin: https://evil.example"] {
        let answer = server.request(&format!("GET /audio/formats\n{foreign}"), b"");
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "unauthorized"), "{foreign}");
    }
    assert_eq!(server.request("GET /audio/formats\nOrigin: http://localhost:3000", b"").status, 200);
}

#[test]
fn with_tokens_only_the_right_ones_are_answered() {
    let server = TestServer::start([("API_TOKEN", "full-token"), ("API_READ_TOKEN", "read-token")]);
    let with = |authorization: &str| {
        server.request(&format!("GET /audio/formats\nAuthorization: {authorization}"), b"").status
    };
    assert_eq!(server.get("/audio/formats").status, 401);
    for wrong in
        ["Bearer full-toke", "Bearer full-token2", "Bearer ", "Basic full-token", "full-token", "Bearer"]
    {
        assert_eq!(with(wrong), 401, "{wrong}");
    }
    for right in ["Bearer full-token", "bearer full-token", "Bearer read-token"] {
        assert_eq!(with(right), 200, "{right}");
    }
}

#[test]
fn health_tells_a_stranger_only_its_status() {
    let server = TestServer::start([("API_TOKEN", "full-token")]);
    let stranger = server.get("/health");
    assert_eq!((stranger.status, stranger.text().as_str()), (200, r#"{"status":"ready"}"#));
    let friend = server.request("GET /health\nAuthorization: Bearer full-token", b"");
    assert!(friend.json()["sockets"]["most"].is_number());
}

#[test]
fn a_webhook_is_answered_only_with_the_providers_signature() {
    let server = TestServer::start([
        ("TWILIO_AUTH_TOKEN", "12345"),
        ("PUBLIC_URL", "https://rec.example.com"),
        ("API_TOKEN", "the-token-for-all"),
    ]);
    let form = "CallSid=CA1&From=%2B14155550100&Empty=";
    let params = [("CallSid", "CA1"), ("From", "+14155550100"), ("Empty", "")];
    let ask = |signature: &str| {
        let head = format!(
            "POST /incoming-call\nContent-Type: application/x-www-form-urlencoded\nX-Twilio-Signature: {signature}"
        );
        server.request(&head, form.as_bytes())
    };
    let right = sign_form("12345", "https://rec.example.com/incoming-call", &params);
    assert_eq!(ask(&right).status, 200);
    for wrong in [
        sign_form("12346", "https://rec.example.com/incoming-call", &params),
        sign_form("12345", "https://rec.example.org/incoming-call", &params),
        sign_form("12345", "https://rec.example.com/incoming-call", &params[..2]),
        String::new(),
    ] {
        let answer = ask(&wrong);
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "forbidden"));
    }
    assert_eq!(server.request("POST /incoming-call", form.as_bytes()).status, 403);
}

#[tokio::test]
async fn a_media_socket_opens_only_with_the_providers_signature() {
    let server = TestServer::start([
        ("TWILIO_AUTH_TOKEN", "12345"),
        ("PUBLIC_URL", "https://example.com"),
        ("API_TOKEN", "the-token-for-all"),
    ]);
    // The published vector, and the spelling with a slash that the provider sometimes signs.
    for right in ["XFfwGS2Ev7f9qAP9MmRoMS7C724=", "7J0iz81itFhCXVuZK8EmM4YZwLA="] {
        server.provider_with(&[("x-twilio-signature", right)]).await.expect("taken").close().await;
    }
    let wrong = sign_url("12345", "wss://example.org/media-stream");
    for headers in [&[][..], &[("x-twilio-signature", wrong.as_str())], &[("x-twilio-signature", "")]] {
        assert_eq!(server.provider_with(headers).await.err(), Some(403));
    }
}

#[tokio::test]
async fn without_a_public_url_the_host_header_is_what_was_signed() {
    let server = TestServer::start([("TWILIO_AUTH_TOKEN", "12345")]);
    for scheme in ["ws", "wss"] {
        let signature = sign_url("12345", &format!("{scheme}://{}/media-stream", server.address));
        server.provider_with(&[("x-twilio-signature", &signature)]).await.expect("taken").close().await;
    }
    assert_eq!(server.provider_with(&[("x-twilio-signature", "bm8=")]).await.err(), Some(403));
}

#[tokio::test]
async fn with_a_public_url_no_other_host_is_believed_whoever_names_it() {
    let server = TestServer::start([
        ("TWILIO_AUTH_TOKEN", "12345"),
        ("PUBLIC_URL", "https://rec.example.com"),
        ("API_TOKEN", "the-token-for-all"),
    ]);
    for scheme in ["http", "https"] {
        let webhook = sign_form("12345", &format!("{scheme}://rec.example.org/incoming-call"), &[]);
        let media = scheme.replace("http", "ws");
        let upgrade = sign_url("12345", &format!("{media}://rec.example.org/media-stream"));
        for named_by in ["host", "x-forwarded-host"] {
            let forwarded = ("x-forwarded-proto", scheme);
            let head = format!(
                "POST /incoming-call\n{named_by}: rec.example.org\n{}: {}\nX-Twilio-Signature: {webhook}",
                forwarded.0, forwarded.1
            );
            assert_eq!(server.request(&head, b"").status, 403, "{head}");
            let headers =
                [(named_by, "rec.example.org"), forwarded, ("x-twilio-signature", upgrade.as_str())];
            assert_eq!(server.provider_with(&headers).await.err(), Some(403), "{headers:?}");
        }
    }
    // It is the host that they are refused for.
    let signature = sign_form("12345", "https://rec.example.com/incoming-call", &[]);
    let head = format!("POST /incoming-call\nHost: rec.example.org\nX-Twilio-Signature: {signature}");
    assert_eq!(server.request(&head, b"").status, 200);
}

#[test]
fn the_body_of_a_webhook_without_a_signature_is_not_waited_for() {
    let server = TestServer::start([("TWILIO_AUTH_TOKEN", "12345")]);
    let head = "POST /incoming-call HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n";
    let unsigned = ask(&server, &format!("{head}\r\nCallSid=CA1"));
    assert_eq!(status(&unsigned), Some("403"), "{}", unsigned.escape_ascii());
    assert_eq!(server.refused("requests_too_slow"), 0);
}

#[tokio::test]
async fn a_web_page_cannot_open_a_media_socket() {
    let server = TestServer::start([]);
    assert_eq!(server.provider_with(&[("origin", "https://evil.example")]).await.err(), Some(403));
}

/// What shows that a request came through a tunnel or a proxy, by which anybody may have sent it.
const FROM_ELSEWHERE: [(&str, &str); 5] = [
    ("host", "abc.ngrok.app"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-host", "abc.ngrok.app"),
    ("forwarded", "for=203.0.113.7"),
    ("via", "1.1 proxy"),
];

#[tokio::test]
async fn what_is_signed_for_the_bot_opens_no_socket_here() {
    const SETTINGS: [(&str, &str); 2] = [("TWILIO_AUTH_TOKEN", "12345"), ("API_TOKEN", "the-token-for-all")];
    for (bot, public, hosts) in [
        ("wss://bot.example.com/media-stream", None, ["bot.example.com", "bot.example.com:443"]),
        ("wss://bot.example.com:8443/media-stream", None, ["bot.example.com:8443", "x@bot.example.com:8443"]),
        ("ws://127.0.0.1:9/media-stream", None, ["127.0.0.1:9", "127.0.0.1:9/"]),
        // With a PUBLIC_URL, whose socket a bot's address may not be.
        (
            "wss://example.com/bot/media-stream",
            Some("https://example.com:8443"),
            ["example.com:8443", "example.com"],
        ),
    ] {
        let public = public.map(|url| ("PUBLIC_URL", url));
        let settings = [SETTINGS[0], SETTINGS[1], ("BOT_URL", bot), public.unwrap_or(SETTINGS[0])];
        let server = TestServer::start(settings);
        let signature = sign_url("12345", bot);
        for host in hosts {
            let headers = [
                ("host", host),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-twilio-signature", signature.as_str()),
            ];
            assert_eq!(server.provider_with(&headers).await.err(), Some(403), "{bot}, {host}");
        }
    }
    // It may be that of our socket with a query, which nobody calls, and whoever was shown the signature could.
    let bot = ("BOT_URL", "wss://example.com/media-stream?bot");
    let server =
        TestServer::start([SETTINGS[0], SETTINGS[1], bot, ("PUBLIC_URL", "https://example.com:8443")]);
    let status = |query: &str| {
        let signature = sign_url("12345", &format!("wss://example.com/media-stream{query}"));
        server.request(&format!("GET /media-stream{query}\nX-Twilio-Signature: {signature}"), b"").status
    };
    assert_eq!(status("?bot"), 403);
    // The provider's are valid; what comes here is no upgrade.
    assert_eq!([status(""), status("?other")], [400, 400]);
}

#[tokio::test]
async fn without_the_providers_token_webhooks_and_sockets_are_taken_of_this_machine_alone() {
    let bot = ("BOT_URL", "ws://127.0.0.1:9/");
    for server in [TestServer::start([bot]), TestServer::start([bot, ("API_TOKEN", "the-token-for-all")])] {
        let signature = sign_url("12345", "wss://abc.ngrok.app/media-stream");
        for (name, value) in FROM_ELSEWHERE {
            for signed in ["", "\nX-Twilio-Signature: bm8="] {
                let head = format!("POST /incoming-call\n{name}: {value}{signed}");
                let answer = server.request(&head, b"CallSid=CA1");
                assert_eq!((answer.status, answer.error_code().as_str()), (403, "forbidden"), "{head}");
                for setting in ["TWILIO_AUTH_TOKEN", "PUBLIC_URL", "API_TOKEN"] {
                    assert!(answer.text().contains(setting), "{setting} is not told: {}", answer.text());
                }
            }
            for headers in [&[(name, value)][..], &[(name, value), ("x-twilio-signature", &signature)]] {
                assert_eq!(server.provider_with(headers).await.err(), Some(403), "{headers:?}");
            }
        }
        assert_eq!(server.request("POST /incoming-call", b"CallSid=CA1").status, 200);
        server.provider().await.close().await;
    }
    // With it, a tunnel is as good as any address, and its name what was signed.
    let server = TestServer::start([bot, ("TWILIO_AUTH_TOKEN", "12345")]);
    for (name, value) in FROM_ELSEWHERE {
        let host = if name == "host" { value.to_owned() } else { server.address.to_string() };
        let signature = sign_url("12345", &format!("wss://{host}/media-stream"));
        let headers = [(name, value), ("x-twilio-signature", signature.as_str())];
        server.provider_with(&headers).await.expect("taken").close().await;
    }
}
