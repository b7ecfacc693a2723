//! PURE: how one operation is pursued over lost connections until its outcome is known.
//!
//! The driver in [`super::session`] does what a [`Step`] says and tells what [`Happened`]; here stands only what follows
//! from what. The one rule that matters: once a copy of a change has been sent, nothing but an answer to the same key
//! may say that it was not done.

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Open a connection, dropping the one there may be.
    Connect,
    /// Log in with this PIN.
    LogIn(WhichPin),
    /// Send the request, with the same key as before.
    Send,
    /// Wait for the next pause of the back-off.
    Pause,
    /// Stop: the end is known, or nobody wants to wait for it any longer.
    Finish(End),
}

/// Which PIN opens the account: while a change of PIN has no known outcome, it may be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhichPin {
    /// The one the session began with.
    Present,
    /// The one it was to be changed to.
    New,
}

/// How a pursuit ends. What the server said last says the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The request was answered.
    Answered,
    /// The request was refused, and no copy of it was carried out.
    Refused,
    /// Nobody may log in with that PIN. No copy of the request was carried out.
    LoginRefused,
    /// The new PIN opens the account: an earlier copy of the change was carried out.
    PinIsNew,
    /// Time is up, and no copy was ever sent.
    NothingSent,
    /// Time is up, or the login was refused, and a copy may have been carried out.
    Unknown,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// There is a connection.
    Connected,
    /// There is none, but there may be one later.
    NotConnected,
    /// Something else listens there, or it speaks another protocol: waiting will not help.
    WrongServer,
    /// The login succeeded.
    LoggedIn,
    /// The login was refused.
    LoginRefused(Refused),
    /// The request was carried out, now or before.
    Answered,
    /// The request was refused.
    Refused(Refused),
    /// The connection ended, or no reply came in its time.
    Lost,
    /// The pause is over.
    Rested,
    /// The time for the whole pursuit is over.
    TimeIsUp,
}

/// What a refusal means for the copy it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was not carried out, and asking again will not change that.
    ForGood,
    /// It was not carried out because of something that passes.
    ForNow,
    /// It may have been carried out: the server is failing.
    Failing,
    /// It was not carried out because the connection is not logged in.
    NotLoggedIn,
}

/// What is pursued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// To be logged in.
    Login,
    /// To read something: any number of copies may be carried out.
    Read,
    /// To change something, under one key.
    Change,
    /// To change the PIN, which has no key: the login tells whether it was done.
    ChangePin,
}

/// The state of one pursuit.
#[derive(Debug)]
pub(super) struct Pursuit {
    goal: Goal,
    connected: bool,
    logged_in: bool,
    /// A copy is on its way.
    sending: bool,
    /// The fate of an earlier copy is not known.
    lost_copy: bool,
    pin: WhichPin,
}

impl Refused {
    /// What the refusal with this code means. Codes that are not known are taken at their word: refused.
    pub(super) fn from_code(code: &str) -> Self {
        match code {
            "busy" | "rate_limited" | "shutting_down" => Self::ForNow,
            "unavailable" | "internal" => Self::Failing,
            "not_logged_in" => Self::NotLoggedIn,
            _ => Self::ForGood,
        }
    }
}

impl Pursuit {
    /// A pursuit of `goal`, given what there is already.
    pub(super) fn new(goal: Goal, connected: bool, logged_in: bool) -> Self {
        Self {
            goal,
            connected,
            logged_in: connected && logged_in,
            sending: false,
            lost_copy: false,
            pin: WhichPin::Present,
        }
    }

    /// What to do first, or next as far as the state tells.
    pub(super) fn next(&mut self) -> Step {
        if !self.connected {
            return Step::Connect;
        }
        if self.goal == Goal::Login && self.logged_in {
            return Step::Finish(End::Answered);
        }
        if !self.logged_in {
            return Step::LogIn(self.pin);
        }
        self.sending = true;
        Step::Send
    }

