//! Renders the template of a source tree (`.taskcluster.yml`, chain-of-trust.md 6.3) as the decision hook did.
//!
//! JSON-e itself is a library. Two things that the hook hands to a template have no place there: a fixed `now`, which
//! is given from the outside of the template, and the function `as_slugid`, whose calls are replaced before rendering
//! (`slugids`). What cannot be replaced for certain is refused, never guessed.
//!
//! Where the library does otherwise than every other implementation, that is put right (`numbers`) or refused
//! (`splits`). A fraction that is whole is a whole number, as for the services that make the tasks.
//!
//! Rendering may take any time and memory: whoever calls this with a stranger's template does so in a process of its
//! own, with limits.

mod numbers;
mod slugids;
mod splits;

use crate::ids::TaskId;
use crate::time::UnixMillis;
use serde_json::{Map, Value, json};

/// What the template is rendered for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// The template, parsed.
    pub template: Value,
    /// What it may refer to, besides `now` and `as_slugid`.
    pub context: Map<String, Value>,
    /// The time that the template sees.
    pub now: UnixMillis,
    /// `as_slugid("decision")`.
    pub decision: TaskId,
    /// `as_slugid` of everything else.
    pub own: TaskId,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template does what would have to be guessed.
    #[error("at {place}: expected as_slugid to be called with a text only, found {found:?}")]
    Unsupported {
        /// The expression's string, as it stands in the template.
        place: String,
        /// The expression.
        found: String,
    },
    /// The library of JSON-e does otherwise here than all others.
    #[error("at {place}: expected what all implementations of JSON-e do alike, found {found}")]
    Differs {
        /// The function or operator.
        place: String,
        /// What it was used for.
        found: String,
    },
    /// An expression does not end.
    #[error("expected an expression that ends, found {found:?}")]
    Unterminated {
        /// The string it stands in.
        found: String,
    },
    /// JSON-e refuses it.
    #[error("the template cannot be rendered: {message}")]
    Refused {
        /// What JSON-e says.
        message: String,
    },
    /// It takes more time or memory than there is for it.
    #[error("rendering the template takes more than {limit}")]
    TooMuch {
        /// What there is.
        limit: String,
    },
    /// Whoever renders has no answer, and the template has nothing to do with it. No verdict may come of it: whoever
    /// renders sees to that.
    #[error("the template cannot be rendered here: {problem}")]
    Unavailable {
        /// The trouble.
        problem: String,
    },
}

impl TemplateError {
    fn differs(place: &str, found: &str) -> Self {
        Self::Differs { place: place.to_owned(), found: found.to_owned() }
    }
}

/// Whoever renders: in this process, or in one of its own with limits.
pub trait Renderer {
    /// As [`render`].
    fn render(&self, rendering: &Rendering) -> Result<Value, TemplateError>;
}

/// Renders in this process, without limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

impl Renderer for InProcess {
    fn render(&self, rendering: &Rendering) -> Result<Value, TemplateError> {
        render(rendering)
    }
}

/// Renders.
pub fn render(rendering: &Rendering) -> Result<Value, TemplateError> {
    let mut names = Map::new();
    let template = slugids::replace(&rendering.template, &rendering.decision, &rendering.own, &mut names)?;
    let reserved = [slugids::FUNCTION, splits::EMPTY_PIECE];
    if rendering.context.keys().any(|key| names.contains_key(key) || reserved.contains(&key.as_str())) {
        return Err(TemplateError::Unsupported {
            place: "the context".to_owned(),
            found: slugids::FUNCTION.to_owned(),
        });
    }
    // JSON-e sets `now` itself, over that of the context; a `$let` is the one place that wins over it
    names.insert("now".to_owned(), Value::from(rendering.now.to_string()));
    let context = Value::Object(rendering.context.clone());
    let result = numbers::whole(with_names(&names, &template, &context)?);
    let shortened = numbers::shortened(&result);
    let looks = numbers::looks_at_json(&template);
    let has_large = || numbers::has_large(&template) || numbers::has_large(&context);
    if shortened == result && !(looks && has_large()) {
        return Ok(result);
    }
    let marked = numbers::unmark(&numbers::whole(with_names(&names, &numbers::mark(&template), &context)?));
    if looks && marked != shortened {
        return Err(TemplateError::differs("$json", "an expression about a text that it wrote"));
    }
    Ok(marked)
}

fn with_names(names: &Map<String, Value>, template: &Value, context: &Value) -> Result<Value, TemplateError> {
    let wrapped = json!({ "$let": names, "in": template });
    json_e::render(&wrapped, context).map_err(|error| {
        let message = format!("{error:#}");
        match message.contains(splits::EMPTY_PIECE) {
            true => TemplateError::differs(splits::FUNCTION, "a text with an empty piece"),
            false => TemplateError::Refused { message },
        }
    })
}

#[cfg(test)]
mod tests;
