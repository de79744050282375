//! Where we say something else than gpg, and mean it. `docs/keys.md` has a line for each.

/// One difference: what it is called in `docs/keys.md`, and every cell of the table in which it shows.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// What gpg says; we say the opposite.
    pub(crate) gpg_accepts: bool,
    /// Situation and role.
    pub(crate) cells: &'static [(&'static str, &'static [&'static str])],
}

const ALL: &[&str] = &["flat", "trusted", "valid"];
const SIGNED: &[&str] = &["trusted", "valid"];

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "sha1-document",
        gpg_accepts: true,
        cells: &[("sha1-document, primary", ALL), ("sha1-document, subkey", ALL)],
    },
    Difference {
        name: "sha1-self-signature",
        gpg_accepts: true,
        cells: &[("sha1-own, primary", SIGNED), ("sha1-own, subkey", SIGNED)],
    },
    Difference {
        name: "future-document",
        gpg_accepts: true,
        cells: &[("future-document, primary", ALL), ("future-document, subkey", ALL)],
    },
    Difference { name: "short-rsa", gpg_accepts: true, cells: &[("short-rsa", ALL)] },
    Difference {
        name: "future-certification",
        gpg_accepts: true,
        cells: &[("certification-future", &["valid"])],
    },
    Difference {
        name: "keeper-may-not-certify",
        gpg_accepts: true,
        cells: &[("keeper-signs-only", &["valid"])],
    },
];
