//! What is recorded to the sample, if nothing has to be estimated.

use callrec_simulator::Verdict;

use crate::accuracy::judge;
use crate::load::Load;
use crate::server::Server;

#[test]
fn both_sides_of_one_way_calls_are_recorded_to_the_sample() {
    let load = Load::start(&["--one-way", "--calls", "6", "--seconds", "8"]);
    let mut server = Server::start(&load.bot, &[("DEFAULT_AUDIO_FORMAT", "wav")]);
    let logs = load.call(&server.url());
    server.stop();
    assert_eq!(logs.len(), 6);
    let mut verdict = Verdict::default();
    logs.iter().for_each(|log| judge(&mut verdict, log, &server));
    println!("one way: {verdict}");
    assert!(verdict.heard > 6 * 8_000 && verdict.cuts.count() > 0, "there is speech, and some was cut");
    assert_eq!((verdict.frames.worst(), verdict.missing, verdict.unheard_present), (0, 0, 0), "{verdict}");
}

#[test]
fn a_provider_that_echoes_before_the_frame_is_recorded_as_exactly_once_the_server_is_told() {
    let mut exact = [0.0; 2];
    std::thread::scope(|scope| {
        for (exact, told) in exact.iter_mut().zip(["before", "behind"]) {
            scope.spawn(move || {
                let load = Load::start(&[
                    "--calls",
                    "6",
                    "--seconds",
                    "8",
                    "--bot",
                    "bursting",
                    "--echoes",
                    "before",
                    "--jitter-ms",
                    "0-20",
                ]);
                let variables = [("DEFAULT_AUDIO_FORMAT", "wav"), ("MARK_ECHOES", told)];
                let mut server = Server::start(&load.bot, &variables);
                let logs = load.call(&server.url());
                server.stop();
                let mut verdict = Verdict::default();
                logs.iter().for_each(|log| judge(&mut verdict, log, &server));
                println!("told that echoes are {told}: {verdict}");
                *exact = verdict.frames.within(0);
            });
        }
    });
    let [before, behind] = exact;
    assert!(before > 95.0 && behind < 50.0, "{before} % and {behind} % are to the sample");
}
