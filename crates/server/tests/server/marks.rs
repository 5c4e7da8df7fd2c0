//! Marks of our own on the relay: where they go, and that the bot never learns of them.

use super::phone::{finished, inbound, relayed, speech, stop};
use super::scripted_bot::{BotCall, ScriptedBot};
use super::test_server::{Client, Got, TestServer, own_mark};

const CLEAR: &str = r#"{"event":"clear","streamSid":"MZ1"}"#;

fn mark(name: &str) -> String {
    format!(r#"{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}}}}"#)
}

fn echo(name: &str) -> String {
    format!(r#"{{"event":"mark","sequenceNumber":"7","streamSid":"MZ1","mark":{{"name":"{name}"}}}}"#)
}

async fn begin(relay_marks: &str) -> (TestServer, Client, BotCall) {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url()), ("RELAY_MARKS", relay_marks)]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    (server, provider, call)
}

/// The messages up to one that contains this, marks of our own shown as `*`.
async fn up_to(provider: &mut Client, last: &str) -> Vec<String> {
    let mut got = Vec::new();
    loop {
        let Got::Text(text) = provider.next_of_all().await else { panic!("the call ended after {got:?}") };
        let over = text.contains(last);
        got.push(if own_mark(&text).is_some() { "*".to_owned() } else { text });
        if over {
            return got;
        }
    }
}

/// What is around a message in the order in which the provider gets it.
fn around<'a>(got: &'a [String], message: &str) -> [Option<&'a str>; 2] {
    let index = got.iter().position(|text| text == message).unwrap();
    let at = |index: Option<usize>| index.and_then(|index| got.get(index)).map(String::as_str);
    [at(index.checked_sub(1)), at(Some(index + 1))]
}

#[tokio::test]
async fn marks_go_around_the_beginning_of_speech_and_around_a_clear_and_nothing_else_is_changed() {
    let (_server, mut provider, mut bot) = begin("on").await;
    let spoken = speech(&[0x10; 16_000]);
    for message in [&spoken, CLEAR, &mark("the bot's own"), "{\"event\":\"strange\"}"] {
        bot.send(message).await;
    }
    let got = up_to(&mut provider, "strange").await;
    assert_eq!(around(&got, &spoken), [Some("*"), Some("*")]);
    assert_eq!(around(&got, CLEAR)[1], Some("*"));
    let not_ours: Vec<&str> = got.iter().map(String::as_str).filter(|text| *text != "*").collect();
    assert_eq!(not_ours, [&spoken, CLEAR, &mark("the bot's own"), "{\"event\":\"strange\"}"]);
}

#[tokio::test]
async fn echoes_of_ours_are_kept_from_the_bot_and_its_own_reach_it_untouched_and_in_order() {
    let (server, mut provider, mut bot) = begin("on").await;
    for name in ["one", "two", "two"] {
        bot.send(speech(&[0x10; 800])).await;
        bot.send(mark(name)).await;
    }
    bot.send("{\"event\":\"strange\"}").await;
    // A provider that plays at once.
    let (mut ms, mut sent) = (0, 0);
    loop {
        let Got::Text(text) = provider.next_of_all().await else { panic!("the call ended") };
        if text.contains("strange") {
            break;
        }
        let own = own_mark(&text);
        sent += u64::from(text.contains("\"mark\""));
        if let Some(name) =
            own.or_else(|| ["one", "two"].map(str::to_owned).into_iter().find(|name| text == mark(name)))
        {
            provider.send(echo(&name)).await;
        }
        provider.send(inbound(ms, 0xff)).await;
        ms += 20;
    }
    provider.send(stop("CA1")).await;
    let mut heard = Vec::new();
    while let Some(text) = bot.next().await {
        assert_eq!(own_mark(&text), None, "{text}");
        heard.extend(text.contains("\"mark\"").then_some(text));
    }
    assert_eq!(heard, [echo("one"), echo("two"), echo("two")]);
    let playout = &finished(&server, "CA1").await["streams"][0]["completeness"]["playout"];
    assert_eq!((&playout["calibrated"], playout["echoes"].as_u64()), (&true.into(), Some(sent)));
    assert!(sent > 3, "marks of our own were among them");
}

#[tokio::test]
async fn no_mark_of_ours_is_sent_where_they_are_off_or_where_nobody_takes_them() {
    let (server, mut provider, mut bot) = begin("off").await;
    bot.send(speech(&[0x10; 800])).await;
    bot.send(CLEAR).await;
    assert_eq!(up_to(&mut provider, "clear").await, [speech(&[0x10; 800]), CLEAR.to_owned()]);
    provider.send(stop("CA1")).await;
    while bot.next().await.is_some() {}
    assert!(finished(&server, "CA1").await["streams"][0]["completeness"]["playout"]["calibrated"] == false);
    assert!(server.get("/calls/CA1/summary").text().contains("uncalibrated"));
}

#[tokio::test]
async fn while_nobody_speaks_the_round_trip_is_measured() {
    let (_server, mut provider, _bot) = begin("on").await;
    let mut names = Vec::new();
    for _ in 0..5 {
        let Got::Text(text) = provider.next_of_all().await else { panic!("the call ended") };
        names.extend(own_mark(&text));
    }
    let distinct: std::collections::HashSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (5, 5));
    // Nobody can guess what they begin with.
    let prefix = names[0].trim_end_matches('1');
    assert!(prefix.len() >= "callrec-".len() + 16 && names.iter().all(|name| name.starts_with(prefix)));
}
