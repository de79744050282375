//! gpg as the oracle, both ways: what we say of what it made, what it says of what we made.
//!
//! | module | what it does |
//! |---|---|
//! | `program` | the installed gpg in a home of its own |
//! | `situations`, `more`, `made` | certificates and documents in every state, forged and made by gpg |
//! | `verdicts` | both verdicts, and the list of the differences that are meant |
//! | `differences` | that list, which `docs/keys.md` explains |
//! | `ours` | what gpg says of what we made, and we of what gpg made with our keys |

mod differences;
mod made;
mod more;
mod ours;
mod program;
mod situations;
mod verdicts;
