//! What an event says: its message, and its fields either behind it or apart.

use super::escape::escape_into;
use super::format::LineFormat;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use tracing::Event;
use tracing::field::{Field, Visit};

/// The message and the fields of one event, in the way that the format of lines wants them: in a template the fields
/// stand behind the message, and what misleads is escaped; in JSON both are left as they are.
pub(super) struct EventText {
    apart: bool,
    text: String,
    behind: String,
    fields: Map<String, Value>,
}

impl EventText {
    pub(super) fn new(format: &LineFormat) -> Self {
        let apart = format.is_json();
        Self { apart, text: String::new(), behind: String::new(), fields: Map::new() }
    }

    /// Of an event.
    pub(super) fn of(event: &Event<'_>, format: &LineFormat) -> Self {
        let mut text = Self::new(format);
        event.record(&mut text);
        text.text.push_str(&text.behind);
        text
    }

    /// The message, with the fields that are not apart.
    pub(super) fn message(&self) -> &str {
        &self.text
    }

    /// The fields that are apart.
    pub(super) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Replaces the message.
    pub(super) fn set_message(&mut self, message: &str) {
        self.text.clear();
        if self.apart {
            self.text.push_str(message);
        } else {
            escape_into(message, &mut self.text);
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.set_message(value);
        } else if self.apart {
            self.put(field, value.into());
        } else {
            // Quoted, so that a value with spaces cannot look like another field. Writing to a String cannot fail.
            let _ = write!(self.behind, " {}={value:?}", field.name());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if self.apart { self.put(field, value.into()) } else { self.record_debug(field, &value) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if self.apart { self.put(field, value.into()) } else { self.record_debug(field, &value) }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.apart { self.put(field, value.into()) } else { self.record_debug(field, &value) }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if self.apart { self.put(field, value.into()) } else { self.record_debug(field, &value) }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.set_message(&text);
        } else if self.apart {
            self.put(field, text.into());
        } else {
            let _ = write!(self.behind, " {}=", field.name());
            escape_into(&text, &mut self.behind);
        }
    }
}
