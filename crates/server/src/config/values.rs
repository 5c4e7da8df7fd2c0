//! The merged sources, and how one value is read: every refusal names the variable, its value and what is allowed.

use super::layers::Layer;
use super::settings;
use super::{ConfigError, WebUrl};
use crate::secret::Secret;
use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

/// The winning value of each setting, with where it came from.
pub(super) struct Values(HashMap<String, (String, String)>);

impl Values {
    pub(super) fn merge(layers: Vec<Layer>) -> Result<Self, ConfigError> {
        use config::Source as _;
        let builder = layers.into_iter().fold(
            config::Config::builder(),
            config::ConfigBuilder::<config::builder::DefaultState>::add_source,
        );
        let mut values = HashMap::new();
        for (name, value) in builder.build()?.collect()? {
            let origin = value.origin().unwrap_or_default().to_owned();
            values.insert(name, (value.into_string()?, origin));
        }
        Ok(Self(values))
    }

    /// The value, unless it is unset or empty.
    fn optional(&self, name: &str) -> Option<&str> {
        debug_assert!(settings::find(name).is_some(), "{name} is not in the list of settings");
        let (value, _) = self.0.get(name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or_else(|| self.impossible(name, Some("it is empty".to_owned())))
    }

    pub(super) fn parse<T>(&self, name: &'static str) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value = self.required(name)?;
        value.parse().map_err(|error: T::Err| self.impossible(name, Some(error.to_string())))
    }

    pub(super) fn in_range<T>(&self, name: &'static str, allowed: RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd,
        T::Err: Display,
    {
        let value = self.parse(name)?;
        if allowed.contains(&value) { Ok(value) } else { Err(self.impossible(name, None)) }
    }

    pub(super) fn seconds(&self, name: &'static str, most: u64) -> Result<Duration, ConfigError> {
        self.in_range(name, 1..=most).map(Duration::from_secs)
    }

    pub(super) fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.required(name)?.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(self.impossible(name, None)),
        }
    }

    pub(super) fn secret(&self, name: &'static str) -> Result<Option<Secret>, ConfigError> {
        match self.optional(name) {
            Some(value) if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(self.impossible(name, None))
            }
            value => Ok(value.map(Secret::new)),
        }
    }

    pub(super) fn url(
        &self,
        name: &'static str,
        is_allowed: impl Fn(&str) -> bool,
    ) -> Result<Option<Url>, ConfigError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        let url = Url::parse(value).map_err(|error| self.impossible(name, Some(error.to_string())))?;
        if !is_allowed(url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(self.impossible(name, None));
        }
        // What reads addresses takes the first word behind the scheme for the host, whatever is between: it may be a path, and secret.
        if !value.split_once(':').is_some_and(|(_, rest)| names_host(rest)) {
            let reason = "the host must stand right behind two slashes".to_owned();
            return Err(self.impossible(name, Some(reason)));
        }
        Ok(Some(url))
    }

    /// The address of a WebSocket.
    pub(super) fn bot_url(&self, name: &'static str) -> Result<Option<Url>, ConfigError> {
        let url = self.url(name, |scheme| matches!(scheme, "ws" | "wss"))?;
        if url.as_ref().is_some_and(|url| url.fragment().is_some()) {
            let reason = "the address of a WebSocket has no fragment: a # in it is written %23".to_owned();
            return Err(self.impossible(name, Some(reason)));
        }
        Ok(url)
    }

    /// The public address as the operator wrote it, since signatures are computed over the very text; only a slash
    /// at the end goes, for paths are appended to it.
    pub(super) fn public_url(&self, name: &'static str) -> Result<Option<WebUrl>, ConfigError> {
        let Some(url) = self.url(name, |scheme| matches!(scheme, "http" | "https"))? else { return Ok(None) };
        if url.scheme() == "http" && !is_loopback(&url) {
            let reason = "over http:// anybody on the way can listen".to_owned();
            return Err(self.impossible(name, Some(reason)));
        }
        if url.query().is_some() || url.fragment().is_some() {
            let reason = "it must end with the host or a path".to_owned();
            return Err(self.impossible(name, Some(reason)));
        }
        Ok(self.optional(name).map(|value| WebUrl(value.trim_end_matches('/').to_owned())))
    }

    pub(super) fn log_filter(&self, name: &'static str) -> Result<String, ConfigError> {
        let value = self.required(name)?;
        // What reads filters panics at some other letters behind a space.
        if !value.is_ascii() {
            return Err(self.impossible(name, Some("it has letters beyond ASCII".to_owned())));
        }
        // Nothing is logged with spans; and of some patterns for their fields it takes a minute to make what finds them.
        if value.contains('[') {
            let reason =
                "it names spans or fields, and callrec's log has none: name modules and levels".to_owned();
            return Err(self.impossible(name, Some(reason)));
        }
        EnvFilter::try_new(value).map_err(|error| self.impossible(name, Some(error.to_string())))?;
        Ok(value.to_owned())
    }

    /// The refusal of a setting's value.
    pub(super) fn impossible(&self, name: &'static str, reason: Option<String>) -> ConfigError {
        let setting = settings::find(name);
        let (value, origin) = self.0.get(name).cloned().unwrap_or_default();
        ConfigError::Impossible {
            name,
            value: match setting {
                Some(setting) if setting.secret => "(hidden)".to_owned(),
                Some(setting) if setting.name.ends_with("_URL") => without_secrets(value),
                _ => value,
            },
            origin,
            reason: reason.unwrap_or_else(|| "it is none of those allowed".to_owned()),
            allowed: setting.map_or("", |s| s.allowed),
        }
    }
}

/// What is shown in place of an address of which nothing may be.
const HIDDEN: &str = "(hidden: it may have a password in it)";

/// An address as it may be shown: it may have a password or a token in it, in its right place or not. A host that stands behind `//` is
/// shown; of any other address with a scheme, the scheme alone.
pub(super) fn without_secrets(value: String) -> String {
    let Some((scheme, rest)) = value.trim().split_once(':') else {
        // A path alone has none; one behind a host may, and so may what is behind two slashes.
        let may_have_one = value.contains(['@', '?', '\\'])
            || value.char_indices().any(|(at, letter)| at > 0 && letter == '/');
        return if may_have_one { HIDDEN.to_owned() } else { value };
    };
    match Url::parse(&value) {
        Ok(url) if names_host(rest) && url.has_host() => super::host_of(&url),
        _ if matches!(scheme, "http" | "https" | "ws" | "wss") => format!("{scheme}:{HIDDEN}"),
        // Where there is no address, the part before the colon may be the secret itself.
        _ => HIDDEN.to_owned(),
    }
}

/// Whether a host stands where it should in what is behind the scheme and its colon.
fn names_host(rest: &str) -> bool {
    rest.strip_prefix("//").is_some_and(|host| !host.starts_with(['/', '\\']))
}

/// Whether the address leads to this very machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
