//! Fifty people on the phone, who begin and hang up when they like, and the bots that some of them talk to.

use callrec::Track;
use callrec_load::Voice;
use callrec_protocol::twilio::outgoing;
use callrec_simulator::Luck;
use futures_util::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::handset::Handset;

/// Short calls, in ticks of 20 ms: at every moment somebody hangs up, and somebody calls.
pub(crate) const SHORT: (u64, u64) = (10, 140);
/// Longer ones than a server lives here.
pub(crate) const LONG_CALLS: (u64, u64) = (500, 500);
/// So many are on the phone at every moment.
pub(crate) const LIVE: u64 = 50;
/// A tick of the provider, and the samples of a frame.
const TICK: Duration = Duration::from_millis(20);
pub(crate) const FRAME: u64 = 160;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(20);

/// What was sent of one call, and when. Times are those before the write: what a socket's buffer holds counts as sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) sid: String,
    /// The provider sends both sides; if not, the assistant is a bot behind the relay.
    pub(crate) one_way: bool,
    /// The format that it asks for, and the extension of its recording.
    pub(crate) format: &'static str,
    /// The time of the first frame.
    pub(crate) first_ms: u64,
    /// What caller and assistant speak with.
    pub(crate) seeds: [u64; 2],
    /// By how much the provider's clock is faster than time: some catch up.
    pub(crate) pace: u64,
    /// By how much that clock fell behind time at the most, where it waits for others.
    pub(crate) lag: Duration,
    /// When its start was sent.
    pub(crate) begun: Option<Instant>,
    /// When each frame was sent: 20 ms of the caller and, if it is one-way, of the assistant.
    pub(crate) frames: Vec<Instant>,
    /// How many samples of the bot the caller had heard at the end of each.
    pub(crate) played: Vec<u64>,
    /// When its stop was sent.
    pub(crate) hung_up: Option<Instant>,
    /// The code with which the server closed it, if it did: to the provider, and to the bot.
    pub(crate) goodbyes: [Option<u16>; 2],
    /// How many frames of its speech the bot sent.
    pub(crate) spoken: u64,
    /// When the bot told what it says.
    pub(crate) told: Option<Instant>,
    /// The most that a frame was sent late.
    pub(crate) late: Duration,
}

impl Sent {
    /// A relayed call of which nothing was sent but its start.
    #[cfg(target_os = "linux")]
    pub(crate) fn relayed(sid: &str, begun: Instant, seeds: [u64; 2]) -> Self {
        let (sent, _) = draw(sid, (0, 0), &mut Luck::new(0));
        Self { one_way: false, format: "wav", first_ms: 0, seeds, pace: 1, begun: Some(begun), ..sent }
    }
}

/// How one call goes, drawn before it begins.
struct Script {
    ticks: u64,
    /// How long after many others it hangs up too, if it does.
    led: Option<Duration>,
}

/// Everybody who calls one server.
pub(crate) struct Phones {
    pub(crate) bot_url: String,
    listener: Option<TcpListener>,
    calls: Arc<Mutex<HashMap<String, Arc<Mutex<Sent>>>>>,
    many_hang_up: watch::Sender<()>,
    over: Arc<AtomicBool>,
    /// The bots' door and those who call.
    tasks: JoinSet<()>,
    bots: Arc<Mutex<JoinSet<Option<u16>>>>,
}

