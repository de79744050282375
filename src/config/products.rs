//! The products that the built-in policy tables know, and what `cot_product` asks of the keys that have a value for
//! each product (config.md 4).

use super::check::{Checked, by_product};
use super::keys::{KEYS, Kind};
use super::problem::{ConfigProblem, Rule, nearest};
use super::tree::{Data, shorten};

/// Products with built-in tables.
pub const PRODUCTS: [&str; 11] = [
    "adhoc",
    "app-services",
    "enterprise",
    "firefox",
    "glean",
    "mobile",
    "mozillavpn",
    "scriptworker",
    "thunderbird",
    "translations",
    "xpi",
];

/// The product must have a value in every table, built in or in the file.
pub(super) fn check(checked: &Checked, problems: &mut Vec<ConfigProblem>) {
    let entry =
        |name: &str| checked.entries.iter().find(|(spec, _)| spec.name == name).map(|(_, value)| value);
    let Some(product) = entry("cot_product").and_then(|value| value.as_text()) else { return };
    // a policy of the operator's own may have any product: whoever reads it checks that
    let built_in = entry("policy_path").is_none_or(|value| value.data == Data::Null);
    let mut without_table = false;
    for spec in KEYS.iter().filter(|spec| matches!(spec.kind, Kind::ByProduct(_))) {
        let Some(value) = entry(spec.name) else {
            without_table |= !checked.refused.contains(&spec.name);
            continue;
        };
        if by_product(value).is_some_and(|table| table.get(product).is_none()) {
            let place = format!("{}.by-cot-product", spec.name);
            let expected = format!("a value for cot_product, which is {}", shorten(product));
            problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, place, expected, "none"));
        }
    }
    if built_in && without_table && !PRODUCTS.contains(&product) {
        let expected = format!(
            "one of {}: another product needs every by-cot-product key in this file",
            PRODUCTS.join(", ")
        );
        let close = nearest(product, PRODUCTS.into_iter());
        problems.push(
            ConfigProblem::new(Rule::OutOfRange, "cot_product", expected, shorten(product)).near(close),
        );
    }
}
