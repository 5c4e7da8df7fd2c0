#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests, of a server over real connections"
)]

use super::*;
use crate::config::Sources;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Instant;

/// The connections of this port that the process holds: those that nobody has accepted yet have no inode.
fn accepted(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let of_port = |row: &&str| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let is_established = fields[3] == "01";
        is_established && fields[1].ends_with(&format!(":{port:04X}")) && fields[9] != "0"
    };
    table.lines().skip(1).filter(of_port).count()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// While no worker comes to a connection, none is turned away: what is accepted then is what the web framework holds at most.
#[actix_web::test]
async fn all_workers_together_hold_no_more_connections_than_the_bound() {
    const MOST: usize = 10;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("responses").display().to_string();
    let mut sources = Sources::only([("PORT", "0"), ("MAX_CONNECTIONS", "10")]);
    sources.environment.push(("RECORDINGS_DIRECTORY".to_owned(), directory));
    let application = Application::build(Config::load(sources).unwrap()).unwrap();
    let (address, state) = (application.address(), application.state().clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = actix_web::rt::spawn(application.run_until(async {
        let _ = stopped.await;
    }));
    let flood = tokio::task::spawn_blocking(move || {
        let held = state.stream_tokens.hold();
        let ask = |_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = "POST /incoming-call HTTP/1.1\r\nhost: localhost\r\ncontent-length: 11\r\n\r\n";
            stream.write_all(format!("{head}CallSid=CA1").as_bytes()).unwrap();
            stream
        };
        let asking: Vec<TcpStream> = (0..workers()).map(ask).collect();
        until("each worker has one", || state.connections.open() == workers());
        std::thread::sleep(Duration::from_millis(500));
        let bound = of_each_worker(MOST, workers()) * workers();
        assert!((MOST + 1_000..MOST + 1_000 + workers()).contains(&bound), "{bound}");
        // Some are more than wait to be accepted, and are tried again by the system after a second.
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(20)).unwrap();
        let crowd: Vec<TcpStream> = (0..bound - workers() + 100).map(connect).collect();
        until("all that may be are accepted", || accepted(address.port()) >= bound);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(accepted(address.port()), bound, "of {}", asking.len() + crowd.len());
        assert_eq!(state.connections.open(), workers(), "a worker went on");
        drop(held);
        drop((asking, crowd));
        until("they are gone", || state.connections.open() == 0);
    });
    flood.await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
