//! The path of every audio frame asks for no memory once it has run a while.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_protocol::twilio::{BotSide, Twilio, outgoing};
use callrec_protocol::{Dialect, Message};
use callrec_session::{Event, Topology, Track};

const FRAMES: usize = 1_000;

#[test]
fn media_of_the_provider_is_read_without_allocation() {
    let mut provider = outgoing::Provider::new("CA1", "MZ1");
    let mut dialect = Twilio::new(Topology::OneWay);
    dialect.handle_message(Message::Text(&provider.start(&[Track::Caller], &[]))).unwrap();
    while dialect.poll_event().is_some() {}
    let messages: Vec<String> =
        (0..FRAMES).map(|n| provider.media(Track::Caller, n as u64 * 20, &[n as u8; 160])).collect();

    let mut bytes_seen = 0;
    let mut read = |message: &str| {
        dialect.handle_message(Message::Text(message)).unwrap();
        while let Some(event) = dialect.poll_event() {
            if let Event::Audio { bytes, .. } = event {
                bytes_seen += bytes.len();
            }
        }
    };
    read(&messages[0]);
    let info = allocation_counter::measure(|| messages[1..].iter().for_each(|message| read(message)));
    assert_eq!(info.count_total, 0, "{info:?}");
    assert_eq!(bytes_seen, FRAMES * 160);
}

#[test]
fn media_of_a_bot_is_read_without_allocation() {
    let mut bot = BotSide::new();
    let message = outgoing::media("MZ1", &[0x55; 8_000]);
    let mut read = || {
        bot.handle_message(Message::Text(&message)).unwrap();
        assert!(bot.poll_event().is_some());
        assert!(bot.poll_event().is_none());
    };
    read();
    let info = allocation_counter::measure(|| (0..FRAMES).for_each(|_| read()));
    assert_eq!(info.count_total, 0, "{info:?}");
}
