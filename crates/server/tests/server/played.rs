//! Streams of a provider that plays what it is sent: a call that goes on after its bot was lost, and streams of whose playing no
//! echo tells.

use super::phone::finished;
use super::playing::Playing;
use super::scripted_bot::{BotCall, ScriptedBot};
use super::test_server::TestServer;
use callrec_protocol::twilio::outgoing;
use callrec_simulator::Run;
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");
/// By how much a place may be off, as the table of docs/heard.md has it for the worst; how late this machine is comes as jitter.
const MOST_OFF: u64 = 100 * 8;

/// A stream that has begun, at both its ends.
async fn begin(server: &TestServer, bot: &ScriptedBot, stream: &str) -> (Playing, BotCall) {
    let provider = Playing::begin(server, "CA1", stream).await;
    let mut call = bot.accept().await;
    while !call.next().await.unwrap().contains("\"start\"") {}
    (provider, call)
}

/// Takes what is still said to a bot, and goes with the Close.
async fn hang_up(mut call: BotCall) {
    while call.next().await.is_some() {}
}

/// Speech of so many samples; each says by its sound which it is, modulo 254.
fn speech(samples: u64) -> Vec<u8> {
    // 0x7f and 0xff are silence.
    (0..samples).map(|n| (n % 254) as u8).map(|n| if n < 0x7f { n } else { n + 1 }).collect()
}

/// The bot's side of one of the call's recordings, and how long that is.
fn recorded(server: &TestServer, number: &str) -> Vec<i16> {
    let path = server.responses().join(format!("call_CA1_conversation{number}.wav"));
    let samples: Vec<i16> = hound::WavReader::open(path).unwrap().samples().map(Result::unwrap).collect();
    samples.chunks_exact(2).map(|pair| pair[1]).collect()
}

/// The recording has the beginning of `spoken`, in one piece and to the sample, where it was heard and as far as it was.
fn assert_heard(recorded: &[i16], heard: &[Run], spoken: &[u8]) {
    let [heard] = heard else { panic!("{heard:?} was heard in pieces") };
    let first = recorded.iter().position(|sample| *sample != 0).expect("a sound");
    let sound = recorded[first..].iter().rposition(|sample| *sample != 0).unwrap() + 1;
    let spoken: Vec<i16> = spoken.iter().map(|code| callrec::g711::ulaw_to_linear(*code)).collect();
    assert_eq!(recorded[first..first + sound], spoken[..sound]);
    assert!((first as u64).abs_diff(heard.at) <= MOST_OFF, "from {first}, and {heard:?}");
    assert!((sound as u64).abs_diff(heard.samples) <= MOST_OFF, "{sound} samples, and {heard:?}");
}

fn playout(summary: &Value, stream: usize) -> &Value {
    &summary["streams"][stream]["completeness"]["playout"]
}

