//! How the work is spread changes no verdict.

use super::super::Spread;
use super::world::{BUILD, World};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn however_the_work_is_spread_the_verdict_is_the_same() {
    struct Backwards;
    impl Spread for Backwards {
        fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
            (0..count).rev().for_each(work);
        }
    }
    struct Idle;
    impl Spread for Idle {
        fn each(&self, _: usize, _: &(dyn Fn(usize) + Sync)) {}
    }
    struct Eager;
    impl Spread for Eager {
        fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
            std::thread::scope(|scope| {
                (0..2 * count).for_each(|number| drop(scope.spawn(move || work(number % (count + 1)))))
            });
        }
    }
    let mut forged = World::new();
    forged.tasks.get_mut(BUILD).unwrap()["payload"]["maxRunTime"] = json!(1);
    for world in [World::new(), forged] {
        let mut asked = BTreeSet::new();
        let expected = format!("{:?}", world.judge_after(|_, needs| asked.extend(needs.to_vec())));
        for spread in [&Backwards as &dyn Spread, &Idle, &Eager] {
            let mut also = BTreeSet::new();
            let judgement = world.judge_spread(spread, |_, needs| also.extend(needs.to_vec()));
            assert_eq!(format!("{judgement:?}"), expected);
            assert_eq!(also, asked);
        }
    }
}
