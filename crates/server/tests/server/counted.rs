//! At limits that are met by asking too much at once, or by not reading: a counter, and no effect on a call beside.

use super::beside::Beside;
use super::limits::{ask, status};
use super::phone::{both_sides, call_one_way, finished, one_way, relayed, sides, speech, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Got, TestServer, until};
use callrec_protocol::signature::{body_sha256, sign_form, sign_url};
use serde_json::{Value, json};
use std::time::Duration;

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");

/// How often a limit of the recorder was met.
fn recorder_refused(server: &TestServer, limit: &str) -> u64 {
    let health = server.get("/health").json();
    health["recorder"]["refused"][limit].as_u64().unwrap_or_else(|| panic!("{limit} is not in {health}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_too_large_is_refused_and_counted_and_a_call_beside_goes_on() {
    let server = TestServer::start([WAV]);
    let call = Beside::begin(&server).await;
    let head = |headers: &str| format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let many = |count: usize| head(&"x-many: 1\r\n".repeat(count));
    let long = |bytes: usize| head(&format!("x-long: {}\r\n", "a".repeat(bytes)));
    for fits in [many(95), long(100_000)] {
        assert_eq!(status(&ask(&server, &fits)), Some("200"));
    }
    assert_eq!(server.refused("connections_without_request"), 0);
    for (count, too_large) in [(1, many(97)), (2, long(200_000))] {
        let answer = ask(&server, &too_large);
        assert!(
            matches!(status(&answer), Some("400" | "431") | None),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        until("it is counted", || server.refused("connections_without_request") == count).await;
    }
    call.ends_whole(&server).await;
}

#[tokio::test]
async fn a_form_of_too_many_fields_is_refused_and_counted_and_a_call_beside_goes_on() {
    let form = |count: usize| -> Vec<(String, String)> {
        // The provider sorts them, whatever their order.
        (0..count).rev().map(|number| (format!("Field{number}"), "x y".to_owned())).collect()
    };
    let encoded = |form: &[(String, String)]| {
        let fields: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        // What stands between fields and is none is not counted.
        format!("&&{}&", fields.join("&&"))
    };
    let server = TestServer::start([WAV]);
    let call = Beside::begin(&server).await;
    let ask = |count| server.request("POST /incoming-call", encoded(&form(count)).as_bytes());
    assert_eq!((ask(1_000).status, server.refused("forms_refused")), (200, 0));
    for (refused, count) in [(1, 1_001), (2, 3_000)] {
        let answer = ask(count);
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "too_many_fields"));
        assert_eq!(server.refused("forms_refused"), refused);
    }
    call.ends_whole(&server).await;

    let public = ("PUBLIC_URL", "https://rec.example.com");
    let server =
        TestServer::start([public, ("TWILIO_AUTH_TOKEN", "12345"), ("API_TOKEN", "the-token-for-all")]);
    let ask = |count: usize, token: &str| {
        let form = form(count);
        let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        let signature = sign_form(token, "https://rec.example.com:443/incoming-call", &fields);
        let head = format!("POST /incoming-call\nX-Twilio-Signature: {signature}");
        server.request(&head, encoded(&form).as_bytes()).status
    };
    let answers = [(1_000, "12345"), (1_000, "other"), (1_001, "12345"), (1_001, "other")];
    assert_eq!(answers.map(|(count, token)| ask(count, token)), [200, 403, 400, 400]);
    assert_eq!(server.request("POST /incoming-call", encoded(&form(3_000)).as_bytes()).status, 403);

    // JSON has no fields, whatever stands in its texts: it is signed by its hash.
    let body = json!({ "text": encoded(&form(3_000)) }).to_string();
    let path = format!("/incoming-call?bodySHA256={}", body_sha256(body.as_bytes()));
    let signature = sign_url("12345", &format!("https://rec.example.com{path}"));
    let ask = |signature: &str| {
        let head = format!("POST {path}\nContent-Type: application/json\nX-Twilio-Signature: {signature}");
        server.request(&head, body.as_bytes()).status
    };
    assert_eq!([ask(&signature), ask("bm8=")], [200, 403]);
}

#[tokio::test]
async fn too_many_lines_and_a_line_too_long_are_refused_and_counted_and_a_call_beside_goes_on() {
    let server = TestServer::start([WAV]);
    let call = Beside::begin(&server).await;
    let line = |bytes: usize| json!({ "speaker": "caller", "text": "x".repeat(bytes) });
    let lines = |count: usize| Value::Array(vec![line(1); count]).to_string();
    let long = |bytes: usize| line(bytes).to_string();
    for (fits, too_much) in [(lines(1_000), lines(1_001)), (long(64 * 1024), long(64 * 1024 + 1))] {
        assert_eq!(server.post("/calls/CA9/transcript", &fits).status, 200);
        let answer = server.post("/calls/CA9/transcript", &too_much);
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "bad_line"));
    }
    assert_eq!(server.post("/calls/CA9/transcript", "[]").status, 400);
    assert_eq!(server.refused("lines_refused"), 2, "what is no line meets no limit");
    call.ends_whole(&server).await;
}

