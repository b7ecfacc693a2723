//! Whether the history of one account is linearizable: stateright's tester on what its clients saw.

use std::sync::Mutex;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// An account as one caller after the other would find it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OneAccount {
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Read,
    Deposit(i64),
    Withdraw(i64),
}

/// What the caller was told: the balance, or that it does not suffice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Ret {
    Balance(i64),
    Insufficient,
}

impl SequentialSpec for OneAccount {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match *op {
            Op::Read => {}
            Op::Deposit(cents) => self.cents += cents,
            Op::Withdraw(cents) if cents > self.cents => return Ret::Insufficient,
            Op::Withdraw(cents) => self.cents -= cents,
        }
        Ret::Balance(self.cents)
    }
}

/// Records a history from many threads. An invocation is recorded before anything is sent, a return after the reply
/// was read, so that what is recorded as one after the other really was.
pub(crate) struct Recording(Mutex<LinearizabilityTester<usize, OneAccount>>);

impl Recording {
    pub(crate) fn new(cents: i64) -> Self {
        Self(Mutex::new(LinearizabilityTester::new(OneAccount { cents })))
    }

    /// Records an operation of `thread` around `run`; one without an answer stays open.
    pub(crate) fn operation(&self, thread: usize, op: Op, run: impl FnOnce(&Op) -> Option<Ret>) {
        self.0.lock().unwrap().on_invoke(thread, op.clone()).unwrap();
        if let Some(ret) = run(&op) {
            self.0.lock().unwrap().on_return(thread, ret).unwrap();
        }
    }

    pub(crate) fn is_linearizable(&self) -> bool {
        self.0.lock().unwrap().is_consistent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_may_see_what_is_on_its_way_but_not_forget_what_was_seen() {
        let check = |second_read: i64, expected: bool| {
            let mut tester = LinearizabilityTester::new(OneAccount { cents: 100 });
            tester.on_invoke(1, Op::Deposit(5)).unwrap();
            tester.on_invret(2, Op::Read, Ret::Balance(105)).unwrap();
            tester.on_invret(3, Op::Read, Ret::Balance(second_read)).unwrap();
            tester.on_return(1, Ret::Balance(105)).unwrap();
            assert_eq!(tester.is_consistent(), expected, "{second_read}");
        };
        check(105, true);
        check(100, false);
    }

    #[test]
    fn a_lost_update_is_found() {
        let mut tester = LinearizabilityTester::new(OneAccount { cents: 100 });
        tester.on_invoke(1, Op::Deposit(5)).unwrap();
        tester.on_invret(2, Op::Withdraw(7), Ret::Balance(93)).unwrap();
        tester.on_return(1, Ret::Balance(105)).unwrap();
        assert!(!tester.is_consistent());
    }
}
