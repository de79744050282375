//! The credentials of the run in hand: one snapshot that their owner (the CredentialRefresher) publishes and every
//! request reads, so that a renewal takes effect at once without a message.
//!
//! It is also the fence of invariant I2: once the claim is over or given up, it hands out nothing more.

use crate::process::{CredentialsError, CredentialsFile, boot_now};
use crate::taskcluster::{CredentialSource, Credentials, NoCredentials};
use scriptworker_core::time::BootMillis;
use serde_json::{Map, Value};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
pub struct RunCredentials {
    current: Mutex<Current>,
    /// The script's copy. Its own lock, because writing may take a moment; never taken while `current` is held.
    file: Mutex<Option<CredentialsFile>>,
}

struct Current {
    credentials: Arc<Credentials>,
    end: BootMillis,
    revoked: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // every critical section leaves the value whole, so a panic elsewhere does not make it wrong
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunCredentials {
    /// The credentials that came with a claim that ends at `end`.
    pub fn new(credentials: Arc<Credentials>, end: BootMillis) -> Self {
        Self { current: Mutex::new(Current { credentials, end, revoked: false }), file: Mutex::new(None) }
    }

    /// Puts renewed credentials in use for every later request.
    pub fn publish(&self, credentials: Arc<Credentials>, end: BootMillis) {
        let mut current = lock(&self.current);
        current.credentials = credentials;
        current.end = end;
    }

    /// The claim is given up: no request of this run is signed any more.
    pub fn revoke(&self) {
        lock(&self.current).revoked = true;
    }

    /// When the claim ends.
    pub fn end(&self) -> BootMillis {
        lock(&self.current).end
    }

    /// Makes the script's file with the newest credentials, and keeps it current from now on. Returns the descriptor
    /// for the script. Blocks.
    pub fn open_file(&self, dir: &Path) -> Result<OwnedFd, CredentialsError> {
        let mut slot = lock(&self.file);
        let file = CredentialsFile::create(dir, &self.document())?;
        let descriptor = file.for_script()?;
        *slot = Some(file);
        Ok(descriptor)
    }

    /// Writes the newest credentials into the script's file, if there is one. Blocks. Whoever comes last writes the
    /// newest, because they are read inside the file's lock.
    pub fn refresh_file(&self) -> Result<(), CredentialsError> {
        match lock(&self.file).as_mut() {
            Some(file) => file.renew(&self.document()),
            None => Ok(()),
        }
    }

    /// The script's file holds these members, sorted (worker.md 7.3).
    fn document(&self) -> Map<String, Value> {
        let newest = Arc::clone(&lock(&self.current).credentials);
        let mut document = Map::from_iter([
            ("clientId".to_owned(), Value::from(newest.client_id.as_str())),
            ("accessToken".to_owned(), Value::from(newest.access_token.expose())),
        ]);
        if let Some(certificate) = &newest.certificate {
            document.insert("certificate".to_owned(), Value::from(certificate.expose()));
        }
        document
    }

    /// The script is over: its file is forgotten.
    pub fn detach_file(&self) {
        *lock(&self.file) = None;
    }
}

impl CredentialSource for RunCredentials {
    fn credentials(&self) -> Result<Arc<Credentials>, NoCredentials> {
        let current = lock(&self.current);
        if current.revoked || boot_now() >= current.end {
            return Err(NoCredentials::ClaimOver);
        }
        Ok(Arc::clone(&current.credentials))
    }

    /// As long as the claim is ours, it is renewed, and credentials with it.
    fn may_change(&self) -> bool {
        true
    }
}
