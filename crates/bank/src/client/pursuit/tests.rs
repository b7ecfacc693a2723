//! What follows from what, told as stories.

use proptest::prelude::*;

use super::Happened::*;
use super::Refused::{Failing, ForGood, ForNow, NotLoggedIn, NotTaken};
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
fn a_copy_that_was_not_looked_at_says_nothing_about_others() {
    let sent = [(Step::Connect, Connected), (LOG_IN, LoggedIn)];
    check(
        Goal::Change,
        &[&sent[..], &[(Step::Send, Refused(NotTaken))]].concat(),
        End::Refused,
    );
    let lost = [(Step::Send, Lost), (Step::Pause, Rested)];
    check(
        Goal::Change,
        &[&sent[..], &lost, &sent, &[(Step::Send, Refused(NotTaken))]].concat(),
        End::Unknown,
    );
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
    let refused = prop_oneof![
        Just(ForGood),
        Just(NotTaken),
        Just(ForNow),
        Just(Failing),
        Just(NotLoggedIn)
    ];
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
                Refused(ForNow | NotTaken) => sending = false,
                Refused(NotLoggedIn) => (sending, logged_in) = (false, false),
                _ => {}
            }
            step = pursuit.after(happened);
            if let Step::Finish(end) = step {
                match end {
                    End::NothingSent | End::LoginRefused => prop_assert!(!sending && !lost),
                    End::Unknown => prop_assert!(sending || lost),
                    End::Answered => prop_assert_eq!(happened, Answered),
                    End::Refused => prop_assert!(happened == Refused(ForGood) || happened == Refused(NotTaken) && !lost),
                    End::PinIsNew => prop_assert!(false, "no PIN was to be changed"),
                }
                return Ok(());
            }
        }
    }
}
