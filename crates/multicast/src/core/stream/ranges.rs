//! Sets of sequences as ascending ranges, both ends included.

/// Adds a range that lies above all others.
pub(super) fn extend(ranges: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    match ranges.last_mut() {
        Some(last) if last.1 + 1 == from => last.1 = to,
        _ => ranges.push((from, to)),
    }
}

/// Whether `sequence` lies in one of the ranges.
pub(super) fn within(ranges: &[(u64, u64)], sequence: u64) -> bool {
    ranges.iter().any(|&(from, to)| (from..=to).contains(&sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_where_they_touch() {
        let mut ranges = Vec::new();
        for (from, to) in [(2, 2), (3, 5), (7, 7), (8, 9)] {
            extend(&mut ranges, from, to);
        }
        assert_eq!(ranges, [(2, 5), (7, 9)]);
        let inside: Vec<u64> = (0..12).filter(|&sequence| within(&ranges, sequence)).collect();
        assert_eq!(inside, [2, 3, 4, 5, 7, 8, 9]);
    }
}
