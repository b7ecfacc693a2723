//! What a member keeps on the disk, so that it goes on after a crash as if it had only been away.
//!
//! # The rule
//!
//! **Nothing leaves the member before what it rests on is stored**: no frame, no reply to a sender, no delivery. (Output commit:
//! R. Strom and S. Yemini, *Optimistic Recovery in Distributed Systems*, ACM TOCS 3(3), 1985.) What a batch of inputs changed
//! becomes [records](record::Record); they are written and synced in one piece with whatever came meanwhile, and only then the
//! batch's outputs go out. So whatever anybody heard of this member it still knows after a crash: no number and no stamp is used
//! twice, what was acknowledged is sent, what others were told to be delivered is delivered.
//!
//! # Exactly once
//!
//! What a member tells its application, deliveries and misses, is numbered from 1 without gaps over all its lives, and the number
//! of each is stored before the application sees it. After a crash everything that the application is not known to have
//! taken is told again, under the same numbers. An application that stores the last number with its own state, and
//! skips what is not above it, has every message exactly once; one that does not store it may see again what it took in the
//! last moments before the crash, never less and never in another order.
//!
//! [`record`] is what is written, [`book`] what it amounts to, [`journal`] the file, [`keeper`] the thread that syncs.

pub(crate) mod book;
pub(crate) mod journal;
pub(crate) mod keeper;
pub(crate) mod record;
