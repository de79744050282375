//! The object service's uploads, and the places in the storage that bytes go to (taskcluster-api.md 4.4).

use super::State;
use super::refusal::Refusal;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Bytes that were uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) content_encoding: Option<String>,
    pub(crate) sha256: String,
}

/// A place in the storage: what may be put there, and what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) content_type: String,
    /// The length that was announced, if one was.
    pub(crate) length: Option<u64>,
    pub(crate) blob: Option<Blob>,
}

/// An object, or an upload that is to become one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) project_id: String,
    pub(crate) upload_id: String,
    pub(crate) expires: UnixMillis,
    pub(crate) hashes: Map<String, Value>,
    pub(crate) finished: bool,
}

/// The storage key of an object.
pub(crate) fn storage_key(name: &str) -> String {
    format!("object/{name}")
}

impl State {
    /// `createUpload`: announces what will be uploaded, as often as need be, until the upload is finished.
    pub(crate) fn create_upload(
        &mut self,
        name: &str,
        wish: Object,
        content_type: &str,
        length: Option<u64>,
    ) -> Result<(), Refusal> {
        let object = self.objects.entry(name.to_owned()).or_insert_with(|| wish.clone());
        let same = object.upload_id == wish.upload_id
            && object.project_id == wish.project_id
            && object.expires == wish.expires;
        if !same || object.finished {
            return Err(Refusal::ObjectConflict(name.to_owned()));
        }
        object.add_hashes(name, wish.hashes)?;
        let slot = self.slots.entry(storage_key(name)).or_default();
        content_type.clone_into(&mut slot.content_type);
        slot.length = length;
        Ok(())
    }

    /// `finishUpload`: the object is complete. The same call again is no error.
    pub(crate) fn finish_upload(
        &mut self,
        name: &str,
        project_id: &str,
        upload_id: &str,
        hashes: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let has_bytes = self.slots.get(&storage_key(name)).is_some_and(|slot| slot.blob.is_some());
        let object = self.objects.get_mut(name).ok_or_else(|| Refusal::NoUpload(name.to_owned()))?;
        if object.upload_id != upload_id || object.project_id != project_id || !has_bytes {
            return Err(Refusal::ObjectConflict(name.to_owned()));
        }
        object.add_hashes(name, hashes)?;
        object.finished = true;
        Ok(())
    }

    /// The object for a reading call: unfinished ones do not exist yet.
    pub(crate) fn object(&self, name: &str) -> Result<&Object, Refusal> {
        self.objects
            .get(name)
            .filter(|object| object.finished)
            .ok_or_else(|| Refusal::NoObject(name.to_owned()))
    }

    /// Puts uploaded bytes in their place. Answers the file that they replaced.
    pub(crate) fn store(&mut self, key: &str, blob: Blob) -> Option<PathBuf> {
        let slot = self.slots.get_mut(key)?;
        slot.blob.replace(blob).map(|old| old.path)
    }
}

impl Object {
    /// Hashes may be added but never changed.
    fn add_hashes(&mut self, name: &str, hashes: Map<String, Value>) -> Result<(), Refusal> {
        for (algorithm, hash) in hashes {
            if self.hashes.get(&algorithm).is_some_and(|known| *known != hash) {
                return Err(Refusal::ObjectConflict(name.to_owned()));
            }
            self.hashes.insert(algorithm, hash);
        }
        Ok(())
    }
}
