//! What a frame of a relayed call allocates in the whole server, from the provider's socket to the bot's, from the bot's to the provider's,
//! and from both to the file: nothing but what the crates do that read and write the provider's WebSocket.
#![cfg(feature = "mp3")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "running/mod.rs"]
mod running;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use callrec::Track;
use callrec_protocol::twilio::outgoing::{self, Provider};
use callrec_server::config::Sources;
use running::Running;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio_tungstenite::tungstenite::{accept, client};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Frames of 20 ms that one call has more than the other.
const MORE: usize = 10_000;
/// What these allocate: where a message is read, for the buffer that it is split off, twice; where one is written, for its buffer.
const OF_THE_SOCKET: usize = 3;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_frame_of_a_relayed_call_allocates_nothing_of_ours_on_its_way_through_the_server_and_into_an_mp3() {
    // The first makes what the decoder makes once.
    let [_, short, long] = [500, MORE / 2, MORE / 2 + MORE].map(allocations);
    let more = long.saturating_sub(short);
    assert!(more < OF_THE_SOCKET * MORE + MORE / 20, "{more} for {MORE} frames more of each side");
}

/// How often a whole call of so many frames of each side allocates; who calls allocates nothing. Without marks, of which there are as many
/// as there is time for.
fn allocations(frames: usize) -> usize {
    let home = tempfile::tempdir().unwrap();
    let bots = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", bots.local_addr().unwrap());
    let server = Running::start(Sources::only([("BOT_URL", &url), ("RELAY_MARKS", "off")]), home.path());
    let stream = TcpStream::connect(server.address).unwrap();
    let (mut socket, _) = client(format!("ws://{}/media-stream", server.address), stream).unwrap();
    let mut provider = End::new(socket.get_mut().try_clone().unwrap(), true);
    let mut wire = Provider::new("CA1", "MZ1");
    provider.send(wire.connected().as_bytes());
    provider.send(wire.start(&[Track::Caller], &[]).as_bytes());
    let mut socket = accept(bots.accept().unwrap().0).unwrap();
    let mut bot = End::new(socket.get_mut().try_clone().unwrap(), false);
    let sound = |frame: usize, side: usize| -> [u8; 160] {
        std::array::from_fn(|at| (frame * 31 + at * 7 + side * 13) as u8 | 0x10)
    };
    let said: Vec<[String; 2]> = (0..frames)
        .map(|frame| {
            let caller = wire.media(Track::Caller, frame as u64 * 20, &sound(frame, 0));
            [caller, outgoing::media("MZ1", &sound(frame, 1))]
        })
        .collect();
    let stop = wire.stop();

    let region = Region::new(ALLOCATOR);
    for [caller, assistant] in &said {
        provider.send(caller.as_bytes());
        bot.receive(caller.as_bytes());
        bot.send(assistant.as_bytes());
        provider.receive(assistant.as_bytes());
    }
    provider.send(stop.as_bytes());
    let begun = Instant::now();
    let summary = home.path().join("call_CA1_summary.json");
    while !summary.exists() {
        assert!(begun.elapsed() < PATIENCE, "it is not recorded");
        std::thread::sleep(Duration::from_millis(20));
    }
    let used = region.change();
    used.allocations + used.reallocations
}

/// An end of a WebSocket, as far as it takes to say and hear texts without an allocation.
struct End {
    socket: TcpStream,
    is_client: bool,
    buffer: Vec<u8>,
}

impl End {
    fn new(socket: TcpStream, is_client: bool) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, is_client, buffer: Vec::with_capacity(65_536) }
    }

    fn send(&mut self, text: &[u8]) {
        // Masked by zeros: as it is.
        let mask: &[u8] = if self.is_client { &[0; 4] } else { &[] };
        let masked = if self.is_client { 0x80 } else { 0 };
        self.buffer.clear();
        self.buffer.push(0x81);
        match text.len() {
            length @ 0..126 => self.buffer.push(masked | length as u8),
            length => {
                self.buffer.push(masked | 126);
                self.buffer.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        self.buffer.extend_from_slice(mask);
        self.buffer.extend_from_slice(text);
        self.socket.write_all(&self.buffer).unwrap();
    }

    /// Reads until this text comes; nothing but callrec's own marks and the start may come before it.
    fn receive(&mut self, text: &[u8]) {
        loop {
            let mut head = [0; 2];
            self.socket.read_exact(&mut head).unwrap();
            let length = match head[1] & 0x7f {
                126 => {
                    let mut length = [0; 2];
                    self.socket.read_exact(&mut length).unwrap();
                    usize::from(u16::from_be_bytes(length))
                }
                length => usize::from(length),
            };
            let mut mask = [0; 4];
            if !self.is_client {
                self.socket.read_exact(&mut mask).unwrap();
            }
            self.buffer.resize(length, 0);
            self.socket.read_exact(&mut self.buffer).unwrap();
            self.buffer.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            if self.buffer == text {
                return;
            }
            let is_media = self.buffer.windows(7).any(|part| part == b"\"media\"");
            assert!(!is_media, "{}", String::from_utf8_lossy(&self.buffer));
        }
    }
}
