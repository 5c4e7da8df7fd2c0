//! The sources of the settings, lowest first: defaults, `audio_config.env`, `.env`, the environment.

use super::ConfigError;
use super::settings::{self, SETTINGS};
use config::{Map, Source, Value, ValueKind};
use std::io;
use std::path::Path;

/// One source: names and values, and what to call it in an error.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    origin: String,
    values: Vec<(String, String)>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |text: &String| Value::new(Some(&self.origin), ValueKind::String(text.clone()));
        Ok(self.values.iter().map(|(name, text)| (name.clone(), value(text))).collect())
    }
}

impl Layer {
    pub(super) fn defaults() -> Self {
        let values = SETTINGS.iter().filter_map(|s| Some((s.name.to_owned(), s.default?.to_owned())));
        Self { origin: "the defaults".to_owned(), values: values.collect() }
    }

    /// The environment, or what a test gives for it. Names that are not ours belong to others.
    pub(super) fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = variables.into_iter().filter(|(name, _)| settings::find(name).is_some());
        Self { origin: "the environment".to_owned(), values: ours.collect() }
    }

    /// A file of `NAME=value` lines. A missing file is an empty one. In our own file (`strict`) an unknown name is
    /// an error; a `.env` is often shared with other programs, so there it is not.
    pub(super) fn file(path: &Path, strict: bool) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(ConfigError::File { file: origin, error }),
        };
        Self::lines(lines, origin, strict)
    }

    /// The settings of a file's lines.
    pub(super) fn lines<R: io::Read>(
        lines: dotenvy::Iter<R>,
        origin: String,
        strict: bool,
    ) -> Result<Self, ConfigError> {
        let mut values = Vec::new();
        for line in lines {
            let (name, value) = match line {
                Ok(line) => line,
                Err(error) => return Err(ConfigError::File { file: origin, error }),
            };
            if settings::find(&name).is_some() {
                values.push((name, value));
            } else if strict {
                return Err(ConfigError::Unknown { name, file: origin });
            }
        }
        Ok(Self { origin, values })
    }
}
