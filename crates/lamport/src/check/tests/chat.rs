//! The rules of the chat.

use super::*;

pub(super) const CHAT: &str = "
    ana  1  send    a/1     join
    chat 2  receive a/1     join
    chat 3  send    chat@3  entered room=lobby seq=1 name=Ana
    chat 4  send    chat@4  joined
    ana  5  receive chat@4  joined  room=lobby seq=1 name=Ana joined=1
    bia  1  send    b/1     join
    chat 6  receive b/1     join
    chat 7  send    chat@7  entered room=lobby seq=2 name=Bia
    chat 8  send    chat@8  joined
    ana  9  receive chat@7  entered room=lobby seq=2 name=Bia
    bia  9  receive chat@8  joined  room=lobby seq=2 name=Bia joined=1
    ana  10 send    a/2     say
    chat 11 receive a/2     say
    chat 12 send    chat@12 said    room=lobby seq=3 name=Ana
    chat 13 send    chat@13 ok
    ana  14 receive chat@13 ok      room=lobby seq=3 name=Ana own=1
    bia  15 receive chat@12 said    room=lobby seq=3 name=Ana
    ana  16 send    a/3     say
    chat 17 receive a/3     say
    chat 18 send    chat@18 said    room=lobby seq=4 name=Ana
    chat 19 send    chat@19 ok
    ana  20 receive chat@19 ok      room=lobby seq=4 name=Ana own=1
    bia  21 receive chat@18 said    room=lobby seq=4 name=Ana
    bia  22 send    b/2     exit
    chat 23 receive b/2     exit
    chat 24 send    chat@24 left    room=lobby seq=5 name=Bia
    chat 25 send    chat@25 ok
    ana  26 receive chat@24 left    room=lobby seq=5 name=Bia
    bia  27 receive chat@25 ok      room=lobby seq=5 name=Bia left=1
    ana  28 send    a/4     say
    chat 29 receive a/4     say
    chat 30 send    chat@30 said    room=lobby seq=6 name=Ana
    chat 31 send    chat@31 ok
    ana  32 receive chat@31 ok      room=lobby seq=6 name=Ana own=1";

#[track_caller]
pub(super) fn check_chat(from: &str, to: &str, rule: Rule, events: usize) {
    check_broken(
        &doctor(CHAT, from, to),
        Service::Chat,
        Options::default(),
        rule,
        events,
    );
}

#[test]
fn the_hub_must_number_a_room_one_by_one() {
    check_chat(
        "chat@30 said    room=lobby seq=6",
        "chat@30 said    room=lobby seq=7",
        Rule::RoomNumbered,
        2,
    );
    check_chat(
        "chat@30 said    room=lobby seq=6",
        "chat@30 said    room=lobby seq=5",
        Rule::RoomNumbered,
        2,
    );
}

#[test]
fn all_members_must_see_one_event_under_a_number() {
    check_chat(
        "bia  15 receive chat@12",
        "bia  15 receive chat@13",
        Rule::RoomAgreed,
        2,
    );
    check_chat(
        "chat@13 ok      room=lobby seq=3 name=Ana",
        "chat@13 ok room=lobby seq=3 name=Bia",
        Rule::RoomAgreed,
        2,
    );
}

#[test]
fn a_member_must_miss_nothing() {
    check_chat(
        "bia  15 receive chat@12 said    room=lobby seq=3 name=Ana",
        "",
        Rule::RoomNoGap,
        3,
    );
    check_chat(
        "ana  20 receive chat@19 ok      room=lobby seq=4 name=Ana own=1",
        "",
        Rule::RoomNoGap,
        3,
    );
    // Missed on the way out is missed too.
    check_chat(
        "bia  21 receive chat@18 said    room=lobby seq=4 name=Ana",
        "",
        Rule::RoomNoGap,
        3,
    );
}

#[test]
fn a_member_must_see_nothing_twice() {
    let again = "bia  21 receive chat@18 said    room=lobby seq=4 name=Ana\nbia 22 receive chat@18 said room=lobby seq=4 name=Ana";
    let script = doctor(
        CHAT,
        "bia  21 receive chat@18 said    room=lobby seq=4 name=Ana",
        again,
    );
    let script = doctor(&script, "bia  22 send ", "bia  23 send ");
    let script = doctor(&script, "chat 23 receive b/2", "chat 23.5 receive b/2").replace("23.5", "24");
    let script = doctor(&script, "chat 24 send    chat@24", "chat 25 send    chat@25x")
        .replace("chat@24 left", "chat@25x left");
    let script = doctor(
        &script,
        "chat 25 send    chat@25 ok",
        "chat 26 send    chat@25 ok",
    );
    check_broken(&script, Service::Chat, Options::default(), Rule::RoomNoDouble, 2);
}

#[test]
fn nobody_must_receive_outside_a_membership() {
    let late = "bia  33 receive chat@30 said    room=lobby seq=6 name=Ana";
    check_broken(
        &format!("{CHAT}\n{late}"),
        Service::Chat,
        Options::default(),
        Rule::RoomMembers,
        2,
    );
}

#[test]
fn a_member_that_resumes_gets_what_it_missed_once() {
    let lost = doctor(
        CHAT,
        "bia  27 receive chat@25 ok      room=lobby seq=5 name=Bia left=1",
        "",
    );
    let resumed = |lines: &str| run(&format!("{lost}\n{lines}"), Service::Chat, Options::default());
    let joined = "chat 33 send chat@33 entered room=lobby seq=7 name=Bia
        chat 34 send chat@34 joined
        bia  35 receive chat@34 joined room=lobby seq=7 name=Bia joined=1 since=4";
    let replay = "bia  36 receive chat@24 left room=lobby seq=5 name=Bia
        bia  37 receive chat@30 said room=lobby seq=6 name=Ana";
    let next = "chat 40 send chat@40 said room=lobby seq=8 name=Ana
        bia  41 receive chat@40 said room=lobby seq=8 name=Ana";
    let own = "bia  38 receive chat@33 entered room=lobby seq=7 name=Bia";
    resumed(&format!("{joined}\n{replay}\n{next}")).unwrap();
    resumed(&format!("{joined}\n{replay}\n{own}\n{next}")).unwrap();

    // Lost again before anything else came: it holds its own entered too.
    let again = "chat 43 send chat@43 entered room=lobby seq=8 name=Bia
        bia  44 receive chat@43 joined room=lobby seq=8 name=Bia joined=1 since=7";
    resumed(&format!("{joined}\n{replay}\n{again}")).unwrap();

    let broken = |lines: String| resumed(&lines).unwrap_err().rule;
    assert_eq!(broken(format!("{joined}\n{next}")), Rule::RoomNoGap);
    assert_eq!(
        broken(format!(
            "{}\n{replay}\n{next}",
            doctor(joined, "since=4", "since=5")
        )),
        Rule::RoomNoGap
    );
    let twice = format!(
        "{}\nbia 36 receive chat@18 said room=lobby seq=4 name=Ana",
        doctor(joined, "since=4", "since=3")
    );
    assert_eq!(broken(twice), Rule::RoomNoDouble);

    // Told that it missed two, it may go on without them.
    let lagged = "bia 36 receive chat@35 lagged room=lobby missed=2";
    resumed(&format!(
        "{joined}\nchat 35 send chat@35 lagged\n{lagged}\n{next}"
    ))
    .unwrap();
}