    /// What to do after that happened.
    pub(super) fn after(&mut self, happened: Happened) -> Step {
        match happened {
            Happened::Connected => self.connected = true,
            Happened::NotConnected => return Step::Pause,
            Happened::Rested => {}
            Happened::WrongServer | Happened::TimeIsUp => return Step::Finish(self.without_outcome()),
            Happened::LoggedIn => {
                self.logged_in = true;
                if self.pin == WhichPin::New {
                    return Step::Finish(End::PinIsNew);
                }
            }
            Happened::LoginRefused(refused) => return self.login_refused(refused),
            Happened::Answered => return Step::Finish(End::Answered),
            Happened::Refused(Refused::ForGood) => return Step::Finish(End::Refused),
            Happened::Refused(Refused::NotLoggedIn) => {
                self.sending = false;
                self.logged_in = false;
            }
            Happened::Refused(Refused::ForNow) => {
                self.sending = false;
                return Step::Pause;
            }
            Happened::Refused(Refused::Failing) | Happened::Lost => {
                self.disconnected();
                return Step::Pause;
            }
        }
        self.next()
    }

    fn login_refused(&mut self, refused: Refused) -> Step {
        match refused {
            Refused::ForNow => Step::Pause,
            Refused::Failing => {
                self.disconnected();
                Step::Pause
            }
            Refused::ForGood | Refused::NotLoggedIn => {
                let may_be_new = self.goal == Goal::ChangePin && self.maybe_done();
                if may_be_new && self.pin == WhichPin::Present {
                    self.pin = WhichPin::New;
                    return self.next();
                }
                Step::Finish(if self.maybe_done() {
                    End::Unknown
                } else {
                    End::LoginRefused
                })
            }
        }
    }

    fn disconnected(&mut self) {
        self.lost_copy |= self.sending;
        self.sending = false;
        self.connected = false;
        self.logged_in = false;
        // The next login finds out anew which of the two it is.
        self.pin = WhichPin::Present;
    }

    fn without_outcome(&self) -> End {
        if self.maybe_done() {
            End::Unknown
        } else {
            End::NothingSent
        }
    }

