//! What a person types: a line to say, `sair`, or a `/command`.

use proto::ToldError;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say a text in a room, or in the one spoken to now.
    Say {
        /// The room.
        room: Option<String>,
        /// The text.
        text: String,
    },
    /// Tell one member something privately.
    Tell {
        /// Whom.
        to: String,
        /// The text.
        text: String,
    },
    /// Enter a room, or speak to one that was entered before.
    Enter(String),
    /// Leave a room, or the one spoken to now.
    Exit(Option<String>),
    /// List the rooms.
    Rooms,
    /// List who is in a room, or in the one spoken to now.
    Who(Option<String>),
    /// Show the newest of the room's history.
    History {
        /// The room, or the one spoken to now.
        room: Option<String>,
        /// How many events.
        limit: Option<u64>,
    },
    /// Take another name.
    Rename(String),
    /// Protect the name by a password.
    Register(String),
    /// Leave when everything posted is settled.
    Finish,
    /// Leave now.
    Leave,
}

/// What a typed line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Nothing.
    Nothing,
    /// A command.
    Do(Command),
    /// A command that needs a password, which is asked for without showing it.
    AskPassword,
    /// The help.
    Help,
}

/// What `/help` shows.
pub const HELP: &str = "\
Type a line to say it. Lines that begin with / are commands:
  /msg NAME TEXT        tell one person something privately
  /enter ROOM           enter a room, or speak to one you are in
  /exit [ROOM]          leave a room
  /rooms                list the rooms
  /who [ROOM]           list who is there
  /history [N] [ROOM]   show the newest N events
  /nick NAME            take another name
  /register             protect your name by a password
  /help                 show this
  /quit, or sair        leave
A line that shall begin with / begins with //.
A name with spaces stands in quotes: /msg \"Ana Maria\" TEXT.";

const COMMANDS: [&str; 10] = [
    "/help",
    "/enter",
    "/exit",
    "/msg",
    "/who",
    "/rooms",
    "/history",
    "/nick",
    "/register",
    "/quit",
];

