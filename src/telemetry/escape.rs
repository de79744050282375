//! Which characters a line of the log never has as they are.

/// Whether a terminal or a log viewer would take a character for a command, an end of a line or another order of the
/// letters, so that it shows something else than what is there.
pub(super) fn misleads(letter: char) -> bool {
    matches!(
        letter,
        '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    ) || (letter.is_control() && letter != '\t')
}

/// Appends a text with what misleads written as `\n`, `\u{1b}` and so on.
pub(super) fn escape_into(mut text: &str, out: &mut String) {
    while let Some((at, letter)) = text.char_indices().find(|(_, letter)| misleads(*letter)) {
        let (plain, rest) = text.split_at(at);
        out.push_str(plain);
        out.extend(letter.escape_default());
        text = rest.split_at(letter.len_utf8()).1;
    }
    out.push_str(text);
}

/// The text on its own, as [`escape_into`] writes it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_written_out_and_nothing_else() {
        for (text, expected) in [
            ("", ""),
            ("plain ä € \u{1f600}\ttab \\n", "plain ä € \u{1f600}\ttab \\n"),
            ("\x1b[31mred\x07\0", "\\u{1b}[31mred\\u{7}\\u{0}"),
            ("two\nlines\r\u{85}\u{2028}end\n", "two\\nlines\\r\\u{85}\\u{2028}end\\n"),
            ("a\u{202e}b\u{2066}\u{200f}", "a\\u{202e}b\\u{2066}\\u{200f}"),
        ] {
            let mut out = "before ".to_owned();
            escape_into(text, &mut out);
            assert_eq!(out, format!("before {expected}"));
        }
    }
}
