//! A client's end of a WebSocket, as far as it takes to call a server on this machine: the upgrade, and frames to send.

use anyhow::{Context as _, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What frames are masked with. The rule against predictable masks protects proxies, and there is none.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;

/// Connects and upgrades.
pub(crate) fn open(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET /media-stream HTTP/1.1\r\nhost: {address}\r\nuser-agent: Twilio.TmeWs/1.0\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // A byte at a time: what comes behind it are frames.
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).context("no answer to the upgrade")?;
        answer.extend_from_slice(&byte);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&answer));
    Ok(socket)
}

/// Appends a text message.
pub(crate) fn text(message: &[u8], out: &mut Vec<u8>) {
    frame(TEXT, out, |out| out.extend_from_slice(message));
}

/// Appends a text message that `write` appends.
pub(crate) fn text_of(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    frame(TEXT, out, write);
}

/// Appends a goodbye.
pub(crate) fn close(out: &mut Vec<u8>) {
    frame(CLOSE, out, |out| out.extend_from_slice(&1000_u16.to_be_bytes()));
}

/// Appends a frame of at most 65,535 bytes.
fn frame(kind: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    const MASKED: u8 = 0x80;
    // The head has a length of two bytes, as that of nearly every frame.
    let head = out.len();
    out.extend_from_slice(&[0x80 | kind, MASKED | 126, 0, 0]);
    out.extend_from_slice(&MASK);
    let begins = out.len();
    write(out);
    let length = out.len() - begins;
    debug_assert!(u16::try_from(length).is_ok(), "a message of {length} bytes");
    out[head + 2..head + 4].copy_from_slice(&(length as u16).to_be_bytes());
    let mut blocks = out[begins..].chunks_exact_mut(MASK.len());
    for block in &mut blocks {
        for (byte, mask) in block.iter_mut().zip(MASK) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in blocks.into_remainder().iter_mut().zip(MASK) {
        *byte ^= mask;
    }
    if length < 126 {
        out[head + 1] = MASKED | length as u8;
        out.drain(head + 2..head + 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    #[test]
    fn frames_are_read_back_by_a_websocket_library() {
        let messages = ["", "hello", &"x".repeat(125), &"y".repeat(126), &"z".repeat(60_000)];
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| text(message.as_bytes(), &mut bytes));
        close(&mut bytes);
        let mut socket = WebSocket::from_raw_socket(Cursor::new(bytes), Role::Server, None);
        for message in messages {
            assert_eq!(socket.read().unwrap().to_text().unwrap(), message);
        }
        assert!(socket.read().unwrap().is_close());
    }
}