/// The bot's end goes in mid-sentence, in a way that the summary calls `ended`, and the call goes on with a second stream.
async fn call_whose_bot_is_lost(ended: &str, code: u16) {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let spoken = speech(24_000);

    // A quarter of a second away.
    let (mut first, mut call) = begin(&server, &bot, "MZ1").await;
    first.delay_ticks = 12;
    first.play(40).await;
    call.send(r#"{"event":"transcript","speaker":"assistant","text":"one two three four"}"#).await;
    for piece in spoken.chunks(3_000) {
        call.send(outgoing::media("MZ1", piece)).await;
    }
    first.play(50).await;
    if ended == "bot_closed" {
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        call.socket.close(Some(close)).await.unwrap();
    }
    drop(call);
    // What is queued is played until the provider has seen the Close.
    first.play(100).await;
    assert_eq!(first.closed, Some(Some(code)));
    let heard = first.heard();
    assert!(heard[0].samples < 20_000, "{heard:?}");

    // The call's TwiML goes on, with another stream to the same bot, which is next door by now.
    let (mut second, mut call) = begin(&server, &bot, "MZ2").await;
    second.play(40).await;
    call.send(outgoing::media("MZ2", &spoken[..8_000])).await;
    second.play(80).await;
    tokio::join!(second.stop(), hang_up(call));
    let summary = finished(&server, "CA1").await;

    let streams = summary["streams"].as_array().unwrap();
    let told = |name: &str| streams.iter().map(|stream| stream[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("stream"), ["MZ1", "MZ2"]);
    assert_eq!(told("ended"), [ended, "stopped"]);
    assert_heard(&recorded(&server, ""), heard, &spoken);
    assert_heard(&recorded(&server, "_2"), second.heard(), &spoken[..8_000]);
    for (stream, number) in [(&first, ""), (&second, "_2")] {
        let length = recorded(&server, number).len() as u64;
        assert!(length.abs_diff(stream.ticks() * 160) <= MOST_OFF, "{length}, {} ticks", stream.ticks());
    }
    assert_eq!(
        (&streams[0]["lines"][0]["cut_off"], &playout(&summary, 0)["cuts"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(playout(&summary, 1)["cuts"], 0);
    // The bot cleared nothing: the stream's end cut it off.
    let cuts = streams[0]["notes"]["cuts"].as_array().unwrap();
    assert_eq!(cuts.iter().map(|cut| &cut["by"]).collect::<Vec<_>>(), ["end"], "{cuts:?}");

    // Names of marks are each stream's own, and so is what their echoes told.
    let names: HashSet<&String> = first.marks.iter().collect();
    assert!(first.own_marks() > 5 && second.own_marks() > 5);
    assert!(!second.marks.iter().any(|name| names.contains(name)));
    for number in 0..2 {
        let playout = playout(&summary, number);
        assert_eq!(
            (&playout["calibrated"], &playout["stray_echoes"]),
            (&json!(true), &json!(0)),
            "{playout}"
        );
        assert_eq!((&playout["spurts"], &playout["spurts_pinned"]), (&json!(1), &json!(1)), "{playout}");
    }
    let way_ms = |stream: usize| playout(&summary, stream)["round_trip_ms"].as_u64().unwrap();
    assert!(way_ms(0) >= 220 && way_ms(1) < 150, "round trips of {} and {} ms", way_ms(0), way_ms(1));
}

#[tokio::test]
async fn a_bot_that_breaks_off_in_mid_sentence_ends_its_stream_and_the_calls_next_is_calibrated_by_itself() {
    call_whose_bot_is_lost("bot_gone", 1011).await;
}

#[tokio::test]
async fn a_bot_that_hangs_up_in_mid_sentence_ends_its_stream_and_the_calls_next_is_calibrated_by_itself() {
    call_whose_bot_is_lost("bot_closed", 1000).await;
}

/// A stream of which no echo comes back, with speech, a clear and silence in it; gives what the provider saw.
async fn call_without_echoes(relay_marks: &str) -> Playing {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url()), ("RELAY_MARKS", relay_marks)]);
    let (mut provider, mut call) = begin(&server, &bot, "MZ1").await;
    provider.mute = true;
    // Longer than it takes to measure the round trip.
    provider.play(35).await;
    let spoken = speech(16_000);
    call.send(outgoing::media("MZ1", &spoken)).await;
    provider.play(50).await;
    call.send(outgoing::clear("MZ1")).await;
    // Longer than a quiet stream is left without a mark.
    provider.play(120).await;
    tokio::join!(provider.stop(), hang_up(call));
    let summary = finished(&server, "CA1").await;
    let told = playout(&summary, 0);
    assert_eq!((&told["calibrated"], &told["echoes"], &told["cuts"]), (&json!(false), &json!(0), &json!(1)));
    assert_eq!(
        (&told["round_trip_ms"], &told["largest_error_ms"]),
        (&Value::Null, &Value::Null),
        "nothing is claimed"
    );
    assert_eq!((&told["spurts_pinned"], &told["cuts_pinned"]), (&json!(0), &json!(0)));
    assert!(server.get("/calls/CA1/summary").text().contains("the assistant's track is uncalibrated"));
    // All that was heard is there, where the model has it: to the provider it is no way here.
    assert_heard(&recorded(&server, ""), provider.heard(), &spoken);
    provider
}

#[tokio::test]
async fn with_marks_off_no_mark_is_ever_sent_and_the_recording_says_that_it_is_uncalibrated() {
    assert_eq!(call_without_echoes("off").await.marks, [""; 0]);
}

#[tokio::test]
async fn a_provider_that_sends_no_mark_back_gets_them_all_and_the_recording_says_that_it_is_uncalibrated() {
    let provider = call_without_echoes("on").await;
    // Five at the beginning, two around the speech, two around the clear, and one that measures the way again.
    let own = provider.own_marks();
    assert!(own >= 10 && own == provider.marks.len(), "{:?}", provider.marks);
}
