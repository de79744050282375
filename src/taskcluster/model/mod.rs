//! Requests and answers of the services as types (taskcluster-api.md 4). Members that are not known here are
//! ignored; a missing one is an error that names its place.

mod artifact;
mod claim;
mod object;
mod task;

pub use artifact::{
    ArtifactContent, ArtifactErrorReason, ArtifactInfo, ArtifactRequest, ArtifactResponse, Located,
    StorageType,
};
pub use claim::{BadClaim, Claim, Reclaim};
pub use object::{
    DataInline, Hashes, ObjectDownload, ProposedUploads, PutTarget, PutUrl, Upload, UploadMethod,
};
pub use task::{
    Definition, Metadata, Priority, ReasonCreated, ReasonResolved, RunStatus, Status, Task, TaskState,
};

pub(crate) use artifact::ArtifactPage;
pub(crate) use claim::{ClaimedWork, WorkRequest};
pub(crate) use object::{DownloadRequest, FinishRequest, UploadRequest};
pub(crate) use task::StatusAnswer;
