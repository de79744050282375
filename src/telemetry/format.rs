//! The format of log lines: Python's `%(name)8s` templates and strftime dates, as the configuration keys `log_fmt`
//! and `log_datefmt` have always been written (worker.md 12).

use super::json_line;
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Local, SecondsFormat};
use std::fmt::Write as _;

/// A template that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFormatError {
    /// A `%` that begins nothing known.
    #[error("expected %(name)s or %% at character {at}")]
    Percent {
        /// Where, in characters from 0.
        at: usize,
    },
    /// A name that no record has.
    #[error("unknown name {name:?} at character {at}")]
    UnknownName {
        /// The name.
        name: String,
        /// Where, in characters from 0.
        at: usize,
    },
    /// A name with a conversion that does not fit it, such as `%(message)d`.
    #[error("{name} is no number, at character {at}")]
    NotANumber {
        /// The name.
        name: String,
        /// Where, in characters from 0.
        at: usize,
    },
    /// A width or precision beyond all use.
    #[error("a width above {most} at character {at}")]
    TooWide {
        /// The greatest accepted width.
        most: usize,
        /// Where, in characters from 0.
        at: usize,
    },
    /// A date format with an unknown code.
    #[error("unknown code in the date format")]
    Date {
        /// The format.
        format: String,
    },
}

/// The greatest width of a field.
const MOST_WIDTH: usize = 1000;

/// What a line can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    AscTime,
    LevelName,
    LevelNo,
    Name,
    Message,
    Process,
    ProcessName,
    PathName,
    FileName,
    LineNo,
    FuncName,
    Module,
    ThreadName,
    Msecs,
}

impl Field {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "asctime" => Self::AscTime,
            "levelname" => Self::LevelName,
            "levelno" => Self::LevelNo,
            "name" => Self::Name,
            "message" => Self::Message,
            "process" => Self::Process,
            "processName" => Self::ProcessName,
            "pathname" => Self::PathName,
            "filename" => Self::FileName,
            "lineno" => Self::LineNo,
            "funcName" => Self::FuncName,
            "module" => Self::Module,
            "threadName" => Self::ThreadName,
            "msecs" => Self::Msecs,
            _ => return None,
        })
    }

    fn is_number(self) -> bool {
        matches!(self, Self::LevelNo | Self::Process | Self::LineNo | Self::Msecs)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field { field: Field, left: bool, zero: bool, width: usize, precision: Option<usize> },
}

/// How a line looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFormat(Style);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Style {
    /// By a compiled template.
    Template { pieces: Vec<Piece>, date: String },
    /// One JSON object.
    Json,
}

/// What one line is about. Texts are put in as they are: whoever fills the record escapes control characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) when: DateTime<Local>,
    pub(super) level: tracing::Level,
    pub(super) target: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
    pub(super) thread: &'a str,
    pub(super) message: &'a str,
    /// What belongs to the message; a template has it in the message already.
    pub(super) fields: &'a serde_json::Map<String, serde_json::Value>,
}

impl LineFormat {
    /// Compiles `log_fmt` and `log_datefmt`. An empty date format means `2026-01-31 23:59:59,123`, as in Python.
    ///
    /// # Errors
    /// The first thing that cannot be understood.
    pub fn parse(template: &str, date: &str) -> Result<Self, LineFormatError> {
        let date = if date.is_empty() { "%Y-%m-%d %H:%M:%S,%3f" } else { date };
        if StrftimeItems::new(date).any(|item| matches!(item, Item::Error)) {
            return Err(LineFormatError::Date { format: date.to_owned() });
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            let at = template.chars().count() - after.chars().count() - 1;
            if let Some(after) = after.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let (piece, after) = parse_field(after, at)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(Style::Template { pieces, date: date.to_owned() }))
    }

    /// One JSON object a line: `time` (RFC 3339, UTC, milliseconds), `level`, `target`, `message`, `fields`.
    pub fn json() -> Self {
        Self(Style::Json)
    }

    /// Whether the fields of a record are written apart from its message.
    pub(super) fn is_json(&self) -> bool {
        self.0 == Style::Json
    }

