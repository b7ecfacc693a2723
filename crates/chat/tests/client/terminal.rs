use std::process::Command;

use super::narrowing::Narrowing;
use super::support::{Person, Server};

/// Columns of the first row beside the prompt.
const COLUMNS_TYPED: usize = 78;

fn server() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &["--flood-rate", "0"]);
    (dir, server)
}

#[test]
fn the_session_of_the_original() {
    let (_dir, server) = server();
    let mut bernardo = Person::new(&server, &[]);
    bernardo.sees("Welcome! Please type your user name: ");
    bernardo.enters("Bernardo");
    bernardo.sees("You are Bernardo in lobby");
    let mut rodrigo = Person::new(&server, &["--name", "Rodrigo"]);
    bernardo.sees("[SERVER]: Rodrigo entered the chat.");
    rodrigo.sees("> ");
    bernardo.enters("Olá pessoal, me chamo Bernardo");
    rodrigo.sees("[Bernardo]: Olá pessoal, me chamo Bernardo");
    rodrigo.enters("/msg Bernardo psst");
    bernardo.sees("[Rodrigo to you, privately]: psst");
    rodrigo.enters("/who");
    rodrigo.sees("│ Bernardo │");
    rodrigo.enters("/hsitory");
    rodrigo.sees("did you mean /history?");
    rodrigo.enters("sair");
    assert!(rodrigo.ends().contains("[Closing the connection...]"));
    bernardo.sees("[SERVER]: Rodrigo left the chat.");
    // Ctrl-D at the beginning of a line.
    bernardo.types("\u{4}");
    assert!(bernardo.ends().contains("[Closing the connection...]"));
}

#[test]
fn sair_leaves_before_a_name_is_given_too() {
    let (_dir, server) = server();
    for word in ["sair", "/quit"] {
        let mut person = Person::new(&server, &[]);
        person.sees("Please type your user name: ");
        person.enters(word);
        assert!(!person.ends().contains("You are"), "{word} is no name");
    }
}

#[test]
fn what_comes_in_never_tears_the_line_being_typed() {
    let (_dir, server) = server();
    let mut ana = Person::new(&server, &["--name", "Ana"]);
    ana.sees("> ");
    let mut bia = Person::new(&server, &["--name", "Bia"]);
    ana.sees("Bia entered");
    bia.sees("> ");
    // Longer than the terminal is wide, so that it wraps.
    let half = "half of a line that goes on and on, over the end of the terminal and on its next row";
    bia.types(half);
    bia.sees("xt row");
    for number in 0..20 {
        ana.enters(&format!("line {number} of Ana"));
        bia.sees(&format!("[Ana]: line {number} of Ana"));
    }
    bia.enters(" - and its end");
    ana.sees("next row - and its end");
    let screen = bia.look();
    let typed: Vec<&str> = screen
        .lines()
        .filter(|line| line.contains("half of a line"))
        .collect();
    assert_eq!(typed.len(), 1, "the typed line is there once:\n{screen}");
    assert!(
        screen.contains("[Ana]: line 18 of Ana\n[Ana]: line 19 of Ana\n"),
        "{screen}"
    );
    // A terminal that becomes wider joins the rows that it wrapped itself, and the editor would not know: it wraps none.
    let (raw, first_row) = (bia.raw(), &half[..COLUMNS_TYPED]);
    assert!(raw.contains(&format!("> {first_row}\r\n")), "{raw:?}");
    assert!(!raw.contains(&format!("> {half}")), "{raw:?}");
}

#[test]
fn a_narrower_terminal_shows_the_line_being_typed_once_and_what_is_above_it() {
    let (_dir, server) = server();
    let mut ana = Person::new(&server, &["--name", "Ana"]);
    ana.sees("> ");
    for narrowing in [Narrowing::Breaks, Narrowing::Cuts] {
        let mut bia = Person::at(narrowing, &server, &["--name", "Bia"]);
        bia.sees("> ");
        for number in 0..3 {
            ana.enters(&format!("line {number} of Ana"));
        }
        bia.sees("[Ana]: line 2 of Ana");
        // First one row, then several, then with the cursor in the first of several.
        let mut typed = "half of a line that goes on and on, nearly to the end of the terminal,".to_owned();
        bia.types(&typed);
        bia.sees(&typed);
        for columns in [60, 45] {
            check_narrow(&mut bia, narrowing, columns, &typed);
        }
        let rest = " and then over the end and on its next row";
        bia.types(rest);
        typed += rest;
        bia.sees_over_rows(&typed);
        for columns in [40, 31] {
            check_narrow(&mut bia, narrowing, columns, &typed);
        }
        bia.types(&"\u{2}".repeat(typed.len() - 20));
        bia.types("!");
        typed.insert(20, '!');
        bia.sees_over_rows(&typed);
        for columns in [25, 18] {
            check_narrow(&mut bia, narrowing, columns, &typed);
        }
        bia.enters("");
        ana.sees_over_rows(&typed);
        drop(bia);
        ana.sees("Bia left the chat");
    }
}

/// On fewer columns the typed line is there once, and right above it the last message.
#[track_caller]
fn check_narrow(person: &mut Person, narrowing: Narrowing, columns: u16, typed: &str) {
    person.narrows(narrowing, columns);
    let last = "[Ana]: line 2 of Ana";
    let last = match narrowing {
        Narrowing::Breaks => last,
        Narrowing::Cuts => &last[..last.len().min(columns.into())],
    };
    let screen = person.look();
    assert!(
        screen.replace('\n', "").ends_with(&format!("{last}> {typed}")),
        "{narrowing:?} at {columns}:\n{screen}"
    );
}