#[tokio::test]
async fn lines_that_a_transcript_has_no_room_for_are_refused_and_counted_at_once_and_a_call_beside_goes_on() {
    let server = TestServer::start([WAV]);
    let beside = Beside::begin(&server).await;
    let mut call = server.provider().await;
    call.send(one_way("CA1")).await;
    until("it has begun", || server.get("/calls/CA1").status == 200).await;
    let line = json!({ "speaker": "caller", "text": "x".repeat(1_000) });
    let lines = Value::Array(vec![line; 1_000]).to_string();
    for _ in 0..4 {
        let answer = server.post("/calls/CA1/transcript", &lines);
        assert_eq!((answer.status, &answer.json()["added"]), (200, &json!(1_000)));
    }
    // 4 MiB have 4,194 of them.
    for (refused, in_all) in [(806, 806), (1_000, 1_806)] {
        let answer = server.post("/calls/CA1/transcript", &lines);
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "full"));
        assert!(
            answer.text().contains(&format!("no room for {refused} of the 1000 lines")),
            "{}",
            answer.text()
        );
        assert_eq!(recorder_refused(&server, "transcript_lines"), in_all);
    }
    assert_eq!(server.post("/calls/CA9/transcript", &lines).status, 200, "that of another call has room");
    both_sides(&mut call, 0, 50).await;
    call.close().await;
    let summary = finished(&server, "CA1").await;
    let stream = &summary["streams"][0];
    assert_eq!(stream["lines"].as_array().unwrap().len(), 4_194);
    assert_eq!(stream["completeness"]["dropped"]["transcript_lines"], 1_806);
    assert_eq!(recorder_refused(&server, "transcript_lines"), 1_806, "none is counted twice");
    assert_eq!(sides(&server, "CA1").0.len(), 8_000);
    beside.ends_whole(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_read_holds_back_its_own_bot_alone_and_is_counted_once() {
    // Twice of what the server, and the system on both sides, hold together.
    const MESSAGES: usize = 500;
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut deaf = server.provider().await;
    deaf.send(relayed("CA1")).await;
    let mut words = bot.accept().await;
    let call = Beside::begin(&server).await;
    assert_eq!(server.refused("providers_deaf"), 0);
    let message = "x".repeat(100_000);
    let said = {
        let message = message.clone();
        tokio::spawn(async move {
            for _ in 0..MESSAGES {
                words.send(message.clone()).await;
            }
            words
        })
    };
    until("it is counted", || server.refused("providers_deaf") == 1).await;
    call.ends_whole(&server).await;
    // It reads at last, slowly at first: it is behind again and again. Nothing is lost, and it was one time.
    for number in 0..MESSAGES {
        if number < 150 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(deaf.next().await == Got::Text(message.clone()));
    }
    assert_eq!(server.refused("providers_deaf"), 1);
    drop(said.await.unwrap());
}

/// The bound of what one bot, or one provider, has not read is larger than that of all, if that is small: how much is sent to one
/// until it is given up, or its bot not read, in messages of so many bytes.
async fn sent_to_the_deaf(limit: &str, most_waiting_mb: &str, bytes: usize) -> usize {
    let bot = ScriptedBot::listen().await;
    let settings = [WAV, ("BOT_URL", &bot.url()), ("MAX_WAITING_MB", most_waiting_mb)];
    let server = TestServer::start(settings);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut its_bot = bot.accept().await;
    let mut beside = Beside::begin(&server).await;
    let message = "x".repeat(bytes);
    for sent in 0..1_000 {
        if server.refused(limit) == 1 {
            beside.ends_whole(&server).await;
            return sent;
        }
        let sending = async {
            match limit {
                "bots_deaf" => provider.send(message.clone()).await,
                _ => its_bot.send(message.clone()).await,
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        beside.during(sending).await;
    }
    panic!("what nobody reads is held without end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_bots_and_providers_have_not_read_is_bounded_and_counted_and_a_call_beside_goes_on() {
    for (limit, fewer) in [("bots_deaf", 20), ("providers_deaf", 100)] {
        let sent =
            (sent_to_the_deaf(limit, "1", 100_000).await, sent_to_the_deaf(limit, "512", 100_000).await);
        assert!(sent.0 + fewer < sent.1, "{limit}: {sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_long_messages_to_a_provider_that_does_not_read_one_is_on_its_way_and_the_rest_is_counted() {
    // 16 of a megabyte wait, and a few are in the buffers of the connection and of the system on both sides.
    let sent = sent_to_the_deaf("providers_deaf", "512", 1_000_000).await;
    assert!((16..35).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_list_of_more_calls_than_are_listed_tells_how_many_are_left_out_and_is_counted() {
    const MORE: usize = 3;
    let server = TestServer::start([WAV]);
    call_one_way(&server, "CA1", 10).await;
    finished(&server, "CA1").await;
    assert_eq!(server.get("/calls").json()["left_out"], 0);
    assert_eq!(server.refused("lists_cut"), 0);
    let summary = server.responses().join("call_CA1_summary.json");
    for number in 0..999 + MORE {
        std::fs::copy(&summary, server.responses().join(format!("call_CB{number}_summary.json"))).unwrap();
    }
    let call = Beside::begin(&server).await;
    let list = server.get("/calls").json();
    assert_eq!(list["calls"].as_array().unwrap().len(), 1_001, "those, and the live one");
    assert_eq!(list["left_out"], MORE);
    assert_eq!(server.refused("lists_cut"), 1);
    call.ends_whole(&server).await;
}

#[tokio::test]
async fn what_a_recording_lost_by_a_limit_is_counted_when_it_is_finished_and_a_call_beside_goes_on() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    let beside = Beside::begin(&server).await;
    let _bot_beside = bot.accept().await;
    let counted =
        || ["recordings_too_long", "transcript_lines"].map(|limit| recorder_refused(&server, limit));
    // Eleven minutes at once, of which ten may wait; and two lines of which one is none.
    call.send(speech(&vec![0x10; 660 * 8_000])).await;
    assert!(matches!(provider.next().await, Got::Text(_)));
    let lines = json!([{"speaker": "nobody", "text": "x"}, {"speaker": "assistant", "text": "x"}]);
    call.send(json!({"event": "transcript", "lines": lines}).to_string()).await;
    call.send(speech(&[0x10; 160])).await;
    assert!(matches!(provider.next().await, Got::Text(_)));
    provider.send(stop("CA1")).await;
    let summary = finished(&server, "CA1").await;
    let report = &summary["streams"][0]["completeness"];
    assert!(report["assistant"]["refused_ms"].as_u64().unwrap() >= 59_000, "{report}");
    assert_eq!(counted(), [1, 1]);
    beside.ends_whole(&server).await;
    assert_eq!(counted(), [1, 1], "that of a call at no limit is not");
}

#[tokio::test]
async fn a_format_too_many_is_refused_and_counted_and_a_call_beside_goes_on() {
    const MOST: usize = 10_000;
    let server = TestServer::start([WAV]);
    let beside = Beside::begin(&server).await;
    until("it has begun", || server.get("/calls/CA9").status == 200).await;
    let set = |call: &str| server.post(&format!("/audio/set-format/{call}?format=flac"), "");
    std::thread::scope(|scope| {
        for first in 0..4 {
            let calls = (first..MOST).step_by(4);
            scope.spawn(move || calls.for_each(|call| assert_eq!(set(&format!("CB{call}")).status, 200)));
        }
    });
    assert_eq!(recorder_refused(&server, "formats_full"), 0);
    for refused in 1..=2 {
        let answer = set("CC1");
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "full"));
        assert_eq!(recorder_refused(&server, "formats_full"), refused);
    }
    assert_eq!(set("CB0").status, 200, "for this one something is remembered already");
    let answer = server.post("/audio/set-format/CA9?format=wav", "");
    assert_eq!((answer.status, &answer.json()["applied"]), (200, &json!("to the whole call")));
    call_one_way(&server, "CB0", 10).await;
    finished(&server, "CB0").await;
    assert_eq!(set("CC1").status, 200, "a call that has begun makes room");
    assert_eq!(recorder_refused(&server, "formats_full"), 2);
    beside.ends_whole(&server).await;
}
