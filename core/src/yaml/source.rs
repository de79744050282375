//! What a document's text must not have, whatever its values are: characters, tabs and anchors that readers of YAML 1.1
//! and 1.2 take differently. The parser knows 1.2, so it does not mind them.

use super::{Spot, YamlError};
use saphyr_parser::{ScalarStyle, Span};
use std::collections::HashSet;

/// Where a scalar stands, in characters, without its anchor and its tag.
pub(super) struct Place {
    start: usize,
    end: usize,
    plain: bool,
}

/// A document's text and where its scalars are.
pub(super) struct Source {
    characters: Vec<char>,
    scalars: Vec<Place>,
}

impl Source {
    /// A text all of whose characters mean the same to every reader.
    pub(super) fn new(text: &str) -> Result<Self, YamlError> {
        let source = Self { characters: text.chars().collect(), scalars: Vec::new() };
        let mut spots = Spots::default();
        for (index, character) in source.characters.iter().enumerate() {
            let found = match character {
                '\u{feff}' if index > 0 => Some("a byte order mark within the document"),
                '\u{85}' | '\u{2028}' | '\u{2029}' => Some("a line break that not every reader knows"),
                '\t' | '\n' | '\r' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' => None,
                '\u{10000}'.. => None,
                _ => Some("a character that YAML does not have"),
            };
            refuse(found, spots.here)?;
            spots.pass(*character);
        }
        Ok(source)
    }

    /// Notes a scalar; they come in their order.
    pub(super) fn add(&mut self, span: Span, style: ScalarStyle, empty: bool) {
        let (mut start, mut end) = (span.start.index(), span.end.index());
        while start < end && matches!(self.characters.get(start), Some('&' | '!')) {
            let until = |start: usize, blank: bool| {
                let rest = self.characters.iter().take(end).skip(start);
                start + rest.take_while(|character| character.is_whitespace() == blank).count()
            };
            start = until(until(start, false), true);
        }
        match style {
            // what stands behind its mark is not the text
            ScalarStyle::Literal | ScalarStyle::Folded if empty => return,
            ScalarStyle::Literal | ScalarStyle::Folded if start > span.start.index() => {
                let rest = self.characters.iter().take(end).skip(start);
                start += rest.take_while(|character| !matches!(character, '\n' | '\r')).count();
            }
            // the parser counts what stands behind, too
            ScalarStyle::SingleQuoted => end = self.end_of_quoted(start, end, '\''),
            ScalarStyle::DoubleQuoted => end = self.end_of_quoted(start, end, '"'),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => {}
        }
        self.scalars.push(Place { start, end, plain: style == ScalarStyle::Plain });
    }

    fn end_of_quoted(&self, start: usize, end: usize, quote: char) -> usize {
        let mut inner = self.characters.iter().enumerate().take(end).skip(start + 1).peekable();
        while let Some((index, character)) = inner.next() {
            if *character == '\\' && quote == '"' {
                inner.next();
            } else if *character == quote
                && (quote == '"' || inner.next_if(|(_, next)| **next == quote).is_none())
            {
                return index + 1;
            }
        }
        end
    }

    /// Whether the text ends within a line.
    pub(super) fn ends_in_line(&self) -> bool {
        self.characters.last().is_some_and(|last| !matches!(last, '\n' | '\r'))
    }

    /// Looks at what stands between the scalars.
    pub(super) fn check(&self) -> Result<(), YamlError> {
        let mut scalars = self.scalars.iter().peekable();
        let mut spots = Spots::default();
        let mut comment = false;
        let mut brackets = 0_usize;
        let mut line_ended = false;
        let mut begun = false;
        let mut anchor: Option<String> = None;
        let mut anchors = HashSet::new();
        for (index, character) in self.characters.iter().enumerate() {
            while scalars.peek().is_some_and(|place| place.end <= index) {
                scalars.next();
            }
            let scalar = scalars.peek().filter(|place| place.start <= index);
            let line_end = matches!(character, '\n' | '\r');
            comment &= scalar.is_none() && !line_end;
            begun |= scalar.is_some() || !comment && matches!(character, '-' | '[' | '{');
            line_ended = scalar.is_none() && (line_ended || line_end);
            let found = match (scalar, character) {
                (Some(_), _) if anchor.is_some() => Some("an anchor of other than letters, digits, - and _"),
                (Some(place), '\t') if place.plain => Some("a tab in a text without quotes"),
                (Some(place), '?') if place.plain && brackets > 0 => {
                    Some("a ? in brackets and without quotes")
                }
                (Some(place), ':' | '|' | '>') if place.plain && brackets > 0 && place.start == index => {
                    Some("a mark in brackets and without quotes")
                }
                (Some(_), _) => None,
                (None, _) if comment => None,
                (None, '.') if !begun => Some("an end before the beginning"),
                (None, '\t') => Some("a tab between values"),
                (None, ':') if brackets > 0 && line_ended => Some("a key whose : is on another line"),
                (None, '%') if spots.here.column == 1 => Some("a directive"),
                (None, _) => match (&mut anchor, character) {
                    (None, '&') => {
                        anchor = Some(String::new());
                        None
                    }
                    (None, '#') => {
                        comment = true;
                        None
                    }
                    (None, '[' | '{') => {
                        brackets = brackets.saturating_add(1);
                        None
                    }
                    (None, ']' | '}') => {
                        brackets = brackets.saturating_sub(1);
                        None
                    }
                    (None, _) => None,
                    (Some(name), _)
                        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') =>
                    {
                        name.push(*character);
                        None
                    }
                    (Some(_), ' ' | '\n' | '\r' | ',' | ']' | '}') => anchor
                        .take()
                        .filter(|name| !anchors.insert(name.clone()))
                        .map(|_| "an anchor that is there already"),
                    (Some(_), _) => Some("an anchor of other than letters, digits, - and _"),
                },
            };
            refuse(found, spots.here)?;
            spots.pass(*character);
        }
        Ok(())
    }
}

fn refuse(found: Option<&'static str>, spot: Spot) -> Result<(), YamlError> {
    found.map_or(Ok(()), |found| Err(YamlError::Ambiguous { spot, found }))
}

/// Counts lines and columns.
struct Spots {
    here: Spot,
}

impl Default for Spots {
    fn default() -> Self {
        Self { here: Spot { line: 1, column: 1 } }
    }
}

impl Spots {
    fn pass(&mut self, character: char) {
        match character {
            '\n' => self.here = Spot { line: self.here.line.saturating_add(1), column: 1 },
            _ => self.here.column = self.here.column.saturating_add(1),
        }
    }
}
