//! The calls, over real sockets and by the real clock.

use anyhow::{Context as _, bail, ensure};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, accept_async_with_config, connect_async_with_config,
};

use crate::bot_log::BotLog;
use crate::lateness::Lateness;
use crate::progress::Progress;
use crate::{BotEnd, CallPlan, Plan, PlayoutLog, ProviderEnd};

/// How long anything may take that is not paced: the upgrade, a write, the goodbye.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(250);
/// How long nobody is let in after somebody could not be.
const ACCEPTS_AGAIN: Duration = Duration::from_millis(50);

/// A call that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) log: PlayoutLog,
    /// When its stop was sent.
    pub(crate) hung_up: Option<Instant>,
}

/// Makes all calls of a plan; each goes to `logs` when it is over. In a relay, `bots` is where they are called; what they know is
/// given back, by the calls' SIDs.
pub(crate) async fn call_all(
    url: &str,
    bots: Option<TcpListener>,
    plan: &Plan,
    logs: &UnboundedSender<Ended>,
) -> anyhow::Result<HashMap<String, BotLog>> {
    let calls = plan.all();
    let (told, bot_logs) = unbounded_channel();
    let listening = bots.map(|bots| {
        let plans = calls.iter().map(|call| (call.sid.clone(), call.clone())).collect();
        tokio::spawn(answer_all(bots, Arc::new(plans), told))
    });
    let began = Instant::now();
    let progress = Progress::new(plan.calls, Duration::from_millis(plan.ramp_ms + plan.length_ms));
    let (mut tasks, mut went_well) = (JoinSet::new(), Vec::new());
    for call in calls {
        let (url, logs, progress) = (url.to_owned(), logs.clone(), progress.clone());
        tasks.spawn(async move {
            sleep_until(began + Duration::from_millis(call.begins_ms)).await;
            progress.begins();
            let ended = make(&url, &call, None).await;
            let went_well = ended.log.failed.is_none().then_some(call.sid);
            let _ = logs.send(ended);
            progress.ends();
            went_well
        });
    }
    let mut shown = tokio::time::interval(SHOWN_EVERY);
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => went_well.extend(ended.context("a call's task broke")?),
                None => break,
            },
            _ = shown.tick() => progress.at(began.elapsed()),
        }
    }
    progress.finish();
    let Some(listening) = listening else { return Ok(HashMap::new()) };
    let bot_logs = all_told(bot_logs, &went_well).await;
    listening.abort();
    Ok(bot_logs)
}

/// What the bots of these calls, which are over, know; and of others, if they have told it by then. Some may still wait for the stop.
async fn all_told(mut told: UnboundedReceiver<BotLog>, calls: &[String]) -> HashMap<String, BotLog> {
    let (mut logs, patience) = (HashMap::new(), Instant::now() + PATIENCE);
    for call in calls {
        while !logs.contains_key(call)
            && let Ok(Some(log)) = timeout_at(patience, told.recv()).await
        {
            logs.insert(log.call.clone(), log);
        }
    }
    logs
}

/// One call, from the provider's side, which signs the upgrade so.
pub(crate) async fn provide(url: &str, plan: &CallPlan, signature: &str) -> PlayoutLog {
    make(url, plan, Some(signature)).await.log
}

async fn make(url: &str, plan: &CallPlan, signature: Option<&str>) -> Ended {
    let mut provider = ProviderEnd::new(plan);
    let (mut late, mut hung_up) = (Lateness::default(), None);
    let outcome = converse(url, signature, &mut provider, &mut late, &mut hung_up).await;
    let failed = outcome.err().map(|error| format!("{error:#}"));
    let (late_ms, late) = (late.most_ms(), late.seconds().to_vec());
    Ended { log: PlayoutLog { late_ms, late, failed, ..provider.log() }, hung_up }
}

async fn converse(
    url: &str,
    signature: Option<&str>,
    provider: &mut ProviderEnd,
    late: &mut Lateness,
    hung_up: &mut Option<Instant>,
) -> anyhow::Result<()> {
    // Small messages that are wanted at once.
    let mut request = url.into_client_request()?;
    if let Some(signature) = signature {
        request.headers_mut().insert("x-twilio-signature", signature.parse()?);
    }
    let connecting = connect_async_with_config(request, Some(small()), true);
    let (mut socket, _) = timeout(PATIENCE, connecting).await.context("no answer")?.context("the upgrade")?;
    let began = Instant::now();
    while !provider.is_over() {
        let now_us = micros(began.elapsed());
        if let Some(due_us) = provider.next_us() {
            late.note(due_us, now_us);
        }
        provider.advance(now_us);
        *hung_up = provider.is_over().then(Instant::now);
        send(&mut socket, std::iter::from_fn(|| provider.poll_transmit())).await?;
        let Some(next_us) = provider.next_us() else { break };
        tokio::select! {
            () = sleep_until(began + Duration::from_micros(next_us)) => {}
            first = socket.next() => {
                // What can be read at once came in one write.
                let mut news = vec![first];
                while let Some(more) = socket.next().now_or_never() {
                    news.push(more);
                }
                let texts: Vec<_> = news.into_iter().filter_map(text_of).collect::<anyhow::Result<_>>()?;
                provider.receive(micros(began.elapsed()), &texts)?;
            }
        }
    }
    timeout(PATIENCE, part(&mut socket)).await.context("the server does not say goodbye")
}

