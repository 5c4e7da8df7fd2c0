//! TwiML, the XML with which a webhook answers what is to happen with a call: the three answers a recorder gives.
//!
//! Pure strings; everything that comes from outside is escaped, and characters that XML 1.0 cannot carry become spaces.
//!
//! ```
//! use callrec_protocol::twiml;
//!
//! let answer = twiml::connect_stream("wss://rec.example.com/media-stream", &[("audio_format", "flac")]);
//! assert!(answer.contains(r#"<Connect><Stream url="wss://rec.example.com/media-stream">"#));
//! assert!(answer.contains(r#"<Parameter name="audio_format" value="flac"/>"#));
//! ```

/// The provider refuses a parameter whose name and value are together as long as this, in characters
/// (Twilio, TwiML `<Stream>`: "under 500 characters").
pub const PARAMETER_LIMIT: usize = 500;

/// `<Connect><Stream>`: the call talks to the bot behind the socket, in both directions, until the socket closes.
///
/// `url` is `wss://` without a query (the provider takes none); the parameters arrive in the stream's `start`.
pub fn connect_stream(url: &str, parameters: &[(&str, &str)]) -> String {
    response(|xml| {
        xml.push_str("<Connect>");
        stream(xml, url, None, parameters);
        xml.push_str("</Connect>");
    })
}

/// `<Start><Stream track="both_tracks">`: both sides of the call are copied to the socket while the call goes on with
/// the TwiML at `redirect`.
pub fn start_stream_both_tracks(url: &str, parameters: &[(&str, &str)], redirect: &str) -> String {
    response(|xml| {
        xml.push_str("<Start>");
        stream(xml, url, Some("both_tracks"), parameters);
        xml.push_str("</Start><Redirect method=\"POST\">");
        escape(xml, redirect);
        xml.push_str("</Redirect>");
    })
}

/// `<Say>`: a sentence is spoken, then the call ends.
pub fn say(sentence: &str) -> String {
    response(|xml| {
        xml.push_str("<Say>");
        escape(xml, sentence);
        xml.push_str("</Say>");
    })
}

fn response(body: impl FnOnce(&mut String)) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>");
    body(&mut xml);
    xml.push_str("</Response>\n");
    xml
}

fn stream(xml: &mut String, url: &str, track: Option<&str>, parameters: &[(&str, &str)]) {
    xml.push_str("<Stream");
    attribute(xml, "url", url);
    if let Some(track) = track {
        attribute(xml, "track", track);
    }
    if parameters.is_empty() {
        xml.push_str("/>");
        return;
    }
    xml.push('>');
    for (name, value) in parameters {
        xml.push_str("<Parameter");
        attribute(xml, "name", name);
        attribute(xml, "value", value);
        xml.push_str("/>");
    }
    xml.push_str("</Stream>");
}

fn attribute(xml: &mut String, name: &str, value: &str) {
    xml.push(' ');
    xml.push_str(name);
    xml.push_str("=\"");
    escape(xml, value);
    xml.push('"');
}

/// For text and for quoted attributes alike. A line break or tab is written as a reference, because a parser turns a
/// bare one in an attribute into a space.
fn escape(xml: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&#39;"),
            '\t' => xml.push_str("&#9;"),
            '\n' => xml.push_str("&#10;"),
            '\r' => xml.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push(' '),
            other => xml.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_without_parameters_is_one_empty_stream_element() {
        assert_eq!(
            connect_stream("wss://a.example/media-stream", &[]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Connect>\
             <Stream url=\"wss://a.example/media-stream\"/></Connect></Response>\n"
        );
    }

    #[test]
    fn a_one_way_stream_asks_for_both_tracks_and_goes_on_elsewhere() {
        assert_eq!(
            start_stream_both_tracks("wss://a.example/m", &[("a", "b")], "https://b.example/next?x=1&y=2"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Start>\
             <Stream url=\"wss://a.example/m\" track=\"both_tracks\"><Parameter name=\"a\" value=\"b\"/></Stream></Start>\
             <Redirect method=\"POST\">https://b.example/next?x=1&amp;y=2</Redirect></Response>\n"
        );
    }

    #[test]
    fn nothing_from_outside_can_become_markup() {
        let answer = connect_stream("wss://a/\"><Hangup/>", &[("n\"ame", "</Stream>&'\n\u{0}\u{ffff}ü")]);
        assert!(!answer.contains("<Hangup/>"));
        assert!(answer.contains("url=\"wss://a/&quot;&gt;&lt;Hangup/&gt;\""));
        assert!(answer.contains("name=\"n&quot;ame\" value=\"&lt;/Stream&gt;&amp;&#39;&#10;  ü\""));
        assert!(say("a < b & \"c\"").contains("<Say>a &lt; b &amp; &quot;c&quot;</Say>"));
    }
}
