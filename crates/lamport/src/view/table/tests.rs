//! Tables of small runs, written as a line for each event.

use super::collect::Collector;
use super::*;
use crate::trace::{Reader, Record};

/// One line of a trace: `P1 1 send P1/1/1`, `P2 2 deliver P1/1/1`, `P2 3 miss P1/1/4-6`, `P2 3 receive P1@1`, `P1 1 say hello`.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let (process, lamport, what) = (words[0], words[1], words[2]);
    let facts = |act: &str, message: &str| {
        let parts: Vec<&str> = message.split('/').collect();
        let (first, last) = parts[2].split_once('-').unwrap_or((parts[2], parts[2]));
        format!(
            r#""facts":[{{"act":"{act}","origin":"{}","incarnation":{},"sequence":{first},"through":{last}}}]"#,
            parts[0], parts[1]
        )
    };
    let rest = match what {
        "send" => format!(
            r#""kind":"send","message":"{process}@{lamport}","label":"text of {0}",{1}"#,
            words[3],
            facts("broadcast", words[3])
        ),
        "deliver" => format!(r#""kind":"local","label":"",{}"#, facts("deliver", words[3])),
        "miss" => format!(r#""kind":"local",{}"#, facts("miss", words[3])),
        "say" => format!(
            r#""kind":"send","message":"{process}@{lamport}","label":"{}""#,
            words[3]
        ),
        _ => format!(r#""kind":"receive","message":"{}","label":"received""#, words[3]),
    };
    format!(r#"{{"process":"{process}","lamport":{lamport},"service":"multicast",{rest}}}"#)
}

fn record(text: &str) -> Record<'static> {
    Reader::new(line(text).as_bytes()).next().unwrap().unwrap()
}

fn table(lines: &[&str]) -> Table {
    let mut collector = Collector::default();
    lines.iter().for_each(|line| collector.take(&record(line)));
    collector.finish()
}

fn check(lines: &[&str], by_event: &str, by_message: &str) {
    let table = table(lines);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = |text: &str| text.trim().lines().map(words).collect::<Vec<_>>().join("\n");
    assert_eq!(words(&table.to_string()), words(by_event));
    assert_eq!(words(&table.by_message().to_string()), words(by_message));
}

#[test]
fn rows_and_columns_are_in_order_whatever_the_order_of_the_traces() {
    check(
        &[
            "P10 4 deliver P2/1/1",
            "P10 2 deliver P1/1/1",
            "P2 2 deliver P1/1/1",
            "P2 3 send P2/1/1",
            "P1 1 send P1/1/1",
            "P1 1 deliver P1/1/1",
            "P1 4 deliver P2/1/1",
        ],
        r#"
        Event                            P1  P2  P10
        Send "text of P1/1/1" (P1)        1   -    -
        Delivery "text of P1/1/1" (P2)    -   2    -
        Delivery "text of P1/1/1" (P10)   -   -    2
        Send "text of P2/1/1" (P2)        -   3    -
        Delivery "text of P2/1/1" (P1)    4   -    -
        Delivery "text of P2/1/1" (P10)   -   -    4"#,
        r#"
        Message                       P1      P2  P10
        P1/1/1 "text of P1/1/1"   1 sent       2    2
        P2/1/1 "text of P2/1/1"        4  3 sent    4"#,
    );
}

#[test]
fn what_is_wrong_shows() {
    check(
        &[
            "P1 1 send P1/1/1",
            "P1 5 deliver P1/1/1",
            "P2 2 deliver P1/1/1",
            "P2 7 deliver P1/1/1",
            "P3 2 receive P1@1",
            "P3 9 miss P1/1/2-3",
        ],
        r#"
        Event                              P1    P2      P3
        Send "text of P1/1/1" (P1)          1     -       -
        Delivery "text of P1/1/1" (P1)      5     -       -
        Delivery "text of P1/1/1" (P2)      -  2, 7       -
        Delivery "text of P1/1/1" (P3)      -     -     (2)
        Delivery "P1/1/2" (P3)              -     -  missed
        Delivery "P1/1/3" (P3)              -     -  missed"#,
        r#"
        Message                         P1    P2      P3
        P1/1/1 "text of P1/1/1"  1 sent, 5  2, 7     (2)
        P1/1/2 "P1/1/2"                 -     -  missed
        P1/1/3 "P1/1/3"                 -     -  missed"#,
    );
}

#[test]
fn a_message_has_its_text_though_its_send_is_not_shown() {
    let lines = [
        "P1 1 send P1/1/1",
        "P2 2 deliver P1/1/1",
        "P1 2 say hello",
        "P2 4 receive P1@2",
    ];
    let trace: String = lines.iter().map(|text| line(text) + "\n").collect();
    let mut merge = Merge::new();
    merge.add("trace", trace.as_bytes()).unwrap();
    let only_p2 = Filter {
        processes: vec!["P2".to_owned()],
        ..Filter::default()
    };
    let shown = Table::read(&mut merge, &only_p2).unwrap().to_string();
    assert!(shown.contains(r#"Delivery "text of P1/1/1" (P2)"#), "{shown}");
    assert!(shown.contains(r#"Receipt "hello" (P2)"#), "{shown}");
    assert!(!shown.contains("Send"), "{shown}");

    let shown = table(&lines[1..2]).to_string();
    assert!(
        shown.contains(r#"Delivery "P1/1/1" (P2)"#),
        "nobody knows its text: {shown}"
    );
}

#[test]
fn columns_stand_under_each_other_however_wide_the_characters() {
    let mut table = table(&["P1 1 send P1/1/1", "P2 12 deliver P1/1/1"]);
    table.messages[0].label = "ol\u{e1} \u{8a9e}\u{1b}[2J".to_owned();
    let shown = table.to_string();
    let widths: Vec<_> = shown.lines().map(unicode_width::UnicodeWidthStr::width).collect();
    assert!(widths.iter().all(|&width| width == widths[0]), "{shown}");
    assert!(shown.contains(r"\u001b[2J"), "{shown}");
}
