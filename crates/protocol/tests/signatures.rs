//! Request signatures against the values that Twilio and its libraries publish (token `12345`).
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_protocol::signature::*;

const TOKEN: &str = "12345";
const COMPANY: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const FORM: [(&str, &str); 5] = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
];
const JSON: &[u8] = br#"{"property": "value", "boolean": true}"#;

#[test]
fn published_form_signatures_are_reproduced() {
    let page = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ];
    let url = "https://example.com/myapp.php?foo=1&bar=2";
    assert_eq!(sign_form(TOKEN, url, &page), "L/OH5YylLD5NRKLltdqwSvS0BnU=");

    for (url, expected) in [
        (COMPANY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:80/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    ] {
        assert_eq!(sign_form(TOKEN, url, &FORM), expected, "{url}");
    }
}

#[test]
fn repeated_names_count_once_for_each_value() {
    let form = [
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ];
    assert_eq!(sign_form(TOKEN, COMPANY, &form), "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
}

#[test]
fn a_json_body_is_held_by_the_hash_in_the_url() {
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    assert_eq!(body_sha256(JSON), hash);
    let url = format!("{COMPANY}&bodySHA256={hash}");
    let signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
    assert_eq!(sign_url(TOKEN, &url), signature);
    assert!(validate_json(TOKEN, std::slice::from_ref(&url), JSON, signature));
    assert!(!validate_json(TOKEN, std::slice::from_ref(&url), b"{}", signature), "another body");
    assert!(!validate_json(TOKEN, std::slice::from_ref(&url), JSON, "a9nBmqA0ju/hNViExpshrM61xv5="));
    let bare = COMPANY.to_owned();
    assert!(
        !validate_json(TOKEN, std::slice::from_ref(&bare), JSON, &sign_url(TOKEN, &bare)),
        "no hash in the URL"
    );
    let empty = format!("{COMPANY}&bodySHA256=");
    assert!(
        !validate_json(TOKEN, std::slice::from_ref(&empty), JSON, &sign_url(TOKEN, &empty)),
        "an empty hash"
    );
}

#[test]
fn upgrades_of_a_socket_are_signed_with_their_wss_url() {
    assert_eq!(sign_url(TOKEN, "wss://example.com/media-stream"), "XFfwGS2Ev7f9qAP9MmRoMS7C724=");
    assert_eq!(sign_url(TOKEN, "wss://example.com/media-stream/"), "7J0iz81itFhCXVuZK8EmM4YZwLA=");
}

#[test]
fn a_socket_is_accepted_in_every_spelling_of_its_url_and_in_no_other() {
    let urls = websocket_urls("https://example.com", "/media-stream");
    for url in [
        "wss://example.com/media-stream",
        "wss://example.com/media-stream/",
        "wss://example.com:443/media-stream",
        "wss://example.com:443/media-stream/",
        "https://example.com/media-stream",
        "https://example.com:443/media-stream/",
    ] {
        assert!(validate_request(TOKEN, &urls, &[], &sign_url(TOKEN, url)), "{url}");
    }
    for url in
        ["ws://example.com/media-stream", "wss://example.com/other", "wss://example.org/media-stream", ""]
    {
        assert!(!validate_request(TOKEN, &urls, &[], &sign_url(TOKEN, url)), "{url}");
    }
    assert_eq!(urls[0], "wss://example.com/media-stream", "the likeliest is first");
    assert_eq!(urls.len(), 8);
}

#[test]
fn a_public_url_may_have_a_port_a_path_a_user_or_an_address_in_brackets() {
    let urls = websocket_urls("https://user:secret@[::1]:8443/base/", "media-stream/");
    assert!(urls.contains(&"wss://[::1]:8443/base/media-stream/".to_owned()), "{urls:?}");
    assert!(urls.contains(&"wss://[::1]/base/media-stream".to_owned()), "{urls:?}");
    assert!(urls.iter().all(|url| !url.contains("secret")));
    assert_eq!(websocket_urls("http://127.0.0.1:8080", "/m")[0], "ws://127.0.0.1:8080/m");
    for base in ["", "example.com", "ftp://example.com", "https://", "https://a.example?x=1"] {
        assert!(websocket_urls(base, "/m").is_empty() && webhook_urls(base, "/m").is_empty(), "{base}");
    }
}

#[test]
fn webhooks_are_accepted_with_and_without_the_port() {
    let path = "/myapp.php?foo=1&bar=2";
    let at_443 = sign_form(TOKEN, "https://mycompany.com:443/myapp.php?foo=1&bar=2", &FORM);
    let without = sign_form(TOKEN, COMPANY, &FORM);
    for base in ["https://mycompany.com", "https://mycompany.com:443", "https://mycompany.com:9443/"] {
        let urls = webhook_urls(base, path);
        assert!(validate_request(TOKEN, &urls, &FORM, &at_443), "{base}");
        assert!(validate_request(TOKEN, &urls, &FORM, &without), "{base}");
    }
    let urls = webhook_urls("http://mycompany.com:1234", path);
    assert!(validate_request(TOKEN, &urls, &FORM, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="));
}

#[test]
fn a_changed_parameter_an_empty_signature_or_an_empty_token_is_refused() {
    let urls = [COMPANY.to_owned()];
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert!(validate_request(TOKEN, &urls, &FORM, signature));
    let mut form = FORM;
    form[1].1 = "12345";
    assert!(!validate_request(TOKEN, &urls, &form, signature));
    assert!(!validate_request(TOKEN, &urls, &FORM[..4], signature), "a parameter is missing");
    assert!(!validate_request(TOKEN, &urls, &FORM, ""));
    assert!(!validate_request(TOKEN, &[], &FORM, signature), "no URL to try");
    assert!(!validate_request("", &urls, &FORM, &sign_form("", COMPANY, &FORM)), "an empty token");
}
