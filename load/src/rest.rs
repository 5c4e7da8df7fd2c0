//! Requests to the server's REST API, one a connection.

use anyhow::Context as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer's status and body.
pub(crate) type Answer = (u16, Vec<u8>);

/// Asks as somebody without credentials, and gives the whole answer.
pub(crate) async fn ask(address: &str, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    send(address, method, path, &[("content-type", "application/json")], body).await
}

/// Asks with these headers, and gives the whole answer.
pub(crate) async fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> anyhow::Result<Answer> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, asking).await.with_context(|| format!("no answer to {path}"))??;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without a head")?;
    let status =
        std::str::from_utf8(&answer[..end])?.split(' ').nth(1).context("an answer without a status")?;
    Ok((status.parse()?, answer[end + 4..].to_vec()))
}

/// A client that says half of what it wanted, and is gone.
pub(crate) async fn break_off(address: &str, authorization: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST /calls/CA1/transcript HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\n\
         content-length: 10\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(())
}
