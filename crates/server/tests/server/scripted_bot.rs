//! A bot that does what the test tells it: each accepted call is a pair of channels.

use super::test_server::LONG;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

pub(crate) struct ScriptedBot {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    /// The X-Twilio-Signature of each upgrade.
    pub(crate) signatures: Arc<Mutex<Vec<Option<String>>>>,
    /// What each upgrade says of who asks: its address, its Host, and its Authorization.
    pub(crate) asked: Arc<Mutex<Vec<[Option<String>; 3]>>>,
}

impl ScriptedBot {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address, signatures: Arc::default(), asked: Arc::default() }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/bot", self.address)
    }

    /// Takes the next call.
    pub(crate) async fn accept(&self) -> BotCall {
        let accepting = self.listener.accept();
        let (stream, _) = tokio::time::timeout(LONG, accepting).await.expect("a call in time").unwrap();
        stream.set_nodelay(true).unwrap();
        let (signatures, asked) = (self.signatures.clone(), self.asked.clone());
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let see = move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            signatures.lock().unwrap().push(header("x-twilio-signature"));
            let uri = Some(request.uri().to_string());
            asked.lock().unwrap().push([uri, header("host"), header("authorization")]);
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, see).await.unwrap();
        BotCall { socket }
    }
}

/// The bot's end of one call.
pub(crate) struct BotCall {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl BotCall {
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text; `None` when the call was closed or broke.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(LONG, self.socket.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Some(format!("binary {}", bytes.len())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}
