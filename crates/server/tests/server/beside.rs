//! A call that goes on beside whatever is tested, and is recorded whole.

use super::phone::{both_sides, finished, one_way, sides};
use super::test_server::{Client, TestServer, until};
use std::time::Duration;

/// The name of that call.
pub(crate) const BESIDE: &str = "CA9";

pub(crate) struct Beside {
    call: Client,
    frames: u64,
}

impl Beside {
    /// Begins it, says half a second, and waits until the server knows of it.
    pub(crate) async fn begin(server: &TestServer) -> Self {
        let mut call = server.provider().await;
        call.send(one_way(BESIDE)).await;
        let mut beside = Self { call, frames: 0 };
        beside.say(25).await;
        until("it is live", || server.get(&format!("/calls/{BESIDE}")).status == 200).await;
        beside
    }

    async fn say(&mut self, frames: u64) {
        both_sides(&mut self.call, self.frames, self.frames + frames).await;
        self.frames += frames;
    }

    /// Goes on as long as this takes.
    pub(crate) async fn during<T>(&mut self, others: impl Future<Output = T>) -> T {
        let mut others = std::pin::pin!(others);
        loop {
            match tokio::time::timeout(Duration::from_millis(20), &mut others).await {
                Ok(done) => return done,
                Err(_) => self.say(1).await,
            }
        }
    }

    /// Says another half second: all of it is in its recording.
    pub(crate) async fn ends_whole(mut self, server: &TestServer) {
        self.say(25).await;
        self.call.close().await;
        let summary = finished(server, BESIDE).await;
        let (caller, assistant) = sides(server, BESIDE);
        assert_eq!((caller.len() as u64, assistant.len() as u64), (self.frames * 160, self.frames * 160));
        let is_said = |side: &[i16]| side.iter().all(|sample| *sample == side[0] && *sample != 0);
        assert!(is_said(&caller) && is_said(&assistant), "{summary}");
    }
}
