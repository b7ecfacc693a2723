//! How notices look to a person: one line each, tables for lists, nothing that acts on a terminal.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use proto::{Harmless, ToldError};

use super::{Done, End, Event, Message, Notice, What};

/// Renders notices, with or without colours. It remembers the room and the name in use.
#[derive(Debug, Clone)]
pub struct View {
    colours: bool,
    room: Option<String>,
}

const SERVER: Style = AnsiColor::Yellow.on_default();
const PRIVATE: Style = AnsiColor::Magenta.on_default();
const QUIET: Style = Style::new().dimmed();
const WRONG: Style = AnsiColor::Red.on_default();

/// The colours of names; which is whose follows from the name, so that everybody sees the same.
const NAMES: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightGreen,
    AnsiColor::BrightBlue,
];

impl View {
    /// A view of somebody who speaks to `room`.
    #[must_use]
    pub fn new(colours: bool, room: &str) -> Self {
        Self {
            colours,
            room: Some(room.to_owned()),
        }
    }

    /// The room spoken to.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }

    /// What to show for a notice, without a newline at the end; nothing where there is nothing to say.
    pub fn notice(&mut self, notice: &Notice) -> Option<String> {
        Some(match notice {
            Notice::Event(event, _) => self.event(event),
            Notice::Acknowledged(..) => return None,
            Notice::Unsure(_, Message::Say { text, .. } | Message::Tell { text, .. }) => self.styled(
                WRONG,
                &format!(
                    "The connection was lost and nobody can tell whether this was said: {}",
                    Harmless(text)
                ),
            ),
            Notice::Done(_, done) => self.done(done),
            Notice::Refused { op, error, .. } => self.error(op, error),
            Notice::Missed { room, missed } => self.styled(
                QUIET,
                &format!(
                    "(up to {missed} lines of {} are missing here; /history shows what is stored)",
                    Harmless(room)
                ),
            ),
            Notice::Disconnected => self.styled(
                SERVER,
                "[The server is gone; trying to come back. What you say is kept.]",
            ),
            Notice::StillDisconnected(reason) => {
                self.styled(QUIET, &format!("(still trying: {})", Harmless(reason)))
            }
            Notice::Reconnected => self.styled(SERVER, "[Connected again.]"),
            Notice::Ended(End::Left(0)) => self.closing(),
            Notice::Ended(End::Left(unsaid)) => format!(
                "{}\n{}",
                self.styled(
                    WRONG,
                    &format!("{unsaid} of your messages may never have reached the server.")
                ),
                self.closing()
            ),
            Notice::Ended(End::Refused(error)) => self.error("join", error),
        })
    }

    /// The last line.
    #[must_use]
    pub fn closing(&self) -> String {
        self.styled(QUIET, "[Closing the connection...]")
    }

    /// Something that went wrong, with its hint.
    #[must_use]
    pub fn error(&self, op: &str, error: &ToldError) -> String {
        self.wrong(&format!("{}: {}", Harmless(op), Harmless(&error.message)), error)
    }

    /// What is wrong with a typed command, which its message names.
    #[must_use]
    pub fn mistake(&self, error: &ToldError) -> String {
        self.wrong(&Harmless(&error.message).to_string(), error)
    }

    fn wrong(&self, text: &str, error: &ToldError) -> String {
        let hint = error
            .hint
            .as_ref()
            .map(|hint| format!("\nhint: {}", Harmless(hint)))
            .unwrap_or_default();
        format!("{}{hint}", self.styled(WRONG, text))
    }

    fn event(&self, event: &Event) -> String {
        match event {
            Event::Room { room, name, what, .. } => {
                let place = if self.room.as_ref() == Some(room) {
                    String::new()
                } else {
                    self.styled(QUIET, &format!("#{} ", Harmless(room)))
                };
                let shown = Harmless(name);
                place
                    + &match what {
                        What::Said(text) => format!("[{}]: {}", self.name(name), Harmless(text)),
                        What::Entered => self.server(&format!("{shown} entered the chat.")),
                        What::Left(reason) if reason == "quit" => {
                            self.server(&format!("{shown} left the chat."))
                        }
                        What::Left(reason) => {
                            self.server(&format!("{shown} left the chat. ({})", why(reason)))
                        }
                        What::Renamed(to) => self.server(&format!("{shown} is now {}.", Harmless(to))),
                    }
            }
            Event::Told { from, text, .. } => {
                format!(
                    "{} {}",
                    self.styled(PRIVATE, &format!("[{} to you, privately]:", Harmless(from))),
                    Harmless(text)
                )
            }
            Event::Lagged { room, missed } => {
                format!("({missed} lines of {} are missing here)", Harmless(room))
            }
            Event::Error(error) => self.error("server", error),
        }
    }