/// For small messages: the library fills its whole buffer, 128 KiB, with zeros before each read.
fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(8 * 1024)
}

/// The text of a message; nothing for one that says nothing.
pub(crate) fn text_of(
    news: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Option<anyhow::Result<tokio_tungstenite::tungstenite::Utf8Bytes>> {
    match news {
        Some(Ok(Message::Text(text))) => Some(Ok(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
        Some(Ok(Message::Binary(_))) => Some(Err(anyhow::anyhow!("a binary message"))),
        Some(Ok(Message::Close(_))) | None => Some(Err(anyhow::anyhow!("the server closed in mid-call"))),
        Some(Err(error)) => Some(Err(error.into())),
    }
}

async fn send(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    texts: impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    let sending = async {
        let mut any = false;
        for text in texts {
            socket.feed(Message::text(text)).await?;
            any = true;
        }
        if any { socket.flush().await } else { Ok(()) }
    };
    Ok(timeout(PATIENCE, sending).await.context("the server does not read")??)
}

/// Says goodbye, and reads until the other side has.
async fn part(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let _ = socket.close(None).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Takes the server's calls to the bot; what a bot knows goes to `told` when its call is over.
pub(crate) async fn answer_all(
    listener: TcpListener,
    plans: Arc<HashMap<String, CallPlan>>,
    told: UnboundedSender<BotLog>,
) {
    loop {
        match listener.accept().await {
            // A bot whose call breaks is noticed by the provider.
            Ok((stream, _)) => drop(tokio::spawn(answer(stream, Arc::clone(&plans), told.clone()))),
            // Somebody hung up at once, or there are too many files for now: the next one may be let in.
            Err(_) => sleep(ACCEPTS_AGAIN).await,
        }
    }
}

/// One call, from the bot's side: it speaks until the stream stops.
async fn answer(
    stream: TcpStream,
    plans: Arc<HashMap<String, CallPlan>>,
    told: UnboundedSender<BotLog>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = timeout(PATIENCE, accept_async_with_config(stream, Some(small()))).await??;
    let mut log = BotLog::default();
    let outcome = listen(&mut socket, &plans, &mut log).await;
    let began = !log.call.is_empty();
    let _ = told.send(log);
    outcome?;
    ensure!(began, "the call never began");
    let farewell = async {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    if timeout(PATIENCE, farewell).await.is_err() {
        bail!("the server does not say goodbye to the bot");
    }
    Ok(())
}

/// Speaks and listens until the stream stops or the server is gone.
async fn listen(
    socket: &mut WebSocketStream<TcpStream>,
    plans: &HashMap<String, CallPlan>,
    log: &mut BotLog,
) -> anyhow::Result<()> {
    let mut speaking: Option<(BotEnd, Instant)> = None;
    loop {
        let mut spoken = false;
        while let Some((bot, began)) = &mut speaking
            && let Some(text) = bot.speak(micros(began.elapsed()))
        {
            socket.feed(Message::text(text)).await?;
            spoken = true;
        }
        if spoken {
            socket.flush().await?;
            log.has_sent(speaking.as_ref().map_or(0, |(bot, _)| bot.sent()), Instant::now());
        }
        let next =
            speaking.as_ref().and_then(|(bot, began)| Some(*began + Duration::from_micros(bot.next_us()?)));
        tokio::select! {
            () = async { if let Some(next) = next { sleep_until(next).await } else { std::future::pending().await } } => {}
            news = socket.next() => match news {
                // Most of what comes is audio, and too much to be parsed beside so many calls; no payload has a quotation mark.
                Some(Ok(Message::Text(text))) if speaking.is_some() && text.contains("\"media\"") => log.frames += 1,
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text)?;
                    match message["event"].as_str() {
                        Some("start") => {
                            let call = message["start"]["callSid"].as_str().unwrap_or_default();
                            let plan = plans.get(call).context("a call that nobody made")?;
                            *log = BotLog::of(call);
                            speaking = Some((BotEnd::new(plan), Instant::now()));
                        }
                        Some("stop") => {
                            log.stopped = true;
                            return Ok(());
                        }
                        _ => {}
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
        }
    }
}

fn micros(since: Duration) -> u64 {
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
