//! The headers that are a list of words: Require (RFC 2326 section 12.32), Proxy-Require (12.27), Unsupported (12.41),
//! Public (12.28), Allow (12.4) and Accept (12.1).

use super::{Headers, split_unquoted};
use crate::rtsp::Method;

/// The option tags a client insists on: Require and Proxy-Require together, in order.
pub fn required_options(headers: &Headers) -> Vec<&str> {
    let fields = headers.get_all("Require").chain(headers.get_all("Proxy-Require"));
    fields.flat_map(|field| split_unquoted(field, ',')).collect()
}

/// Option tags as Unsupported has them.
pub fn option_list(options: &[&str]) -> String {
    options.join(", ")
}

/// Whether a header that is a list of words, such as Connection (RFC 2326 section 12.8), has this one.
pub fn has_word(headers: &Headers, name: &str, word: &str) -> bool {
    headers.get_all(name).any(|field| split_unquoted(field, ',').any(|known| known.eq_ignore_ascii_case(word)))
}

/// Methods as Public and Allow have them.
pub fn method_list(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

/// The media ranges that SDP is in.
const SDP_RANGES: [&str; 3] = ["application/sdp", "application/*", "*/*"];

/// Whether the client takes a description in SDP. No Accept means that it takes anything; quality values, that it
/// takes it. `q=0`, which would refuse it, is sent by no client.
pub fn accepts_sdp(headers: &Headers) -> bool {
    let accept = headers.list("Accept").unwrap_or_default();
    let mut ranges = split_unquoted(&accept, ',').map(|range| range.split(';').next().unwrap_or_default()).peekable();
    ranges.peek().is_none()
        || ranges.any(|range| SDP_RANGES.iter().any(|known| range.trim().eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in fields {
            headers.push(*name, *value);
        }
        headers
    }

    #[test]
    fn options_are_collected_from_both_headers_and_all_repeats() {
        let headers = headers(&[
            ("Require", "onvif-replay"),
            ("Proxy-Require", "gzipped-messages"),
            ("require", "implicit-play, x-fast"),
        ]);
        assert_eq!(required_options(&headers), ["onvif-replay", "implicit-play", "x-fast", "gzipped-messages"]);
        assert_eq!(option_list(&["a", "b"]), "a, b");
    }

    #[test]
    fn methods_are_listed_as_clients_search_for_them() {
        let methods = [Method::Options, Method::GetParameter, Method::SetParameter];
        assert_eq!(method_list(&methods), "OPTIONS, GET_PARAMETER, SET_PARAMETER");
    }

    #[test]
    fn sdp_is_accepted_unless_the_client_names_only_other_types() {
        for (accept, expected) in [
            ("application/sdp", true),
            ("application/rtsl, application/sdp;level=-2", true),
            ("Application/SDP; q=0.5", true),
            ("*/*", true),
            ("application/*", true),
            ("", true),
            ("application/x-rtsp-mh, application/rtsl", false),
        ] {
            assert_eq!(accepts_sdp(&headers(&[("Accept", accept)])), expected, "{accept}");
        }
        assert!(accepts_sdp(&headers(&[])));
        assert!(accepts_sdp(&headers(&[("Accept", "application/rtsl"), ("Accept", "application/sdp")])));
    }
}
