//! The logs of the shipped binary at their most talkative, over everything that it does: they tell nothing of a call.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use callrec::Track;
use callrec_protocol::signature::{sign_form, sign_url};
use callrec_protocol::twilio::outgoing::Provider;
use futures_util::{SinkExt, StreamExt};
use spawned::Spawned as Server;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const LONG: Duration = Duration::from_secs(20);
/// What must be in no log: whatever is secret in these tests has this word in it, or one of those below.
const SECRET: &str = "secret";
const NUMBER: &str = "5550001111";
const DIGITS: &str = "73917";
/// "secretaudio" in the middle of its base64 text.
const AUDIO: [u8; 6] = [0xb1, 0xe7, 0x2b, 0x7a, 0x3b, 0x6a];
const SPEECH: [u8; 6] = [0xb1, 0xe7, 0x2b, 0x7a, 0xca, 0x5e];

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One request with `curl`'s means; gives the status and the text.
fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = match method {
        "GET" => {
            headers.iter().fold(agent.get(url), |request, (name, value)| request.header(*name, *value)).call()
        }
        _ => headers
            .iter()
            .fold(agent.post(url), |request, (name, value)| request.header(*name, *value))
            .send(body),
    }
    .unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
}

async fn provider(server: &Server) -> Socket {
    let mut request = server.media().as_str().into_client_request().unwrap();
    let signature = sign_url("secretauthtoken", &server.media());
    request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
    request.headers_mut().insert("x-secret-header", "secretheader".parse().unwrap());
    connect_async(request).await.unwrap().0
}

