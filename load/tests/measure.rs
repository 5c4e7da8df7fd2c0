//! `callrec-load measure`, from its command line to its figures.
//!
//! It starts the server as a process. That is this program, for a binary of another package is nothing that a test finds: in the
//! environment that a server is started in, it is callrec; and called as a bare relay is, it is one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

use callrec_audio::g711::linear_to_ulaw;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

/// The name under which this program, called as a bare relay is, is a bad one.
const LOSSY: &str = "lossy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [this, bare, _, bot] = arguments.as_slice()
        && bare == "bare"
    {
        relay(bot, this.ends_with(LOSSY));
    } else if arguments.iter().any(|argument| argument == "--version") {
        println!("callrec of a test");
    } else if is_to_serve() {
        actix_web::rt::System::new().block_on(callrec_server::cli::run()).unwrap();
    } else if cfg!(target_os = "linux") && !arguments.iter().any(|argument| argument == "--list") {
        relayed_calls_are_measured_with_and_without_recording();
        a_bare_relay_is_measured_beside_the_server();
        what_is_not_passed_on_is_told_and_fails();
        one_way_calls_are_measured();
        speech_is_said_and_heard_in_every_format();
        calls_that_are_not_recorded_as_they_were_made_are_told_and_fail();
    }
    ExitCode::SUCCESS
}

/// Whether this process was started as a server is: somebody who runs the tests may have a port in his environment as well.
fn is_to_serve() -> bool {
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|found| found == value);
    is("PORT", "0") && is("RECORDINGS_DIRECTORY", "responses")
}

/// Passes messages on between providers and a bot, until it is killed. A lossy one keeps a frame of each caller to itself, and all that
/// the bot says, but for the calls that measure delays.
fn relay(bot: &str, is_lossy: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on http://{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let bot = bot.to_owned();
            tokio::spawn(async move {
                let provider = accept_async(stream).await.unwrap();
                let (bot, _) = connect_async(bot).await.unwrap();
                let ((to_provider, from_provider), (to_bot, from_bot)) = (provider.split(), bot.split());
                let (loses, mut frames) = (AtomicBool::new(false), 0);
                let is_audio =
                    |message: &Message| message.to_text().unwrap_or_default().contains("\"media\"");
                let from_provider = from_provider.try_filter(|message| {
                    let text = message.to_text().unwrap_or_default();
                    if text.contains("\"start\"") {
                        loses.store(is_lossy && !text.contains("CAprobe"), Ordering::Relaxed);
                    }
                    frames += u32::from(is_audio(message));
                    let is_lost = loses.load(Ordering::Relaxed) && is_audio(message) && frames == 10;
                    std::future::ready(!is_lost)
                });
                let from_bot = from_bot.try_filter(|message| {
                    std::future::ready(!(loses.load(Ordering::Relaxed) && is_audio(message)))
                });
                let _ = tokio::join!(from_provider.forward(to_bot), from_bot.forward(to_provider));
            });
        }
    });
}

/// Whether it is well, what it prints, and its figures.
fn measure(arguments: &[&str]) -> (bool, String, Value) {
    measure_with_probes("2", arguments)
}

fn measure_with_probes(probes: &str, arguments: &[&str]) -> (bool, String, Value) {
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_callrec-load"))
        .args(["measure", "--calls", "4", "--probes", probes, "--seconds", "3", "--ramp", "1", "--server"])
        .arg(std::env::current_exe().unwrap())
        .arg("--json")
        .arg(&json)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    println!("{said}");
    let json = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (output.status.success(), said, json)
}

fn relayed_calls_are_measured_with_and_without_recording() {
    let (well, said, json) = measure(&[]);
    assert!(well, "{said}");
    let all_well = "4 calls were recorded as they were made, 4 were not to be recorded and went well, and with 0 something is wrong";
    assert!(said.contains(all_well), "{said}");
    let this = std::env::current_exe().unwrap().display().to_string();
    assert!(said.contains(&format!("\ncallrec of a test ({this})\n")), "{said}");
    assert_eq!(json["server"], serde_json::json!({"program": this, "version": "callrec of a test"}));
    let level = &json["levels"][0];
    let [recording, without] = [&level["recording"], &level["without"]];
    for trial in [recording, without] {
        assert_eq!(trial["checked"]["good"], 4);
        assert_eq!(trial["checked"]["lost_frames"], 0);
        assert!(trial["memory"].as_f64().unwrap() > 1e6);
        // All that was asked for, behind a warm-up of a quarter of it.
        assert!((3.0..3.5).contains(&trial["seconds"].as_f64().unwrap()), "{trial}");
        // Behind a ramp in which the two that measure were live all the time, one from the beginning on and one for half of it.
        let age = trial["age_seconds"].as_f64().unwrap();
        assert!((3.12..3.5).contains(&age), "{trial}");
        assert!(trial["memory_per_call_minute"].is_f64());
        let by_age = trial["by_age"].as_array().unwrap();
        assert_eq!(by_age.len(), 10);
        assert!(by_age.iter().all(|aged| aged["memory"].as_f64().unwrap() > 1e6), "{trial}");
        let ages: Vec<_> = by_age.iter().map(|aged| aged["age_seconds"].as_f64().unwrap()).collect();
        assert!(ages.is_sorted() && ages[0] > 1.0 && ages[9] < 5.0, "{ages:?}");
        for way in ["to_bot_ms", "to_provider_ms"] {
            assert!(trial[way]["count"].as_u64().unwrap() > 50, "{way} of {trial}");
            assert!(trial[way]["max"].as_f64() >= trial[way]["p50"].as_f64(), "{way} of {trial}");
        }
    }
    let cpu = |trial: &Value, part: &str| trial["cpu_ms"][part].as_f64().unwrap();
    let sockets = |trial: &Value| cpu(trial, "sockets");
    // Threads are known by their names.
    assert!(sockets(recording) > 0.0 && sockets(without) > 0.0, "{level}");
    assert!(cpu(recording, "encode") > 0.0, "{level}");
    for trial in [recording, without] {
        let told = sockets(trial) + cpu(trial, "journal") + cpu(trial, "encode");
        assert!(cpu(trial, "other") < told, "{trial}");
        let in_all = trial["cpu_ms_in_all"].as_f64().unwrap();
        assert!((told + cpu(trial, "other") - in_all).abs() < 1e-9, "{trial}");
        // What was taken within the window, and more, but of more seconds of calls: those that go on behind it.
        let window = trial["seconds"].as_f64().unwrap() * trial["calls"].as_f64().unwrap();
        let most = window + 4.0 * 3.0;
        assert!(trial["cpu_ms_to_the_end"].as_f64().unwrap() * most >= in_all * window, "{trial}");
    }
    let split = |part: &str| level["split_ms"][part].as_f64().unwrap();
    // As numbers are written.
    assert!((split("relay") - sockets(without)).abs() < 1e-9, "{level}");
    assert!((split("ingest") + split("relay") - sockets(recording)).abs() < 1e-9, "{level}");
    assert_eq!((&recording["probes"], &without["probes"]), (&2.into(), &2.into()));
    assert_eq!(recording["hang_up_ms"]["count"], 4);
    assert_eq!(without["hang_up_ms"], Value::Null);
    assert_eq!(json["trials"].as_array().unwrap().len(), 2);
}

