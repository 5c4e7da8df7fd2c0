//! Tokens in the TwiML that we issue: a call that we answered opens its streams with the token that it was given.
//!
//! A signature says that the provider opened a socket at some time, for the socket's address never changes; a token says
//! for which call, and lives no longer than that. It carries its own proof, made with a key that follows from the
//! provider's auth token: the processes that take over from one another in a deploy accept each other's.

use crate::counters::{Counters, Limit};
use crate::secret::Secret;
use callrec::CallId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq as _;

/// The parameter of a stream that carries the token.
pub(crate) const PARAMETER: &str = "callrec_token";

/// How long a call may take from its TwiML to its first stream, in seconds. The provider takes well under one.
const FRESH: u64 = 300;
/// How far another process's clock may be ahead, in seconds.
const AHEAD: u64 = 60;
/// The most calls that are remembered. Of those forgotten a token is still known by its proof.
const MOST: usize = 100_000;

/// What was issued, and to which calls. Clones share it.
#[derive(Clone)]
pub(crate) struct StreamTokens {
    key: [u8; 32],
    calls: Arc<Mutex<Calls>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Calls {
    answered: HashMap<String, Answered>,
    /// When to look whether a call can be forgotten, in order; each call once.
    forget: VecDeque<(u64, String)>,
    /// When anything was asked last, by both clocks: the end of a stream is told by the second.
    asked: Option<(u64, Instant)>,
}

/// A call that our TwiML answered, or that an earlier process recorded, whoever answered it.
struct Answered {
    /// Whether our TwiML answered it: this process's, or that of one whose token was shown here.
    is_ours: bool,
    /// When, in seconds; the last time, if several.
    issued: u64,
    /// Tokens from before this are of an earlier part of the call, which is over.
    since: u64,
    /// Its live streams.
    streams: usize,
    /// When the last of its streams has ended.
    ended: Option<u64>,
    /// Whether that was the end of it: no other stream was awaited.
    is_over: bool,
    /// When it was first answered while it had a live stream, whose token none since has shown: it goes on in another, which may come
    /// when that is over, with any of these tokens.
    awaited: Option<u64>,
    /// Whether it is to be looked at later.
    is_queued: bool,
}

/// Why a stream is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the TwiML that callrec gave to this call has a callrec_token, and the stream came without")]
    Missing,
    #[error(
        "its callrec_token is not one that this callrec, or another with its TWILIO_AUTH_TOKEN, gave to this call"
    )]
    Wrong,
    #[error("its callrec_token is not valid any more: the call is over, or took too long to open its stream")]
    Over,
}

/// Held as long as a stream is live.
pub(crate) struct Pass {
    tokens: StreamTokens,
    call: String,
}

impl StreamTokens {
    /// Without an auth token the tokens are this process's alone.
    pub(crate) fn new(auth_token: Option<&Secret>, counters: Arc<Counters>) -> Self {
        let key = match auth_token {
            Some(token) => mac(token.expose().as_bytes(), &[b"callrec stream tokens"]),
            None => rand::random(),
        };
        Self { key, calls: Arc::default(), counters }
    }

    /// The token for a call that our TwiML answers; none for one that could not be recorded.
    pub(crate) fn issue(&self, call: &str) -> Option<String> {
        self.issue_at(call, unix_seconds())
    }

    /// Whether a stream of a call may begin. `token` is the one in its `start`, if there is one.
    pub(crate) fn admit(&self, call: &str, token: Option<&str>) -> Result<Option<Pass>, Refusal> {
        self.admit_at(call, token, unix_seconds())
    }

    /// Whether a call that we answered has a live stream.
    pub(crate) fn is_live(&self, call: &str) -> bool {
        self.lock().answered.get(call).is_some_and(|known| known.streams > 0)
    }

    /// Whether tokens could still be accepted that were issued this many seconds after 1970.
    pub(crate) fn is_of_late(issued: u64) -> bool {
        unix_seconds().saturating_sub(issued) <= FRESH
    }

