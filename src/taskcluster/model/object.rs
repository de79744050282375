//! Objects: the exchange with the object service (taskcluster-api.md 4.4).

use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lower-case hexadecimal digests of an object's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// 64 digits.
    pub sha256: String,
    /// 128 digits.
    pub sha512: String,
}

/// How we could upload; the service picks one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProposedUploads {
    /// The content itself in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_inline: Option<DataInline>,
    /// A PUT of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put_url: Option<PutUrl>,
}

/// Content within a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataInline {
    /// Its type.
    pub content_type: String,
    /// Base64, at most 10926 characters.
    pub object_data: String,
}

/// Content to be PUT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutUrl {
    /// Its type.
    pub content_type: String,
    /// Its length in bytes.
    pub content_length: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadRequest<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) upload_id: &'a str,
    pub(crate) expires: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hashes: Option<&'a Hashes>,
    pub(crate) proposed_upload_methods: &'a ProposedUploads,
}

/// The answer of `createUpload`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The project it is counted under.
    pub project_id: String,
    /// The name of this upload.
    pub upload_id: String,
    /// When the object may be deleted.
    pub expires: UnixMillis,
    /// What the service picked.
    pub upload_method: UploadMethod,
}

/// What the service picked; neither means that it accepts none of the proposals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadMethod {
    /// True: the content has arrived with the request.
    #[serde(default)]
    pub data_inline: bool,
    /// PUT the content there.
    pub put_url: Option<PutTarget>,
}

/// Where and how to PUT an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PutTarget {
    /// A signed URL; anybody who has it may write.
    pub url: Secret,
    /// When the URL stops working.
    pub expires: UnixMillis,
    /// Exactly the headers to send.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FinishRequest<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) upload_id: &'a str,
    pub(crate) hashes: &'a Hashes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadRequest {
    pub(crate) accept_download_methods: DownloadMethods,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadMethods {
    pub(crate) simple: bool,
    pub(crate) get_url: bool,
}

impl DownloadRequest {
    pub(crate) const ALL: Self =
        Self { accept_download_methods: DownloadMethods { simple: true, get_url: true } };
}

/// The answer of `startDownload`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "method", rename_all = "camelCase")]
pub enum ObjectDownload {
    /// GET this URL.
    Simple {
        /// Possibly signed.
        url: Secret,
    },
    /// GET this URL and compare.
    GetUrl {
        /// Possibly signed.
        url: Secret,
        /// When the URL stops working.
        expires: UnixMillis,
        /// Algorithm to lower-case hexadecimal digest.
        hashes: BTreeMap<String, String>,
    },
}
