//! How the shipped binary reads its media sockets: messages that nobody waits for several at a time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use futures_util::{SinkExt as _, StreamExt as _};
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};
use rustix::net::getpeername;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use spawned::Spawned as Server;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, accept_async, connect_async};

const LONG: Duration = Duration::from_secs(20);

sockopt_impl!(
    /// How many bytes are there when a reader is woken.
    LowWater,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    libc::c_int
);

/// The low-water marks of a server's sockets that lead to this address.
fn low_water_marks(server: u32, peer: SocketAddr) -> Vec<i32> {
    let process = pidfd_open(Pid::from_raw(server as i32).unwrap(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir(format!("/proc/{server}/fd")).unwrap();
    let numbers = numbers.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let sockets = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let is_its = |socket: &OwnedFd| {
        let address =
            getpeername(socket).ok().flatten().and_then(|address| SocketAddr::try_from(address).ok());
        address == Some(peer)
    };
    sockets.filter(is_its).map(|socket| getsockopt(&socket, LowWater).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_one_way_stream_are_gathered_until_it_pauses_and_those_of_a_relayed_one_are_not() {
    let bot = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot_url = format!("ws://{}", bot.local_addr().unwrap());
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("BOT_URL", &bot_url)]);
    for tracks in [[Track::Caller].as_slice(), &[Track::Caller, Track::Assistant]] {
        let (mut socket, _) = connect_async(server.media()).await.unwrap();
        let MaybeTlsStream::Plain(stream) = socket.get_ref() else { panic!() };
        let address = stream.local_addr().unwrap();
        let mut bot = accept_async(bot.accept().await.unwrap().0).await.unwrap();
        let mut provider = Provider::new(["CA0", "CA1"][tracks.len() - 1], "MZ1");
        socket.send(Message::text(provider.start(tracks, &[]))).await.unwrap();
        for index in 0..50 {
            socket
                .send(Message::text(provider.media(Track::Caller, index * 20, &[0x10; 160])))
                .await
                .unwrap();
        }
        if tracks.len() == 1 {
            let mut forwarded = 0;
            while forwarded < 50 {
                forwarded +=
                    usize::from(bot.next().await.unwrap().unwrap().to_text().unwrap().contains("payload"));
            }
            assert_eq!(low_water_marks(server.id(), address), [1]);
            continue;
        }
        let marks_are = |wanted: fn(i32) -> bool| {
            let marks = low_water_marks(server.id(), address);
            marks.len() == 2 && marks.into_iter().all(wanted)
        };
        let began = Instant::now();
        let mut sent = 50;
        while !marks_are(|mark| mark > 600) {
            assert!(began.elapsed() < LONG, "every message wakes the server");
            socket.send(Message::text(provider.media(Track::Caller, sent * 20, &[0x10; 160]))).await.unwrap();
            sent += 1;
        }
        // Fewer than are gathered, and nothing behind them.
        while !marks_are(|mark| mark == 1) {
            assert!(began.elapsed() < LONG, "it does not pause");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        socket.send(Message::text(provider.media(Track::Caller, sent * 20, &[0x10; 160]))).await.unwrap();
        while !marks_are(|mark| mark > 600) {
            assert!(began.elapsed() < LONG, "one alone is never read");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        socket
            .send(Message::text(provider.media(Track::Caller, sent * 20 + 20, &[0x10; 160])))
            .await
            .unwrap();
        let journal = home.path().join("responses/.journal/CA1_1.journal");
        while std::fs::metadata(&journal).unwrap().len() < (sent + 2) * 160 {
            assert!(began.elapsed() < LONG, "the last messages are never read");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
