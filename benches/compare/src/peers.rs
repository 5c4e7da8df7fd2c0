//! The peers: installed where they are missing, and what versions they are.

use anyhow::{Context as _, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs, and what tells that they are there, with the Debian package of each.
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("ffmpeg", "-version", "ffmpeg"),
    ("flac", "--version", "flac"),
    ("node", "--version", "nodejs"),
    ("npm", "--version", "npm"),
];
/// The package for WebSockets in Node.
const WS: &str = "ws@8.23.0";
/// Recorded telephone prompts, and where they are.
const PROMPTS: (&str, &str) = (crate::material::PROMPTS, "asterisk-core-sounds-en-wav");

/// What is installed.
#[derive(Debug)]
pub(crate) struct Peers {
    venv: PathBuf,
}

/// Installs what is missing.
pub(crate) fn install(work: &Path) -> anyhow::Result<Peers> {
    let missing = PROGRAMS.iter().filter(|(program, flag, _)| version(program, &[flag]).is_none());
    let mut packages: Vec<&str> = missing.map(|(_, _, package)| *package).collect();
    if !Path::new(PROMPTS.0).exists() {
        packages.push(PROMPTS.1);
    }
    if !packages.is_empty() {
        println!("installing {}", packages.join(", "));
        as_root(&["apt-get", "update", "-q"])?;
        as_root(
            &[&["apt-get", "install", "-y", "-q", "--no-install-recommends"], packages.as_slice()].concat(),
        )?;
    }
    let peers = Peers { venv: work.join("venv") };
    peers.install_python()?;
    install_node(work)?;
    Ok(peers)
}

impl Peers {
    /// A Python that has the peers' packages.
    pub(crate) fn python(&self) -> PathBuf {
        self.venv.join("bin/python")
    }

    fn install_python(&self) -> anyhow::Result<()> {
        let wanted = include_str!("../peers/requirements.txt");
        let installed = self.venv.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
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
            Some(if said.starts_with(program) { said } else { format!("{program} {said}") })
        };
        let mut versions: Vec<String> = PROGRAMS.iter().filter_map(named).collect();
        versions.push(WS.replace('@', " "));
        versions.extend(version(self.python(), &["--version"]));
        // Those that only some versions of Python need have a condition behind them.
        let packages = include_str!("../peers/requirements.txt").lines().filter(|line| !line.contains(';'));
        versions.extend(packages.map(|line| line.replace("==", " ")));
        versions
    }
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
