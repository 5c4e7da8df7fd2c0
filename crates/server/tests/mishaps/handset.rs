//! The provider's end of one call: it plays what it is sent by a clock of its own, and sends marks back, as providers do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callrec::Track;
use callrec_load::Voice;
use callrec_protocol::twilio::outgoing;
use callrec_simulator::{Echoes, FromProvider, Provider, ToProvider};
use serde_json::Value;

use crate::calls::FRAME;

/// A phone on a media stream.
pub(crate) struct Handset {
    wire: outgoing::Provider,
    playout: Provider,
    tracks: &'static [Track],
    /// What caller and assistant speak with.
    seeds: [u64; 2],
    first_ms: u64,
    /// The names of the marks that came, by number.
    marks: Vec<String>,
    /// Samples of the bot that came.
    came: u64,
}

impl Handset {
    /// A phone whose first frame has this time, and that speaks with these.
    pub(crate) fn new(sid: &str, tracks: &'static [Track], first_ms: u64, seeds: [u64; 2]) -> Self {
        let wire = outgoing::Provider::new(sid, &sid.replace("CA", "MZ"));
        let playout = Provider::new(Echoes::BehindFrame).dating_from(first_ms);
        Self { wire, playout, tracks, seeds, first_ms, marks: Vec::new(), came: 0 }
    }

    /// The stream begins.
    pub(crate) fn begin(&mut self, parameters: &[(&str, &str)]) -> [String; 2] {
        [self.wire.connected(), self.wire.start(self.tracks, parameters)]
    }

    /// Takes a message of the server's; gives the marks that come back at once.
    pub(crate) fn take(&mut self, text: &str) -> Vec<String> {
        let message: Value = serde_json::from_str(text).unwrap();
        let message = match message["event"].as_str() {
            Some("media") => {
                let payload = message["media"]["payload"].as_str().unwrap();
                let codes = STANDARD.decode(payload).unwrap();
                let (first, samples) = (self.came, codes.len() as u64);
                let said = Voice::Noise.codes(self.seeds[1], first, samples);
                assert_eq!(codes, said, "speech comes as the bot said it, and in order");
                self.came += samples;
                ToProvider::Media { first, samples }
            }
            Some("mark") => {
                self.marks.push(message["mark"]["name"].as_str().unwrap().to_owned());
                ToProvider::Mark(self.marks.len() as u64 - 1)
            }
            event => panic!("no phone knows {event:?}"),
        };
        let answers = self.playout.take(&message);
        self.write(answers)
    }

    /// Plays 20 ms: what is to be sent of them, with the marks that were reached.
    pub(crate) fn tick(&mut self) -> Vec<String> {
        let answers = self.playout.tick();
        self.write(answers)
    }

    /// How many samples of the bot were played so far.
    pub(crate) fn played(&self) -> u64 {
        self.playout.heard().last().map_or(0, |run| run.first + run.samples)
    }

    /// The stream ends.
    pub(crate) fn hang_up(&mut self) -> String {
        self.wire.stop()
    }

    fn write(&mut self, answers: Vec<FromProvider>) -> Vec<String> {
        let mut texts = Vec::new();
        for answer in answers {
            match answer {
                FromProvider::Mark(number) => texts.push(self.wire.mark(&self.marks[number as usize])),
                FromProvider::Caller { timestamp_ms } => {
                    let first = (timestamp_ms - self.first_ms) / 20 * FRAME;
                    for (track, seed) in self.tracks.iter().zip(self.seeds) {
                        let codes = Voice::Noise.codes(seed, first, FRAME);
                        texts.push(self.wire.media(*track, timestamp_ms, &codes));
                    }
                }
            }
        }
        texts
    }
}