#[test]
fn names_and_texts_never_act_on_the_terminal() {
    let (_dir, server) = server();
    let mut ana = Person::new(&server, &["--name", "Ana"]);
    ana.sees("> ");
    assert_cmd::Command::new(env!("CARGO_BIN_EXE_chat-client"))
        .args([&*server.address, "--name", "Evil"])
        .write_stdin("\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}gone\n")
        .assert()
        .success();
    ana.sees("[Evil]: \\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{202e}gone");
    assert!(
        !ana.raw().contains("\u{1b}[2J")
            && !ana.raw().contains("\u{1b}]0;")
            && !ana.raw().contains('\u{202e}')
    );
}

#[test]
fn a_taken_name_is_asked_for_again_and_no_color_is_honoured() {
    let (_dir, server) = server();
    let mut ana = Person::new(&server, &["--name", "Ana"]);
    ana.sees("> ");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    command
        .args([&*server.address, "--name", "ANA"])
        .env("TERM", "xterm-256color")
        .env("NO_COLOR", "1");
    let mut other = Person::run(command);
    other.sees("Please type another user name: ");
    other.enters("Bia");
    other.sees("You are Bia in lobby; one other is here.");
    ana.sees("[SERVER]: Bia entered the chat.");
    ana.enters("oi");
    other.sees("[Ana]: oi");
    other.enters("sair");
    other.ends();
    assert!(!has_colours(&other.raw()), "{:?}", other.raw());
    assert!(has_colours(&ana.raw()), "{:?}", ana.raw());
}

/// Whether there is a sequence that sets colours, such as `ESC [ 33 m`.
fn has_colours(raw: &str) -> bool {
    let is_parameter = |c: char| c.is_ascii_digit() || c == ';';
    raw.split("\u{1b}[")
        .skip(1)
        .any(|sequence| sequence.trim_start_matches(is_parameter).starts_with('m'))
}

#[test]
fn a_server_that_comes_back_is_joined_again_without_gap_or_double() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(dir.path(), &[]);
    let mut ana = Person::new(&server, &["--name", "Ana"]);
    ana.sees("> ");
    let mut bia = Person::new(&server, &["--name", "Bia"]);
    bia.sees("> ");
    bia.enters("/enter tea");
    bia.sees("You speak in tea now.");
    server.kill();
    ana.sees("[The server is gone; trying to come back.");
    bia.sees("[The server is gone; trying to come back.");
    ana.enters("said while away");
    ana.enters("/who");
    ana.sees("there is no connection");
    let _server = Server::start_at(&server.address, dir.path(), &[]);
    ana.sees("[Connected again.]");
    bia.sees("[Connected again.]");
    // In the other room, which was entered again too.
    bia.sees("#lobby [Ana]: said while away");
    ana.enters("and after");
    bia.sees("#lobby [Ana]: and after");
    for said in ["[Ana]: said while away", "[Ana]: and after"] {
        assert_eq!(bia.look().matches(said).count(), 1, "{}", bia.look());
    }
}

#[test]
fn a_server_that_comes_back_and_lets_little_in_at_once_is_entered_in_every_room_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(dir.path(), &[]);
    let mut ana = Person::new(&server, &["--name", "Ana"]);
    ana.sees("> ");
    let rooms = ["one", "two", "three", "four", "five"];
    for room in rooms {
        ana.enters(&format!("/enter {room}"));
        ana.sees(&format!("You speak in {room} now."));
    }
    server.kill();
    ana.sees("[The server is gone; trying to come back.");
    let limits = ["--flood-burst", "2", "--flood-rate", "10"];
    let server = Server::start_at(&server.address, dir.path(), &limits);
    let mut bia = Person::new(&server, &["--name", "Bia", "--room", "five"]);
    bia.sees("> ");
    // It is said once she is in all of her rooms again.
    ana.enters("back everywhere");
    bia.sees("back everywhere");
    for room in &rooms[..4] {
        let mut guest = Person::new(&server, &["--name", &format!("Guest of {room}"), "--room", room]);
        guest.sees(&format!("in {room}; one other is here."));
    }
    assert!(!ana.look().contains("more than"), "{}", ana.look());
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    // `stty` in the same terminal tells whether the client left it as it was.
    let check = |leave: &dyn Fn(&mut Person)| {
        let (_dir, server) = server();
        let script = format!(
            "before=$(stty -g); {} {} --name Ana; [ \"$before\" = \"$(stty -g)\" ] && echo the same as before; sleep 0.2",
            env!("CARGO_BIN_EXE_chat-client"),
            server.address
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env("TERM", "xterm-256color");
        let mut person = Person::run(command);
        person.sees("> ");
        leave(&mut person);
        person.sees("the same as before");
    };
    check(&|person| person.enters("sair"));
    check(&|person| person.types("half a line\u{3}"));
    check(&|person| person.types("\u{4}"));
    // A signal comes while the editor holds the terminal, which would stay raw if nobody put it back.
    check(&|person| {
        person.types("half a line");
        person.sees("half a line");
        person.terminate_child("chat-client");
    });
}
