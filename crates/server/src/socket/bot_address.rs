//! Where the bot is: its name is looked up by one thread for all calls that wait for it.
//!
//! The system's resolver blocks, for many seconds where no name server answers. A thread for each call would be many then; and the
//! runtime's, which wait for a disk in place of requests, may all be waiting for one.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use url::{Host, Url};

type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

/// The bot's name, and the look-up that goes on.
pub(crate) struct BotAddress {
    /// Blocks until it is known.
    look_up: Arc<dyn Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync>,
    blocks: bool,
    latest: Mutex<Option<watch::Receiver<Option<Found>>>>,
}

impl BotAddress {
    pub(crate) fn new(url: Url) -> Self {
        let blocks = matches!(url.host(), Some(Host::Domain(_)));
        Self::looked_up_by(move || url.socket_addrs(|| None), blocks)
    }

    fn looked_up_by(
        look_up: impl Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
        blocks: bool,
    ) -> Self {
        Self { look_up: Arc::new(look_up), blocks, latest: Mutex::new(None) }
    }

    /// Its addresses as they are now: what was found before is not kept, what is being looked up is waited for.
    pub(crate) async fn get(&self) -> io::Result<Arc<[SocketAddr]>> {
        if !self.blocks {
            return Ok((self.look_up)()?.into());
        }
        let mut going_on = self.going_on();
        let found = going_on.wait_for(Option::is_some).await.map_err(io::Error::other)?.clone();
        match found {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(error)) => Err(io::Error::new(error.kind(), error)),
            None => Err(io::ErrorKind::Other.into()),
        }
    }

    fn going_on(&self) -> watch::Receiver<Option<Found>> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(going_on) = latest.as_ref().filter(|it| it.borrow().is_none() && it.has_changed().is_ok())
        {
            return going_on.clone();
        }
        let (tell, told) = watch::channel(None);
        let look_up = Arc::clone(&self.look_up);
        let looking = {
            let tell = tell.clone();
            std::thread::Builder::new().name("callrec-name".to_owned()).spawn(move || {
                let found = look_up().map(Arc::from).map_err(Arc::new);
                tell.send_replace(Some(found));
            })
        };
        if let Err(error) = looking {
            tell.send_replace(Some(Err(Arc::new(error))));
        }
        latest.insert(told).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use futures_util::poll;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    #[tokio::test]
    async fn a_hundred_calls_share_one_look_up_whatever_it_finds_and_the_next_is_anew() {
        let (answer, answers) = mpsc::channel::<io::Result<Vec<SocketAddr>>>();
        let (answers, looked_up) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&looked_up);
        let address = BotAddress::looked_up_by(
            move || {
                count.fetch_add(1, Ordering::Relaxed);
                answers.lock().unwrap().recv().unwrap()
            },
            true,
        );
        let bot = SocketAddr::from(([127, 0, 0, 1], 8765));
        for look_ups in 1..=2 {
            // Those that have given up do not begin another, nor end this one.
            for _ in 0..100 {
                let given_up = tokio::time::timeout(Duration::from_millis(1), address.get()).await;
                assert!(given_up.is_err());
            }
            let mut calls = join_all((0..100).map(|_| address.get()));
            // All of them wait before it is answered.
            assert!(poll!(&mut calls).is_pending());
            let answered =
                if look_ups == 1 { Ok(vec![bot]) } else { Err(io::ErrorKind::HostUnreachable.into()) };
            answer.send(answered).unwrap();
            for found in calls.await {
                match found {
                    Ok(found) => assert_eq!((look_ups, &*found), (1, &[bot][..])),
                    Err(error) => assert_eq!((look_ups, error.kind()), (2, io::ErrorKind::HostUnreachable)),
                }
            }
            assert_eq!(looked_up.load(Ordering::Relaxed), look_ups);
        }
    }

    #[test]
    fn a_name_is_looked_up_though_every_thread_of_the_runtime_waits() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (release, held) = mpsc::channel::<()>();
        let waiting = runtime.spawn_blocking(move || held.recv());
        let address = BotAddress::new("ws://localhost:8765/".parse().unwrap());
        let found =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), address.get()).await });
        assert!(!found.expect("it is not looked up").unwrap().is_empty());
        assert!(!waiting.is_finished(), "the thread waits still");
        drop(release);
    }

    #[tokio::test]
    async fn names_and_addresses_are_found_and_of_an_address_no_thread_is_asked() {
        for (url, blocks) in
            [("ws://127.0.0.1:8765/", false), ("ws://[::1]:8765", false), ("ws://localhost:8765/x", true)]
        {
            let address = BotAddress::new(url.parse().unwrap());
            assert_eq!(address.blocks, blocks, "{url}");
            let found = address.get().await.unwrap();
            assert!(!found.is_empty() && found.iter().all(|at| at.ip().is_loopback() && at.port() == 8765));
        }
    }
}