impl Phones {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bot_url = format!("ws://{}", listener.local_addr().unwrap());
        Self {
            bot_url,
            listener: Some(listener),
            calls: Arc::default(),
            many_hang_up: watch::Sender::new(()),
            over: Arc::default(),
            tasks: JoinSet::new(),
            bots: Arc::default(),
        }
    }

    /// Everybody begins to call, for so many ticks of the provider, and calls again after each call.
    pub(crate) fn call(&mut self, server: &str, ticks: (u64, u64), luck: &mut Luck) {
        if let Some(listener) = self.listener.take() {
            self.tasks.spawn(answer_all(listener, Arc::clone(&self.calls), Arc::clone(&self.bots)));
        }
        for slot in 0..LIVE {
            let mut luck = Luck::new(luck.any());
            let (server, calls, over) = (server.to_owned(), Arc::clone(&self.calls), Arc::clone(&self.over));
            let many_hang_up = self.many_hang_up.clone();
            self.tasks.spawn(async move {
                for number in 0.. {
                    let (sent, script) = draw(&format!("CA{slot}x{number}"), ticks, &mut luck);
                    let (sid, sent) = (sent.sid.clone(), Arc::new(Mutex::new(sent)));
                    calls.lock().unwrap().insert(sid, Arc::clone(&sent));
                    // A server that is gone ends it.
                    let many_hang_up = many_hang_up.subscribe();
                    if talk(&server, &sent, &script, many_hang_up).await.is_none()
                        || over.load(Ordering::Relaxed)
                    {
                        break;
                    }
                }
            });
        }
    }

    /// Half of those on the phone hang up, within a tenth of a second.
    pub(crate) fn many_hang_up(&self) {
        self.many_hang_up.send_replace(());
    }

    /// Waits until the server has sent everybody away.
    pub(crate) async fn sent_away(&mut self) {
        while self.tasks.len() > 1 {
            self.tasks.join_next().await.into_iter().for_each(well);
        }
    }

    /// Waits until no bot has a socket any more, since the server is gone; gives the codes with which the server closed those that had
    /// not been told whose call it was.
    pub(crate) async fn bots_sent_away(&self) -> Vec<u16> {
        let mut bots = std::mem::take(&mut *self.bots.lock().unwrap());
        let mut codes = Vec::new();
        while let Some(ended) = bots.join_next().await {
            codes.extend(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        codes
    }

    /// Nobody calls any more, or says anything; gives every call that began.
    pub(crate) async fn hush(mut self) -> Vec<Sent> {
        self.over.store(true, Ordering::Relaxed);
        self.tasks.abort_all();
        self.bots.lock().unwrap().abort_all();
        while let Some(ended) = self.tasks.join_next().await {
            well(ended);
        }
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let calls = calls.into_values().map(|sent| match Arc::try_unwrap(sent) {
            Ok(sent) => sent.into_inner().unwrap(),
            // A goodbye that is still under way holds it, and changes nothing.
            Err(sent) => std::mem::replace(&mut *sent.lock().unwrap(), draw("", (0, 0), &mut Luck::new(0)).0),
        });
        let mut calls: Vec<_> = calls.filter(|sent| sent.begun.is_some()).collect();
        calls.sort_by(|a, b| a.sid.cmp(&b.sid));
        calls
    }
}

/// Whoever calls may be cut off, but not panic.
fn well(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn draw(sid: &str, ticks: (u64, u64), luck: &mut Luck) -> (Sent, Script) {
    let mut sent = Sent {
        sid: sid.to_owned(),
        one_way: !luck.percent(25),
        format: if luck.percent(50) { "wav" } else { "flac" },
        first_ms: luck.between(0, 65),
        seeds: [luck.any(), luck.any()],
        pace: 1,
        lag: Duration::ZERO,
        begun: None,
        frames: Vec::new(),
        played: Vec::new(),
        hung_up: None,
        goodbyes: [None; 2],
        spoken: 0,
        told: None,
        late: Duration::ZERO,
    };
    let ticks = luck.between(ticks.0, ticks.1);
    sent.pace = if luck.percent(15) { 5 } else { 1 };
    let script =
        Script { ticks, led: luck.percent(50).then(|| Duration::from_micros(luck.between(0, 100_000))) };
    (sent, script)
}

/// One call from the provider's side; none if the server went away.
async fn talk(
    server: &str,
    sent: &Arc<Mutex<Sent>>,
    script: &Script,
    mut many_hang_up: watch::Receiver<()>,
) -> Option<()> {
    let (mut socket, _) = connect_async_with_config(server, None, true).await.ok()?;
    let (mut handset, format, pace) = {
        let mut sent = sent.lock().unwrap();
        sent.begun = Some(Instant::now());
        let tracks: &[Track] =
            if sent.one_way { &[Track::Caller, Track::Assistant] } else { &[Track::Caller] };
        (Handset::new(&sent.sid, tracks, sent.first_ms, sent.seeds), sent.format, sent.pace)
    };
    for text in handset.begin(&[("audio_format", format)]) {
        socket.feed(Message::text(text)).await.ok()?;
    }
    socket.flush().await.ok()?;
    let began = tokio::time::Instant::now();
    'ticks: for tick in 0..script.ticks {
        let due = began + TICK * u32::try_from(tick).unwrap();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => break,
                news = socket.next() => match news?.ok()? {
                    Message::Text(text) => for echo in handset.take(&text) {
                        socket.send(Message::text(echo)).await.ok()?;
                    },
                    Message::Close(frame) => {
                        sent.lock().unwrap().goodbyes[0] = Some(code_of(frame));
                        goodbye(socket).await;
                        return None;
                    }
                    _ => {}
                },
                Ok(()) = many_hang_up.changed(), if script.led.is_some() => {
                    tokio::time::sleep(script.led.unwrap_or_default()).await;
                    break 'ticks;
                }
            }
        }
        for _ in 0..pace {
            let texts = handset.tick();
            {
                let mut sent = sent.lock().unwrap();
                sent.frames.push(Instant::now());
                sent.played.push(handset.played());
                sent.late = sent.late.max(due.elapsed());
            }
            for text in texts {
                socket.feed(Message::text(text)).await.ok()?;
            }
        }
        socket.flush().await.ok()?;
    }
    sent.lock().unwrap().hung_up = Some(Instant::now());
    socket.send(Message::text(handset.hang_up())).await.ok()?;
    tokio::spawn(tokio::time::timeout(GOODBYE, goodbye(socket)));
    Some(())
}

