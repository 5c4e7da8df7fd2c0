//! A server in this process with a recordings directory of its own, and the clients to talk to it.

use super::running::Running;
use callrec_server::config::Sources;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything in a test may take; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    // Down before its directory goes.
    running: Running,
    pub(crate) recordings: TempDir,
}

impl TestServer {
    /// Starts a server on a free port, on a thread with a runtime of its own.
    pub(crate) fn start<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), variables)
    }

    pub(crate) fn start_in<const N: usize>(recordings: TempDir, variables: [(&str, &str); N]) -> Self {
        let running = Running::start(Sources::only(variables), &recordings.path().join("responses"));
        Self { address: running.address, running, recordings }
    }

    pub(crate) fn responses(&self) -> std::path::PathBuf {
        self.recordings.path().join("responses")
    }

    /// Tells the server to stop, without waiting.
    pub(crate) fn begin_stop(&mut self) {
        self.running.begin_stop();
    }

    /// Stops the server and waits until it is down.
    pub(crate) fn stop(&mut self) {
        self.running.stop();
    }

    /// One request; gives status, headers and body.
    pub(crate) fn request(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let host = if head.to_ascii_lowercase().contains("\nhost:") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        // A server that refuses early does not read the body.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::parse(&answer)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), b"")
    }

    /// How often a limit of the server was met.
    pub(crate) fn refused(&self, limit: &str) -> u64 {
        let health = self.get("/health").json();
        health["refused"][limit].as_u64().unwrap_or_else(|| panic!("{limit} is not in {health}"))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.request(&format!("POST {path}\nContent-Type: application/json"), body.as_bytes())
    }

    /// Opens a media socket.
    pub(crate) async fn provider(&self) -> Client {
        self.provider_with(&[]).await.expect("the upgrade is taken")
    }

    /// Opens a media socket with headers; a refusal gives its status.
    pub(crate) async fn provider_with(&self, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
        let url = format!("ws://{}/media-stream", self.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the upgrade failed otherwise: {error}"),
        }
    }
}

/// The answer to an HTTP request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer with a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = bytes[end + 4..].to_vec();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Self { status, head, body: if chunked { unchunk(&body) } else { body } }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON expected: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The code of an error; the answer has the shape of one.
    pub(crate) fn error_code(&self) -> String {
        let json = self.json();
        assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        json["error"]["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

/// The provider's end of a media socket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
}

/// What a client got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Text(String),
    Close(Option<u16>),
    /// The connection ended without a Close.
    End,
}

impl Client {
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next message; pings, pongs and callrec's own marks are passed over.
    pub(crate) async fn next(&mut self) -> Got {
        loop {
            match self.next_of_all().await {
                Got::Text(text) if is_own_mark(&text) => {}
                got => return got,
            }
        }
    }

    /// The next message, callrec's own marks included.
    pub(crate) async fn next_of_all(&mut self) -> Got {
        loop {
            match tokio::time::timeout(LONG, self.socket.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Got::Text(text.to_string()),
                Some(Ok(Message::Close(frame))) => {
                    return Got::Close(frame.map(|CloseFrame { code, .. }| code.into()));
                }
                Some(Ok(Message::Binary(bytes))) => return Got::Text(format!("binary {}", bytes.len())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Got::End,
            }
        }
    }

    /// Says goodbye and waits until the server has answered.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.close(None).await;
        while !matches!(self.next().await, Got::Close(_) | Got::End) {}
    }
}

/// Whether a message is a mark that callrec sends for itself.
pub(crate) fn is_own_mark(text: &str) -> bool {
    own_mark(text).is_some()
}

/// The name of a mark that callrec sends for itself.
pub(crate) fn own_mark(text: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(text).ok()?;
    let name = message["mark"]["name"].as_str().filter(|_| message["event"] == "mark")?;
    name.starts_with("callrec-").then(|| name.to_owned())
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = tokio::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The files directly in a directory.
pub(crate) fn files_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".journal");
    names.sort();
    names
}
