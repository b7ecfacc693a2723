//! Traces that lack something, and traces of single processes.

use super::bank::BANK;
use super::chat::CHAT;
use super::multicast::CAST;
use super::*;

/// Who is killed loses the last events of its trace, and may go on behind numbers that it had reserved.
#[test]
fn what_a_killed_process_did_last_may_be_missing_and_only_that() {
    let check = |service, script: &[&str], broken: Option<Rule>| {
        let run = run(&script.join("\n"), service, Options::default());
        assert_eq!(run.err().map(|violation| violation.rule), broken, "{script:?}");
    };
    let said =
        |time: u64, seq: u64| format!("chat {time} send chat@{time} said room=lobby seq={seq} name=Ana");
    let (first, next, later) = (said(1, 1), said(2, 2), said(2, 258));
    check(Service::Chat, &[&first, "closed", &next], None);
    check(
        Service::Chat,
        &[&first, "closed", &later],
        Some(Rule::RoomNumbered),
    );
    check(Service::Chat, &[&first, "killed", &later], None);
    check(
        Service::Chat,
        &[&later, "killed", &said(3, 1)],
        Some(Rule::RoomNumbered),
    );
    check(
        Service::Chat,
        &[&first, "killed", &later, &said(3, 260)],
        Some(Rule::RoomNumbered),
    );
    let deposit = |time: u64, entry: u64, balance: u64| {
        format!(
            "bank {time} send bank@{time} deposit account='1 amount=100 balance={balance} entry={entry} account=cash amount=-100 entry={entry}"
        )
    };
    let (first, next, later) = (deposit(1, 1, 100), deposit(2, 2, 200), deposit(2, 3, 300));
    check(Service::Bank, &[&first, "closed", &next], None);
    check(
        Service::Bank,
        &[&first, "closed", &later],
        Some(Rule::BankBalance),
    );
    check(Service::Bank, &[&first, "killed", &later], None);
}

#[test]
fn what_is_missing_from_a_trace_is_unproved_and_not_broken() {
    let incomplete = |script: &str, service, gone: &str| {
        run(&doctor(script, gone, "dropped"), service, Options::default()).map(|report| report.unproved.len())
    };
    assert_eq!(
        incomplete(
            CHAT,
            Service::Chat,
            "bia  15 receive chat@12 said    room=lobby seq=3 name=Ana"
        ),
        Ok(0)
    );
    assert_eq!(
        incomplete(CHAT, Service::Chat, "chat 13 send    chat@13 ok"),
        Ok(1)
    );
    assert_eq!(
        incomplete(
            CHAT,
            Service::Chat,
            "bia  9  receive chat@8  joined  room=lobby seq=2 name=Bia joined=1"
        ),
        Ok(0)
    );
    let leg = "bank 7  send    bank@7  transfer account='1 amount=-2000 balance=9000 entry=2 account='2 amount=2000 balance=3000 entry=2";
    assert_eq!(incomplete(BANK, Service::Bank, leg), Ok(2));
    let cast = CAST.replace("ORDER", "causal");
    assert!(
        incomplete(
            &cast,
            Service::Multicast,
            "P3 3  receive P1@2 deliver act=deliver origin=P1 sequence=1"
        )
        .is_ok()
    );

    // A process that was not traced at all: its messages have no send, unless the traces are said to be all.
    let hub: String = CHAT
        .lines()
        .filter(|line| line.trim().starts_with("chat"))
        .map(|line| format!("{line}\n"))
        .collect();
    let report = run(&hub, Service::Chat, Options::default()).unwrap();
    assert_eq!(report.unproved["receives from processes that were not traced"], 6);
    let complete = Options {
        complete: true,
        ..Options::default()
    };
    assert_eq!(
        run(&hub, Service::Chat, complete).unwrap_err().rule,
        Rule::ReceiveHasSend
    );
}

#[test]
fn traces_of_single_processes_merge_into_the_run() {
    let script = CAST.replace("ORDER", "total");
    let file = |process: &str| {
        let mut out = Vec::new();
        for line in script.lines().filter(|line| line.trim().starts_with(process)) {
            parse(line, Service::Multicast).write(&mut out);
        }
        out.extend_from_slice(b"{\"closed\":true,\"written\":0,\"dropped\":0}\n");
        out
    };
    let files = ["P3", "P1", "P2"].map(file);
    let mut merge = Merge::new();
    files
        .iter()
        .for_each(|bytes| merge.add("trace", &bytes[..]).unwrap());
    let options = Options {
        settled: true,
        complete: true,
        ..Options::default()
    };
    let report = merge.check(Check::new(options)).unwrap().unwrap();
    assert_eq!(
        (report.events, report.tested(Rule::CastOnce), report.unfinished),
        (24, 15, 0)
    );
    assert_eq!(merge.bytes(), files.iter().map(Vec::len).sum::<usize>() as u64);

    let mut merge = Merge::new();
    merge.add("good", &files[0][..]).unwrap();
    merge.add("bad", &b"{\"process\":\"P1\"}\n"[..]).unwrap();
    let error = merge.check(Check::new(Options::default())).unwrap_err();
    assert_eq!(error.to_string(), "bad:1: an event needs \"lamport\"");
}

#[test]
fn a_trace_that_was_cut_off_ends_there() {
    let script = CAST.replace("ORDER", "total");
    let mut whole = Vec::new();
    for line in script.lines().filter(|line| line.trim().starts_with("P1")) {
        parse(line, Service::Multicast).write(&mut whole);
    }
    // Wherever the disk stopped: no line is half read, none is an error.
    for end in 0..=whole.len() {
        let mut merge = Merge::new();
        merge.add("killed", &whole[..end]).unwrap();
        let report = merge.check(Check::new(Options::default())).unwrap().unwrap();
        let lines = whole[..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        let only_newline_missing = whole.get(end) == Some(&b'\n');
        assert_eq!(
            report.events,
            lines + u64::from(only_newline_missing),
            "cut at {end}"
        );
        assert_eq!(report.unfinished, 1);
    }
}
