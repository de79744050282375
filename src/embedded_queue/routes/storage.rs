//! The storage: bytes go in and come out through signed URLs that expire. Bytes are streamed from and to files.

use crate::embedded_queue::auth::{url_signature, verify_url_signature};
use crate::embedded_queue::call::Params;
use crate::embedded_queue::errors::{ApiError, answer};
use crate::embedded_queue::shared::Shared;
use crate::embedded_queue::state::object::{Blob, Slot};
use crate::fsio;
use actix_rt::task::spawn_blocking;
use actix_web::body::SizedStream;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use scriptworker_core::time::UnixMillis;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How many bytes are read from a file at once.
const CHUNK: usize = 64 * 1024;
/// How many chunks may wait between the network and the disk.
const CHUNKS_AHEAD: usize = 8;

/// A URL that allows one method at one place of the storage, for a while. Public places can be read without a
/// signature, so their URL has none.
pub(super) fn signed_url(shared: &Shared, method: &str, key: &str, expires: UnixMillis) -> String {
    // Encoded as a whole: clients would resolve `..` segments.
    let mut url = format!("{}/storage/{}", shared.root_url, utf8_percent_encode(key, NON_ALPHANUMERIC));
    if !(method == "GET" && is_public(key)) {
        let expires = expires.0;
        let signature = url_signature(&shared.storage_key, method, key, expires);
        // Writing to a String cannot fail.
        let _ = write!(url, "?expires={expires}&signature={signature}");
    }
    url
}

fn is_public(key: &str) -> bool {
    key.starts_with("public/")
}

/// Why the storage refuses a request, in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum StorageRefusal {
    #[error("Access Denied")]
    Unsigned,
    #[error("Request has expired")]
    Expired,
    #[error("the signature is not that of this request")]
    WrongSignature,
    #[error("you must provide the Content-Length header")]
    NoLength,
    #[error("length or type are not those that were announced")]
    NotAsAnnounced,
    #[error("nothing was announced here")]
    NotAnnounced,
    #[error("the specified key does not exist")]
    NoSuchKey,
    #[error("fewer bytes came than the Content-Length header says")]
    Incomplete,
    #[error("the storage failed")]
    Failed,
}

impl StorageRefusal {
    /// The answer: XML, as storages of this kind give it.
    fn response(self) -> HttpResponse {
        let (status, code) = match self {
            Self::Unsigned | Self::Expired => (403, "AccessDenied"),
            Self::WrongSignature | Self::NotAsAnnounced => (403, "SignatureDoesNotMatch"),
            Self::NoLength => (411, "MissingContentLength"),
            Self::NotAnnounced | Self::NoSuchKey => (404, "NoSuchKey"),
            Self::Incomplete => (400, "IncompleteBody"),
            Self::Failed => (500, "InternalError"),
        };
        answer(status).content_type("application/xml").body(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{self}</Message></Error>"
        ))
    }
}