/// Reads a typed line.
///
/// # Errors
///
/// What is wrong with a command, with a hint.
pub fn parse(line: &str) -> Result<Typed, ToldError> {
    let line = line.trim_end_matches(['\r', '\n']);
    let words = line.trim();
    if words.is_empty() {
        return Ok(Typed::Nothing);
    }
    if words == "sair" {
        return Ok(Typed::Do(Command::Leave));
    }
    if let Some(text) = line.strip_prefix("//") {
        return Ok(say(format!("/{text}")));
    }
    if !words.starts_with('/') {
        return Ok(say(line.to_owned()));
    }
    let (command, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let rest = rest.trim_start();
    let optional = || (!rest.is_empty()).then(|| unquote(rest).to_owned());
    let needed =
        |usage: &str| optional().ok_or_else(|| wrong(too_short(command), format!("{command} {usage}")));
    Ok(Typed::Do(match command {
        "/help" => return Ok(Typed::Help),
        "/register" if rest.is_empty() => return Ok(Typed::AskPassword),
        "/register" => Command::Register(rest.to_owned()),
        "/enter" => Command::Enter(needed("ROOM")?),
        "/exit" => Command::Exit(optional()),
        "/rooms" => Command::Rooms,
        "/who" => Command::Who(optional()),
        "/nick" => Command::Rename(needed("NAME")?),
        "/quit" => Command::Leave,
        "/msg" => {
            let (to, text) = split_name(rest);
            if to.is_empty() || text.is_empty() {
                return Err(wrong(too_short(command), "/msg NAME TEXT".to_owned()));
            }
            Command::Tell {
                to: to.to_owned(),
                text: text.to_owned(),
            }
        }
        "/history" => {
            let (first, room) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            match first.parse() {
                Ok(limit) => {
                    let room = room.trim_start();
                    Command::History {
                        room: (!room.is_empty()).then(|| unquote(room).to_owned()),
                        limit: Some(limit),
                    }
                }
                Err(_) => Command::History {
                    room: optional(),
                    limit: None,
                },
            }
        }
        _ => return Err(unknown(command)),
    }))
}

fn say(text: String) -> Typed {
    Typed::Do(Command::Say { room: None, text })
}

fn too_short(command: &str) -> String {
    format!("something is missing behind {command}")
}

fn wrong(message: impl Into<String>, hint: String) -> ToldError {
    ToldError {
        code: "command".to_owned(),
        message: message.into(),
        hint: Some(hint),
    }
}

fn unknown(command: &str) -> ToldError {
    let near = COMMANDS.iter().find(|known| {
        let (typed, known) = (command.trim_start_matches('/'), known.trim_start_matches('/'));
        !typed.is_empty()
            && (known.starts_with(typed) || typed.starts_with(known) || is_one_slip(typed, known))
    });
    let hint = match near {
        Some(near) => format!(
            "did you mean {near}? /help lists the commands; to say a line that begins with /, type //"
        ),
        None => "/help lists the commands; to say a line that begins with /, type //".to_owned(),
    };
    wrong(format!("there is no command {command}"), hint)
}

/// Whether the words differ by one letter missing, added, changed or swapped with its neighbour.
fn is_one_slip(typed: &str, known: &str) -> bool {
    let (typed, known): (Vec<char>, Vec<char>) = (typed.chars().collect(), known.chars().collect());
    let same_start = typed.iter().zip(&known).take_while(|(a, b)| a == b).count();
    let (typed, known) = (&typed[same_start..], &known[same_start..]);
    match (typed, known) {
        ([a, b, typed @ ..], [c, d, known @ ..]) if a == d && b == c => typed == known,
        _ => {
            let same_end = typed
                .iter()
                .rev()
                .zip(known.iter().rev())
                .take_while(|(a, b)| a == b)
                .count();
            typed.len() - same_end <= 1 && known.len() - same_end <= 1
        }
    }
}

/// The first word, or what stands in quotes, and the rest.
fn split_name(text: &str) -> (&str, &str) {
    let (name, rest) = match text.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
        Some(split) => split,
        None => text.split_once(char::is_whitespace).unwrap_or((text, "")),
    };
    (name, rest.trim_start())
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Command) {
        assert_eq!(parse(line), Ok(Typed::Do(expected)), "{line:?}");
    }

    fn check_wrong(line: &str, expected: &str) {
        let error = parse(line).expect_err(line);
        assert_eq!(
            format!("{}; hint: {}", error.message, error.hint.expect("a hint")),
            expected
        );
    }

    #[test]
    fn lines_are_said_as_they_are() {
        let said = |text: &str| Command::Say {
            room: None,
            text: text.to_owned(),
        };
        check("Olá pessoal", said("Olá pessoal"));
        check("  indented, sair\r\n", said("  indented, sair"));
        check("//etc/hosts", said("/etc/hosts"));
        assert_eq!(parse("  "), Ok(Typed::Nothing));
    }

    #[test]
    fn commands_are_understood() {
        let text = |text: &str| text.to_owned();
        check("sair", Command::Leave);
        check(" /quit ", Command::Leave);
        check(
            "/msg Ana oi, tudo  bem?",
            Command::Tell {
                to: text("Ana"),
                text: text("oi, tudo  bem?"),
            },
        );
        check(
            "/msg \"Ana Maria\" oi",
            Command::Tell {
                to: text("Ana Maria"),
                text: text("oi"),
            },
        );
        check("/enter tea room", Command::Enter(text("tea room")));
        check("/exit", Command::Exit(None));
        check("/who tea", Command::Who(Some(text("tea"))));
        check(
            "/history",
            Command::History {
                room: None,
                limit: None,
            },
        );
        check(
            "/history 20 tea",
            Command::History {
                room: Some(text("tea")),
                limit: Some(20),
            },
        );
        check(
            "/history tea",
            Command::History {
                room: Some(text("tea")),
                limit: None,
            },
        );
        check(
            "/register correct horse",
            Command::Register(text("correct horse")),
        );
        assert_eq!(parse("/register"), Ok(Typed::AskPassword));
        assert_eq!(parse("/help"), Ok(Typed::Help));
    }

    #[test]
    fn mistakes_are_answered_with_a_hint() {
        let end = "/help lists the commands; to say a line that begins with /, type //";
        check_wrong("/dance", &format!("there is no command /dance; hint: {end}"));
        check_wrong(
            "/hsitory",
            &format!("there is no command /hsitory; hint: did you mean /history? {end}"),
        );
        check_wrong(
            "/roms",
            &format!("there is no command /roms; hint: did you mean /rooms? {end}"),
        );
        check_wrong(
            "/msg Ana",
            "something is missing behind /msg; hint: /msg NAME TEXT",
        );
        check_wrong("/enter", "something is missing behind /enter; hint: /enter ROOM");
    }
}
