//! The KeyringManager at work: what it publishes, and when.

use super::support::Place;
use actix::Arbiter;
use scriptworker::actors::keyring_manager::KeyringManager;
use scriptworker::keyrings::{KeyringSet, Lock, LockState, Published};
use scriptworker::messages::Member;
use scriptworker::messages::keyrings::UpdateKeyrings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(120);

type Changes = watch::Receiver<Option<Arc<KeyringSet>>>;

fn start(place: &Place) -> (Member<KeyringManager>, Arc<Published>, Changes) {
    let published = Arc::<Published>::default();
    let changes = published.subscribe();
    let (config, shared) = (Arc::new(place.config()), Arc::clone(&published));
    let thread = Arbiter::current();
    let manager = actix::Supervisor::start_in_arbiter(&thread, move |_| KeyringManager::new(config, shared));
    (Member::new(manager), published, changes)
}

async fn revision(changes: &mut Changes) -> String {
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("a new set").unwrap();
    changes.borrow_and_update().as_ref().unwrap().source().revision.clone()
}

#[actix::test]
async fn publishes_the_first_set_and_updates_when_asked() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let first = place.head();
    let (manager, published, mut changes) = start(&place);
    assert!(published.current().is_none());
    assert_eq!(revision(&mut changes).await, first);
    let held = published.current().unwrap();

    place.put("docker-worker/other.asc", place.public("worker"));
    let second = place.commit("another key");
    place.tag("v2", "keeper");
    manager.send(None, UpdateKeyrings).unwrap();
    assert_eq!(revision(&mut changes).await, second);
    assert_eq!(held.source().revision, first, "who holds a set keeps it");
    assert_eq!(published.current().unwrap().get("docker-worker").unwrap().certificates().count(), 2);
    assert_eq!(Lock::look(&place.path("gpg_homedir.lock")).unwrap(), LockState::Absent);
}

#[actix::test]
async fn keeps_the_last_good_set_and_goes_on_by_itself() {
    let place = Place::new();
    place.set("keyring_update_interval", 1);
    place.tag("v1", "keeper");
    let (_manager, published, mut changes) = start(&place);
    let first = revision(&mut changes).await;
    place.commit("nothing");
    place.git(&["tag", "--annotate", "--message", "v2", "v2"]);
    // refused, however often: what comes next shows that it looked again meanwhile
    let clone = place.path("clone/scriptworker.git/refs/incoming/tags/v2");
    let end = std::time::Instant::now() + PATIENCE;
    while !clone.exists() {
        assert!(std::time::Instant::now() < end, "it does not look by itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(published.current().unwrap().source().revision, first);
    place.git(&["tag", "--delete", "v2"]);
    // a commit of its own: if v2 had been taken, the next revision would be that of v2
    let third = place.commit("something");
    place.tag("v3", "keeper");
    assert_eq!(revision(&mut changes).await, third);
}

#[actix::test]
async fn takes_over_what_a_rebuild_has_left_ready() {
    let place = Place::new();
    place.set("keyring_update_interval", 1_000_000);
    place.tag("v1", "keeper");
    let (_manager, _published, mut changes) = start(&place);
    revision(&mut changes).await;
    place.put("docker-worker/other.asc", place.public("worker"));
    let second = place.commit("another key");
    place.tag("v2", "keeper");
    let called = place.rebuild();
    assert!(called.said.contains("new keyrings are ready for the worker"), "{}", called.said);
    assert_eq!(revision(&mut changes).await, second);
    assert_eq!(Lock::look(&place.path("gpg_homedir.lock")).unwrap(), LockState::Absent);
    assert!(!place.path("keyrings.tmp").exists());
}
