//! What the shipped binary logs where `RUST_LOG` says nothing: what its operator can do something about.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;

use callrec::{Audio, CallOptions, Format, Recorder, Settings};
use spawned::Spawned;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

/// Sends a request; its answer is still to be read.
fn send(server: &Spawned, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn ask(server: &Spawned, request: &str) -> String {
    let mut answer = Vec::new();
    if let Err(error) = send(server, request).read_to_end(&mut answer) {
        // So it ends where some of what was sent was left unread.
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// Whoever reaches the server could fill the log.
#[test]
fn requests_that_are_none_write_no_line_and_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let server = Spawned::start(home.path(), &[]);
    for request in ["GET / HTTP/1.1\r\nbad header\r\n\r\n", "\x16\x03\x01\r\n\r\n"] {
        for _ in 0..10 {
            let answer = ask(&server, request);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
    }
    let counted = || ask(&server, &get("/health")).contains(r#""connections_without_request":20"#);
    let begun = Instant::now();
    while !counted() {
        assert!(begun.elapsed() < LONG, "{}", ask(&server, &get("/health")));
        std::thread::sleep(Duration::from_millis(20));
    }
    let (well, log) = server.terminate();
    assert!(well && log.contains("shutting down"), "{log}");
    assert!(log.lines().all(|line| line.contains(" INFO callrec")), "{log}");
}

/// The web framework, which says so too, is not heard.
#[test]
fn a_file_that_cannot_be_read_to_its_end_is_told() {
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    let settings = Settings::default().with_format(Format::Wav);
    let recorder = Recorder::builder(&responses).settings(settings).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    call.caller_at(0, Audio::mulaw(&[0x10; 160]));
    drop(call);
    assert_eq!(recorder.shutdown(LONG), 0);
    drop(recorder);
    let server = Spawned::start(home.path(), &[]);
    // Far more than sockets hold, until it is cut.
    let recording = responses.join("call_CA1_conversation.wav");
    let file = std::fs::OpenOptions::new().write(true).open(recording).unwrap();
    file.set_len(256_000_000).unwrap();
    let mut stream = send(&server, &get("/calls/CA1/recording"));
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    file.set_len(1).unwrap();
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    let (well, log) = server.terminate();
    let line = log.lines().find(|line| line.contains("an answer could not be read to its end"));
    assert!(
        well && line.is_some_and(|line| line.contains("WARN") && line.contains("unexpected end")),
        "{log}"
    );
}
