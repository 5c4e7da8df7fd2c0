//! What others send may take no more memory than the limits say: counted by the allocator, the clients' own, in this process too,
//! included.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "running/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod running;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use callrec_server::config::Sources;
use futures_util::{SinkExt, StreamExt};
use peak_alloc::PeakAlloc;
use running::Running;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
/// One test at a time, for what is counted is the whole process's.
static ALONE: Mutex<()> = Mutex::const_new(());

const LONG: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

/// A provider whose call has begun.
async fn begin(server: &Running) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let (mut socket, _) = connect_async(format!("ws://{}/media-stream", server.address)).await.unwrap();
    let start = Provider::new("CA1", "MZ1").start(&[Track::Caller], &[]);
    socket.send(Message::text(start)).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_frame_that_is_far_too_long_no_more_is_held_than_a_connection_reads_at_once() {
    const LENGTH: usize = 256 * MIB;
    let _alone = ALONE.lock().await;
    let home = tempfile::tempdir().unwrap();
    let server = Running::start(Sources::only([]), home.path());
    let mut socket = begin(&server).await;
    let part = vec![b'x'; MIB];
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let head = [&[0x81, 0xff], (LENGTH as u64).to_be_bytes().as_slice(), &[0; 4]].concat();
    let stream = socket.get_mut();
    stream.write_all(&head).await.unwrap();
    for _ in 0..LENGTH / MIB {
        // It may be cut off at any time.
        if stream.write_all(&part).await.is_err() {
            break;
        }
    }
    while let Some(Ok(_)) = timeout(LONG, socket.next()).await.expect("an end in time") {}
    let held = ALLOCATOR.peak_usage() - before;
    assert!(held < 2 * MIB, "{held} bytes were held of a frame of {LENGTH}");
}
