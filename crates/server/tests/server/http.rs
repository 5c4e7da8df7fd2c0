//! The routes that tell about the server and answer the provider's webhook, and the shape of every error.

use super::test_server::TestServer;

#[test]
fn every_error_has_the_same_shape_whoever_found_it() {
    let server = TestServer::start([]);
    for (head, status, code) in [
        ("GET /nothing-here", 404, "no_such_route"),
        ("GET /", 404, "no_such_route"),
        ("DELETE /audio/formats", 405, "method_not_allowed"),
        ("GET /incoming-call", 405, "method_not_allowed"),
        ("GET /media-stream", 400, "bad_request"),
    ] {
        let answer = server.request(head, b"");
        assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{head}");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    }
    let answer = server.request("GET /incoming-call", b"");
    assert_eq!(answer.header("allow").as_deref(), Some("POST"));
    for path in ["recording", "summary"] {
        let answer = server.request(&format!("DELETE /calls/CA1/{path}"), b"");
        assert_eq!((answer.status, answer.header("allow").as_deref()), (405, Some("GET, HEAD")));
    }
    let huge = vec![b'a'; 3_000_000];
    let answer = server.request("POST /incoming-call", &huge);
    assert_eq!((answer.status, answer.error_code().as_str()), (413, "body_too_large"));
}

#[test]
fn formats_are_listed_recommended_first_with_what_a_minute_costs() {
    let server = TestServer::start([("DEFAULT_AUDIO_FORMAT", "wav")]);
    let json = server.get("/audio/formats").json();
    let formats = json["formats"].as_array().unwrap();
    assert_eq!(json["recommended"], formats[0]["format"]);
    assert_eq!(json["default"]["format"], "wav");
    let names: Vec<&str> = formats.iter().map(|format| format["format"].as_str().unwrap()).collect();
    let compiled: Vec<String> = callrec::Format::compiled().map(|format| format.to_string()).collect();
    assert_eq!(names, compiled);
    for format in formats {
        for field in ["extension", "media_type", "quality", "best_for"] {
            assert!(format[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {format}");
        }
        assert!(format["mb_per_minute"].as_f64().unwrap() > 0.0);
    }
    // 8 kHz, two channels, two bytes, 60 seconds.
    let wav = formats.iter().find(|format| format["format"] == "wav").unwrap();
    assert!((wav["mb_per_minute"].as_f64().unwrap() - 1.92).abs() < 0.01);
}

#[test]
fn a_call_with_a_bot_is_connected_to_the_media_socket() {
    let server = TestServer::start([
        ("BOT_URL", "wss://bot.example.com/"),
        ("PUBLIC_URL", "https://rec.example.com/base/"),
        ("TWILIO_AUTH_TOKEN", "12345"),
        ("API_TOKEN", "the-token-for-all"),
    ]);
    let signature =
        callrec_protocol::signature::sign_url("12345", "https://rec.example.com/base/incoming-call");
    let answer = server.request(&format!("POST /incoming-call\nX-Twilio-Signature: {signature}"), b"");
    assert_eq!(answer.header("content-type").as_deref(), Some("text/xml"));
    assert!(
        answer
            .text()
            .contains(r#"<Connect><Stream url="wss://rec.example.com/base/media-stream"/></Connect>"#)
    );
}

#[test]
fn a_call_without_a_bot_is_copied_and_goes_on_elsewhere() {
    let server = TestServer::start([
        ("NEXT_TWIML_URL", "https://bot.example.com/next?a=1&b=2"),
        ("TWILIO_AUTH_TOKEN", "12345"),
    ]);
    let ask = |host: &str| {
        let signature =
            callrec_protocol::signature::sign_url("12345", &format!("https://{host}/incoming-call"));
        let head = format!("POST /incoming-call\nHost: {host}\nX-Twilio-Signature: {signature}");
        server.request(&head, b"").text()
    };
    let twiml = ask("abc.ngrok.app");
    assert!(
        twiml.contains(r#"<Stream url="wss://abc.ngrok.app/media-stream" track="both_tracks"/>"#),
        "{twiml}"
    );
    assert!(twiml.contains("https://bot.example.com/next?a=1&amp;b=2</Redirect>"), "{twiml}");
    let twiml = ask(&server.address.to_string());
    assert!(twiml.contains(&format!("ws://{}/media-stream", server.address)), "{twiml}");
}

#[test]
fn a_call_that_nobody_can_answer_hears_a_sentence() {
    let server = TestServer::start([]);
    let twiml = server.request("POST /incoming-call", b"").text();
    assert!(twiml.contains("<Say>") && !twiml.contains("Stream"), "{twiml}");
}

#[test]
fn answers_carry_light_security_headers() {
    let server = TestServer::start([]);
    for path in ["/audio/formats", "/nothing-here"] {
        let answer = server.get(path);
        assert_eq!(answer.header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"), "{path}");
    }
}
