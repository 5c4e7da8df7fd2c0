//! `callrec inspect` as a person runs it, on the journal of a live call and on the recording it becomes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use callrec::{
    Call, CallOptions, Codec, EndReason, Event, Format, Place, Recorder, Settings, Speaker, Topology, Track,
};
use quick_xml::Reader;
use quick_xml::events::Event as Xml;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const LOUD: [u8; 160] = [0x10; 160];

/// A relayed call of 70 seconds. The caller speaks at 0:40, of which a frame is lost; the assistant is cut off at 0:02.3,
/// with 1.7 s of speech to come, and is late at 0:51.
fn relayed(recorder: &Recorder) -> Call {
    let call =
        recorder.start_call(CallOptions::new("CA1").stream("MZ<1>").topology(Topology::Relay)).unwrap();
    let audio = |at_ms: u64, track, place, bytes: &[u8]| {
        call.handle_at(at_ms * 1_000, &Event::Audio { track, place, codec: Codec::Mulaw, bytes });
    };
    let frames = |from: u64, to: u64| {
        for ms in (from..to).step_by(20) {
            let bytes = if (40_000..44_000).contains(&ms) { &LOUD } else { &[0xff; 160] };
            audio(ms + 20, Track::Caller, Place::At(ms), bytes);
        }
        assert!(call.flush());
    };
    let at = |ms: u64, event: Event<'_>| call.handle_at(ms * 1_000, &event);
    let speak =
        |at_ms: u64, frames: usize| audio(at_ms, Track::Assistant, Place::Queued, &LOUD.repeat(frames));
    frames(0, 1_000);
    at(1_000, Event::Said { speaker: Speaker::Assistant, text: "One two three four\u{1b}[2J", at_ms: None });
    speak(1_000, 150);
    at(1_000, Event::MarkSent { name: "the bot's" });
    at(1_000, Event::MarkSent { name: "callrec-00112233aabbccdd-1" });
    frames(1_000, 2_300);
    at(2_300, Event::Cleared);
    at(2_301, Event::MarkEchoed { name: "callrec-00112233aabbccdd-1" });
    frames(2_300, 42_000);
    frames(42_020, 50_000);
    speak(50_000, 50);
    frames(50_000, 51_100);
    speak(51_100, 50);
    frames(51_100, 70_000);
    call
}

struct Fixture {
    home: tempfile::TempDir,
    recorder: Recorder,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::default().with_format(Format::Wav);
        let recorder = Recorder::builder(home.path().join("responses")).settings(settings).start().unwrap();
        Self { home, recorder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        inspect(self.home.path(), arguments)
    }

