//! Why a chain of trust is refused: stable codes, each with what it means, what harmless thing may have caused it, and
//! what to do. `docs/reason-codes.md` is made from this table; the codes are those of the table of attacks that the
//! verifier is tested against.

mod table;
#[cfg(test)]
mod tests;

pub use table::Reason;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// What is known about one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonText {
    /// The stable code, for machines and searches.
    pub code: &'static str,
    /// What was found.
    pub meaning: &'static str,
    /// What may have caused it without anybody meaning harm.
    pub innocent: &'static str,
    /// What the reader should do.
    pub action: &'static str,
}

macro_rules! reasons {
    ($($name:ident $code:literal $meaning:literal $innocent:literal $action:literal)*) => {
        /// Why a link, and with it the chain, is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// All that is known about it.
            pub const fn text(self) -> ReasonText {
                match self {
                    $(Self::$name => ReasonText {
                        code: $code, meaning: $meaning, innocent: $innocent, action: $action,
                    },)*
                }
            }
        }
    };
}

use reasons;

impl Reason {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        self.text().code
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&code), &"a reason code"))
    }
}
