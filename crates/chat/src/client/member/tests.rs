//! What a member asks and shows, without a server.

use bytes::Bytes;
use proto::ToldError;
use proto::net::Dialer;

use super::{Action, Member};
use crate::client::request::Request;
use crate::client::wire::Results;
use crate::client::{Command, Message, Notice, Settings};

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
    member.reply(&Request::Enter("tea".to_owned()), Ok(entered), &mut actions);
    assert!(asked(&actions).is_empty(), "{actions:?}");
    member
}

fn asked(actions: &[Action]) -> Vec<&Request> {
    let asked = actions.iter().filter_map(|action| match action {
        Action::Ask(request) => Some(request),
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
        is_last: true,
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
    assert!(!member.command_offline(say, &mut actions));
    member.joined(results(
        r#"{"name":"Ana","room":"tea","seq":2,"members":1,"token":"u"}"#,
    ));
    actions.clear();
    member.enter_again(&mut actions);
    let again = match &actions[..] {
        [Action::Ask(request @ Request::EnterAgain { .. })] => request.clone(),
        other => panic!("{other:?}"),
    };
    actions.clear();
    member.reply(&again, Err(told("invalid_room")), &mut actions);
    assert!(
        matches!(&actions[0], Action::Show(Notice::Refused("enter", _))),
        "{actions:?}"
    );
    assert_eq!(asked(&actions), [&Request::Message(Message::Say { room, text })]);
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
    let register = |text: &str| Request::Register(text.to_owned());
    assert!(!member.command_offline(Command::Register("offline".to_owned()), &mut actions));
    assert_eq!(password(&member), None, "nobody was told");
    let stored = results(r#"{"name":"Ana"}"#);
    member.reply(&register("sesame street"), Ok(stored), &mut actions);
    member.command(Command::Register("short".to_owned()), &mut actions);
    member.reply(&register("short"), Err(told("invalid_password")), &mut actions);
    assert_eq!(password(&member).as_deref(), Some("sesame street"));
    member.lost([&register("was it stored?")].into_iter(), &mut actions);
    assert_eq!(password(&member).as_deref(), Some("sesame street"));

    // Without another it is worth a try.
    let mut member = ana();
    member.lost([&register("was it stored?")].into_iter(), &mut actions);
    assert_eq!(password(&member).as_deref(), Some("was it stored?"));
}
