//! A worker process with a key repository.

use super::site::{PATIENCE, Site, until};
use super::support::Place;
use nix::sys::signal::Signal;

fn in_force(site: &Site, revision: &str) {
    let seen = until(PATIENCE, || {
        let log = site.log();
        log.lines()
            .any(|line| line.contains("keyrings are in force") && line.contains(revision))
            .then_some(())
    });
    seen.unwrap_or_else(|| panic!("{revision} does not come\n{}", site.log()));
}

#[test]
fn sighup_brings_new_keyrings_while_a_script_runs() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let first = place.head();
    let mut site = Site::new();
    for (key, value) in place.keyring_keys() {
        site = site.set(&key, value);
    }
    site.start();
    in_force(&site, &first);

    let (begun, go) = (place.path("begun"), place.path("go"));
    let wait = format!("touch {}; until [ -e {} ]; do sleep 0.05; done", begun.display(), go.display());
    let task = site.task(&wait);
    until(PATIENCE, || begun.exists().then_some(())).expect("the script begins");
    place.put("docker-worker/other.asc", place.public("worker"));
    let second = place.commit("another key");
    place.tag("v2", "keeper");
    site.signal(Signal::SIGHUP);
    in_force(&site, &second);
    place.commit("unsigned");
    place.git(&["tag", "--annotate", "--message", "v3", "v3"]);
    site.signal(Signal::SIGHUP);
    let alarm = until(PATIENCE, || {
        site.log()
            .lines()
            .any(|line| line.contains("ERROR") && line.contains("it is not signed"))
            .then_some(())
    });
    alarm.unwrap_or_else(|| panic!("no alarm\n{}", site.log()));
    assert_eq!(place.load().unwrap().source().revision, second);
    std::fs::write(go, "").unwrap();
    assert_eq!(site.outcome(&task, 0), "completed completed");
}
