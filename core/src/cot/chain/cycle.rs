//! Looks for a way that leads back to where it began.

use super::{Broken, Chain};
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the way that is being followed.
    Open,
    Done,
}

/// The first link found on a cycle, with the way. A parent that is its own parent is none.
pub(super) fn find(chain: &Chain) -> Option<Broken> {
    let mut marks = vec![Mark::New; chain.links.len()];
    for start in 0..chain.links.len() {
        // the way from the start: each link, and how many of its dependencies were followed
        let mut way = vec![(start, 0_usize)];
        while let Some((at, followed)) = way.last_mut() {
            let (at, next) = (*at, *followed);
            *followed += 1;
            if marks.get(at) == Some(&Mark::Done) {
                way.pop();
                continue;
            }
            set(&mut marks, at, Mark::Open);
            let link = chain.links.get(at)?;
            let Some(dependency) = link.rests_on.get(next) else {
                set(&mut marks, at, Mark::Done);
                way.pop();
                continue;
            };
            let Some(to) = chain.index.get(dependency).copied().filter(|to| *to != at) else { continue };
            match marks.get(to) {
                Some(Mark::New) => way.push((to, 0)),
                Some(Mark::Open) => return broken(chain, &way, to),
                Some(Mark::Done) | None => {}
            }
        }
    }
    None
}

fn set(marks: &mut [Mark], at: usize, mark: Mark) {
    if let Some(place) = marks.get_mut(at) {
        *place = mark;
    }
}

/// The link where the way comes back, and the round. `to` has a mark, so it is the index of a link.
fn broken(chain: &Chain, way: &[(usize, usize)], to: usize) -> Option<Broken> {
    let round = way.iter().map(|(at, _)| *at).skip_while(|at| *at != to).chain([to]);
    let names: Vec<_> = round.filter_map(|at| Some(chain.links.get(at)?.name.task_id.to_string())).collect();
    let link = chain.links.get(to)?;
    Some((link.name.clone(), Finding::new(Reason::Cycle).found(names.join(" → "))))
}
