//! The few shapes that the picture is made of. Colours are attributes, so that every viewer shows them; a style sheet
//! turns them for dark grounds where there is one.

use std::fmt::Write as _;

/// The height of a line.
pub(super) const LINE: usize = 16;
/// The width of a letter: every text is monospaced.
pub(super) const LETTER: usize = 7;

const STYLE: &str = "text{white-space:pre}\
    @media(prefers-color-scheme:dark){\
    .ground{fill:#0d1117}.card{fill:#161b22}\
    .text{fill:#e6edf3}.faint{fill:#9198a1}.good{fill:#3fb950}.bad{fill:#f85149}\
    .line{stroke:#6e7681}.border-s{stroke:#3d444d}.faint-s{stroke:#6e7681}.bad-s{stroke:#f85149}}";

/// What something means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// A text.
    Text,
    /// A text of less weight, or something that is open.
    Faint,
    /// It holds.
    Good,
    /// It is broken.
    Bad,
    /// The edge of a card.
    Border,
}

impl Colour {
    fn class(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Faint => "faint",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Border => "border",
        }
    }

    /// On a light ground.
    fn light(self) -> &'static str {
        match self {
            Self::Text => "#1f2328",
            Self::Faint => "#59636e",
            Self::Good => "#1a7f37",
            Self::Bad => "#cf222e",
            Self::Border => "#d1d9e0",
        }
    }
}

/// A document in the making.
pub(super) struct Canvas(String);

impl Canvas {
    pub(super) fn new(width: usize, height: usize, title: &str) -> Self {
        let title = escaped(title);
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"ui-monospace, Menlo, Consolas, \
             'DejaVu Sans Mono', monospace\" font-size=\"11.5\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        ))
    }

    pub(super) fn text(&mut self, x: usize, y: usize, colour: Colour, strong: bool, text: &str) {
        let weight = if strong { " font-weight=\"bold\"" } else { "" };
        let (class, fill, text) = (colour.class(), colour.light(), escaped(text));
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" fill=\"{fill}\"{weight}>{text}</text>\n"
        ));
    }

    /// The sign before a rule: its form tells, too, not the colour alone.
    pub(super) fn mark(&mut self, x: usize, y: usize, colour: Colour) {
        let (class, fill, middle) = (colour.class(), colour.light(), y.saturating_sub(4));
        match colour {
            Colour::Bad => self.add(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"9\" height=\"9\" fill=\"{fill}\"/>\n",
                y.saturating_sub(9)
            )),
            Colour::Good => self.add(format_args!(
                "<circle class=\"{class}\" cx=\"{}\" cy=\"{middle}\" r=\"3.5\" fill=\"{fill}\"/>\n",
                x + 4
            )),
            Colour::Text | Colour::Faint | Colour::Border => self.add(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"9\" height=\"2\" fill=\"{fill}\"/>\n",
                middle.saturating_sub(1)
            )),
        }
    }

    pub(super) fn card(&mut self, x: usize, y: usize, width: usize, height: usize, edge: Colour) {
        let (class, stroke) = (edge.class(), edge.light());
        let thick = if edge == Colour::Bad { 2 } else { 1 };
        self.add(format_args!(
            "<rect class=\"card {class}-s\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" \
             fill=\"#f6f8fa\" stroke=\"{stroke}\" stroke-width=\"{thick}\"/>\n"
        ));
    }

    pub(super) fn frame(&mut self, x: usize, y: usize, width: usize, height: usize) {
        let stroke = Colour::Border.light();
        self.add(format_args!(
            "<rect class=\"ground border-s\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\" \
             fill=\"#ffffff\" stroke=\"{stroke}\" stroke-dasharray=\"4 3\"/>\n"
        ));
    }

    /// From one level to the next.
    pub(super) fn curve(&mut self, from: (usize, usize), by: (usize, usize), to: (usize, usize)) {
        self.path(format_args!(
            "M{} {}C{} {} {} {} {} {}",
            from.0, from.1, by.0, by.1, to.0, by.1, to.0, to.1
        ));
    }

    /// Past other levels.
    pub(super) fn aside(&mut self, from: (usize, usize), lane: usize, to: (usize, usize)) {
        let (down, up) = (from.1 + 14, to.1.saturating_sub(14));
        self.path(format_args!(
            "M{} {}H{}Q{lane} {} {lane} {down}V{up}Q{lane} {} {} {}H{}",
            from.0,
            from.1,
            lane.saturating_sub(14),
            from.1,
            to.1,
            lane.saturating_sub(14),
            to.1,
            to.0
        ));
    }

    fn path(&mut self, path: std::fmt::Arguments<'_>) {
        self.add(format_args!(
            "<path class=\"line\" d=\"{path}\" fill=\"none\" stroke=\"#818b98\" stroke-width=\"1.2\"/>\n"
        ));
    }

    fn add(&mut self, piece: std::fmt::Arguments<'_>) {
        // writing into a String cannot fail
        let _ = self.0.write_fmt(piece);
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// As text or attribute of XML; what misleads a reader, and what XML does not allow, is written out.
pub(super) fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => clean.push_str("&amp;"),
            '<' => clean.push_str("&lt;"),
            '>' => clean.push_str("&gt;"),
            '"' => clean.push_str("&quot;"),
            '\'' => clean.push_str("&#39;"),
            _ if is_odd(letter) => clean.extend(letter.escape_unicode()),
            _ => clean.push(letter),
        }
    }
    clean
}

fn is_odd(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
                | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// The beginning of a text, at most so many letters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The end of a text: of a link's name, that is what tells.
pub(super) fn cut_front(text: &str, most: usize) -> String {
    let letters = text.chars().count();
    if letters <= most {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(letters - most.saturating_sub(1))).collect()
}

/// A text in lines of at most so many letters, broken between words where there are any; the rest is cut.
pub(super) fn wrapped(text: &str, letters: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while !rest.is_empty() {
        if lines.len() + 1 >= most && rest.len() > letters {
            lines.push(cut(&rest.iter().collect::<String>(), letters));
            break;
        }
        let end = if rest.len() <= letters {
            rest.len()
        } else {
            rest.iter().take(letters).rposition(|letter| *letter == ' ').map_or(letters, |space| space + 1)
        };
        let line: String = rest.drain(..end).collect();
        lines.push(line.trim_end().to_owned());
    }
    lines
}
