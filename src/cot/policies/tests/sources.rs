//! Where a policy comes from, who has to have signed it, and what a configuration replaces.

use super::*;
use scriptworker_core::cot::policy::{CLASSIC, PolicyError};
use scriptworker_core::cot::role::RuleSet;

#[test]
fn without_a_file_the_built_in_policy_of_the_generation_is_used() {
    let place = Place::new();
    let loaded = place.load("").unwrap();
    assert_eq!((loaded.policy.id.name.as_str(), &loaded.origin), ("current", &Origin::BuiltIn));
    assert_eq!((loaded.product_name.as_str(), loaded.product.env_prefix.as_str()), ("firefox", "GECKO"));
    assert_eq!(loaded.policy.id.overridden, Vec::<String>::new());
    let loaded = place.load("base_gpg_home_dir: keys\n").unwrap();
    assert_eq!((loaded.policy.rules, loaded.policy.id.name.as_str()), (RuleSet::Classic, "classic"));
}

#[test]
fn a_file_is_used_instead_when_the_right_key_signed_it() {
    let place = Place::new();
    let document = policy("mine", 7, "");
    let path = place.write("p.yml", &document);
    let loaded = place.load("policy_path: p.yml\n").unwrap();
    assert_eq!((loaded.policy.id.name.as_str(), loaded.policy.id.serial), ("mine", 7));
    assert_eq!(loaded.origin, Origin::File(path.clone()));

    let (own, other) = (key(1), key(2));
    let keys = |list: &[&PrivateKey]| {
        let list: Vec<_> = list.iter().map(|key| key.public().to_string()).collect();
        format!("policy_path: p.yml\npolicy_public_keys: [{}]\n", list.join(", "))
    };
    let both = keys(&[&other, &own]);
    let faults = place.load(&both).unwrap_err();
    assert!(matches!(&faults[..], [PolicyFault::SignatureFile(_)]), "unsigned: {faults:?}");
    let signature = place.write("p.yml.sig", own.sign(document.as_bytes()).as_bytes());
    assert_eq!(signature, signature_path(&path));
    assert_eq!(place.load(&both).unwrap().policy.id, loaded.policy.id);
    let unsigned = |faults: &[PolicyFault], keys| matches!(faults, [PolicyFault::Policy { source: PolicyError::Unsigned { tried }, .. }] if *tried == keys);
    let faults = place.load(&keys(&[&other])).unwrap_err();
    assert!(unsigned(&faults, 1), "by somebody else: {faults:?}");
    place.write("p.yml", document.replacen("serial: 7", "serial: 8", 1));
    let faults = place.load(&both).unwrap_err();
    assert!(unsigned(&faults, 2), "a changed byte: {faults:?}");
    // nothing of what is not signed is looked at
    place.write("p.yml", "[");
    assert!(unsigned(&place.load(&both).unwrap_err(), 2));
    place.write("p.yml", &document);
    let mut bytes = own.sign(document.as_bytes()).as_bytes().to_vec();
    for change in [|bytes: &mut Vec<u8>| bytes[0] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(63)] {
        change(&mut bytes);
        place.write("p.yml.sig", &bytes);
        let faults = place.load(&both).unwrap_err();
        assert!(matches!(&faults[..], [PolicyFault::Policy { .. }]), "a changed signature: {faults:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_reason_to_take_another_policy() {
    let place = Place::new();
    let faults = place.load("policy_path: absent.yml\n").unwrap_err();
    assert!(matches!(&faults[..], [PolicyFault::File(_)]), "{faults:?}");
    place.write("p.yml", "{{");
    let faults = place.load("policy_path: p.yml\n").unwrap_err();
    assert!(matches!(&faults[..], [PolicyFault::Policy { source: PolicyError::Yaml(_), .. }]), "{faults:?}");
    // every mistake of the document
    place.write("p.yml", policy("mine", 7, "serail: 8\n").replacen("sha512", "md5", 1));
    let faults = place.load("policy_path: p.yml\n").unwrap_err();
    assert!(
        matches!(&faults[..], [PolicyFault::Document { .. }, PolicyFault::Document { .. }]),
        "{:#?}",
        texts(&faults)
    );
}

#[test]
fn a_policy_is_refused_for_everything_at_once() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 7, "expires: '2020-01-01T00:00:00Z'\n"));
    let faults =
        place.load("policy_path: p.yml\ncot_product: nonesuch\nbase_gpg_home_dir: keys\n").unwrap_err();
    let [
        PolicyFault::Rules { expected: RuleSet::Classic, found: RuleSet::Current, .. },
        PolicyFault::Expired { last, .. },
        PolicyFault::Product { known, found },
    ] = &faults[..]
    else {
        panic!("{:#?}", texts(&faults))
    };
    assert_eq!(*last, UnixMillis::parse("2020-01-01T00:00:00Z").unwrap());
    assert!(known.contains(&"firefox".to_owned()) && found == "nonesuch");
    let mut config = place.config("").policy;
    let path = place.write("classic.yml", CLASSIC);
    config.path = Some(path);
    config.product = None;
    let error = load(&config, None, None, NOW).unwrap_err();
    assert!(matches!(&error.0[..], [PolicyFault::Rules { .. }, PolicyFault::NoProduct]), "{error}");
    assert_eq!(error.to_string().lines().count(), 2);
}