/// A webhook of the provider's, and the token in the TwiML that answers it.
fn answered(base: &str) -> String {
    let url = format!("{base}/incoming-call");
    let form = [("CallSid", "CA1"), ("From", "+15550001111"), ("CallerName", "secretname")];
    let signature = sign_form("secretauthtoken", &url, &form);
    let form = "CallSid=CA1&From=%2B15550001111&CallerName=secretname";
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let (status, twiml) = ask("POST", &url, &[kind, ("x-twilio-signature", &signature)], form);
    assert_eq!(status, 200);
    assert_eq!(ask("POST", &url, &[kind, ("x-twilio-signature", "secretsignature")], form).0, 403);
    let (_, token) = twiml.split_once(r#"name="callrec_token" value=""#).unwrap();
    token.split('"').next().unwrap().to_owned()
}

/// Everything that the REST API takes, well and badly, for the live call.
fn use_the_api(base: &str) {
    let authorized = ("authorization", "Bearer secretapitokenforall");
    let lines = format!("{base}/calls/CA1/transcript");
    let line = r#"{"speaker":"caller","text":"secretword"}"#;
    let began = std::time::Instant::now();
    while ask("POST", &lines, &[authorized], line).0 != 200 {
        assert!(began.elapsed() < LONG, "the call does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    for (method, path, headers, body, status) in [
        ("POST", "/calls/CA1/transcript", &[authorized][..], r#"{"speaker":"secretspeaker"}"#, 400),
        ("POST", "/calls/CA1/transcript", &[("authorization", "Bearer secretwrong")], line, 401),
        ("POST", "/calls/CA1/transcript", &[("authorization", "Bearer secretreadtokenforsome")], line, 403),
        ("POST", "/calls/CA1/transcript?token=secrettoken", &[authorized], r#"{"secretkey":1}"#, 400),
        ("POST", "/audio/set-format/CA1", &[authorized], r#"{"format":"secretformat"}"#, 400),
        (
            "POST",
            "/audio/set-format/CA1?format=flac",
            &[authorized, ("origin", "https://secret.example")],
            "",
            403,
        ),
        ("GET", "/calls", &[("authorization", "Bearer secretreadtokenforsome")], "", 200),
        ("GET", "/calls/+15550001111", &[authorized], "", 400),
        ("GET", "/calls/CA1/recording?secretquery=1", &[authorized, ("cookie", "secretcookie=1")], "", 409),
        ("GET", "/secretpath/+15550001111", &[authorized], "", 404),
        ("GET", "/health", &[authorized], "", 200),
    ] {
        let (is, answer) = ask(method, &format!("{base}{path}"), headers, body);
        assert_eq!(is, status, "{method} {path}: {answer}");
    }
}

/// A call from its webhook to its end; the bot, if there is one, talks back.
async fn call(server: &Server, bot: Option<&TcpListener>) -> Vec<String> {
    let base = server.base.clone();
    let token = tokio::task::spawn_blocking(move || answered(&base)).await.unwrap();
    let mut socket = provider(server).await;
    let mut phone = Provider::new("CA1", "MZ1");
    let parameters =
        [("from", "+15550001111"), ("audio_format", "secretformat"), ("callrec_token", token.as_str())];
    let tracks = [Track::Caller, Track::Assistant];
    let tracks = if bot.is_some() { &tracks[..1] } else { &tracks };
    let mut messages = vec![
        phone.connected(),
        phone.start(tracks, &parameters),
        phone.dtmf(DIGITS),
        r#"{"event":"media","media":"secretmessage"#.to_owned(),
        r#"{"event":"secretevent"}"#.to_owned(),
        r#"{"event":"media","media":{"track":"inbound","timestamp":"secrettime","payload":"secret-payload"}}"#.to_owned(),
        r#"{"event":"mark","mark":{"name":"secretmark"}}"#.to_owned(),
    ];
    messages.extend((0..50).map(|index| phone.media(Track::Caller, index * 20, &AUDIO.repeat(26))));
    for message in messages {
        socket.send(Message::text(message)).await.unwrap();
    }
    socket.send(Message::Ping(b"secretping".as_slice().into())).await.unwrap();
    socket.send(Message::binary(b"secretbinary".to_vec())).await.unwrap();
    let mut talker = None;
    if let Some(bot) = bot {
        let (stream, _) = tokio::time::timeout(LONG, bot.accept()).await.unwrap().unwrap();
        let mut bot = tokio_tungstenite::accept_async(stream).await.unwrap();
        while !matches!(bot.next().await, Some(Ok(Message::Text(text))) if text.contains("\"start\"")) {}
        let speech = BASE64.encode(SPEECH.repeat(400));
        for text in [
            r#"{"event":"clear","streamSid":"MZ1"}"#.to_owned(),
            r#"{"event":"transcript","speaker":"assistant","text":"secretanswer"}"#.to_owned(),
            r#"{"event":"transcript","speaker":"caller","text":"secretquestion"}"#.to_owned(),
            format!(r#"{{"event":"media","streamSid":"MZ1","media":{{"payload":"{speech}"}}}}"#),
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"secretbotmark"}}"#.to_owned(),
            r#"{"event":"secretorder","transcript":"secretlie"}"#.to_owned(),
            r#"{"event":"media","media":"secretjunk"#.to_owned(),
        ] {
            bot.send(Message::text(text)).await.unwrap();
        }
        talker = Some(tokio::spawn(async move {
            while let Some(Ok(message)) = bot.next().await {
                if message.is_close() {
                    break;
                }
            }
        }));
    }
    let base = server.base.clone();
    tokio::task::spawn_blocking(move || use_the_api(&base)).await.unwrap();
    // One that is not let in.
    let mut thief = provider(server).await;
    let mut stolen = Provider::new("CA1", "MZ2");
    let parameters = [("callrec_token", "secretforgery"), ("from", "+15550001111")];
    thief.send(Message::text(stolen.start(&[Track::Caller], &parameters))).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, thief.next()).await {}
    socket.send(Message::text(phone.stop())).await.unwrap();
    let reason = CloseFrame { code: CloseCode::Normal, reason: "secretreason".into() };
    socket.close(Some(reason)).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    if let Some(talker) = talker {
        tokio::time::timeout(LONG, talker).await.unwrap().unwrap();
    }
    vec![token, sign_url("secretauthtoken", &server.media())]
}

fn settings<'a>(log_format: &'a str, target: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    vec![
        ("RUST_LOG", "trace"),
        ("LOG_FORMAT", log_format),
        ("TWILIO_AUTH_TOKEN", "secretauthtoken"),
        ("API_TOKEN", "secretapitokenforall"),
        ("API_READ_TOKEN", "secretreadtokenforsome"),
        target,
    ]
}

/// Looks through everything that the server said.
fn hold_silent(log: &str, more: &[String]) {
    assert!(log.contains("CA1") && log.contains("recording finished"), "{log}");
    assert!(log.contains("a stream was refused"), "{log}");
    let more = more.iter().map(String::as_str);
    // Audio is not always cut at the same byte of its three.
    let encoded =
        [BASE64.encode(AUDIO), BASE64.encode(&AUDIO.repeat(2)[1..7]), BASE64.encode(&AUDIO.repeat(2)[2..8])];
    let encoded = encoded.iter().map(|text| &text[..7]);
    for secret in [SECRET, NUMBER, DIGITS].into_iter().chain(more).chain(encoded) {
        let line = log.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
        assert_eq!(line, None, "{secret:?} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_number_token_or_audio_of_a_call_is_logged_at_any_level() {
    let home = tempfile::tempdir().unwrap();
    let server =
        Server::start(home.path(), &settings("text", ("NEXT_TWIML_URL", "https://bot.example.com/next")));
    let more = call(&server, None).await;
    let (well, log) = server.terminate();
    assert!(well, "{log}");
    hold_silent(&log, &more);
    let transcript = std::fs::read_to_string(home.path().join("responses/call_CA1.txt")).unwrap();
    assert!(transcript.contains("Caller: secretword"), "{transcript}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_anything_of_a_relayed_call_or_of_the_bots_address() {
    let home = tempfile::tempdir().unwrap();
    let bot = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url =
        format!("ws://secretuser:secretpassword@{}/secretpath?token=secretquery", bot.local_addr().unwrap());
    let server = Server::start(home.path(), &settings("json", ("BOT_URL", &url)));
    let more = call(&server, Some(&bot)).await;
    // Once with a bot that leaves with a reason, and once with one that is not there.
    let leaves = tokio::spawn(async move {
        // The one for the stream that was refused.
        drop(bot.accept().await.unwrap());
        let mut bot = tokio_tungstenite::accept_async(bot.accept().await.unwrap().0).await.unwrap();
        bot.next().await;
        let reason = CloseFrame { code: CloseCode::Error, reason: "secretreason".into() };
        bot.close(Some(reason)).await.unwrap();
        while let Some(Ok(_)) = bot.next().await {}
    });
    let mut socket = provider(&server).await;
    let start = Provider::new("CA2", "MZ1").start(&[Track::Caller], &[]);
    socket.send(Message::text(start)).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    tokio::time::timeout(LONG, leaves).await.unwrap().unwrap();
    let base = server.base.clone();
    let token = tokio::task::spawn_blocking(move || answered(&base)).await.unwrap();
    let mut socket = provider(&server).await;
    let start = Provider::new("CA1", "MZ3").start(&[Track::Caller], &[("callrec_token", &token)]);
    socket.send(Message::text(start)).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    let (well, log) = server.terminate();
    assert!(well, "{log}");
    hold_silent(&log, &more);
    // And the user and the password as the header of the upgrade has them.
    hold_silent(&log, &[token, BASE64.encode("secretuser")[..12].to_owned()]);
    let transcript = std::fs::read_to_string(home.path().join("responses/call_CA1.txt")).unwrap();
    assert!(transcript.contains("secretquestion"), "{transcript}");
}

/// Calls the server at its media socket, and says what a person would; the call's journal is there when it returns.
async fn say_a_little(server: &Server, home: &std::path::Path, sid: &str) -> (Socket, Provider) {
    let mut socket = provider(server).await;
    let mut phone = Provider::new(sid, "MZ1");
    let mut messages = vec![phone.start(&[Track::Caller, Track::Assistant], &[])];
    messages.extend((0..50).map(|index| phone.media(Track::Caller, index * 20, &AUDIO.repeat(26))));
    for message in messages {
        socket.send(Message::text(message)).await.unwrap();
    }
    let journal = home.join(format!("responses/.journal/{sid}_1.journal"));
    until(|| journal.exists()).await;
    (socket, phone)
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.unwrap();
}

/// Files are named for their calls, and errors for files: also where the disk has something odd on it.
#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_number_that_names_a_call_in_the_text_of_an_error() {
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    std::fs::create_dir_all(responses.join(".journal")).unwrap();
    std::fs::write(responses.join(format!(".journal/{NUMBER}_7.journal")), "damaged").unwrap();
    let target = ("NEXT_TWIML_URL", "https://bot.example.com/next");
    let server = Server::start(home.path(), &settings("text", target));
    // Something else has the recording's name, something else the summary's, and something else the finished recording's.
    for (sid, in_its_place) in [(NUMBER, "conversation.wav"), ("1-555.000_1111", "summary.json")] {
        let (mut socket, mut phone) = say_a_little(&server, home.path(), sid).await;
        let odd = responses.join(format!("call_{sid}_{in_its_place}"));
        std::fs::write(&odd, "odd").unwrap();
        socket.send(Message::text(phone.stop())).await.unwrap();
        let _ = socket.close(None).await;
        while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
        let (url, authorized) =
            (format!("{}/calls/{sid}", server.base), ("authorization", "Bearer secretapitokenforall"));
        let ask = |path| ask("GET", &format!("{url}{path}"), &[authorized], "");
        until(|| tokio::task::block_in_place(|| ask("")).1.contains("finished")).await;
        let summary = std::fs::read_to_string(responses.join(format!("call_{sid}_summary.json"))).unwrap();
        assert_eq!(sid == NUMBER, summary.contains("move it away"), "{summary}");
        assert!(sid != NUMBER || summary.contains(&format!("call_{NUMBER}_conversation.wav is not")));
        if sid != NUMBER {
            let recording = responses.join(format!("call_{sid}_conversation.wav"));
            std::fs::remove_file(&recording).unwrap();
            std::os::unix::fs::symlink(&odd, recording).unwrap();
            assert_eq!(tokio::task::block_in_place(|| ask("/recording")).0, 404);
        }
    }
    let (well, log) = server.terminate();
    assert!(well, "{log}");
    // What was not finished is tried again, by a server that writes on in the same log.
    let next = Server::start(home.path(), &settings("json", target));
    until(|| next.log().contains("a recording could not be recovered")).await;
    let (well, log) = next.terminate();
    assert!(well, "{log}");
    for told in [
        "an unreadable journal was set aside",
        "a recording is not finished",
        "recording not finished",
        "move it away",
        "an unreadable summary was set aside",
        "a file of a finished call cannot be read",
        "a recording could not be recovered",
        "(of an odd name)_conversation.wav",
    ] {
        assert!(log.contains(told), "{told} is not in {log}");
    }
    for secret in [NUMBER, "555.000"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret:?} is in the log");
    }
}

/// A sender can put anything where a call's and a stream's name belong.
#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_name_of_a_call_or_stream_that_could_be_a_number_or_words() {
    for target in [("NEXT_TWIML_URL", "https://bot.example.com/next"), ("BOT_URL", "ws://127.0.0.1:9")] {
        let home = tempfile::tempdir().unwrap();
        let server = Server::start(home.path(), &settings("text", target));
        // One of digits alone could name a file, and be a number all the same.
        let odd = [
            "+15550001111",
            "15550001111",
            "sip-15550001111",
            "from-555-000-1111",
            "1-555.000_1111",
            "my secret words",
            "CA1\nsecret",
            "CA2",
        ];
        for (call, stream) in odd.into_iter().zip(odd.into_iter().rev()) {
            for parameters in [("audio_format", "secretformat"), ("callrec_token", "secretforgery")] {
                let mut socket = provider(&server).await;
                let mut phone = Provider::new(call, stream);
                let messages = [
                    phone.start(&[Track::Caller, Track::Assistant], &[parameters]),
                    r#"{"event":"media","media":"secretjunk"#.to_owned(),
                    phone.stop(),
                ];
                for message in messages {
                    // One that is refused is closed meanwhile.
                    let _ = socket.send(Message::text(message)).await;
                }
                let _ = socket.close(None).await;
                while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
            }
        }
        let (well, log) = server.terminate();
        assert!(well && log.contains("CA2") && log.contains("of an odd name"), "{log}");
        assert!(log.contains("this call is not recorded") && log.contains("a stream was refused"), "{log}");
        for secret in [SECRET, NUMBER, "555.000"] {
            let line = log.lines().find(|line| line.to_lowercase().contains(secret));
            assert_eq!(line, None, "{secret:?} is in the log");
        }
    }
}
