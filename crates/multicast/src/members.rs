//! Members by number, and sets of them.

use std::fmt;

use crate::limits::MEMBERS_MAX;

/// A member's place in the group's ordered list of identities. Ties between equal Lamport times are broken by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(u8);

impl Member {
    /// The member at `index` of the group's list.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`MEMBERS_MAX`].
    #[must_use]
    pub fn new(index: usize) -> Self {
        assert!(index < MEMBERS_MAX, "a group has at most {MEMBERS_MAX} members");
        Self(index as u8)
    }

    /// The place in the list.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// A set of members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MemberSet(u64);

impl MemberSet {
    /// No member.
    pub const EMPTY: Self = Self(0);

    /// The first `members` members.
    #[must_use]
    pub fn all(members: usize) -> Self {
        debug_assert!(members <= MEMBERS_MAX);
        if members >= 64 {
            Self(u64::MAX)
        } else {
            Self((1 << members) - 1)
        }
    }

    /// From one bit per member, the first member's bit lowest.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One bit per member, the first member's bit lowest.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether `member` is in the set.
    #[must_use]
    pub fn contains(self, member: Member) -> bool {
        self.0 & (1 << member.0) != 0
    }

    /// Whether nobody is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many members are in the set.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Puts `member` in.
    pub fn insert(&mut self, member: Member) {
        self.0 |= 1 << member.0;
    }

    /// Takes `member` out.
    pub fn remove(&mut self, member: Member) {
        self.0 &= !(1 << member.0);
    }

    /// This set with `member`.
    #[must_use]
    pub fn with(mut self, member: Member) -> Self {
        self.insert(member);
        self
    }

    /// This set without `member`.
    #[must_use]
    pub fn without(mut self, member: Member) -> Self {
        self.remove(member);
        self
    }

    /// The members that are in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members of this set that are not in `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Member> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let index = bits.trailing_zeros() as u8;
                bits &= bits - 1;
                Member(index)
            })
        })
    }

    /// The first member.
    #[must_use]
    pub fn first(self) -> Option<Member> {
        self.iter().next()
    }
}

impl fmt::Debug for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_iterate_in_order() {
        let set = MemberSet::all(64).minus(MemberSet::all(61)).with(Member::new(3));
        assert_eq!(set.iter().map(Member::index).collect::<Vec<_>>(), [3, 61, 62, 63]);
        assert_eq!(set.first(), Some(Member::new(3)));
        assert_eq!((set.len(), MemberSet::all(3).bits()), (4, 7));
    }
}
