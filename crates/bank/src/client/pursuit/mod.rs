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
    /// This copy was not looked at, and asking again will not change that; another copy may have been.
    NotTaken,
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
            "clock_leap" | "invalid_stamp" | "line_too_long" => Self::NotTaken,
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

    /// The same pursuit, of which a copy was on its way in an earlier one.
    pub(super) fn with_lost_copy(self) -> Self {
        Self {
            lost_copy: true,
            ..self
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
            Happened::Refused(Refused::NotTaken) => {
                self.sending = false;
                return Step::Finish(if self.maybe_done() {
                    End::Unknown
                } else {
                    End::Refused
                });
            }
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
            Refused::ForGood | Refused::NotTaken | Refused::NotLoggedIn => {
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
mod tests;
