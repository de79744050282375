//! What may be wrong with a release, and how a verifier has to answer.

use scriptworker_core::cot::reason::Reason;
use scriptworker_core::cot::role::RuleSet;

/// One thing that is not as it should be. Everything else is honest, so there is one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tampering {
    /// An artifact of the first build is another one than was attested.
    Artifact,
    /// The first build is attested by a key of another worker implementation.
    SignerOfAnotherClass,
    /// The first build is attested by a key that nobody knows.
    UnknownSigner,
    /// One byte of the image's attestation was changed after it was signed.
    Attestation,
    /// The first build has no signature.
    NoSignature,
    /// The attestation of the first build is one of another run.
    OtherRun,
    /// The first build is another one than the decision task's graph has.
    Graph,
    /// The source tree has another template than the decision task was made of (current generation).
    Template,
    /// The decision task runs another command than the one that makes task graphs (classic generation).
    Command,
    /// The signing task has a scope that its tree does not give.
    Scope,
}

/// The task where a verifier finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Culprit {
    /// The decision task.
    Decision,
    /// The docker-image task.
    Image,
    /// The first build.
    Build,
    /// The signing task.
    Signing,
}

impl Tampering {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Artifact,
        Self::SignerOfAnotherClass,
        Self::UnknownSigner,
        Self::Attestation,
        Self::NoSignature,
        Self::OtherRun,
        Self::Graph,
        Self::Template,
        Self::Command,
        Self::Scope,
    ];

    /// Those that mean something to a generation.
    pub fn of(generation: RuleSet) -> impl Iterator<Item = Self> {
        let other = match generation {
            RuleSet::Classic => Self::Template,
            RuleSet::Current => Self::Command,
        };
        Self::ALL.into_iter().filter(move |one| *one != other)
    }

    /// The one reason of the refusal.
    pub const fn reason(self, generation: RuleSet) -> Reason {
        match self {
            Self::Artifact => Reason::Hash,
            Self::SignerOfAnotherClass => Reason::WrongKeyClass,
            // an ed25519 signature does not say whose it is
            Self::UnknownSigner => match generation {
                RuleSet::Classic => Reason::UnknownKey,
                RuleSet::Current => Reason::Signature,
            },
            Self::Attestation => Reason::Signature,
            Self::NoSignature => Reason::MissingSignature,
            Self::OtherRun => Reason::RunId,
            Self::Graph => Reason::GraphMismatch,
            Self::Template => Reason::TreeMismatch,
            Self::Command => Reason::Command,
            Self::Scope => Reason::Scope,
        }
    }

    /// The task that is refused.
    pub const fn culprit(self) -> Culprit {
        match self {
            Self::Artifact
            | Self::SignerOfAnotherClass
            | Self::UnknownSigner
            | Self::NoSignature
            | Self::OtherRun
            | Self::Graph => Culprit::Build,
            Self::Attestation => Culprit::Image,
            Self::Template | Self::Command => Culprit::Decision,
            Self::Scope => Culprit::Signing,
        }
    }

    /// The same, for people.
    pub const fn story(self) -> &'static str {
        match self {
            Self::Artifact => "a build was exchanged after it was attested",
            Self::SignerOfAnotherClass => "a build is attested by a key of another kind of worker",
            Self::UnknownSigner => "a build is attested by a key that nobody knows",
            Self::Attestation => "a byte of the image's attestation was changed",
            Self::NoSignature => "a build is not signed",
            Self::OtherRun => "a build has the attestation of another run",
            Self::Graph => "a build is not the one that the decision task made",
            Self::Template => "the source tree makes another decision task",
            Self::Command => "the decision task runs another command",
            Self::Scope => "the signing task has a scope of another branch",
        }
    }
}
