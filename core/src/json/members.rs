//! The members of maps while a document is read.
//!
//! Most documents here were written with sorted keys: a key beyond the last one has not been there before, and a map is
//! made of such members at once.

use serde_json::{Map, Value};
use std::cell::RefCell;

/// For how many members there is room from the start: seldom more are open at once in a task definition.
const ROOM: usize = 64;

/// The members of all maps that are not at their end yet, those of the innermost one last.
pub(super) type Open = RefCell<Vec<(String, Value)>>;

/// No map has begun.
pub(super) fn none_open() -> Open {
    RefCell::new(Vec::with_capacity(ROOM))
}

/// The members of the innermost map, as far as they have been read.
pub(super) struct Members<'t> {
    open: &'t Open,
    /// Where those of this map begin: sorted ones.
    begin: usize,
    /// From the first key on that came after a greater one.
    rest: Map<String, Value>,
}

impl<'t> Members<'t> {
    pub(super) fn new(open: &'t Open) -> Self {
        let begin = open.borrow().len();
        Self { open, begin, rest: Map::new() }
    }

    /// Whether a key comes after all others so far, and they after one another.
    pub(super) fn is_beyond(&self, key: &str) -> bool {
        let open = self.open.borrow();
        let sorted = open.get(self.begin..).unwrap_or_default();
        self.rest.is_empty() && sorted.last().is_none_or(|(last, _)| last.as_str() < key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        let open = self.open.borrow();
        let sorted = open.get(self.begin..).unwrap_or_default();
        sorted.binary_search_by(|(one, _)| one.as_str().cmp(key)).is_ok() || self.rest.contains_key(key)
    }

    /// Adds one that is not there.
    pub(super) fn add(&mut self, key: String, value: Value, is_beyond: bool) {
        if is_beyond {
            self.open.borrow_mut().push((key, value));
        } else {
            self.rest.insert(key, value);
        }
    }

    pub(super) fn into_map(mut self) -> Map<String, Value> {
        let mut open = self.open.borrow_mut();
        let begin = self.begin.min(open.len());
        let sorted = open.drain(begin..);
        if self.rest.is_empty() {
            return sorted.collect();
        }
        self.rest.extend(sorted);
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(keys: &[String]) -> Result<Map<String, Value>, usize> {
        let open = none_open();
        open.borrow_mut().push(("of a map around it".to_owned(), Value::Null));
        let mut members = Members::new(&open);
        for (number, key) in keys.iter().enumerate() {
            let is_beyond = members.is_beyond(key);
            if !is_beyond && members.has(key) {
                return Err(number);
            }
            members.add(key.clone(), Value::from(number), is_beyond);
        }
        let map = members.into_map();
        assert_eq!(open.borrow().len(), 1, "what is not its own stays");
        Ok(map)
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_map_is_the_same_and_the_second_of_two_is_found(keys in prop::collection::vec("[a-e]{1,2}", 0..12)) {
            let mut expected = Map::new();
            let mut second = None;
            for (number, key) in keys.iter().enumerate() {
                if expected.insert(key.clone(), Value::from(number)).is_some() {
                    second = Some(number);
                    break;
                }
            }
            prop_assert_eq!(read(&keys), second.map_or(Ok(expected), Err));
        }
    }

    #[test]
    fn a_key_that_came_when_they_were_sorted_is_found_afterwards() {
        let keys = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(read(&keys("a c b a")), Err(3));
        assert_eq!(read(&keys("a c b b")), Err(3));
        assert_eq!(read(&keys("a c b d c")), Err(4));
        assert_eq!(read(&keys("a c b d d")), Err(4));
        assert_eq!(read(&keys("a c b d")).unwrap().len(), 4);
    }
}