    /// The date of a record as this format writes it.
    pub(super) fn date(&self, when: DateTime<Local>) -> String {
        match &self.0 {
            Style::Template { date, .. } => when.format(date).to_string(),
            Style::Json => when.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true),
        }
    }

    /// Appends one line with its line feed. `date` is what [`LineFormat::date`] gave: many lines share it.
    pub(super) fn render(&self, record: &Record<'_>, date: &str, out: &mut String) {
        match &self.0 {
            Style::Template { pieces, .. } => render_pieces(pieces, record, date, out),
            Style::Json => json_line::render(record, date, out),
        }
        out.push('\n');
    }
}

fn render_pieces(pieces: &[Piece], record: &Record<'_>, date: &str, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Field { field, left, zero, width, precision } => {
                let mut numbers = String::new();
                let text = field_text(*field, record, date, &mut numbers);
                let cut = match precision {
                    Some(most) if !field.is_number() => {
                        text.char_indices().nth(*most).map_or(text, |(end, _)| text.split_at(end).0)
                    }
                    _ => text,
                };
                let fill = width.saturating_sub(if *width == 0 { 0 } else { cut.chars().count() });
                match (*left, *zero && field.is_number()) {
                    (true, _) => {
                        out.push_str(cut);
                        out.extend(std::iter::repeat_n(' ', fill));
                    }
                    (false, zeros) => {
                        out.extend(std::iter::repeat_n(if zeros { '0' } else { ' ' }, fill));
                        out.push_str(cut);
                    }
                }
            }
        }
    }
}

/// Reads `(name)`, flags, width, precision and conversion behind a `%`.
fn parse_field(text: &str, at: usize) -> Result<(Piece, &str), LineFormatError> {
    let (name, rest) = text
        .strip_prefix('(')
        .and_then(|text| text.split_once(')'))
        .ok_or(LineFormatError::Percent { at })?;
    let field = Field::from_name(name)
        .ok_or_else(|| LineFormatError::UnknownName { name: name.chars().take(40).collect(), at })?;
    let flags_end = rest.find(|c| !matches!(c, '-' | '0' | ' ' | '+' | '#')).unwrap_or(rest.len());
    let (flags, rest) = rest.split_at(flags_end);
    let (width, rest) = parse_number(rest, at)?;
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (number, rest) = parse_number(rest, at)?;
            (Some(number), rest)
        }
        None => (None, rest),
    };
    let mut letters = rest.chars();
    match letters.next() {
        Some('s' | 'r' | 'a') => {}
        Some('d' | 'i' | 'u') if field.is_number() => {}
        Some('d' | 'i' | 'u') => return Err(LineFormatError::NotANumber { name: name.to_owned(), at }),
        _ => return Err(LineFormatError::Percent { at }),
    }
    let piece =
        Piece::Field { field, left: flags.contains('-'), zero: flags.contains('0'), width, precision };
    Ok((piece, letters.as_str()))
}

/// Reads digits, none for 0.
fn parse_number(text: &str, at: usize) -> Result<(usize, &str), LineFormatError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits.parse() {
        _ if digits.is_empty() => Ok((0, rest)),
        Ok(number) if number <= MOST_WIDTH => Ok((number, rest)),
        _ => Err(LineFormatError::TooWide { most: MOST_WIDTH, at }),
    }
}

/// Names of levels as Python's logging has them.
pub(super) fn level_name(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "ERROR",
        tracing::Level::WARN => "WARNING",
        tracing::Level::INFO => "INFO",
        tracing::Level::DEBUG => "DEBUG",
        tracing::Level::TRACE => "TRACE",
    }
}