    fn shown(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn inspect(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callrec"));
    command.arg("inspect").args(arguments).current_dir(home).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn a_live_call_is_drawn_with_its_cut_and_its_gaps_and_listed() {
    let fixture = Fixture::new();
    let call = relayed(&fixture.recorder);
    let shown = fixture.shown(&["CA1", "--width", "71", "--transcript", "--marks"]);
    // Rows of 30 s in 60 columns, half a second each.
    let lines: Vec<&str> = shown.lines().collect();
    let rulers: Vec<usize> = (0..lines.len()).filter(|index| lines[*index].trim().starts_with('│')).collect();
    assert_eq!(rulers.len(), 3, "{shown}");
    let row = |row: usize, line: usize| lines[rulers[row] + line].chars().skip(11).collect::<String>();
    assert_eq!(lines[rulers[0]].trim(), "│0:00     │0:05     │0:10     │0:15     │0:20     │0:25", "{shown}");
    assert_eq!(lines[rulers[1]].trim().split('│').nth(1), Some("0:30     "));
    assert_eq!(row(0, 2), "·".repeat(60), "the caller says nothing");
    assert_eq!(row(0, 4), format!("··██╳{}", "·".repeat(55)), "the assistant is cut off\n{shown}");
    assert_eq!(row(0, 3), "  ██┊");
    assert_eq!(row(1, 2), format!("{}████░███{}", "·".repeat(20), "·".repeat(32)), "{shown}");
    assert_eq!(row(1, 4), format!("{}██▒██{}", "·".repeat(40), "·".repeat(15)), "{shown}");
    assert_eq!(row(2, 2), "·".repeat(20), "the call ends in its third row");
    assert!(
        lines[rulers[0] + 2].starts_with("    caller ·") && lines[rulers[0] + 4].starts_with(" assistant ·")
    );
    for told in [
        "call CA1\n",
        "MZ<1>, relayed to a bot",
        "  duration     1:10.000\n",
        "wav, 8000 Hz, stereo",
        "the call is live",
        "assistant One two ╳ [three four\u{fffd}[2J]",
        "spurts (2)\n    0:01.000 to   0:02.300     1.300 s  modelled\n",
        "cuts (1)\n    0:02.300  1.700 s never heard, pinned\n",
        "gaps (2)\n    0:42.000     0.020 s  caller: never came\n",
        "assistant: came too late to go on\n",
        "callrec's    1 of 1 came back; shortest 1301 ms, median 1301 ms,\n               longest 1301 ms\n",
        "the bot's    0 of 1 came back\n",
        "    0:01.000          1301 ms  callrec-00112233aabbccdd-1\n",
        "completeness\n  incomplete\n",
        "0.020 s of the caller's audio never came (once); it is silence",
    ] {
        assert!(shown.contains(told), "{told} is not in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "colour is for terminals, and nobody's words move a cursor");
    assert!(shown.lines().all(|line| line.chars().count() <= 71 || line.contains("journal")), "{shown}");
    drop(call);
}

#[test]
fn programs_get_the_same_as_json_of_a_live_and_of_a_finished_call() {
    let fixture = Fixture::new();
    let call = relayed(&fixture.recorder);
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&fixture.shown(arguments)).unwrap() };
    let live = json(&["CA1", "--json"]);
    assert_eq!((&live["version"], &live["call"]), (&1.into(), &"CA1".into()));
    let stream = &live["streams"][0];
    assert_eq!(stream["source"]["kind"], "journal");
    assert_eq!((&stream["ended"], &stream["topology"]), (&Value::Null, &"relay".into()));
    assert_eq!(stream["marks"]["ours"]["median_ms"], 1_301);
    assert_eq!(stream["marks"]["each"], Value::Null);
    assert_eq!(json(&["CA1", "--json", "--marks"])["streams"][0]["marks"]["each"][1]["delay_ms"], 1_301);

    let files = call.finish(EndReason::Stopped).wait().unwrap();
    let done = json(&["CA1", "--json"]);
    let finished = &done["streams"][0];
    assert_eq!(finished["source"]["kind"], "recording");
    assert_eq!((&finished["ended"], &finished["marks"]), (&"stopped".into(), &Value::Null));
    assert_eq!(finished["notes"]["cuts"][0]["unheard_ms"], 1_700);
    assert_eq!(finished["notes"]["gaps"][0]["track"], "caller");
    for same in ["number", "stream", "started_at", "duration_ms", "tracks", "notes", "complete", "sentences"]
    {
        assert_eq!(stream[same], finished[same], "{same}");
    }
    let track = &finished["tracks"][0];
    assert_eq!((&track["track"], &track["sound_ms"]), (&"caller".into(), &3_980.into()));
    assert_eq!(track["peaks"].as_array().unwrap().len(), 1_750);

    for path in [files.audio.unwrap(), files.summary_json] {
        assert_eq!(json(&[path.to_str().unwrap(), "--json"])["streams"][0]["notes"], finished["notes"]);
    }
}

#[test]
fn every_field_of_the_json_is_documented() {
    fn fields(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    found.push(name.clone());
                    // Its numbers are those of the summary.
                    if name != "completeness" {
                        fields(value, found);
                    }
                }
            }
            Value::Array(array) => array.iter().for_each(|value| fields(value, found)),
            _ => {}
        }
    }
    let fixture = Fixture::new();
    let _call = relayed(&fixture.recorder);
    let mut found = Vec::new();
    let json = fixture.shown(&["CA1", "--json", "--marks"]);
    fields(&serde_json::from_str(&json).unwrap(), &mut found);
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/inspect.md")).unwrap();
    for field in found {
        assert!(documented.contains(&format!("`{field}`")), "{field}");
    }
}

