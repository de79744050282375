use super::svg::{cut_front, escaped, wrapped};
use super::*;
use crate::cot::finding::{Finding, LinkName, Rule};
use crate::cot::judge::{LinkReport, RuleReport};
use crate::cot::policy::{CURRENT, Policy, PolicyId};
use crate::cot::reason::Reason;
use crate::cot::role::RuleSet;
use crate::ids::{RunId, TaskId};
use crate::time::UnixMillis;
use proptest::prelude::*;
use std::sync::LazyLock;

static POLICY: LazyLock<PolicyId> = LazyLock::new(|| Policy::parse(CURRENT.as_bytes()).unwrap().id);

fn id(number: usize) -> TaskId {
    TaskId::parse(&format!("Task{number:04}Q0WAAAAAAAAAAA")).unwrap()
}

fn link(name: &str, number: usize, rests_on: &[usize]) -> LinkReport {
    LinkReport {
        name: LinkName { name: name.to_owned(), task_id: id(number) },
        run_id: Some(RunId::FIRST),
        implementation: Some("docker-worker"),
        signer: Some("ed25519 key 0123456789abcdef".to_owned()),
        rests_on: rests_on.iter().map(|number| id(*number)).collect(),
        rules: Rule::ALL.iter().map(|rule| RuleReport::Passed { rule: *rule, note: None }).collect(),
    }
}

fn report(links: Vec<LinkReport>) -> Report {
    let failed = |rule: &RuleReport| matches!(rule, RuleReport::Failed { .. });
    Report {
        verified: !links.iter().any(|link| link.rules.iter().any(failed)),
        task_id: id(0),
        judged: UnixMillis(1_795_000_000_000),
        rules: RuleSet::Current,
        policy: POLICY.clone(),
        privileged: true,
        links,
    }
}

fn release() -> Vec<LinkReport> {
    vec![
        link("signing", 0, &[3, 1]),
        link("signing:build", 1, &[3, 2]),
        link("signing:build:docker-image", 2, &[3]),
        link("signing:parent", 3, &[3]),
    ]
}

fn broken(mut links: Vec<LinkReport>, found: &str) -> Vec<LinkReport> {
    let finding = Finding::new(Reason::GraphMismatch).at("payload.env.X").expected("\"a\"").found(found);
    links[1].rules[6] = RuleReport::Failed { rule: Rule::Graph, finding };
    links[1].rules[7] = RuleReport::NotJudged { rule: Rule::Artifacts };
    links
}

/// As strict as it has to be for what is made here: every element is closed, in order; nothing unescaped is in texts and
/// attributes, and no character that XML forbids.
fn check_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    assert!(!svg.chars().any(|c| c.is_control() && c != '\n'), "a control character");
    let good = |text: &str| {
        for piece in text.split('&').skip(1) {
            let (name, _) = piece.split_once(';').unwrap();
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "&{name};");
        }
        assert!(!text.contains(['<', '>']), "{text}");
    };
    while let Some(start) = rest.find('<') {
        good(&rest[..start]);
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let whole = tag.strip_suffix('/');
        let tag = whole.unwrap_or(tag);
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        tag.split('"').skip(1).step_by(2).for_each(good);
        let name = tag.split(' ').next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{name}");
        if whole.is_none() {
            open.push(name);
        }
    }
    good(rest);
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_verified_chain_shows_links_and_signers() {
    let svg = picture(&report(release()));
    check_well_formed(&svg);
    assert!(svg.contains(">verified: signing ") && svg.contains("4 links<"), "{svg}");
    assert_eq!(svg.matches(">signed by ed25519 key 0123456789abcdef<").count(), 4);
    assert_eq!(svg.matches("<path ").count(), 5);
    assert!(!svg.contains("class=\"bad\" x=\"36\""), "nothing is red but the legend");
    assert_eq!(picture(&report(release())), svg, "the same each time");
}