#[test]
fn a_policy_may_be_used_up_to_its_last_moment() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 7, "expires: '2026-06-01T00:00:00Z'\n"));
    let config = place.config("policy_path: p.yml\n");
    let last = UnixMillis::parse("2026-06-01T00:00:00Z").unwrap();
    assert!(load(&config.policy, None, None, last).is_ok());
    let error = load(&config.policy, None, None, last.plus(1)).unwrap_err();
    assert!(matches!(&error.0[..], [PolicyFault::Expired { .. }]), "{error}");
}

#[test]
fn every_form_of_an_override_comes_from_the_file() {
    let place = Place::new();
    let tasks_for = |loaded: &LoadedPolicy, product: &str| {
        Vec::from_iter(loaded.policy.product(product).unwrap().tasks_for.clone())
    };
    let usual = place.load("").unwrap();
    let plain = place.load("valid_tasks_for: [cron]\n").unwrap();
    assert_eq!(tasks_for(&plain, "firefox"), ["cron"]);
    assert_eq!(plain.product.tasks_for.len(), 1);
    assert_eq!(tasks_for(&plain, "glean"), tasks_for(&usual, "glean"));
    let table = "valid_tasks_for:\n  by-cot-product: {firefox: [cron], glean: [action]}\n";
    let table = place.load(table).unwrap();
    assert_eq!(
        (tasks_for(&table, "firefox"), tasks_for(&table, "glean")),
        (vec!["cron".to_owned()], vec!["action".to_owned()])
    );
    assert_eq!(table.policy.id.overridden, ["valid_tasks_for"]);
    // common to all products; what equals the built-in value was given all the same
    let common = "valid_hash_algorithms: [sha512]\nscriptworker_provisioners: [mine]\n\
                  ed25519_public_keys: {docker-worker: [KEY], generic-worker: [KEY], scriptworker: [jFmyvf3lQiiX0qIFxal5KgIIq6VpUBTQfAtD6hEi8Ms=]}\n\
                  shared_ed25519_public_keys: [KEY]\n";
    let common = common.replace("KEY", &key(3).public().to_string());
    let loaded = place.load(&common).unwrap();
    assert_eq!(loaded.policy.hash_algorithms.len(), 1);
    assert_eq!(loaded.policy.scriptworker_provisioners, ["mine"]);
    assert_eq!(loaded.policy.keys.lists["docker-worker"][0].key, key(3).public());
    assert_eq!(
        loaded.policy.id.overridden,
        [
            "ed25519_public_keys",
            "scriptworker_provisioners",
            "shared_ed25519_public_keys",
            "valid_hash_algorithms"
        ]
    );
    // over the policy of a file, too, even where the value is the one that is built in
    place.write("p.yml", policy("mine", 7, "").replacen("[sha256, sha512]", "[sha512]", 1));
    let file = "policy_path: p.yml\nvalid_hash_algorithms: [sha256, sha512]\n";
    assert_eq!(place.load("policy_path: p.yml\n").unwrap().policy.hash_algorithms.len(), 1);
    assert_eq!(place.load(file).unwrap().policy.hash_algorithms.len(), 2);
}

