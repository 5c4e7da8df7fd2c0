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

/// Asks, and gives the whole answer.
pub(crate) async fn ask(address: &str, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
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
pub(crate) async fn break_off(address: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"POST /calls/CA1/transcript HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{")
        .await?;
    Ok(())
}