fn code_of(frame: Option<CloseFrame>) -> u16 {
    frame.map_or(1_005, |frame| frame.code.into())
}

async fn goodbye(mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let _ = socket.close(None).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Takes the server's calls to the bot.
async fn answer_all(
    listener: TcpListener,
    calls: Arc<Mutex<HashMap<String, Arc<Mutex<Sent>>>>>,
    bots: Arc<Mutex<JoinSet<Option<u16>>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let calls = Arc::clone(&calls);
        let mut bots = bots.lock().unwrap();
        bots.spawn(async move {
            let (socket, sent) = match answer(stream, &calls).await? {
                Answered::Call(socket, sent) => (socket, sent),
                Answered::SentAway(code) => return Some(code),
            };
            converse(*socket, &sent).await;
            None
        });
    }
}

/// What the server wants of a bot.
enum Answered {
    Call(Box<WebSocketStream<TcpStream>>, Arc<Mutex<Sent>>),
    /// It had nothing to say to it but goodbye.
    SentAway(u16),
}

async fn answer(stream: TcpStream, calls: &Mutex<HashMap<String, Arc<Mutex<Sent>>>>) -> Option<Answered> {
    stream.set_nodelay(true).ok()?;
    let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                if let Some(sid) = message["start"]["callSid"].as_str() {
                    let sent = Arc::clone(calls.lock().unwrap().get(sid)?);
                    return Some(Answered::Call(Box::new(socket), sent));
                }
            }
            Message::Close(frame) => {
                while let Some(Ok(_)) = socket.next().await {}
                return Some(Answered::SentAway(code_of(frame)));
            }
            _ => {}
        }
    }
}

/// One call from the bot's side: it speaks for a second, is silent for a while, and begins again.
async fn converse(mut socket: WebSocketStream<TcpStream>, sent: &Mutex<Sent>) -> Option<()> {
    let (sid, seed, one_way) = {
        let sent = sent.lock().unwrap();
        (sent.sid.clone(), sent.seeds[1], sent.one_way)
    };
    let mut ticks = tokio::time::interval(TICK);
    let mut tick = 0_u64;
    loop {
        tokio::select! {
            _ = ticks.tick(), if !one_way => {}
            news = socket.next() => match news?.ok()? {
                Message::Close(frame) => {
                    sent.lock().unwrap().goodbyes[1] = Some(code_of(frame));
                    while let Some(Ok(_)) = socket.next().await {}
                    return Some(());
                }
                _ => continue,
            },
        }
        if tick == 0 {
            sent.lock().unwrap().told = Some(Instant::now());
            let line = outgoing::transcript(callrec::Speaker::Assistant, &line_of(&sid), Some(0));
            socket.send(Message::text(line)).await.ok()?;
        }
        if tick % 65 < 50 {
            let first = {
                let mut sent = sent.lock().unwrap();
                sent.spoken += 1;
                (sent.spoken - 1) * FRAME
            };
            let codes = Voice::Noise.codes(seed, first, FRAME);
            socket.send(Message::text(outgoing::media(&sid.replace("CA", "MZ"), &codes))).await.ok()?;
        }
        tick += 1;
    }
}

/// What the bot of a call says: one word, so that the transcript has it in one piece whether it was cut off or not.
pub(crate) fn line_of(sid: &str) -> String {
    format!("good-morning-{sid}")
}
