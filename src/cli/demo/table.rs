//! The table of what was expected and what happened.

/// One line of it.
pub(super) struct Row {
    pub(super) agrees: bool,
    pub(super) name: String,
    pub(super) expected: String,
    pub(super) happened: String,
    pub(super) checked: String,
    pub(super) took: String,
}

/// Rows below their headings, in columns.
pub(super) fn render(rows: &[&Row]) -> String {
    let headings = ["", "task", "expected", "happened", "checked", "took"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(headings).chain(rows.iter().copied().map(cells)).collect();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<_> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [String; 6] {
    let mark = if row.agrees { "✓" } else { "✗" };
    [
        mark.to_owned(),
        row.name.clone(),
        row.expected.clone(),
        if row.happened == row.expected { "as expected".to_owned() } else { row.happened.clone() },
        row.checked.clone(),
        row.took.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_what_happened_is_shown_where_it_differs() {
        let row = |agrees, name: &str, happened: &str| Row {
            agrees,
            name: name.to_owned(),
            expected: "completed".to_owned(),
            happened: happened.to_owned(),
            checked: "log".to_owned(),
            took: "1.0 s".to_owned(),
        };
        let text = render(&[&row(true, "a", "completed"), &row(false, "longer", "failed")]);
        let expected = "\
\u{20}  task    expected   happened     checked  took
✓  a       completed  as expected  log      1.0 s
✗  longer  completed  failed       log      1.0 s
";
        assert_eq!(text, expected);
    }
}
