//! The rules, and what breaking one looks like.

use std::fmt;

use super::Place;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $says:literal;)+) => {
        /// A rule that a run can break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its stable short name: the service and the rule.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it demands, in a sentence.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)+ }
            }
        }
    };
}

rules! {
    /// Lamport 1978, IR1: the clock moves between any two events.
    TimesGrow = "clock/times-grow", "a process's Lamport times grow from event to event";
    /// Lamport 1978, the Clock Condition for messages, IR2.
    ReceiveAfterSend = "clock/receive-after-send", "a receive has a later time than its send";
    /// A message comes from somewhere.
    ReceiveHasSend = "clock/receive-has-send", "every receive has its send";
    /// The identity of a message is used once.
    SentOnce = "clock/sent-once", "no two sends share a message identity";
    /// What the service promised to tell is there.
    FactsAreWhole = "facts/whole", "an event that tells facts tells all that its rules need";

    /// The hub numbers a room's events one by one.
    RoomNumbered = "chat/numbered", "the hub numbers the events of a room without gap or repetition";
    /// One number is one event, whoever sees it.
    RoomAgreed = "chat/agreed", "all members see the same event under a room's number";
    /// Nothing is lost between enter and leave.
    RoomNoGap = "chat/no-gap", "a member misses no event of a room between enter and leave";
    /// Nothing comes twice or out of order.
    RoomNoDouble = "chat/no-double", "a member sees no event of a room twice or after a later one";
    /// Only members get a room's events.
    RoomMembers = "chat/members", "nobody receives the events of a room outside a membership";

    /// Double entry: what one account gives another gets.
    BankConserves = "bank/conserves", "the legs of an operation sum to zero";
    /// The journal's order is the order of the stamps, account by account.
    BankOrder = "bank/order", "an account's entries have growing numbers in the order of their stamps";
    /// Each balance follows from the one before.
    BankBalance = "bank/balance", "an account's balance is the one before plus the amount";
    /// No account but the cash account is overdrawn.
    BankCovered = "bank/covered", "no account holds less than nothing";
    /// What a client was told is in the journal.
    BankAcknowledged = "bank/acknowledged", "an acknowledged entry is one the bank applied, with that balance";

    /// The origin numbers its messages one by one.
    CastNumbered = "multicast/numbered", "an origin numbers its messages without gap or repetition";
    /// Integrity, first half: at most once.
    CastOnce = "multicast/once", "a member delivers a message at most once";
    /// Integrity, second half: only what was broadcast.
    CastBroadcast = "multicast/broadcast", "a member delivers only what its origin broadcast";
    /// Agreement: what one delivers all deliver.
    CastAgreed = "multicast/agreed", "what one member delivers every other delivers too";
    /// FIFO order, per origin.
    CastFifo = "multicast/fifo", "a member delivers an origin's messages in the order they were broadcast";
    /// Causal order (Birman, Schiper, Stephenson 1991).
    CastCausal = "multicast/causal", "a message is delivered after all that its origin had delivered before it";
    /// Total order by (time, process), Lamport 1978.
    CastTotal = "multicast/total", "every member delivers in the order of (time, origin)";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A rule broken, and the events that show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {says}")]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// How it was broken, with the names and numbers.
    pub says: String,
    /// One to three events, the one that breaks the rule last.
    pub events: Vec<Witness>,
}

/// One of the events that show a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub what: String,
}

impl Violation {
    pub(super) fn new<const N: usize>(rule: Rule, says: String, events: [(Place, String); N]) -> Box<Self> {
        let events = events
            .into_iter()
            .map(|(place, what)| Witness { place, what })
            .collect();
        Box::new(Self { rule, says, events })
    }
}
