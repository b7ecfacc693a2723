//! Values by number, for numbers that nearly always come in order and are asked for soon after.

use std::collections::BTreeMap;

/// A sorted vector that grows at its end, and a map for what comes late. Adding in order and finding something recent
/// take constant time; a value costs its size and eight bytes.
#[derive(Debug)]
pub(super) struct Numbered<V> {
    in_order: Vec<(u64, V)>,
    late: BTreeMap<u64, V>,
}

impl<V> Numbered<V> {
    /// Adds a value unless its number is there already, and then says which value is.
    pub(super) fn insert(&mut self, number: u64, value: V) -> Result<(), &V> {
        if self.in_order.last().is_none_or(|(last, _)| *last < number) {
            self.in_order.push((number, value));
            return Ok(());
        }
        if let Ok(index) = self.position(number) {
            return Err(&self.in_order[index].1);
        }
        match self.late.entry(number) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(value);
                Ok(())
            }
            std::collections::btree_map::Entry::Occupied(entry) => Err(entry.into_mut()),
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<&V> {
        match self.position(number) {
            Ok(index) => Some(&self.in_order[index].1),
            Err(_) => self.late.get(&number),
        }
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        match self.position(number) {
            Ok(index) => Some(&mut self.in_order[index].1),
            Err(_) => self.late.get_mut(&number),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.late.len()
    }

    /// Searches from the end in steps that double, then by halves: the cost grows with how long ago it was.
    fn position(&self, number: u64) -> Result<usize, usize> {
        let mut high = self.in_order.len();
        let mut step = 1;
        let low = loop {
            let Some(low) = high.checked_sub(step) else {
                break 0;
            };
            if self.in_order[low].0 <= number {
                break low;
            }
            high = low;
            step *= 2;
        };
        self.in_order[low..high]
            .binary_search_by_key(&number, |(at, _)| *at)
            .map(|found| found + low)
    }
}

impl<V> Default for Numbered<V> {
    fn default() -> Self {
        Self {
            in_order: Vec::new(),
            late: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map_that_keeps_the_first(numbers in prop::collection::vec(0..60u64, 0..80)) {
            let mut numbered = Numbered::default();
            let mut map = BTreeMap::new();
            for (value, number) in numbers.into_iter().enumerate() {
                let kept = *map.entry(number).or_insert(value);
                prop_assert_eq!(numbered.insert(number, value), if kept == value { Ok(()) } else { Err(&kept) });
            }
            for number in 0..60 {
                prop_assert_eq!(numbered.get(number), map.get(&number));
            }
        }
    }
}
