//! The peers: installed where they are missing, and what versions they are.

use anyhow::{Context as _, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs, and what tells that they are there, with the Debian package of each.
const PROGRAMS: [(&str, &str, &str); 7] = [
    ("ffmpeg", "-version", "ffmpeg"),
    ("flac", "--version", "flac"),
    ("lame", "--version", "lame"),
    ("oggenc", "--version", "vorbis-tools"),
    ("sox", "--version", "sox"),
    ("node", "--version", "nodejs"),
    ("npm", "--version", "npm"),
];
/// Crates that are measured beside callrec, or make a floor, and the versions that they were built at.
const CRATES: [&str; 7] =
    ["flac-codec", "flacenc", "actix-web", "actix-ws", "tokio-tungstenite", "mp3lame-encoder", "symphonia"];
const LOCK: &str = include_str!("../../../Cargo.lock");
/// The package for WebSockets in Node.
const WS: &str = "ws@8.23.0";
/// Recorded telephone prompts, and where they are.
const PROMPTS: (&str, &str) = (crate::material::PROMPTS, "asterisk-core-sounds-en-wav");
/// Synthesizers and recorded voices for the measures of quality, and what builds these, and where they are.
const VOICES: [(&str, &str); 14] = [
    ("/usr/bin/espeak-ng", "espeak-ng"),
    ("/usr/bin/flite", "flite"),
    ("/usr/bin/text2wave", "festival"),
    ("/usr/share/festival/voices/english/ked_diphone", "festvox-kdlpc16k"),
    ("/usr/share/festival/voices/czech/czech_ph", "festvox-czech-ph"),
    ("/usr/share/festival/voices/finnish/suo_fi_lj_diphone", "festvox-suopuhe-lj"),
    ("/usr/share/festival/voices/italian/lp_diphone", "festvox-italp16k"),
    ("/usr/share/festival/voices/italian/pc_diphone", "festvox-itapc16k"),
    ("/usr/share/asterisk/sounds/fr_CA_f_June", "asterisk-core-sounds-fr-wav"),
    ("/usr/share/asterisk/sounds/it_IT_m_Carlo", "asterisk-core-sounds-it-wav"),
    ("/usr/share/asterisk/sounds/it_IT_f_Menardi", "asterisk-prompt-it-menardi-wav"),
    ("/usr/share/asterisk/sounds/ru_RU_f_IvrvoiceRU", "asterisk-core-sounds-ru-wav"),
    ("/usr/bin/python3-config", "python3-dev"),
    ("/usr/bin/g++", "g++"),
];
const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");
/// Those of the measures of quality; large, for a voice is among them.
const QUALITY_REQUIREMENTS: &str = include_str!("../peers/requirements-quality.txt");

/// What is installed.
#[derive(Debug)]
pub(crate) struct Peers {
    venv: PathBuf,
    /// What pip was asked for.
    requirements: String,
}

/// Installs what is missing; what only the measures of `quality` need, if they are wanted.
pub(crate) fn install(work: &Path, quality: bool) -> anyhow::Result<Peers> {
    let missing = PROGRAMS.iter().filter(|(program, flag, _)| version(program, &[flag]).is_none());
    let mut packages: Vec<&str> = missing.map(|(_, _, package)| *package).collect();
    let voices = if quality { &VOICES[..] } else { &[] };
    let missing =
        [PROMPTS].into_iter().chain(voices.iter().copied()).filter(|(path, _)| !Path::new(path).exists());
    packages.extend(missing.map(|(_, package)| package));
    packages.extend(missing_for_python());
    if !packages.is_empty() {
        println!("installing {}", packages.join(", "));
        as_root(&["apt-get", "update", "-q"])?;
        as_root(
            &[&["apt-get", "install", "-y", "-q", "--no-install-recommends"], packages.as_slice()].concat(),
        )?;
    }
    let requirements =
        if quality { [REQUIREMENTS, QUALITY_REQUIREMENTS].concat() } else { REQUIREMENTS.to_owned() };
    let peers = Peers { venv: work.join("venv"), requirements };
    peers.install_python()?;
    install_node(work)?;
    Ok(peers)
}

/// What it takes to install into an environment of Python's own. Debian has that apart from Python.
fn missing_for_python() -> Option<&'static str> {
    let has_it = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    (!has_it.is_ok_and(|done| done.status.success())).then_some("python3-venv")
}

impl Peers {
    /// A Python that has the peers' packages.
    pub(crate) fn python(&self) -> PathBuf {
        self.venv.join("bin/python")
    }

    fn install_python(&self) -> anyhow::Result<()> {
        let wanted = &self.requirements;
        let installed = self.venv.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|there| there.starts_with(wanted.as_str())) {
            return Ok(());
        }
        println!("installing into {}: {}", self.venv.display(), wanted.trim().replace('\n', ", "));
        must(Command::new("python3").args(["-m", "venv"]).arg(&self.venv))?;
        let requirements = self.venv.join("requirements.txt");
        fs::write(&requirements, wanted)?;
        must(Command::new(self.python()).args(["-m", "pip", "install", "-q", "-r"]).arg(&requirements))?;
        Ok(fs::write(&installed, wanted)?)
    }

    /// The versions, a line each.
    pub(crate) fn versions(&self) -> Vec<String> {
        let named = |(program, flag, _): &(&str, &str, &str)| {
            let said = version(program, &[flag])?;
            // Some put a colon behind their name.
            let said = said.trim_start_matches(program).trim_start_matches(':').trim_start();
            Some(format!("{program} {said}"))
        };
        let mut versions: Vec<String> = PROGRAMS.iter().filter_map(named).collect();
        versions.push(WS.replace('@', " "));
        versions.extend(version(self.python(), &["--version"]));
        // Those that only some versions of Python need have a condition behind them.
        let packages = self.requirements.lines().filter(|line| !line.contains(';'));
        versions.extend(packages.map(|line| line.replace("==", " ")));
        versions.extend(CRATES.iter().filter_map(|name| locked(name)));
        versions
    }
}

/// A crate with its version.
fn locked(name: &str) -> Option<String> {
    let (_, behind) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(format!("{name} {}", behind.split('"').next()?))
}

/// Installs what Node needs, where its scripts find it.
fn install_node(work: &Path) -> anyhow::Result<()> {
    let installed = work.join("node_modules/installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|there| there == WS) {
        return Ok(());
    }
    println!("installing into {}: {WS}", work.display());
    must(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(work).arg(WS))?;
    Ok(fs::write(&installed, WS)?)
}

/// The first line that a program says of itself.
pub(crate) fn version(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Option<String> {
    let said = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&said.stdout).lines().next()?.trim().to_owned())
}

fn as_root(command: &[&str]) -> anyhow::Result<()> {
    let root = version("id", &["-u"]).as_deref() == Some("0");
    let command: Vec<&str> = if root { command.to_vec() } else { [&["sudo"], command].concat() };
    must(Command::new(command[0]).args(&command[1..]).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn must(command: &mut Command) -> anyhow::Result<()> {
    let done = command.output().with_context(|| format!("{command:?} could not be run"))?;
    ensure!(done.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_has_its_version() {
        for name in CRATES {
            let told = locked(name).unwrap();
            assert!(
                told.split_once(' ').unwrap().1.starts_with(|digit: char| digit.is_ascii_digit()),
                "{told}"
            );
        }
        assert_eq!(locked("actix"), None);
    }
}
