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

/// Against what `GET /audio/formats` tells of the defaults, and at 44,100 Hz.
#[test]
fn what_a_minute_costs_is_in_the_readme() {
    use callrec::{RateSetting, Settings, formats};
    let (readme, settings) = (readme(), Settings::default());
    let at_44100 = settings.clone().with_rate(RateSetting::Hz(44_100));
    let (auto, high) = (formats::catalogue(&settings, 8_000), formats::catalogue(&at_44100, 8_000));
    for (auto, high) in auto.iter().zip(&high) {
        let name = format!("| {}", auto.extension.to_uppercase());
        let row = readme.lines().find(|line| line.starts_with(&name)).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (auto, high) = (auto.mb_per_minute.unwrap(), high.mb_per_minute.unwrap());
        assert!(cells[2].starts_with(&format!("{auto:.2} ")), "{auto}: {row}");
        assert_eq!(cells[3], format!("{high:.2}"), "{row}");
    }
}

/// The routes are those that the server is made from.
#[test]
fn every_route_is_in_the_readme_with_a_command() {
    let readme = readme();
    for route in callrec_server::ROUTES {
        let path = route.path.replace("{sid}", "CA123");
        let is_told = |line: &str| {
            let told =
                line.split([' ', '\'', '?']).any(|word| word.trim_start_matches("localhost:8080") == path);
            // The socket is told in words, for no `curl` opens it.
            told && (line.starts_with("curl ") || line.starts_with("# GET /media-stream "))
        };
        let side = ["/health/live", "/health/ready"].contains(&&*path) && readme.contains(&path);
        assert!(readme.lines().any(is_told) || side, "{path}");
    }
}

/// `StartLimitIntervalSec=` is of the unit, and in the other section systemd passes over it; a second is more than no time at all, and
/// less than a call takes to be given up.
#[test]
fn the_systemd_unit_is_started_again_as_often_as_it_takes() {
    let readme = readme();
    let unit = readme.split("```ini\n").nth(1).unwrap().split("```").next().unwrap();
    let section = |name: &str| {
        let behind = unit.split(&format!("[{name}]\n")).nth(1).unwrap();
        behind.split("\n[").next().unwrap().lines().collect::<Vec<_>>()
    };
    assert!(section("Unit").contains(&"StartLimitIntervalSec=0"));
    let service = section("Service");
    assert!(service.contains(&"Restart=on-failure") && service.contains(&"RestartSec=1"), "{service:?}");
}

/// Each line is a directive that ends, or begins or ends a block; each variable is nginx's own or made by a `map`; the zone by which
/// connections are counted is there.
#[test]
fn the_nginx_recipe_is_whole_speaks_tls_and_counts_the_connections_of_each_address() {
    let readme = readme();
    let recipe = readme.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let lines: Vec<&str> = recipe
        .lines()
        .map(|line| line.split('#').next().unwrap().trim())
        .filter(|line| !line.is_empty())
        .collect();
    let mut depth = 0;
    for line in &lines {
        match line.as_bytes() {
            [.., b'{'] => depth += 1,
            [b'}'] => depth -= 1,
            [.., b';'] => {}
            _ => panic!("no directive: {line}"),
        }
        assert!(depth >= 0, "{line} ends more than has begun");
    }
    assert_eq!(depth, 0, "a block does not end");
    let made = lines.iter().filter_map(|line| line.strip_prefix("map ")?.split([' ', '$']).nth(3));
    let made: Vec<&str> = made.collect();
    assert_eq!(made, ["counted", "connection_upgrade"]);
    let own = ["uri", "binary_remote_addr", "remote_addr", "http_upgrade", "host"];
    // In an expression, it is the end.
    let is_expression = |line: &str| line.starts_with('~');
    let plain = lines.iter().filter(|line| !is_expression(line));
    for variable in plain.flat_map(|line| line.split('$').skip(1)) {
        let name = variable.split(|letter: char| letter != '_' && !letter.is_alphanumeric()).next().unwrap();
        assert!(made.contains(&name) || own.contains(&name), "${name}");
    }
    for line in [
        "listen 443 ssl;",
        "limit_conn_zone $counted zone=callrec:10m;",
        "limit_conn callrec 20;",
        "limit_conn_zone $binary_remote_addr zone=callrec_all:10m;",
        "limit_conn callrec_all 1200;",
        // Below whatever path callrec is served.
        r#"~/media-stream$  "";"#,
        r#"~/incoming-call$ "";"#,
        // Or it reads a whole body before callrec can refuse it by its head.
        "proxy_request_buffering off;",
        "proxy_set_header Connection $connection_upgrade;",
    ] {
        assert!(lines.contains(&line), "{line} is not there");
    }
}