fn a_bare_relay_is_measured_beside_the_server() {
    let this = std::env::current_exe().unwrap();
    let (well, said, json) =
        measure_with_probes("9", &["--recording", "off", "--bare", this.to_str().unwrap()]);
    let all_well = "\n0 calls were recorded as they were made, 8 were not to be recorded and went well, and with 0 something is wrong";
    assert!(well && said.contains(all_well), "{said}");
    let level = &json["levels"][0];
    assert_eq!((&level["bare"]["lot"], &level["without"]["lot"]), (&"bare".into(), &"without".into()));
    // There are no more than there are calls.
    assert_eq!((&level["bare"]["probes"], &level["without"]["probes"]), (&4.into(), &4.into()));
    assert!(level["bare"]["cpu_ms_to_the_end"].is_null() && level["without"]["cpu_ms_to_the_end"].is_f64());
    for way in ["to_bot_ms", "to_provider_ms"] {
        assert!(level["bare"][way]["count"].as_u64().unwrap() > 50, "{way} of {level}");
    }
}

fn what_is_not_passed_on_is_told_and_fails() {
    let home = tempfile::tempdir().unwrap();
    let lossy = home.path().join(LOSSY);
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &lossy).unwrap();
    let (well, said, json) = measure(&["--recording", "off", "--bare", lossy.to_str().unwrap()]);
    assert!(
        !well && said.contains(" 6 were not to be recorded and went well, and with 2 something is wrong"),
        "{said}"
    );
    let problems = json["levels"][0]["bare"]["checked"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2);
    for problem in problems.iter().map(|problem| problem.as_str().unwrap()) {
        assert!(problem.contains(" frames came to the bot, of "), "{problem}");
        assert!(problem.contains("; 0 samples came to the provider, of "), "{problem}");
    }
}

fn one_way_calls_are_measured() {
    let (well, said, json) = measure(&["--one-way", "--format", "flac", "--recording", "on"]);
    assert!(well, "{said}");
    let recording = &json["levels"][0]["recording"];
    assert_eq!((&recording["checked"]["good"], &recording["to_bot_ms"]), (&4.into(), &Value::Null));
    assert_eq!(recording["hang_up_ms"]["count"], 4);
}

fn speech_is_said_and_heard_in_every_format() {
    let home = tempfile::tempdir().unwrap();
    let files = ["caller", "bot"].map(|name| home.path().join(name));
    for (file, hz) in files.iter().zip([300.0, 1_000.0]) {
        // A second of a tone, and one of silence.
        let tone = |number: u32| 8_000.0 * (std::f64::consts::TAU * hz * f64::from(number) / 8_000.0).sin();
        let tone = (0..8_000).map(|number| linear_to_ulaw(tone(number) as i16));
        std::fs::write(file, tone.chain([0xff; 8_000]).collect::<Vec<_>>()).unwrap();
    }
    let speech = files.map(|file| file.to_str().unwrap().to_owned()).join(",");
    for arguments in [
        ["--format", "mp3", "--set", "AUDIO_CHANNELS=stereo"],
        ["--format", "wav", "--set", "AUDIO_CHANNELS=mono"],
        ["--format", "ogg", "--set", "AUDIO_CHANNELS=stereo"],
        ["--format", "flac", "--set", "AUDIO_CHANNELS=stereo"],
    ] {
        let (well, said, _) =
            measure(&[&["--recording", "on", "--speech", &speech], &arguments[..]].concat());
        assert!(well && said.contains("4 calls were recorded as they were made"), "{arguments:?}: {said}");
    }
}

fn calls_that_are_not_recorded_as_they_were_made_are_told_and_fail() {
    let (well, said, _) = measure(&["--recording", "on", "--set", "RECORD_CONVERSATIONS=false"]);
    let none_well = "\n0 calls were recorded as they were made, 0 were not to be recorded and went well, and with 4 something is wrong";
    assert!(!well && said.contains(none_well), "{said}");
    assert!(said.contains("its audio is \"recording_off\", and not recorded"), "{said}");
}
