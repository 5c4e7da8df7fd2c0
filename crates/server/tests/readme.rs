//! The README lists every setting and every route.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[cfg(feature = "mp3")]
use callrec_server::config::SETTINGS;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap()
}

/// It tells a full build's: one without MP3 has another default.
#[test]
#[cfg(feature = "mp3")]
fn every_setting_is_in_the_readme_with_its_default() {
    let readme = readme();
    for setting in SETTINGS.iter() {
        let row = readme
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`{}`", setting.name)));
        let row = row.unwrap_or_else(|| panic!("{} is not in the README", setting.name));
        if let Some(default) = setting.default {
            assert!(row.contains(&format!("`{default}`")), "{}: {default} is not in {row}", setting.name);
        }
    }
}

#[test]
fn every_route_is_in_the_readme_with_a_command() {
    let readme = readme();
    for route in [
        "localhost:8080/audio/formats",
        "localhost:8080/audio/set-format/",
        "localhost:8080/calls ",
        "localhost:8080/calls/CA123\n",
        "localhost:8080/calls/CA123/transcript",
        "localhost:8080/calls/CA123/summary",
        "localhost:8080/calls/CA123/recording",
        "localhost:8080/health",
        "localhost:8080/incoming-call",
        "GET /media-stream",
    ] {
        assert!(readme.contains(route), "{route}");
    }
}
