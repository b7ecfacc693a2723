//! What people and programs read: lines as the peers print them, tables, JSON.

use comfy_table::{Cell, CellAlignment, Table, presets};
use jiff::Timestamp;
use multicast::client::{Delivered, MemberStatus, Missed, Seen, Status};
use proto::Harmless;
use serde_json::json;

/// `[P1] [Lamport=1] 10:00:00.123 - Sent: Olá a todos!`
pub(crate) fn sent(process: &str, at: Timestamp, text: &str, stamp: u64) -> String {
    format!("{} - Sent: {}", head(process, stamp, at), Harmless(text))
}

/// `[P2] [Lamport=2] 10:00:00.234 - Delivered: Olá a todos! | From=P1`
pub(crate) fn delivered(process: &str, delivered: &Delivered) -> String {
    let at = i64::try_from(delivered.at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    let received = if delivered.received == 0 {
        delivered.stamp
    } else {
        delivered.received
    };
    format!(
        "{} - Delivered: {} | From={}",
        head(process, received, at.unwrap_or_default()),
        Harmless(&delivered.data),
        Harmless(&delivered.from)
    )
}

fn head(process: &str, stamp: u64, at: Timestamp) -> String {
    let at = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S%.3f");
    format!("[{}] [Lamport={stamp}] {at}", Harmless(process))
}

/// One object for a program.
pub(crate) fn json_delivered(delivered: &Delivered) -> String {
    json!({
        "event": "delivered", "message": delivered.message.to_string(), "from": delivered.from, "data": delivered.data,
        "stamp": delivered.stamp, "received": delivered.received, "at": delivered.at,
    })
    .to_string()
}

/// One object for a program.
pub(crate) fn json_missed(missed: &Missed) -> String {
    json!({
        "event": "missed", "from": missed.from, "incarnation": missed.incarnation,
        "first": missed.first, "last": missed.last,
    })
    .to_string()
}

/// What is said beside the messages.
pub(crate) fn notice(process: &str, seen: &Seen) -> Option<String> {
    let process = Harmless(process);
    match seen {
        Seen::Delivered(_) => None,
        Seen::Missed(Missed {
            from,
            incarnation,
            first,
            last,
            ..
        }) => Some(format!(
            "{process} was away for too long: it will never get {0}/{incarnation}/{first} to {0}/{incarnation}/{last}",
            Harmless(from)
        )),
        Seen::Lost => Some(format!("connection to {process} lost; coming back …")),
        Seen::Resumed(watching) => Some(format!("watching {} again", Harmless(&watching.process))),
        Seen::Gap => Some(format!(
            "{process} no longer keeps what came next: messages may be missing here; going on with the oldest it keeps"
        )),
        Seen::Lagged => Some(format!(
            "{process} delivers faster than this is read; asking again for what follows"
        )),
    }
}

/// The peer's figures, one a line.
pub(crate) fn status(status: &Status) -> String {
    let mut table = table();
    let mut line = |name: &str, value: String| {
        table.add_row([Cell::new(name), Cell::new(value)]);
    };
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    line("process", Harmless(&status.process).to_string());
    line(
        "order",
        status
            .order
            .as_deref()
            .map_or("-".to_owned(), |order| Harmless(order).to_string()),
    );
    line("incarnation", number(status.incarnation));
    line("lamport", number(status.lamport));
    line("sent", number(status.sent));
    line("delivered", number(status.delivered));
    line("waiting for their turn", number(status.undelivered));
    if !status.waiting.is_empty() {
        line("waits for", Harmless(&status.waiting.join(", ")).to_string());
    }
    line(
        "kept for others",
        match (status.retained, status.retained_bytes) {
            (Some(messages), Some(bytes)) => format!("{messages} ({bytes} bytes)"),
            (messages, _) => number(messages),
        },
    );
    line("copies dropped", number(status.duplicates));
    line("watchers", number(status.watchers));
    if let Some(frames) = &status.frames {
        line(
            "payload frames",
            format!(
                "{} sent, {} received",
                frames.payload_sent, frames.payload_received
            ),
        );
        line(
            "control frames",
            format!(
                "{} sent, {} received",
                frames.control_sent, frames.control_received
            ),
        );
    }
    let up = status.members.iter().filter(|member| is_there(member)).count();
    line("members", format!("{up} of {} up", status.members.len()));
    trim(&table)
}

fn is_there(member: &MemberStatus) -> bool {
    matches!(member.state.as_deref(), Some("self" | "up"))
}

/// The group, a member a line.
pub(crate) fn members(status: &Status) -> String {
    let mut table = table();
    table.set_header(["member", "address", "state", "incarnation", "heard", "lacks"]);
    for column in 3..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = |value: &Option<String>| {
        value
            .as_deref()
            .map_or("-".to_owned(), |text| Harmless(text).to_string())
    };
    for member in &status.members {
        let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        table.add_row([
            Harmless(&member.id).to_string(),
            text(&member.address),
            text(&member.state),
            number(member.incarnation),
            member
                .heard_ms
                .map_or("-".to_owned(), |ms| format!("{ms} ms ago")),
            number(member.lacks),
        ]);
    }
    trim(&table)
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Without the margins that a table without borders would have.
fn trim(table: &Table) -> String {
    let text = table.to_string();
    let lines = text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Status {
        serde_json::from_str(
            r#"{"process":"P1","order":"total","incarnation":2,"lamport":41,"sent":7,"delivered":20,"undelivered":1,
            "retained":3,"retained_bytes":300,"duplicates":0,"watchers":1,"waiting":["P3"],
            "frames":{"payload_sent":14,"payload_received":13,"control_sent":5,"control_received":6},
            "members":[{"id":"P1","address":"localhost:5001","state":"self","incarnation":2},
                       {"id":"P2","address":"localhost:5002","state":"up","incarnation":1,"heard_ms":120,"lacks":0},
                       {"id":"P\u001b3","address":"localhost:5003","state":"down","lacks":3}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn status_is_an_aligned_table() {
        assert_eq!(
            status(&example()),
            "\
process                 P1
order                   total
incarnation             2
lamport                 41
sent                    7
delivered               20
waiting for their turn  1
waits for               P3
kept for others         3 (300 bytes)
copies dropped          0
watchers                1
payload frames          14 sent, 13 received
control frames          5 sent, 6 received
members                 2 of 3 up"
        );
        assert!(status(&Status::default()).contains("lamport                 -"));
    }

    #[test]
    fn members_are_an_aligned_table_and_harmless() {
        assert_eq!(
            members(&example()),
            "\
member    address         state  incarnation       heard  lacks
P1        localhost:5001  self             2           -      -
P2        localhost:5002  up               1  120 ms ago      0
P\\u{1b}3  localhost:5003  down             -           -      3"
        );
    }

    #[test]
    fn lines_are_those_of_the_peers() {
        let message = Delivered {
            message: "P1/1/1".parse().unwrap(),
            from: "P1".into(),
            data: "olá \u{1b}[2J".into(),
            stamp: 1,
            received: 2,
            at: 1_795_226_542_123,
            number: 1,
        };
        let line = delivered("P2", &message);
        assert!(line.starts_with("[P2] [Lamport=2] "), "{line}");
        assert!(
            line.ends_with(".123 - Delivered: olá \\u{1b}[2J | From=P1"),
            "{line}"
        );
        let line = sent("P1", Timestamp::UNIX_EPOCH, "olá", 3);
        assert!(
            line.starts_with("[P1] [Lamport=3] ") && line.ends_with(".000 - Sent: olá"),
            "{line}"
        );
    }
}