/// Checks the signature of a URL.
fn check_url(shared: &Shared, method: &str, key: &str, request: &HttpRequest) -> Result<(), StorageRefusal> {
    if method == "GET" && is_public(key) {
        return Ok(());
    }
    let query = request.uri().query().unwrap_or_default();
    let (mut expires, mut signature) = (None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "expires" => expires = value.parse::<i64>().ok(),
            "signature" => signature = Some(value.into_owned()),
            _ => {}
        }
    }
    let (Some(expires), Some(signature)) = (expires, signature) else {
        return Err(StorageRefusal::Unsigned);
    };
    if !verify_url_signature(&shared.storage_key, method, key, expires, &signature) {
        return Err(StorageRefusal::WrongSignature);
    }
    if expires <= shared.now().0 {
        return Err(StorageRefusal::Expired);
    }
    Ok(())
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Whether an upload is the one that was announced.
fn check_upload(slot: &Slot, request: &HttpRequest) -> Result<(), StorageRefusal> {
    let length = header(request, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let Some(length) = length else {
        return Err(StorageRefusal::NoLength);
    };
    if slot.length.is_some_and(|announced| announced != length)
        || header(request, &CONTENT_TYPE).unwrap_or_default() != slot.content_type
    {
        return Err(StorageRefusal::NotAsAnnounced);
    }
    Ok(())
}

pub(super) async fn put(
    params: &Params,
    request: &HttpRequest,
    body: web::Payload,
    shared: &Arc<Shared>,
) -> HttpResponse {
    let key = params.get("key");
    if let Err(refused) = check_url(shared, "PUT", key, request) {
        return refused.response();
    }
    let Some(slot) = shared.read(|state| state.slots.get(key).cloned()) else {
        return StorageRefusal::NotAnnounced.response();
    };
    if let Err(refused) = check_upload(&slot, request) {
        return refused.response();
    }
    let encoding = header(request, &CONTENT_ENCODING).map(str::to_owned);
    match receive(shared, body.map(|chunk| chunk.map_err(io::Error::other)), encoding).await {
        Ok(blob) => {
            let etag = format!("\"{}\"", blob.sha256);
            replace(shared, key, blob).await;
            answer(200).insert_header(("etag", etag)).content_type("text/html; charset=utf-8").finish()
        }
        Err(error) => {
            tracing::debug!(%error, key, "upload failed");
            StorageRefusal::Incomplete.response()
        }
    }
}

/// Keeps bytes that came within a request.
pub(super) async fn keep_bytes(shared: &Arc<Shared>, key: &str, bytes: Bytes) -> Result<(), ApiError> {
    let blob = receive(shared, stream::iter([Ok(bytes)]), None).await.map_err(|error| {
        tracing::error!(%error, key, "storage failed");
        ApiError::StorageFailed
    })?;
    replace(shared, key, blob).await;
    Ok(())
}

/// Puts a file in its place and removes the one that was there.
async fn replace(shared: &Arc<Shared>, key: &str, blob: Blob) {
    let old = shared.update(|state, _| state.store(key, blob));
    if let Some(old) = old {
        remove(old).await;
    }
}

async fn remove(path: PathBuf) {
    match spawn_blocking(move || fsio::remove_file(&path)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "failed to remove a replaced artifact file"),
        Err(error) => tracing::warn!(%error, "failed to remove a replaced artifact file"),
    }
}

/// Writes a body to a new file. On failure the file is gone again.
async fn receive(
    shared: &Arc<Shared>,
    body: impl Stream<Item = io::Result<Bytes>>,
    content_encoding: Option<String>,
) -> io::Result<Blob> {
    let path = shared.storage_dir.join(uuid::Uuid::new_v4().simple().to_string());
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let writer = spawn_blocking({
        let path = path.clone();
        move || write_file(&path, receiver)
    });
    let mut failure = None;
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => {
                if sender.send(chunk).await.is_err() {
                    // The writer failed, and its own error says why.
                    break;
                }
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let written = writer.await.map_err(io::Error::other).and_then(|result| result);
    match (written, failure) {
        (Ok((size, sha256)), None) => Ok(Blob { path, size, content_encoding, sha256 }),
        (Err(error), _) | (Ok(_), Some(error)) => {
            remove(path).await;
            Err(error)
        }
    }
}

fn write_file(path: &std::path::Path, mut chunks: mpsc::Receiver<Bytes>) -> io::Result<(u64, String)> {
    let mut file = fsio::create_new(path, 0o600)?;
    let mut hasher = Sha256::new();
    let mut size = 0u64;
    while let Some(chunk) = chunks.blocking_recv() {
        hasher.update(&chunk);
        file.write_all(&chunk)?;
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }
    file.flush()?;
    let sha256 = hasher.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Ok((size, sha256))
}

pub(super) async fn get(params: &Params, request: &HttpRequest, shared: &Arc<Shared>) -> HttpResponse {
    let key = params.get("key");
    if let Err(refused) = check_url(shared, "GET", key, request) {
        return refused.response();
    }
    let slot = shared.read(|state| state.slots.get(key).cloned());
    let Some(Slot { content_type, blob: Some(blob), .. }) = slot else {
        return StorageRefusal::NoSuchKey.response();
    };
    let opened = spawn_blocking({
        let path = blob.path.clone();
        move || File::open(path)
    });
    let file = match opened.await {
        Ok(Ok(file)) => file,
        _ => return StorageRefusal::Failed.response(),
    };
    let mut response = answer(200);
    response.insert_header((CONTENT_TYPE, content_type));
    response.insert_header(("etag", format!("\"{}\"", blob.sha256)));
    if let Some(encoding) = blob.content_encoding {
        response.insert_header((CONTENT_ENCODING, encoding));
    }
    response.body(SizedStream::new(blob.size, Box::pin(chunks(file))))
}

/// A file's bytes, read by threads that may block.
fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(file, |file| async move {
        let read = spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK);
            (&file).take(CHUNK as u64).read_to_end(&mut chunk)?;
            Ok((chunk, file))
        });
        let (chunk, file) = read.await.map_err(io::Error::other).and_then(|result| result)?;
        Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), file)))
    })
}