#[test]
fn the_picture_is_well_formed_has_both_sides_and_never_replaces_a_recording() {
    let fixture = Fixture::new();
    let call = relayed(&fixture.recorder);
    fixture.shown(&["CA1", "--svg", "call.svg"]);
    let svg = std::fs::read_to_string(fixture.home.path().join("call.svg")).unwrap();
    assert_eq!(svg, fixture.shown(&["CA1", "--svg", "-"]));
    let mut reader = Reader::from_str(&svg);
    reader.config_mut().check_end_names = true;
    let (mut depth, mut classes) = (0, Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Xml::Start(tag) => {
                depth += 1;
                classes.extend(class_of(&tag));
            }
            Xml::Empty(tag) => classes.extend(class_of(&tag)),
            Xml::End(_) => depth -= 1,
            Xml::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    for (class, times) in [
        ("caller peak", 4),
        ("assistant peak", 3),
        ("cut", 2),
        ("lost", 2),
        ("late", 2),
        ("spurt modelled", 3),
    ] {
        // A picture of three rows, and its legend where it has the sign.
        let found = classes.iter().filter(|found| *found == class).count();
        assert_eq!(found, times, "{class}");
    }

    let files = call.finish(EndReason::Stopped).wait().unwrap();
    let audio = files.audio.unwrap();
    let before = std::fs::read(&audio).unwrap();
    let refused = fixture.run(&["CA1", "--svg", audio.to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a picture's name ends in .svg"));
    assert_eq!(std::fs::read(audio).unwrap(), before);
}

#[test]
#[cfg(unix)]
fn the_picture_is_its_owners_alone_and_goes_to_no_place_that_a_link_leads_to() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let fixture = Fixture::new();
    let call = relayed(&fixture.recorder);
    let picture = fixture.shown(&["CA1", "--svg", "-"]);
    let home = fixture.home.path();
    std::fs::create_dir(home.join("pictures")).unwrap();
    std::fs::write(home.join("elsewhere"), "what is there").unwrap();
    std::fs::write(home.join("pictures/old.svg"), "an old one that all may read").unwrap();
    std::fs::set_permissions(home.join("pictures/old.svg"), PermissionsExt::from_mode(0o644)).unwrap();
    symlink(home.join("elsewhere"), home.join("pictures/link.svg")).unwrap();
    symlink(home.join("nothing"), home.join("pictures/dangling.svg")).unwrap();
    let names = ["new.svg", "old.svg", "link.svg", "dangling.svg"];
    for name in names {
        let path = home.join("pictures").join(name);
        fixture.shown(&["CA1", "--svg", path.to_str().unwrap()]);
        let made = std::fs::symlink_metadata(&path).unwrap();
        assert!(made.is_file(), "{name}: {made:?}");
        assert_eq!(made.permissions().mode() & 0o777, 0o600, "{name}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), picture, "{name}");
    }
    assert_eq!(std::fs::read_to_string(home.join("elsewhere")).unwrap(), "what is there");
    assert!(!home.join("nothing").exists());
    // One that cannot be put in its place leaves nothing.
    std::fs::create_dir(home.join("pictures/directory.svg")).unwrap();
    let refused = fixture.run(&["CA1", "--svg", "pictures/directory.svg"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot write pictures/directory.svg"));
    assert_eq!(std::fs::read_dir(home.join("pictures")).unwrap().count(), names.len() + 1);
    drop(call);
}

fn class_of(tag: &quick_xml::events::BytesStart<'_>) -> Option<String> {
    let class = tag.try_get_attribute("class").unwrap()?;
    Some(class.value.into_owned())
}

#[test]
fn what_is_not_there_is_told_with_where_it_was_looked_for_and_nothing_is_made() {
    let home = tempfile::tempdir().unwrap();
    let told = |arguments: &[&str]| {
        let output = inspect(home.path(), arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let no_call = told(&["CA404"]);
    for place in ["RECORDINGS_DIRECTORY is responses", "there is no call CA404", "responses/.journal"] {
        assert!(no_call.contains(place), "{no_call}");
    }
    for path in ["some/where.journal", "call_CA1_conversation.mp3", "../CA1"] {
        assert!(told(&[path]).contains(&format!("{path}: there is no such file")));
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
