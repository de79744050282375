//! Section B of the list of Chain of Trust attacks, rows 21 to 41, and rows 148 and 149: one folder of
//! `tests/fixtures/openpgp` per tampering, judged by the keyring.
//!
//! | module | what it does |
//! |---|---|
//! | `case` | a folder and what is expected of it |
//! | `cast` | the keys and documents that the cases share |
//! | `documents`, `keys`, `times` | the cases, row by row |
//! | `tests` | judges the folders, and sees that none is missing |

mod case;
mod cast;
mod documents;
mod keys;
mod tests;
mod times;

/// Every case, as the generator makes it.
fn made() -> Vec<case::Case> {
    let mut cases = [documents::cases(), keys::cases(), times::cases()].concat();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}
