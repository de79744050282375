//! The verification inside of this process: budgets, the hand-over, and templates that are meant to cost.

use crate::site::hg;
use crate::site::{ARTIFACT, BUILD, Release, SIGNING, Site, id, key, now};
use scriptworker::cot::budgets::Budgets;
use scriptworker::cot::case::OwnedCase;
use scriptworker::cot::gather::{GatherError, verify};
use scriptworker::cot::renderer::{RendererTrouble, Subprocess};
use scriptworker::cot::sources::{SourceSettings, Sources};
use scriptworker::cot::staging::Staging;
use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use scriptworker::taskcluster::{Auth, Http, HttpConfig, RootUrl};
use scriptworker_core::cot::chain::Subject;
use scriptworker_core::cot::evidence::Evidence;
use scriptworker_core::cot::judge::{Judgement, Report};
use scriptworker_core::cot::policy::{CURRENT, Policy};
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::cot::task::Definition;
use scriptworker_core::cot::template::{Renderer as _, Rendering, TemplateError};
use scriptworker_core::json::DocumentKind;
use scriptworker_core::yaml;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn renderer() -> Subprocess {
    Subprocess::of(env!("CARGO_BIN_EXE_scriptworker").into())
}

fn case(release: &Release, budgets: Budgets) -> Arc<OwnedCase> {
    let mut policy: Value = yaml::read_strict(CURRENT.as_bytes(), DocumentKind::Policy).unwrap();
    let public = |number| json!([key(number).public().to_string()]);
    policy["ed25519_public_keys"] =
        json!({"docker-worker": public(1), "generic-worker": public(2), "scriptworker": public(3)});
    policy["shared_ed25519_public_keys"] = json!([]);
    let policy = Policy::from_value(policy).unwrap();
    let task = Definition::parse(release.tasks[SIGNING].to_string().as_bytes()).unwrap();
    Arc::new(OwnedCase {
        subject: Subject { id: id(SIGNING), task_type: "signing".to_owned(), task },
        attested: true,
        product: policy.product("firefox").unwrap().clone(),
        policy,
        keyrings: BTreeMap::new(),
        check_signatures: true,
        renderer: renderer(),
        hops: 20,
        budgets,
        now: now(),
        queue_now: None,
    })
}

/// Verifies below this directory.
fn judge(
    (release, site): (&Release, &Site),
    work_dir: &Path,
    budgets: Budgets,
) -> (Arc<Staging>, Result<(Judgement, Evidence), GatherError>) {
    judge_case(case(release, budgets), site, work_dir)
}

fn judge_case(
    case: Arc<OwnedCase>,
    site: &Site,
    work_dir: &Path,
) -> (Arc<Staging>, Result<(Judgement, Evidence), GatherError>) {
    actix_rt::System::new().block_on(async {
        let settings = SourceSettings {
            pushlog_url: "{repo}/json-pushes?changeset={revision}".to_owned(),
            projects_url: format!("{}/projects.yml", site.host.url()),
            github_token: None,
            github_app: None,
            mirrors: vec![("https://hg.mozilla.org".to_owned(), format!("{}/hg", site.host.url()))],
        };
        let staging = Arc::new(Staging::below(work_dir).unwrap());
        let root = RootUrl::parse(&site.queue.root_url()).unwrap();
        let http = Http::new(HttpConfig::default()).unwrap();
        let sources = Sources::new(http, &root, Auth::Anonymous, settings, Arc::clone(&staging));
        (staging, verify(&case, &sources, Evidence::new(), |_| {}).await)
    })
}

fn reasons(report: &Report) -> Vec<Reason> {
    report.findings().map(|(_, _, finding)| finding.reason).collect()
}