    /// Of a call of which nothing was told since this time, no token could still be accepted: its last stream began before.
    pub(crate) fn late_since() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix_seconds().saturating_sub(FRESH + AHEAD))
    }

    /// A stream of a call has ended that an earlier process recorded: tokens issued no later than it began are not valid any more. What
    /// this process knows of the call stays: the streams that live, as long as they do its token, and that which one is awaited with.
    pub(crate) fn is_over_since(&self, call: &str, began: u64) {
        let mut calls = self.lock();
        let known = calls.answered.entry(call.to_owned()).or_insert_with(|| Answered::of_another(began));
        if known.streams > 0 {
            return;
        }
        if !known.is_over && known.issued >= known.since {
            // Answered here meanwhile. By a clock that went back, that may be before the stream began.
            known.since = known.since.max(known.issued.min(began + 1));
        } else {
            (known.since, known.issued) = (known.since.max(began + 1), known.issued.max(began));
        }
        calls.look_later(call);
    }

    fn issue_at(&self, call: &str, now: u64) -> Option<String> {
        CallId::new(call).ok()?;
        let mut calls = self.lock();
        calls.asked = Some((now, Instant::now()));
        calls.forget(now, &self.counters);
        let answered = calls.answered.entry(call.to_owned()).or_insert_with(|| Answered::new(now));
        if answered.is_over {
            // Never the token that was valid before, however soon this is.
            let is_queued = answered.is_queued;
            *answered = Answered { is_queued, ..Answered::new(now.max(answered.issued + 1)) };
        }
        // Nor that of a stream that lives; of one that is awaited it may be the same.
        let is_another = answered.streams > 0 && answered.awaited.is_none();
        answered.issued = now.max(answered.since).max(answered.issued + u64::from(is_another));
        if answered.streams > 0 {
            answered.awaited.get_or_insert(answered.issued);
        }
        answered.is_ours = true;
        let issued = answered.issued;
        calls.look_later(call);
        Some(self.token(call, issued))
    }

    fn admit_at(&self, call: &str, token: Option<&str>, now: u64) -> Result<Option<Pass>, Refusal> {
        let mut calls = self.lock();
        calls.asked = Some((now, Instant::now()));
        calls.forget(now, &self.counters);
        let mut known = calls.answered.get_mut(call);
        let is_fresh = |issued: u64| now.saturating_sub(issued) <= FRESH;
        let Some(token) = token else {
            let is_expected = |known: &Answered| {
                known.is_ours && (known.streams > 0 || known.is_over || is_fresh(known.last()))
            };
            // A call that we do not know for ours has TwiML of somebody else's: the signature is all that there is.
            return if known.is_some_and(|known| is_expected(known)) {
                Err(Refusal::Missing)
            } else {
                Ok(None)
            };
        };
        let issued = self.issued(call, token).filter(|issued| *issued <= now + AHEAD);
        let issued = issued.ok_or(Refusal::Wrong)?;
        // Valid still or not, it was given to this call.
        known.iter_mut().for_each(|known| known.is_ours = true);
        match known {
            Some(known) if issued < known.since => return Err(Refusal::Over),
            Some(known) if known.streams > 0 => {
                known.streams += 1;
                known.awaited = known.awaited.filter(|awaited| issued < *awaited);
            }
            Some(known) if known.is_over || !is_fresh(issued) => return Err(Refusal::Over),
            Some(known) => known.streams = 1,
            None if !is_fresh(issued) => return Err(Refusal::Over),
            None => {
                calls.answered.insert(call.to_owned(), Answered { streams: 1, ..Answered::new(issued) });
            }
        }
        Ok(Some(Pass { tokens: self.clone(), call: call.to_owned() }))
    }

    fn token(&self, call: &str, issued: u64) -> String {
        let proof = mac(&self.key, &[&issued.to_be_bytes(), call.as_bytes()]);
        let proof = proof[..16].iter().map(|byte| format!("{byte:02x}"));
        format!("{issued:x}-{}", proof.collect::<String>())
    }

    /// When a token was issued, if it is one, and this call's.
    fn issued(&self, call: &str, token: &str) -> Option<u64> {
        let (issued, _) = token.split_once('-')?;
        let issued = u64::from_str_radix(issued, 16).ok()?;
        let right = self.token(call, issued);
        bool::from(right.as_bytes().ct_eq(token.as_bytes())).then_some(issued)
    }

    /// Until this is dropped, whoever asks for a token waits, and holds up the thread that it asks on.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answered {
    fn new(now: u64) -> Self {
        Self {
            is_ours: true,
            issued: now,
            since: now,
            streams: 0,
            ended: None,
            is_over: false,
            awaited: None,
            is_queued: false,
        }
    }

    /// One whose stream began at that time in another process, and is over. Nothing tells whose TwiML it had.
    fn of_another(began: u64) -> Self {
        Self { is_ours: false, since: began + 1, ..Self::new(began) }
    }

    /// When anything happened to it last, as long as none of its streams lives.
    fn last(&self) -> u64 {
        self.ended.unwrap_or_default().max(self.issued)
    }
}

impl Calls {
    /// Has a call looked at when it may be forgotten, unless it is already. One with live streams comes when they end.
    fn look_later(&mut self, call: &str) {
        let Some(known) = self.answered.get_mut(call).filter(|known| known.streams == 0) else { return };
        if !std::mem::replace(&mut known.is_queued, true) {
            self.forget.push_back((known.last(), call.to_owned()));
        }
    }

    /// Forgets the calls that no token could be accepted of any more, and the oldest of too many.
    fn forget(&mut self, now: u64, counters: &Counters) {
        while let Some((since, _)) = self.forget.front() {
            let is_fresh = now.saturating_sub(*since) <= FRESH;
            if self.forget.len() <= MOST && is_fresh {
                return;
            }
            let Some((since, call)) = self.forget.pop_front() else { return };
            let Some(known) = self.answered.get_mut(&call) else { continue };
            known.is_queued = false;
            if known.streams > 0 || known.last() > since {
                self.look_later(&call);
                continue;
            }
            self.answered.remove(&call);
            if is_fresh {
                counters.count(Limit::TokensForgotten);
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut calls = self.tokens.lock();
        let now = calls.asked.map_or(0, |(asked, at)| asked + at.elapsed().as_secs());
        let Some(known) = calls.answered.get_mut(&self.call) else { return };
        known.streams = known.streams.saturating_sub(1);
        if known.streams > 0 {
            return;
        }
        known.ended = Some(now);
        let is_fresh = now.saturating_sub(known.issued) <= FRESH;
        match known.awaited.take().filter(|_| is_fresh) {
            // The call goes on, and the tokens of what is over end here.
            Some(awaited) => known.since = awaited,
            None => known.is_over = true,
        }
        calls.look_later(&self.call);
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length, so there is no error to hand on.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return rand::random() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
