//! What subtitles have beside their text, taken out: tags and character references of SubRip and WebVTT, codes of ASS.

/// The text of a SubRip cue: without tags in angle brackets, and without codes in braces, which players of the time
/// understood.
pub fn sub_rip(cue: &str) -> String {
    tidy(&without(&without(cue, '{', '}', |inside| inside.starts_with('\\')), '<', '>', is_tag))
}

/// The text of a WebVTT cue ("WebVTT: The Web Video Text Tracks Format" section 4.2.2).
pub fn web_vtt(cue: &str) -> String {
    tidy(&references(&without(cue, '<', '>', |_| true)))
}

/// The text of an event of ASS or SSA: what follows the eighth comma of a block in Matroska, without overrides in
/// braces, with its line breaks (`\N`, `\n`) and hard spaces (`\h`).
pub fn ass(event: &str) -> String {
    /// ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect.
    const FIELDS_BEFORE_TEXT: usize = 8;
    let text = event.splitn(FIELDS_BEFORE_TEXT + 1, ',').nth(FIELDS_BEFORE_TEXT).unwrap_or_default();
    let text = without(text, '{', '}', |_| true);
    tidy(&text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " "))
}

/// A tag begins with a letter or a slash; what does not is an angle bracket that somebody wrote.
fn is_tag(inside: &str) -> bool {
    inside.trim_start_matches('/').starts_with(|first: char| first.is_ascii_alphabetic())
}

/// `text` without what stands between `open` and `close`, where `is_markup` says so; without `close` it is text.
fn without(text: &str, open: char, close: char, is_markup: impl Fn(&str) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(open) {
        let inside = &rest[begin + open.len_utf8()..];
        let Some(end) = inside.find(close) else { break };
        let behind = &inside[end + close.len_utf8()..];
        plain.push_str(&rest[..begin]);
        if !is_markup(&inside[..end]) {
            plain.push_str(&rest[begin..rest.len() - behind.len()]);
        }
        rest = behind;
    }
    plain + rest
}

/// Puts characters in the place of what refers to them.
fn references(text: &str) -> String {
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u{a0}"), ("&lrm;", ""), ("&rlm;", ""), ("&amp;", "&")];
    known.iter().fold(text.to_owned(), |text, (reference, character)| text.replace(reference, character))
}

/// Line ends of any kind become one, and none stands at the start or the end.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.trim_matches(['\n', ' ', '\t', '\0']).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_text_is_left() {
        for (cue, text) in [
            ("<i>Hello</i>,\r\n<font color=\"#fff\">you</font>\r\n", "Hello,\nyou"),
            ("{\\an8}1 < 2 and {so} 3 > 2", "1 < 2 and {so} 3 > 2"),
            ("no end <i", "no end <i"),
        ] {
            assert_eq!(sub_rip(cue), text, "{cue:?}");
        }
        for (cue, text) in [
            ("<v.loud Mary>Hi <00:01.000>there</v>", "Hi there"),
            ("a &lt; b &amp;&amp; c&nbsp;&gt; d &amp;lt;", "a < b && c\u{a0}> d &lt;"),
        ] {
            assert_eq!(web_vtt(cue), text, "{cue:?}");
        }
        for (event, text) in [
            ("0,0,Default,,0,0,0,,{\\b1}One{\\b0}, two\\Nthree\\hfour", "One, two\nthree four"),
            ("0,0,Default,,0,0,0", ""),
        ] {
            assert_eq!(ass(event), text, "{event:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[<>{}\\\\&;,a-zÄ€\r\n/]{0,80}") {
            for plain in [sub_rip(&text), web_vtt(&text), ass(&text)] {
                prop_assert!(plain.len() <= text.len() + 1);
            }
        }
    }
}