#[test]
fn row_078_more_links_or_bytes_than_the_budget_are_refused_and_more_time_is_no_verdict() {
    let release = hg::release();
    let site = Site::of(&release);
    let dir = tempfile::tempdir().unwrap();
    for budgets in [
        Budgets { links: 3, ..Budgets::default() },
        // the documents alone are more
        Budgets { bytes: 4096, ..Budgets::default() },
    ] {
        let (staging, judged) = judge((&release, &site), dir.path(), budgets);
        let (judgement, _) = judged.unwrap();
        let Judgement::Refused(report) = &judgement else { panic!("{budgets:?}: {judgement:?}") };
        assert!(reasons(report).contains(&Reason::Limit), "{budgets:?}: {report:?}");
        staging.remove().unwrap();
    }
    site.queue.inject(Fault::new(Call::Status, FaultKind::Hang));
    let limit = Duration::from_secs(2);
    let (staging, judged) =
        judge((&release, &site), dir.path(), Budgets { time: limit, ..Budgets::default() });
    let error = judged.unwrap_err();
    assert!(matches!(&error, GatherError::OutOfTime { limit: found } if *found == limit), "{error:?}");
    assert!(error.is_unavailable());
    staging.remove().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn row_073_no_link_that_somebody_left_is_followed() {
    let release = hg::release();
    let site = Site::of(&release);
    let dir = tempfile::tempdir().unwrap();
    let (work_dir, elsewhere) = (dir.path().join("work"), dir.path().join("elsewhere"));
    std::fs::create_dir(&work_dir).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, work_dir.join("cot")).unwrap();
    let (staging, judged) = judge((&release, &site), &work_dir, Budgets::default());
    let (judgement, _) = judged.unwrap();
    let Judgement::Verified(task, _) = &judgement else { panic!("{judgement:?}") };
    assert_eq!(staging.hand_over(task).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    // without it the same is handed over
    std::fs::remove_file(work_dir.join("cot")).unwrap();
    staging.hand_over(task).unwrap();
    let handed = work_dir.join("cot").join(BUILD).join(ARTIFACT);
    assert_eq!(std::fs::read(&handed).unwrap(), b"a build");
    assert_eq!(std::fs::read_dir(&work_dir).unwrap().count(), 1, "nothing else is left");
}

fn rendering(template: Value) -> Rendering {
    let (decision, own) = (id(BUILD), id(BUILD));
    Rendering { template, context: Map::new(), now: now(), decision, own }
}

fn rendered(template: Value) -> Result<Value, TemplateError> {
    renderer().render(&rendering(template))
}

/// A renderer that does this.
fn script(dir: &Path, lines: &str) -> Subprocess {
    let path = dir.join("renderer");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    Subprocess::of(path)
}

#[test]
fn a_template_that_this_machine_cannot_render_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let question = rendering(json!({"$eval": "1 + 1"}));
    for lines in ["kill -KILL $$", "kill -TERM $$", "exit 1", "cat >/dev/null; echo rubbish"] {
        let renderer = script(dir.path(), lines);
        let error = renderer.render(&question).unwrap_err();
        assert!(matches!(error, TemplateError::Unavailable { .. }), "{lines}: {error:?}");
        assert!(renderer.take_trouble().is_some(), "{lines}");
    }
    let nowhere = Subprocess::of(dir.path().join("nowhere"));
    assert!(matches!(nowhere.render(&question), Err(TemplateError::Unavailable { .. })));
    assert!(matches!(nowhere.take_trouble(), Some(RendererTrouble::Process(_))));
    // its own limits are a verdict
    for lines in ["kill -XCPU $$", "kill -ABRT $$"] {
        let renderer = script(dir.path(), lines);
        let error = renderer.render(&question).unwrap_err();
        assert!(matches!(error, TemplateError::TooMuch { .. }), "{lines}: {error:?}");
        assert!(renderer.take_trouble().is_none(), "{lines}");
    }
    // once more, and trouble is not remembered
    let program = env!("CARGO_BIN_EXE_scriptworker");
    let times = |times: usize| {
        let counter = dir.path().join(format!("counter-{times}"));
        let counter = counter.display();
        format!(
            "echo x >>{counter}; [ $(wc -l <{counter}) -gt {times} ] || kill -KILL $$; exec {program} \"$@\""
        )
    };
    assert_eq!(script(dir.path(), &times(1)).render(&question).unwrap(), json!(2));
    let renderer = script(dir.path(), &times(2));
    assert!(matches!(renderer.render(&question), Err(TemplateError::Unavailable { .. })));
    assert_eq!(renderer.render(&question).unwrap(), json!(2));

    let release = hg::release();
    let site = Site::of(&release);
    let mut case = case(&release, Budgets::default());
    Arc::get_mut(&mut case).unwrap().renderer = Subprocess::of(dir.path().join("nowhere"));
    let (_, judged) = judge_case(case, &site, dir.path());
    let error = judged.unwrap_err();
    assert!(matches!(error, GatherError::Renderer(RendererTrouble::Process(_))), "{error:?}");
    assert!(error.is_unavailable());
}

#[test]
fn a_template_that_takes_all_time_or_memory_is_stopped() {
    assert_eq!(rendered(json!({"$eval": "1 + 1"})).unwrap(), json!(2));
    let mut time = json!(1);
    for letter in ["a", "b", "c"] {
        time = json!({"$map": {"$eval": "range(0, 4000)"}, format!("each({letter})"): time});
    }
    let error = rendered(time).unwrap_err();
    assert!(matches!(error, TemplateError::TooMuch { .. }), "{error:?}");
    let mut memory = json!("${x30}");
    for level in (0..30).rev() {
        let longer = format!("${{x{level}}}").repeat(10);
        memory = json!({"$let": {format!("x{}", level + 1): longer}, "in": memory});
    }
    let error = rendered(json!({"$let": {"x0": "0123456789"}, "in": memory})).unwrap_err();
    assert!(matches!(error, TemplateError::TooMuch { .. }), "{error:?}");
}