#[test]
fn the_broken_rule_is_red_and_says_why() {
    let svg = picture(&report(broken(release(), "evil")));
    check_well_formed(&svg);
    assert!(svg.contains("fill=\"#cf222e\" font-weight=\"bold\">refused: signing "), "{svg}");
    assert!(svg.contains("fill=\"#cf222e\">graph</text>"), "{svg}");
    assert!(svg.contains("fill=\"#59636e\">artifacts</text>"), "{svg}");
    assert_eq!(svg.matches("stroke=\"#cf222e\"").count(), 1, "one card has a red edge");
    let red: Vec<_> = svg.lines().filter(|line| line.contains("class=\"bad\"")).collect();
    assert!(red.iter().any(|line| line.contains("graph: The task differs")), "{red:?}");
    assert!(svg.contains("[graph-mismatch]"), "{svg}");
}

#[test]
fn row_133_texts_of_tasks_cannot_leave_their_place() {
    let evil = "</text><script>alert(1)</script>&x; \"' \u{1b}[31m\r\n\u{202e}\u{fffe}\0 end";
    let mut links = broken(release(), evil);
    links[0].name.name = evil.to_owned();
    links[2].signer = Some(evil.repeat(100));
    links[3].rules[0] = RuleReport::Passed { rule: Rule::Chain, note: Some(evil.to_owned()) };
    let svg = picture(&report(links));
    check_well_formed(&svg);
    assert!(
        !svg.contains("<script") && !svg.contains(['\u{1b}', '\r', '\u{202e}', '\u{fffe}', '\0']),
        "{svg}"
    );
    assert!(svg.lines().all(|line| line.chars().count() < 900), "cut");
}

#[test]
fn hundreds_of_links_stay_a_picture() {
    let mut links = vec![link("signing", 0, &(1..=100).collect::<Vec<_>>())];
    links.extend((1..=98).map(|number| link("signing:build", number, &[100, 99])));
    links.push(link("signing:build:docker-image", 99, &[100]));
    links.push(link("signing:parent", 100, &[100]));
    let svg = picture(&report(broken(links, "evil")));
    check_well_formed(&svg);
    assert!(svg.contains(">98 links</text>"));
    assert!(svg.matches("<path ").count() <= 6, "lines end at the frame");
    let size = |key: &str| svg.split_once(&format!("{key}=\"")).unwrap().1.split_once('"').unwrap().0;
    let (width, height): (usize, usize) = (size("width").parse().unwrap(), size("height").parse().unwrap());
    assert!(width < 1300 && height < 4500, "{width} {height}");
    assert!(svg.contains(">16 rules hold</text>") || svg.contains(">15 rules hold</text>"));
    assert!(svg.contains(">graph</text>"), "what is broken is there in small cards, too");
}

#[test]
fn chains_that_cannot_be_are_drawn_all_the_same() {
    check_well_formed(&picture(&report(Vec::new())));
    let circle = vec![link("a", 0, &[1]), link("a:b", 1, &[2]), link("a:b:c", 2, &[0, 1, 7])];
    check_well_formed(&picture(&report(circle)));
}

proptest! {
    #[test]
    fn any_text_is_cut_escaped_and_kept(text in any::<String>(), letters in 1_usize..60) {
        check_well_formed(&format!("<text>{}</text>", escaped(&text)));
        for line in wrapped(&text, letters, 3) {
            prop_assert!(line.chars().count() <= letters);
        }
        prop_assert!(wrapped(&text, letters, 3).len() <= 3);
        prop_assert!(cut_front(&text, letters).chars().count() <= letters.max(1));
    }

    #[test]
    fn any_graph_is_laid_out(links in proptest::collection::vec(proptest::collection::vec(0_usize..20, 0..5), 0..20)) {
        let links = links.iter().enumerate().map(|(number, on)| link("l", number, on)).collect();
        check_well_formed(&picture(&report(links)));
    }
}
