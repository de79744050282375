//! Where the links go: a link is below everything that rests on it. A level with many links becomes a grid of small
//! cards in a frame, and lines end at the frame.

use super::MARGIN;
use super::card::Card;
use crate::cot::judge::{LinkReport, Report};
use crate::ids::TaskId;
use std::collections::{BTreeMap, BTreeSet};

/// Cards beside each other.
const COLUMNS: usize = 3;
/// The width of a card: of one among others, and of one that has the line to itself.
const WIDTH: usize = 360;
const WIDE: usize = 664;
/// The space between cards, and between levels.
const GAP: usize = 18;
const LEVEL_GAP: usize = 36;
/// More cards than these on one level are small ones, in a frame.
const MOST_FULL: usize = 6;
/// The frame's own space: the edge and its title.
const FRAME: usize = 12;
const FRAME_TITLE: usize = 26;

/// Where a card, or a frame, is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) level: usize,
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The frame of a level of small cards.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) title: String,
}

/// Everything in its place.
pub(super) struct Layout {
    cards: Vec<(Card, Place)>,
    /// Where lines begin and end, by link; links in a frame share its place.
    ends: Vec<Place>,
    lines: BTreeSet<(usize, usize)>,
    pub(super) frames: Vec<Frame>,
    pub(super) width: usize,
    pub(super) bottom: usize,
}

impl Layout {
    pub(super) fn of(report: &Report, top: usize) -> Self {
        let rests_on = rests_on(report);
        let levels = levels(&rests_on);
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (link, level) in levels.iter().enumerate() {
            members.entry(*level).or_default().push(link);
        }
        let columns = members.values().map(Vec::len).max().unwrap_or(1).min(COLUMNS);
        let card = if columns == 1 { WIDE } else { WIDTH };
        let inner = columns * card + (columns - 1) * GAP;
        let mut layout = Self {
            cards: Vec::new(),
            ends: Vec::new(),
            lines: BTreeSet::new(),
            frames: Vec::new(),
            width: MARGIN + inner + 2 * FRAME,
            bottom: top,
        };
        let mut end_of: BTreeMap<usize, usize> = BTreeMap::new();
        for (level, links) in members.values().enumerate() {
            layout.add_level(report, level, links, (card, inner), &mut end_of);
        }
        for (from, targets) in rests_on.iter().enumerate() {
            for to in targets {
                if let (Some(from), Some(to)) = (end_of.get(&from), end_of.get(to)) {
                    layout.lines.insert((*from, *to));
                }
            }
        }
        layout
    }

    fn add_level(
        &mut self,
        report: &Report,
        level: usize,
        links: &[usize],
        (card_width, inner): (usize, usize),
        end_of: &mut BTreeMap<usize, usize>,
    ) {
        let small = links.len() > MOST_FULL;
        let start = self.bottom;
        let mut y = if small { start + FRAME_TITLE } else { start };
        let cards = links
            .iter()
            .filter_map(|link| Some((*link, Card::of(report.links.get(*link)?, card_width, small))));
        let cards: Vec<_> = cards.collect();
        let mut rows = cards.into_iter().peekable();
        while rows.peek().is_some() {
            let row: Vec<_> = rows.by_ref().take(COLUMNS).collect();
            let height = row.iter().map(|(_, card)| card.height()).max().unwrap_or(0);
            let width = row.len() * card_width + row.len().saturating_sub(1) * GAP;
            // the last row of a grid begins where the others do
            let aside = if small { 0 } else { inner.saturating_sub(width) / 2 };
            let mut x = MARGIN + FRAME + aside;
            for (link, card) in row {
                let place = Place { level, x, y, width: card_width, height: card.height() };
                if !small {
                    end_of.insert(link, self.ends.len());
                    self.ends.push(place.clone());
                }
                self.cards.push((card, place));
                x += card_width + GAP;
            }
            y += height + GAP;
        }
        let bottom = y.saturating_sub(GAP);
        self.bottom = bottom + LEVEL_GAP;
        if small {
            let (x, width, height) = (MARGIN, inner + 2 * FRAME, bottom + FRAME - start);
            let title = format!("{} links", links.len());
            self.frames.push(Frame { x, y: start, width, height, title });
            end_of.extend(links.iter().map(|link| (*link, self.ends.len())));
            self.ends.push(Place { level, x, y: start, width, height });
            self.bottom += FRAME;
        }
    }

    pub(super) fn cards(&self) -> impl Iterator<Item = (&Card, &Place)> {
        self.cards.iter().map(|(card, place)| (card, place))
    }

    /// From what rests to what it rests on.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&Place, &Place)> {
        self.lines.iter().filter_map(|(from, to)| Some((self.ends.get(*from)?, self.ends.get(*to)?)))
    }
}

/// By link, the other links that it rests on. A task may be there as several links.
fn rests_on(report: &Report) -> Vec<Vec<usize>> {
    let mut by_task: BTreeMap<&TaskId, usize> = BTreeMap::new();
    for (number, link) in report.links.iter().enumerate() {
        by_task.entry(&link.name.task_id).or_insert(number);
    }
    let of = |link: &TaskId| by_task.get(link).copied();
    let others = |(own, link): (usize, &LinkReport)| {
        link.rests_on.iter().filter_map(of).filter(|other| *other != own).collect()
    };
    report.links.iter().enumerate().map(others).collect()
}

/// The longest way from the top, by link. Of a chain that goes in a circle the levels end where there are no more links.
fn levels(rests_on: &[Vec<usize>]) -> Vec<usize> {
    let mut levels = vec![0_usize; rests_on.len()];
    for round in 0..rests_on.len() {
        let mut deeper = false;
        for (from, targets) in rests_on.iter().enumerate() {
            let next = levels.get(from).map_or(0, |level| level + 1);
            for to in targets {
                if let Some(level) = levels.get_mut(*to)
                    && *level < next
                    && next <= round + 1
                {
                    *level = next;
                    deeper = true;
                }
            }
        }
        if !deeper {
            break;
        }
    }
    levels
}
