//! The verdict as a picture (SVG): the links level by level, what each rests on, who signed it, what every rule came to,
//! and in red what is broken.
//!
//! Nothing but [`Report`] goes in. Texts that tasks wrote are cut, and escaped for XML.
//!
//! | module | what it does |
//! |---|---|
//! | `card` | one link |
//! | `layout` | where the links go |
//! | `svg` | shapes and texts, light and dark |

mod card;
mod layout;
mod svg;
#[cfg(test)]
mod tests;

use super::judge::Report;
use card::Card;
use layout::{Layout, Place};
use svg::{Canvas, Colour, wrapped};

/// The space around everything.
const MARGIN: usize = 24;
/// The space on the right in which lines pass by other levels.
const LANE: usize = 72;
/// The letters of a line of the head.
const HEAD_LETTERS: usize = 92;
/// The most lines of the sentence that says why.
const HEAD_LINES: usize = 4;

/// The picture of a verdict: a whole SVG document that is readable on light and dark grounds.
pub fn picture(report: &Report) -> String {
    let head = head(report);
    let top = MARGIN + 22 + head.len() * svg::LINE + 16;
    let layout = Layout::of(report, top);
    let height = layout.bottom + 34;
    let width = layout.width + MARGIN + LANE;
    let title = format!("Chain of trust of {}: {}", report.task_id, word(report));
    let mut canvas = Canvas::new(width.max(760), height, &title);
    let colour = if report.holds() { Colour::Good } else { Colour::Bad };
    let mut y = MARGIN + 8;
    canvas.text(MARGIN, y, colour, true, &format!("{}: {}", word(report), subject(report)));
    for line in &head {
        y += svg::LINE;
        canvas.text(MARGIN, y, if report.holds() { Colour::Faint } else { Colour::Text }, false, line);
    }
    for (from, to) in layout.lines() {
        line(&mut canvas, &layout, from, to);
    }
    for frame in &layout.frames {
        canvas.frame(frame.x, frame.y, frame.width, frame.height);
        canvas.text(frame.x + 12, frame.y + 18, Colour::Faint, false, &frame.title);
    }
    for (card, place) in layout.cards() {
        draw(&mut canvas, card, place);
    }
    legend(&mut canvas, height);
    canvas.finish()
}

fn word(report: &Report) -> &'static str {
    if report.holds() { "verified" } else { "refused" }
}

fn subject(report: &Report) -> String {
    let name = report.links.first().map_or("task", |link| link.name.name.as_str());
    format!("{} {}, {} links", svg::cut(name, 40), report.task_id, report.links.len())
}

/// The lines below the title: why, then by which policy.
fn head(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((link, rule, finding)) = report.findings().next() {
        let sentence = format!("{link}: {}: {finding}", rule.name());
        lines.extend(wrapped(&sentence, HEAD_LETTERS, HEAD_LINES));
    }
    lines.push(svg::cut(&format!("judged {} by {}", report.judged, report.policy), HEAD_LETTERS));
    lines
}

/// What rests on what: to the next level straight, past other levels by the lane on the right.
fn line(canvas: &mut Canvas, layout: &Layout, from: &Place, to: &Place) {
    let (below, above) = (from.y + from.height, to.y);
    if to.level == from.level + 1 && above > below {
        let (x, target) = (from.x + from.width / 2, to.x + to.width / 2);
        canvas.curve((x, below), (x, usize::midpoint(below, above)), (target, above));
        return;
    }
    let span = to.level.abs_diff(from.level).min(4);
    let lane = layout.width + 6 + 14 * span;
    let (start, end) = (from.y + 18, to.y + 18);
    canvas.aside((from.x + from.width, start), lane, (to.x + to.width, end));
}

fn draw(canvas: &mut Canvas, card: &Card, place: &Place) {
    let frame = if card.broken {
        Colour::Bad
    } else if card.open {
        Colour::Faint
    } else {
        Colour::Border
    };
    canvas.card(place.x, place.y, place.width, place.height, frame);
    let x = place.x + card::PAD;
    let mut y = place.y + card::PAD + 8;
    for (number, line) in card.head.iter().enumerate() {
        canvas.text(x, y, if number == 0 { Colour::Text } else { Colour::Faint }, number == 0, line);
        y += svg::LINE;
    }
    for row in card.rules.chunks(card.columns) {
        for (column, (mark, name)) in row.iter().enumerate() {
            let x = x + column * card::RULE;
            canvas.mark(x, y, *mark);
            canvas.text(x + 14, y, if *mark == Colour::Good { Colour::Text } else { *mark }, false, name);
        }
        y += svg::LINE;
    }
    for (colour, line) in &card.notes {
        canvas.text(x, y, *colour, false, line);
        y += svg::LINE;
    }
}

fn legend(canvas: &mut Canvas, height: usize) {
    let y = height - 14;
    let mut x = MARGIN;
    for (mark, text) in [
        (Colour::Good, "holds"),
        (Colour::Bad, "broken"),
        (Colour::Faint, "not judged: it rests on what is broken"),
    ] {
        canvas.mark(x, y, mark);
        canvas.text(x + 14, y, Colour::Faint, false, text);
        x += 14 + (text.len() + 3) * svg::LETTER;
    }
}