fn field_text<'a>(field: Field, record: &Record<'a>, date: &'a str, numbers: &'a mut String) -> &'a str {
    let base = |path: &'a str| path.rsplit_once('/').map_or(path, |(_, name)| name);
    let file = record.file.unwrap_or("(unknown file)");
    let number = match field {
        Field::AscTime => return date,
        Field::LevelName => return level_name(record.level),
        Field::Name => return record.target,
        Field::Message => return record.message,
        Field::ThreadName => return record.thread,
        Field::ProcessName => return "MainProcess",
        Field::PathName => return file,
        Field::FileName => return base(file),
        Field::Module => {
            let name = base(file);
            return name.strip_suffix(".rs").unwrap_or(name);
        }
        // Python's own words for a caller that it cannot find; tracing does not record functions.
        Field::FuncName => return "(unknown function)",
        Field::LevelNo => match record.level {
            tracing::Level::ERROR => 40,
            tracing::Level::WARN => 30,
            tracing::Level::INFO => 20,
            tracing::Level::DEBUG => 10,
            tracing::Level::TRACE => 5,
        },
        Field::Process => std::process::id(),
        Field::LineNo => record.line.unwrap_or(0),
        Field::Msecs => record.when.timestamp_subsec_millis(),
    };
    // Writing to a String cannot fail.
    let _ = write!(numbers, "{number}");
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;

    fn rendered(template: &str, date: &str) -> String {
        let format = LineFormat::parse(template, date).unwrap();
        let when = Local.with_ymd_and_hms(2026, 11, 23, 9, 5, 7).unwrap();
        let record = Record {
            when,
            level: tracing::Level::INFO,
            target: "scriptworker::actors::claimer",
            file: Some("src/actors/claimer.rs"),
            line: Some(42),
            thread: "main",
            message: "claimed 100% of it",
            fields: &serde_json::Map::new(),
        };
        let mut out = String::new();
        format.render(&record, &format.date(when), &mut out);
        out
    }

    #[test]
    fn the_default_line() {
        let line = rendered("%(asctime)s %(levelname)8s - %(message)s", "%Y-%m-%dT%H:%M:%S");
        assert_eq!(line, "2026-11-23T09:05:07     INFO - claimed 100% of it\n");
    }

    #[test]
    fn every_name() {
        for (template, expected) in [
            ("%(levelno)s", "20"),
            ("%(name)s", "scriptworker::actors::claimer"),
            ("%(filename)s:%(lineno)d", "claimer.rs:42"),
            ("%(pathname)s", "src/actors/claimer.rs"),
            ("%(module)s", "claimer"),
            ("%(funcName)s", "(unknown function)"),
            ("%(threadName)s", "main"),
            ("%(processName)s", "MainProcess"),
            ("%(msecs)03d", "000"),
            ("%(asctime)s", "2026-11-23 09:05:07,000"),
            ("", ""),
        ] {
            assert_eq!(rendered(template, ""), format!("{expected}\n"), "{template}");
        }
        assert_eq!(rendered("%(process)d", ""), format!("{}\n", std::process::id()));
    }

    #[test]
    fn flags_width_precision_and_percent() {
        for (template, expected) in [
            ("[%(levelname)-8s]", "[INFO    ]"),
            ("[%(levelname)2s]", "[INFO]"),
            ("[%(levelname).2s]", "[IN]"),
            ("[%(levelname)4.2s]", "[  IN]"),
            ("[%(levelname)08s]", "[    INFO]"),
            ("[%(lineno)05d]", "[00042]"),
            ("[%(lineno)-5d]", "[42   ]"),
            ("100%% %(levelname)s %%", "100% INFO %"),
        ] {
            assert_eq!(rendered(template, "%H"), format!("{expected}\n"), "{template}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let parse = |template| LineFormat::parse(template, "%H").unwrap_err();
        assert_eq!(parse("ä %"), LineFormatError::Percent { at: 2 });
        assert_eq!(parse("%s"), LineFormatError::Percent { at: 0 });
        assert_eq!(parse("%(message"), LineFormatError::Percent { at: 0 });
        assert_eq!(parse("%(message)"), LineFormatError::Percent { at: 0 });
        assert_eq!(parse("%(message)q"), LineFormatError::Percent { at: 0 });
        assert_eq!(parse("x%(nope)s"), LineFormatError::UnknownName { name: "nope".into(), at: 1 });
        assert_eq!(parse("%(message)d"), LineFormatError::NotANumber { name: "message".into(), at: 0 });
        assert_eq!(parse("%(message)99999s"), LineFormatError::TooWide { most: MOST_WIDTH, at: 0 });
        assert_eq!(
            LineFormat::parse("%(asctime)s", "%Y %!").unwrap_err(),
            LineFormatError::Date { format: "%Y %!".into() }
        );
    }
}