#[test]
fn the_classic_forms_come_from_the_file() {
    let place = Place::new();
    let loaded = place
        .load(
            "base_gpg_home_dir: keys\n\
             cot_restricted_scopes: {firefox: {a: x}}\n\
             cot_restricted_trees: {firefox: {x: [/mozilla-central]}}\n\
             valid_decision_worker_types: [my-decision]\n\
             valid_docker_image_worker_types: [my-images]\n\
             valid_vcs_rules: [{schemes: [https], netlocs: [h], path_regexes: ['^(?P<path>/a)']}]\n\
             docker_image_allowlists: {decision: []}\n\
             scriptworker_worker_types: [signing-v1]\n\
             ed25519_public_keys: {scriptworker: []}\n",
        )
        .unwrap_or_else(|faults| panic!("{:#?}", texts(&faults)));
    let firefox = &loaded.product;
    assert_eq!((firefox.restricted.len(), firefox.trees.len()), (1, 1));
    assert_eq!((firefox.decision_pools.len(), firefox.image_pools.len()), (1, 1));
    assert!(firefox.trusted.can_give("/a") && !firefox.trusted.can_give("/mozilla-central"));
    assert_eq!(loaded.policy.scriptworker_worker_types, ["signing-v1"]);
    assert_eq!(loaded.policy.id.overridden.len(), 7, "a key of the other generation has no effect");
}

#[test]
fn tables_that_do_not_fit_are_all_told() {
    let place = Place::new();
    let faults = place
        .load(
            "valid_tasks_for: {by-cot-product: {firefox: ['']}}\nvalid_hash_algorithms: [md5, sha1]\n\
             cot_restricted_trees: {glean: {x: [/a]}}\n",
        )
        .unwrap_err();
    assert!(faults.iter().all(|fault| matches!(fault, PolicyFault::Table(_))), "{faults:?}");
    let texts = texts(&faults);
    for place in [
        "cot_restricted_trees: expected a value for cot_product",
        "products.firefox.valid_tasks_for[0]: ",
        "valid_hash_algorithms[0]: ",
        "valid_hash_algorithms[1]: ",
    ] {
        assert!(texts.iter().any(|text| text.contains(place)), "{place}: {texts:#?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_at_start() {
    let place = Place::new();
    let (public, private) = (key(1).public(), mistakable_key());
    let keys = |docker: &str, generic: &str, scriptworker: &str| {
        format!(
            "ed25519_public_keys:\n  docker-worker: [{docker}]\n  generic-worker: [{generic}]\n  scriptworker: [{scriptworker}]\n"
        )
    };
    let one = public.to_string();
    let (two, three) = (key(4).public().to_string(), key(5).public().to_string());
    let seed = private.to_base64();
    assert!(place.load(&keys(&one, &two, &three)).is_ok());
    for (text, row) in [
        (keys(&one, "", &three), "16, an empty list"),
        (keys(&one, &one, &three), "17, one key for two implementations"),
        (keys(&one, seed.expose(), &three), "17, the worker's own private key"),
        (
            "cot_restricted_scopes: {'a:*': x, 'a:b:*': x}\ncot_restricted_trees: {x: [/mozilla-central]}\n"
                .to_owned(),
            "128, a scope with two levels",
        ),
        (
            "cot_restricted_scopes: {'a:*': x}\ncot_restricted_trees: {y: [/mozilla-central]}\n".to_owned(),
            "a scope that nobody can have",
        ),
    ] {
        let error = load(&place.config(&text).policy, None, Some(&private), NOW).unwrap_err();
        assert!(matches!(&error.0[..], [PolicyFault::Lint { .. }]), "{row}: {error}");
        assert!(!error.to_string().contains(seed.expose()), "{row}");
    }
    let malformed = place.load(&keys("bm90IGEga2V5", &two, &three)).unwrap_err();
    assert!(matches!(&malformed[..], [PolicyFault::Table(_)]), "16, a malformed entry: {malformed:?}");
}

#[test]
fn another_product_may_be_asked_for() {
    let place = Place::new();
    let config = place.config("valid_tasks_for: [cron]\n");
    let loaded = load(&config.policy, Some("glean"), None, NOW).unwrap();
    assert_eq!((loaded.product_name.as_str(), loaded.product.tasks_for.len()), ("glean", 5));
    assert_eq!(
        loaded.policy.product("firefox").unwrap().tasks_for.len(),
        1,
        "the value is for the configuration's"
    );
    // a policy of one's own may have a product that the program does not know
    place.write("p.yml", CURRENT.replacen("\n  glean:", "\n  mine:", 1));
    let loaded = place.load("policy_path: p.yml\ncot_product: mine\n").unwrap();
    assert_eq!(loaded.product_name, "mine");
}
