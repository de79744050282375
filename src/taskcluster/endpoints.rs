//! The calls that are made, and how large the answer to each may be. Nothing here acts.
//!
//! An answer is read into memory, so its size is bounded before it is read: on the wire as well as decoded, errors
//! included. A limit is several times what the service can send; what is larger comes from somebody else, or from a
//! service that is broken, and is an error instead of a worker that runs out of memory.

use awc::http::Method;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// One entry, URL or refusal. A refusal repeats the request, the longest of which holds a message of 4096 characters
/// or 8 KiB of inline data.
const ENTRY: u64 = 64 * KIB;
/// A status with all its runs (50 at most), and credentials, whose certificate has to fit into a header.
const STATUS: u64 = 512 * KIB;
/// A page of 1000 artifacts, whose names have 1024 characters at most; a list of scopes.
const LIST: u64 = 8 * MIB;
/// A task definition: the queue takes 10 MiB of JSON.
const DEFINITION: u64 = 12 * MIB;

/// An endpoint of a service.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Its name in Taskcluster's reference.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// The largest answer that is read, in bytes.
    pub(super) max_answer: u64,
}

macro_rules! endpoints {
    ($($constant:ident: $name:literal $method:ident $max:expr;)*) => {
        $(pub(super) static $constant: Endpoint =
            Endpoint { name: $name, method: Method::$method, max_answer: $max };)*

        #[cfg(test)]
        static ALL: &[&Endpoint] = &[$(&$constant),*];
    };
}

endpoints! {
    // the queue: the answer to claimWork holds the definition of the task
    CLAIM_WORK: "claimWork" POST DEFINITION + STATUS;
    RECLAIM_TASK: "reclaimTask" POST STATUS;
    REPORT_COMPLETED: "reportCompleted" POST STATUS;
    REPORT_FAILED: "reportFailed" POST STATUS;
    REPORT_EXCEPTION: "reportException" POST STATUS;
    STATUS_OF_TASK: "status" GET STATUS;
    TASK: "task" GET DEFINITION;
    // artifacts
    CREATE_ARTIFACT: "createArtifact" POST ENTRY;
    FINISH_ARTIFACT: "finishArtifact" PUT ENTRY;
    LIST_ARTIFACTS: "listArtifacts" GET LIST;
    LIST_LATEST_ARTIFACTS: "listLatestArtifacts" GET LIST;
    GET_ARTIFACT: "getArtifact" GET ENTRY;
    GET_LATEST_ARTIFACT: "getLatestArtifact" GET ENTRY;
    ARTIFACT: "artifact" GET ENTRY;
    LATEST_ARTIFACT: "latestArtifact" GET ENTRY;
    ARTIFACT_INFO: "artifactInfo" GET ENTRY;
    LATEST_ARTIFACT_INFO: "latestArtifactInfo" GET ENTRY;
    // the object and auth services
    CREATE_UPLOAD: "createUpload" PUT ENTRY;
    FINISH_UPLOAD: "finishUpload" POST ENTRY;
    START_DOWNLOAD: "startDownload" PUT ENTRY;
    GITHUB_REPO_TOKEN: "githubRepoToken" POST ENTRY;
    CURRENT_SCOPES: "currentScopes" GET LIST;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_limit_is_stated_and_none_is_beyond_what_a_worker_can_hold() {
        assert_eq!(ALL.iter().map(|endpoint| endpoint.name).collect::<BTreeSet<_>>().len(), ALL.len());
        for endpoint in ALL {
            assert!((ENTRY..=16 * MIB).contains(&endpoint.max_answer), "{endpoint:?}");
        }
    }
}
