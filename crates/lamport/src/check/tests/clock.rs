//! The clock's own rules, which hold whatever the service.

use super::bank::check_bank;
use super::chat::{CHAT, check_chat};
use super::multicast::CAST;
use super::*;

#[test]
fn times_must_grow() {
    check_chat("bia  22 send", "bia  21 send", Rule::TimesGrow, 2);
    check_chat("bia  22 send", "bia  2 send", Rule::TimesGrow, 2);
    check_bank("bank 17 local", "bank 14 local", Rule::TimesGrow, 2);
    // The control: the same time at another process is no repetition.
    assert!(
        run(
            &doctor(CHAT, "bia  15 receive", "bia  14 receive"),
            Service::Chat,
            Options::default()
        )
        .is_ok()
    );
}

#[test]
fn a_process_that_is_started_again_may_begin_with_a_clock_that_has_not_moved() {
    let again_at = |time| {
        let lines = format!("P3 {time} local - start order=ORDER\nP3 9  receive P1@8 arrived");
        doctor(CAST, "P3 9  receive P1@8 arrived", &lines)
    };
    let run = |script: &str| {
        run(
            &script.replace("ORDER", "causal"),
            Service::Multicast,
            Options::default(),
        )
    };
    for time in [0, 6] {
        assert!(
            run(&again_at(time)).is_ok(),
            "without its clock, or with it: {time}"
        );
    }
    assert_eq!(run(&again_at(5)).unwrap_err().rule, Rule::TimesGrow);
    // But what it does then must be later than what it did before, or one message could be taken for another.
    let forgetful = again_at(0).replace("P3 9  receive", "P3 6  receive");
    assert_eq!(run(&forgetful).unwrap_err().rule, Rule::TimesGrow);
}

#[test]
fn a_receive_must_be_later_than_its_send() {
    check_chat("bia  15 receive", "bia  12 receive", Rule::ReceiveAfterSend, 2);
    check_chat("bia  15 receive", "bia  11 receive", Rule::ReceiveAfterSend, 2);
}

#[test]
fn a_receive_must_have_its_send() {
    check_chat("chat 13 send    chat@13 ok", "", Rule::ReceiveHasSend, 1);
    check_bank("atm  9  send    c/3     balance", "", Rule::ReceiveHasSend, 1);
}

#[test]
fn a_message_must_be_sent_once() {
    check_bank(
        "bank 17 local   -      ",
        "bank 17 send bank@15",
        Rule::SentOnce,
        2,
    );
}

#[test]
fn facts_must_be_whole() {
    check_chat(
        "said    room=lobby seq=6",
        "said    room=lobby",
        Rule::FactsAreWhole,
        1,
    );
    check_bank("balance=0 entry=3", "balance=0", Rule::FactsAreWhole, 1);
    let script = doctor(
        CAST,
        "P2 11 local   -    deliver act=deliver origin=P2 sequence=2",
        "P2 11 local - x act=deliver origin=P2",
    );
    let script = script.replace("ORDER", "none");
    check_broken(
        &script,
        Service::Multicast,
        Options::default(),
        Rule::FactsAreWhole,
        1,
    );
}
