//! Nothing that a request says is taken for a place to go: no address is called, no file outside is opened, none inside
//! is for others.

use super::phone::{CONNECTED, finished, finished_for, inbound, one_way, start, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{TestServer, until};
use callrec_server::ROUTES;
use serde_json::json;
use std::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn no_address_that_a_request_brings_is_ever_called() {
    // Whoever calls one of these addresses is noticed.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let at = trap.local_addr().unwrap();
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let names = [
        "url",
        "Url",
        "bot_url",
        "BOT_URL",
        "BotUrl",
        "callback",
        "StatusCallback",
        "RecordingUrl",
        "next",
        "NEXT_TWIML_URL",
        "PUBLIC_URL",
        "redirect",
        "host",
        "audio_format",
    ];
    let addresses = [format!("http://{at}/x"), format!("ws://{at}/x"), at.to_string()];
    for address in &addresses {
        let query: String = names.iter().map(|name| format!("&{name}={address}")).collect();
        let form = format!("CallSid=CA1{query}");
        let json =
            json!(names.iter().map(|name| (*name, address)).collect::<std::collections::HashMap<_, _>>());
        for route in ROUTES {
            let path = route.path.replace("{sid}", "CA1");
            for method in route.methods {
                for (head, body) in [
                    (format!("{method} {path}?{}", &query[1..]), form.clone()),
                    (format!("{method} {path}\nContent-Type: application/json"), json.to_string()),
                    (
                        format!("{method} {path}\nHost: {at}\nX-Forwarded-Host: {at}\nForwarded: host={at}"),
                        form.clone(),
                    ),
                    (
                        format!(
                            "{method} {path}\nReferer: {address}\nLocation: {address}\nLink: <{address}>"
                        ),
                        form.clone(),
                    ),
                    (format!("{method} {address}{path}"), form.clone()),
                ] {
                    server.request(&head, body.as_bytes());
                }
            }
        }
    }
    // A stream whose start, and a bot whose messages, name it everywhere; the socket's own address too.
    let address = &addresses[1];
    let host = at.to_string();
    let mut provider = server.provider_with(&[("host", &host)]).await.unwrap();
    provider.send(CONNECTED).await;
    let parameters =
        json!(names.iter().map(|name| (*name, address)).collect::<std::collections::HashMap<_, _>>());
    let mut message: serde_json::Value =
        serde_json::from_str(&start("CAstream", "MZ1", &["inbound"], &parameters)).unwrap();
    for name in names {
        message[name] = json!(address);
        message["start"][name] = json!(address);
    }
    provider.send(message.to_string()).await;
    let mut call = bot.accept().await;
    call.send(format!(r#"{{"event":"redirect","url":"{address}","transcript":"{address}"}}"#)).await;
    call.send(format!(r#"{{"event":"transcript","speaker":"assistant","text":"{address}"}}"#)).await;
    provider.send(inbound(0, 0x10)).await;
    provider.send(stop("CAstream")).await;
    provider.close().await;
    finished(&server, "CAstream").await;
    let called = trap.accept().map(|(_, from)| from);
    assert_eq!(called.err().map(|error| error.kind()), Some(std::io::ErrorKind::WouldBlock));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_symbolic_link_in_the_recordings_directory_is_followed() {
    let server = TestServer::start([("DEFAULT_AUDIO_FORMAT", "wav")]);
    let mut provider = server.provider().await;
    for message in [one_way("CA1"), inbound(0, 0x10), stop("CA1")] {
        provider.send(message).await;
    }
    finished(&server, "CA1").await;
    let outside = server.recordings.path().join("outside");
    for (path, name) in [
        ("recording", "call_CA1_conversation.wav"),
        ("transcript", "call_CA1.txt"),
        ("summary", "call_CA1_summary.txt"),
    ] {
        let (route, file) = (format!("/calls/CA1/{path}"), server.responses().join(name));
        assert_eq!(server.get(&route).status, 200);
        std::fs::rename(&file, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        let answer = server.get(&route);
        assert_eq!((answer.status, answer.error_code().as_str()), (404, "no_file"), "{path}");
        assert_eq!(server.request(&format!("HEAD {route}"), b"").status, 404, "{path}");
        std::fs::rename(&outside, &file).unwrap();
        assert_eq!(server.get(&route).status, 200, "{path}");
    }
    // The summary for programs is what tells of a call: by a link there is none.
    let json = server.responses().join("call_CA1_summary.json");
    let told = std::fs::read_to_string(&json).unwrap();
    std::fs::write(&outside, told.replace("CA1", "CA9")).unwrap();
    std::os::unix::fs::symlink(&outside, server.responses().join("call_CA9_summary.json")).unwrap();
    assert_eq!(server.get("/calls/CA9").status, 404);
    assert!(!server.get("/calls").text().contains("CA9"));
    // What is written for a call takes a link's place, and does not go through it.
    let before = std::fs::read(&outside).unwrap();
    let links = ["call_CA8.txt", "call_CA8_summary.txt"].map(|name| server.responses().join(name));
    for link in &links {
        std::os::unix::fs::symlink(&outside, link).unwrap();
    }
    let mut provider = server.provider().await;
    for message in [one_way("CA8"), inbound(0, 0x10), stop("CA8")] {
        provider.send(message).await;
    }
    finished(&server, "CA8").await;
    assert_eq!(std::fs::read(&outside).unwrap(), before);
    assert!(links.iter().all(|link| std::fs::symlink_metadata(link).unwrap().is_file()));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_are_for_their_owner_unless_a_group_is_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    for (group, directory, file) in [("false", 0o700, 0o600), ("true", 0o750, 0o640)] {
        let server = TestServer::start([("RECORDINGS_GROUP_READ", group), ("DEFAULT_AUDIO_FORMAT", "wav")]);
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let mut provider = server.provider().await;
        for message in [CONNECTED.to_owned(), one_way("CA1"), inbound(0, 0x10)] {
            provider.send(message).await;
        }
        let journals = server.responses().join(".journal");
        until("it is journalled", || journals.join("CA1_1.journal").exists()).await;
        for entry in std::fs::read_dir(&journals).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600, "{group}");
        }
        provider.send(stop("CA1")).await;
        finished_for(&server, "CA1", "").await;
        assert_eq!((mode(&server.responses()), mode(&journals)), (directory, 0o700), "{group}");
        let names = super::test_server::files_in(&server.responses());
        assert_eq!(names.len(), 4);
        for name in names {
            assert_eq!(mode(&server.responses().join(&name)), file, "{group}: {name}");
        }
    }
}