    /// Whether a copy may have been carried out. A read that is done twice changes nothing, so that not knowing about
    /// it is knowing enough.
    fn maybe_done(&self) -> bool {
        matches!(self.goal, Goal::Change | Goal::ChangePin) && (self.sending || self.lost_copy)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Happened::*;
    use super::Refused::{Failing, ForGood, ForNow, NotLoggedIn};
    use super::*;

    /// Plays a pursuit from nothing: after each step stands what happens.
    fn check(goal: Goal, script: &[(Step, Happened)], end: End) {
        let mut pursuit = Pursuit::new(goal, false, false);
        let mut step = pursuit.next();
        for &(expected, happened) in script {
            assert_eq!(step, expected, "before {happened:?}");
            step = pursuit.after(happened);
        }
        assert_eq!(step, Step::Finish(end));
    }

    const LOG_IN: Step = Step::LogIn(WhichPin::Present);

    #[test]
    fn the_plain_way() {
        for goal in [Goal::Read, Goal::Change, Goal::ChangePin] {
            let script = [
                (Step::Connect, Connected),
                (LOG_IN, LoggedIn),
                (Step::Send, Answered),
            ];
            check(goal, &script, End::Answered);
        }
        check(
            Goal::Login,
            &[(Step::Connect, Connected), (LOG_IN, LoggedIn)],
            End::Answered,
        );
    }

    #[test]
    fn a_lost_copy_is_sent_again_after_another_login() {
        let script = [
            (Step::Connect, NotConnected),
            (Step::Pause, Rested),
            (Step::Connect, Connected),
            (LOG_IN, Lost),
            (Step::Pause, Rested),
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, Lost),
            (Step::Pause, Rested),
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, Answered),
        ];
        check(Goal::Change, &script, End::Answered);
    }

    #[test]
    fn what_passes_is_waited_for_and_what_fails_is_left() {
        let script = [
            (Step::Connect, Connected),
            (LOG_IN, LoginRefused(ForNow)),
            (Step::Pause, Rested),
            (LOG_IN, LoggedIn),
            (Step::Send, Refused(ForNow)),
            (Step::Pause, Rested),
            (Step::Send, Refused(Failing)),
            (Step::Pause, Rested),
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, Refused(NotLoggedIn)),
            (LOG_IN, LoggedIn),
            (Step::Send, Refused(ForGood)),
        ];
        check(Goal::Change, &script, End::Refused);
    }

    #[test]
    fn a_wrong_pin_ends_it_before_anything_was_sent() {
        let script = [(Step::Connect, Connected), (LOG_IN, LoginRefused(ForGood))];
        for goal in [Goal::Login, Goal::Read, Goal::Change, Goal::ChangePin] {
            check(goal, &script, End::LoginRefused);
        }
    }

    #[test]
    fn giving_up_says_whether_a_copy_may_have_been_carried_out() {
        check(
            Goal::Change,
            &[(Step::Connect, NotConnected), (Step::Pause, TimeIsUp)],
            End::NothingSent,
        );
        let sent = [
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, TimeIsUp),
        ];
        check(Goal::Change, &sent, End::Unknown);
        check(Goal::Read, &sent, End::NothingSent);
        let turned_away = [
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, Refused(ForNow)),
            (Step::Pause, TimeIsUp),
        ];
        check(Goal::Change, &turned_away, End::NothingSent);
        let pin_changed_elsewhere = [
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, Lost),
            (Step::Pause, Rested),
            (Step::Connect, Connected),
            (LOG_IN, LoginRefused(ForGood)),
        ];
        check(Goal::Change, &pin_changed_elsewhere, End::Unknown);
    }

    #[test]
    fn the_login_tells_whether_the_pin_was_changed() {
        let lost = [
            (Step::Connect, Connected),
            (LOG_IN, LoggedIn),
            (Step::Send, Lost),
            (Step::Pause, Rested),
            (Step::Connect, Connected),
        ];
        let mut changed = lost.to_vec();
        changed.extend([
            (LOG_IN, LoginRefused(ForGood)),
            (Step::LogIn(WhichPin::New), LoggedIn),
        ]);
        check(Goal::ChangePin, &changed, End::PinIsNew);
        let mut unchanged = lost.to_vec();
        unchanged.extend([(LOG_IN, LoggedIn), (Step::Send, Answered)]);
        check(Goal::ChangePin, &unchanged, End::Answered);
    }

    fn anything() -> impl Strategy<Value = Happened> {
        let refused = prop_oneof![Just(ForGood), Just(ForNow), Just(Failing), Just(NotLoggedIn)];
        prop_oneof![
            2 => Just(Connected),
            2 => Just(LoggedIn),
            2 => Just(Rested),
            1 => Just(NotConnected),
            1 => Just(Lost),
            1 => Just(TimeIsUp),
            1 => Just(Answered),
            1 => refused.clone().prop_map(LoginRefused),
            1 => refused.prop_map(Refused),
        ]
    }

    /// Whether a driver can meet this after that step.
    fn can_follow(step: Step, happened: Happened) -> bool {
        match step {
            Step::Connect => matches!(happened, Connected | NotConnected | WrongServer | TimeIsUp),
            Step::LogIn(_) => matches!(happened, LoggedIn | LoginRefused(_) | Lost | TimeIsUp),
            Step::Send => matches!(happened, Answered | Refused(_) | Lost | TimeIsUp),
            Step::Pause => matches!(happened, Rested | TimeIsUp),
            Step::Finish(_) => false,
        }
    }

    proptest! {
        /// Whatever happens in whatever order: a change whose last copy was lost is never called undone, except by
        /// an answer to a later copy; and nothing is sent without a login on the same connection.
        #[test]
        fn not_knowing_is_never_called_not_done(story in prop::collection::vec(anything(), 0..60)) {
            let mut pursuit = Pursuit::new(Goal::Change, false, false);
            let mut step = pursuit.next();
            let (mut sending, mut lost, mut logged_in) = (false, false, false);
            for happened in story.into_iter().chain([TimeIsUp]) {
                if !can_follow(step, happened) {
                    continue;
                }
                if step == Step::Send {
                    prop_assert!(logged_in);
                    sending = true;
                }
                match happened {
                    LoggedIn => logged_in = true,
                    Lost | Refused(Failing) | LoginRefused(Failing) => {
                        logged_in = false;
                        lost |= std::mem::take(&mut sending);
                    }
                    Refused(ForNow) => sending = false,
                    Refused(NotLoggedIn) => (sending, logged_in) = (false, false),
                    _ => {}
                }
                step = pursuit.after(happened);
                if let Step::Finish(end) = step {
                    match end {
                        End::NothingSent | End::LoginRefused => prop_assert!(!sending && !lost),
                        End::Unknown => prop_assert!(sending || lost),
                        End::Answered => prop_assert_eq!(happened, Answered),
                        End::Refused => prop_assert_eq!(happened, Refused(ForGood)),
                        End::PinIsNew => prop_assert!(false, "no PIN was to be changed"),
                    }
                    return Ok(());
                }
            }
        }
    }
}