    fn done(&mut self, done: &Done) -> String {
        match done {
            Done::Entered { room, members } => {
                self.room = Some(room.clone());
                let here = match members {
                    0 => String::new(),
                    1 => " Nobody else is here.".to_owned(),
                    2 => " One other is here.".to_owned(),
                    members => format!(" {} others are here.", members - 1),
                };
                self.server(&format!("You speak in {} now.{here}", Harmless(room)))
            }
            Done::Exited { room, current } => {
                self.room.clone_from(current);
                let now = match current {
                    Some(current) => format!(" You speak in {} now.", Harmless(current)),
                    None => " You are in no room now; hint: /enter ROOM".to_owned(),
                };
                self.server(&format!("You left {}.{now}", Harmless(room)))
            }
            Done::Rooms { rooms, more } => {
                let rows = rooms.iter().map(|line| {
                    vec![
                        Harmless(&line.room).to_string(),
                        line.members.to_string(),
                        line.seq.to_string(),
                    ]
                });
                table(&["room", "people", "events"], rows, *more)
            }
            Done::Who { room, members, more } => {
                let rows = members.iter().map(|name| vec![Harmless(name).to_string()]);
                table(&[&format!("in {}", Harmless(room))], rows, *more)
            }
            Done::History { room, events, more } => {
                let older = if *more { " (there is more before)" } else { "" };
                let head = self.styled(QUIET, &format!("-- history of {}{older} --", Harmless(room)));
                let lines = events.iter().map(|event| self.with_time(event));
                let end = self.styled(QUIET, "-- end of the history --");
                std::iter::once(head)
                    .chain(lines)
                    .chain([end])
                    .collect::<Vec<_>>()
                    .join("\n")
            }
            Done::Renamed(name) => self.server(&format!("You are {} now.", Harmless(name))),
            Done::Registered(name) => self.server(&format!(
                "The name {} is yours: joining with it takes your password now.",
                Harmless(name)
            )),
        }
    }

    fn with_time(&self, event: &Event) -> String {
        let (Event::Room { at, .. } | Event::Told { at, .. }) = event else {
            return self.event(event);
        };
        let time = i64::try_from(*at)
            .ok()
            .and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        let time = time.map(|time| {
            time.to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        });
        format!(
            "{} {}",
            self.styled(QUIET, &time.unwrap_or_default()),
            self.event(event)
        )
    }

    fn server(&self, text: &str) -> String {
        format!("{} {text}", self.styled(SERVER, "[SERVER]:"))
    }

    fn name(&self, name: &str) -> String {
        let sum = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.styled(NAMES[sum % NAMES.len()].on_default(), &Harmless(name).to_string())
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colours {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

fn why(reason: &str) -> String {
    match reason {
        "lost" => "connection lost".to_owned(),
        "timeout" => "silent for too long".to_owned(),
        "slow" => "too slow".to_owned(),
        other => Harmless(other).to_string(),
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, more: bool) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    format!("{table}{}", if more { "\n(and more)" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Ticket;

    fn check(event: Event, expected: &str) {
        assert_eq!(
            View::new(false, "lobby")
                .notice(&Notice::Event(event, bytes::Bytes::new()))
                .as_deref(),
            Some(expected)
        );
    }

    fn in_room(room: &str, what: What) -> Event {
        Event::Room {
            room: room.to_owned(),
            seq: 1,
            at: 0,
            name: "Silvio".to_owned(),
            what,
        }
    }

    #[test]
    fn lines_look_as_in_the_original() {
        check(
            in_room("lobby", What::Said("Olá pessoal".to_owned())),
            "[Silvio]: Olá pessoal",
        );
        check(
            in_room("lobby", What::Entered),
            "[SERVER]: Silvio entered the chat.",
        );
        check(
            in_room("lobby", What::Left("quit".to_owned())),
            "[SERVER]: Silvio left the chat.",
        );
        check(in_room("tea", What::Said("oi".to_owned())), "#tea [Silvio]: oi");
        check(
            in_room("lobby", What::Renamed("Sil".to_owned())),
            "[SERVER]: Silvio is now Sil.",
        );
        check(
            Event::Told {
                from: "Ana".to_owned(),
                at: 0,
                text: "psst".to_owned(),
            },
            "[Ana to you, privately]: psst",
        );
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}abc\r\n\u{9b}31m";
        let shown = [
            Notice::Event(in_room("lobby", What::Said(evil.to_owned())), bytes::Bytes::new()),
            Notice::Event(
                Event::Room {
                    room: evil.to_owned(),
                    seq: 1,
                    at: 0,
                    name: evil.to_owned(),
                    what: What::Renamed(evil.to_owned()),
                },
                bytes::Bytes::new(),
            ),
            Notice::Event(
                Event::Told {
                    from: evil.to_owned(),
                    at: 0,
                    text: evil.to_owned(),
                },
                bytes::Bytes::new(),
            ),
            Notice::Unsure(
                Ticket(1),
                Message::Say {
                    room: evil.to_owned(),
                    text: evil.to_owned(),
                },
            ),
            Notice::Missed {
                room: evil.to_owned(),
                missed: 1,
            },
            Notice::StillDisconnected(evil.to_owned()),
            Notice::Refused {
                ticket: None,
                op: "say",
                error: ToldError {
                    code: evil.to_owned(),
                    message: evil.to_owned(),
                    hint: Some(evil.to_owned()),
                },
            },
            Notice::Done(
                None,
                Done::Who {
                    room: evil.to_owned(),
                    members: vec![evil.to_owned()],
                    more: false,
                },
            ),
            Notice::Done(None, Done::Renamed(evil.to_owned())),
            Notice::Done(
                None,
                Done::Entered {
                    room: evil.to_owned(),
                    members: 2,
                },
            ),
        ];
        for notice in shown {
            let line = View::new(false, "lobby")
                .notice(&notice)
                .expect("something to show");
            let harmful = |c: &char| proto::is_harmful(*c) && *c != '\n';
            assert_eq!(line.chars().find(harmful), None, "{line:?}");
            assert!(line.contains("\\u{1b}"), "{line:?}");
        }
    }

    #[test]
    fn colours_are_only_there_when_wanted() {
        let said = Notice::Event(in_room("lobby", What::Said("oi".to_owned())), bytes::Bytes::new());
        assert!(
            View::new(true, "lobby")
                .notice(&said)
                .is_some_and(|line| line.contains("\u{1b}["))
        );
        assert!(
            View::new(false, "lobby")
                .notice(&said)
                .is_some_and(|line| !line.contains('\u{1b}'))
        );
    }
}
