//! What a member asks and shows, without a server.

use bytes::Bytes;
use proto::ToldError;
use proto::net::Dialer;

use super::returning::PAUSES_OUTSIDE_MAX;
use super::{Action, Member};
use crate::client::request::{Asked, Request};
use crate::client::wire::Results;
use crate::client::{Command, Done, Message, Notice, Settings, Ticket};

fn results(json: &str) -> Results<'_> {
    serde_json::from_str(json).unwrap()
}

fn told(code: &str) -> ToldError {
    ToldError {
        code: code.to_owned(),
        message: "no".to_owned(),
        hint: None,
    }
}

/// Somebody's command to enter a room, on its way.
fn enter(room: &str) -> Asked {
    asked_by(Ticket(1), Request::Enter(room.to_owned()))
}

fn asked_by(ticket: Ticket, request: Request) -> Asked {
    let ticket = Some(ticket);
    Asked { ticket, request }
}

/// Ana, who has joined the lobby and entered the tea room.
fn ana() -> Member {
    let dialer = Dialer::Tcp("nowhere".to_owned());
    let mut member = Member::new(&Settings::new(dialer, "ana", "lobby"));
    member.joined(results(
        r#"{"name":"Ana","room":"lobby","seq":1,"members":1,"token":"t"}"#,
    ));
    let mut actions = Vec::new();
    member.enter_again(&mut actions);
    let entered = results(r#"{"room":"tea","seq":1,"members":1}"#);
    member.reply(&enter("tea"), Ok(entered), &mut actions);
    assert!(asked(&actions).is_empty(), "{actions:?}");
    member
}

fn asked(actions: &[Action]) -> Vec<&Request> {
    let asked = actions.iter().filter_map(|action| match action {
        Action::Ask(asked) => Some(&asked.request),
        Action::Show(_) => None,
    });
    asked.collect()
}

#[test]
fn who_comes_back_joins_the_room_spoken_to_and_enters_the_others_from_where_they_were_seen() {
    let mut member = ana();
    let mut actions = Vec::new();
    let line = Bytes::from_static(
        br#"{"lamport":9,"event":"said","room":"lobby","seq":2,"from":"Bia","text":"oi","at":0}"#,
    );
    assert_eq!(member.event(&line, &mut actions), None);
    member.lost([].iter(), &mut actions);
    assert_eq!(
        member.join(),
        Request::Join {
            name: "Ana".to_owned(),
            room: "tea".to_owned(),
            since: Some(1),
            token: Some("t".to_owned()),
            password: None,
        }
    );
    member.joined(results(
        r#"{"name":"Ana","room":"tea","seq":5,"members":1,"token":"u"}"#,
    ));
    actions.clear();
    member.enter_again(&mut actions);
    let again = Request::EnterAgain {
        room: "lobby".to_owned(),
        since: 2,
    };
    assert_eq!(asked(&actions), [&again]);
}

#[test]
fn a_room_that_cannot_be_entered_again_holds_no_message_back() {
    let mut member = ana();
    let mut actions = Vec::new();
    member.lost([].iter(), &mut actions);
    let (room, text) = ("lobby".to_owned(), "kept meanwhile".to_owned());
    let say = Command::Say {
        room: Some(room.clone()),
        text: text.clone(),
    };
    member.command_offline(Ticket(2), say, &mut actions);
    member.joined(results(
        r#"{"name":"Ana","room":"tea","seq":2,"members":1,"token":"u"}"#,
    ));
    actions.clear();
    member.enter_again(&mut actions);
    let again = match &actions[..] {
        [Action::Ask(asked)] => asked.clone(),
        other => panic!("{other:?}"),
    };
    actions.clear();
    member.reply(&again, Err(told("invalid_room")), &mut actions);
    assert!(
        matches!(
            &actions[0],
            Action::Show(Notice::Refused {
                ticket: None,
                op: "enter",
                ..
            })
        ),
        "{actions:?}"
    );
    assert_eq!(asked(&actions), [&Request::Message(Message::Say { room, text })]);
}

/// Ana of the rooms `others`, and one more, comes back; what she asks then.
fn coming_back(others: usize) -> (Member, Vec<Asked>) {
    let mut member = ana();
    let mut actions = Vec::new();
    for n in 1..others {
        let room = format!("room {n}");
        let entered = format!(r#"{{"room":"{room}","seq":1,"members":1}}"#);
        member.reply(&enter(&room), Ok(results(&entered)), &mut actions);
    }
    let last = member.current.clone().unwrap();
    member.lost([].iter(), &mut actions);
    member.joined(results(&format!(
        r#"{{"name":"Ana","room":"{last}","seq":2,"members":1,"token":"u"}}"#
    )));
    actions.clear();
    member.enter_again(&mut actions);
    let asked = asked(&actions).into_iter().cloned();
    let asked: Vec<_> = asked.map(Asked::unbidden).collect();
    assert_eq!(asked.len(), others);
    (member, asked)
}

fn shown(actions: &[Action]) -> usize {
    actions.len() - asked(actions).len()
}

#[test]
fn a_room_that_refuses_for_now_is_asked_again_until_it_lets_us_in() {
    for code in ["rate_limited", "busy", "too_many_rooms", "internal"] {
        let (mut member, returns) = coming_back(3);
        let mut actions = Vec::new();
        let text = "after everything else".to_owned();
        let say = Command::Say { room: None, text };
        for again in &returns {
            member.reply(again, Err(told(code)), &mut actions);
        }
        member.command(Ticket(2), say, &mut actions);
        assert!(actions.is_empty() && member.is_paused(), "{code}: {actions:?}");
        // Each in its turn; the last one is refused once more.
        for (turn, again) in returns.iter().chain(&returns[2..]).enumerate() {
            member.pause_is_over(&mut actions);
            assert_eq!(asked(&actions), [&again.request]);
            actions.clear();
            let Request::EnterAgain { room, since } = &again.request else {
                panic!("{again:?}");
            };
            let entered = format!(r#"{{"room":"{room}","seq":{},"members":1}}"#, since + 1);
            let answer = if turn == 2 {
                Err(told(code))
            } else {
                Ok(results(&entered))
            };
            member.reply(again, answer, &mut actions);
            assert_eq!(
                (shown(&actions), asked(&actions).len()),
                (0, usize::from(turn == 3))
            );
        }
        assert!(!member.is_paused());
        assert_eq!(member.session.rooms().count(), 4);
    }
}

#[test]
fn a_room_that_refuses_for_too_long_counts_as_left() {
    let (mut member, returns) = coming_back(1);
    let mut actions = Vec::new();
    let mut asked_again = 0;
    member.reply(&returns[0], Err(told("too_many_rooms")), &mut actions);
    while member.is_paused() {
        assert!(actions.is_empty(), "{actions:?}");
        member.pause_is_over(&mut actions);
        if !asked(&actions).is_empty() {
            asked_again += 1;
            actions.clear();
            member.reply(&returns[0], Err(told("too_many_rooms")), &mut actions);
        }
    }
    assert_eq!(asked_again, PAUSES_OUTSIDE_MAX);
    assert!(
        matches!(
            &actions[..],
            [
                Action::Show(Notice::Refused {
                    ticket: None,
                    op: "enter",
                    ..
                }),
                Action::Show(Notice::Done(None, Done::Exited { .. }))
            ]
        ),
        "{actions:?}"
    );
    assert_eq!(member.session.rooms().count(), 1);
}

/// The password with which the member would come back.
fn password(member: &Member) -> Option<String> {
    match member.join() {
        Request::Join { password, .. } => password,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_comes_back_gives_the_password_that_the_server_has() {
    let mut member = ana();
    let mut actions = Vec::new();
    let register = |text: &str| asked_by(Ticket(3), Request::Register(text.to_owned()));
    member.command_offline(Ticket(2), Command::Register("offline".to_owned()), &mut actions);
    assert_eq!(password(&member), None, "nobody was told");
    let stored = results(r#"{"name":"Ana"}"#);
    member.reply(&register("sesame street"), Ok(stored), &mut actions);
    member.command(Ticket(3), Command::Register("short".to_owned()), &mut actions);
    member.reply(&register("short"), Err(told("invalid_password")), &mut actions);
    assert_eq!(password(&member).as_deref(), Some("sesame street"));
    member.lost([&register("was it stored?")].into_iter(), &mut actions);
    assert_eq!(password(&member).as_deref(), Some("sesame street"));

    // Without another it is worth a try.
    let mut member = ana();
    member.lost([&register("was it stored?")].into_iter(), &mut actions);
    assert_eq!(password(&member).as_deref(), Some("was it stored?"));
}

/// The ticket and the operation of everything refused.
fn refused(actions: &[Action]) -> Vec<(Option<Ticket>, &str)> {
    let refused = actions.iter().filter_map(|action| match action {
        Action::Show(Notice::Refused { ticket, op, .. }) => Some((*ticket, *op)),
        _ => None,
    });
    refused.collect()
}

#[test]
fn whatever_is_refused_is_told_with_the_ticket_of_its_command() {
    let say = |text: &str| Command::Say {
        room: None,
        text: text.to_owned(),
    };
    let mut member = ana();
    let mut actions = Vec::new();
    member.command(Ticket(4), say("too fast"), &mut actions);
    member.command(Ticket(5), say("too long"), &mut actions);
    member.command(Ticket(6), Command::Who(Some("attic".to_owned())), &mut actions);
    let on_their_way: Vec<Asked> = actions.drain(..).map(request_of).collect();
    let [first, who] = &on_their_way[..] else {
        panic!("the second message waits: {on_their_way:?}");
    };
    member.reply(who, Err(told("not_in_room")), &mut actions);
    member.reply(first, Err(told("invalid_text")), &mut actions);
    assert_eq!(
        refused(&actions),
        [(Some(Ticket(6)), "who"), (Some(Ticket(4)), "say")]
    );
    let second = actions.pop().map(request_of).expect("it follows");
    actions.clear();
    member.reply(&second, Err(told("invalid_text")), &mut actions);
    member.lost([who.clone()].iter(), &mut actions);
    member.command_offline(Ticket(7), Command::Rooms, &mut actions);
    assert_eq!(
        refused(&actions),
        [
            (Some(Ticket(5)), "say"),
            (Some(Ticket(6)), "who"),
            (Some(Ticket(7)), "rooms")
        ]
    );
}

fn request_of(action: Action) -> Asked {
    match action {
        Action::Ask(asked) => asked,
        Action::Show(notice) => panic!("{notice:?}"),
    }
}
