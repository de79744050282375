//! The object service, where the content of `object` artifacts is kept (taskcluster-api.md 4.4).

use super::call::{Answer, Budget, Call, Service};
use super::credentials::Auth;
use super::endpoints;
use super::error::ApiError;
use super::http::Http;
use super::model::{
    DownloadRequest, FinishRequest, Hashes, ObjectDownload, ProposedUploads, Upload, UploadRequest,
};
use super::url::{RootUrl, encode_segment};
use scriptworker_core::time::UnixMillis;

/// The object service of a deployment, spoken to with the credentials that the queue gave for one object.
#[derive(Clone)]
pub struct Objects {
    service: Service,
}

/// One upload, named by what `createArtifact` answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOf {
    /// The object's name.
    pub name: String,
    /// The project it is counted under.
    pub project_id: String,
    /// The name of this upload.
    pub upload_id: String,
    /// When the object may be deleted.
    pub expires: UnixMillis,
}

impl Objects {
    /// An object service client.
    pub fn new(http: Http, root_url: &RootUrl, auth: Auth) -> Self {
        Self { service: Service { http, root: root_url.clone(), auth, name: "object" } }
    }

    /// `createUpload`. Idempotent.
    pub async fn create_upload(
        &self,
        upload: &UploadOf,
        hashes: Option<&Hashes>,
        proposed: &ProposedUploads,
        budget: Budget,
    ) -> Result<Answer<Upload>, ApiError> {
        let path = format!("/upload/{}", encode_segment(&upload.name));
        let call = Call::new(&endpoints::CREATE_UPLOAD, path).with_body(&UploadRequest {
            project_id: &upload.project_id,
            upload_id: &upload.upload_id,
            expires: upload.expires,
            hashes,
            proposed_upload_methods: proposed,
        });
        self.service.json(&call, budget).await
    }

    /// `finishUpload`: the content is there, and these are its digests. Idempotent.
    pub async fn finish_upload(
        &self,
        upload: &UploadOf,
        hashes: &Hashes,
        budget: Budget,
    ) -> Result<(), ApiError> {
        let path = format!("/finish-upload/{}", encode_segment(&upload.name));
        let call = Call::new(&endpoints::FINISH_UPLOAD, path).with_body(&FinishRequest {
            project_id: &upload.project_id,
            upload_id: &upload.upload_id,
            hashes,
        });
        self.service.json::<serde_json::Map<String, serde_json::Value>>(&call, budget).await.map(|_| ())
    }

    /// `startDownload`.
    pub async fn start_download(
        &self,
        name: &str,
        budget: Budget,
    ) -> Result<Answer<ObjectDownload>, ApiError> {
        let path = format!("/start-download/{}", encode_segment(name));
        let call = Call::new(&endpoints::START_DOWNLOAD, path).with_body(&DownloadRequest::ALL);
        self.service.json(&call, budget).await
    }
}
