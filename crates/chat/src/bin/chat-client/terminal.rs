//! For a person at a terminal.
//!
//! Two threads beside the runtime: one edits the line being typed, the other shows what comes in, through the
//! editor, so that it never tears that line. Whichever way the program ends, the [`Terminal`] puts the terminal back
//! as it was.

use std::io::{BufRead as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chat::client::{
    Chat, Command, End, HELP, JoinError, Joined, Notice, Settings, Typed, View, connect, parse,
};
use chat::codes::{INVALID_NAME, NAME_PROTECTED, NAME_TAKEN, WRONG_PASSWORD};
use proto::Harmless;
use proto::net::cli::hinted;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{ColorMode, Config, Editor, ExternalPrinter};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::wrapping::Wrapping;

type LineEditor = Editor<Wrapping, DefaultHistory>;

const PROMPT: &str = "> ";
const COMMANDS_REMEMBERED: usize = 500;

/// How often a person may mistype a name or a password before the program gives up.
const ATTEMPTS_MAX: usize = 5;

/// The terminal as it was found. Dropped, it is so again.
struct Terminal {
    before: Option<Termios>,
}

impl Terminal {
    fn remember() -> Self {
        Self {
            before: tcgetattr(rustix::stdio::stdin()).ok(),
        }
    }

    /// Puts it back, and ends the bracketed paste that line editing switches on. Doing it twice does no harm.
    fn restore(&self) {
        if let Some(before) = &self.before {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(b"\x1b[?2004l").and_then(|()| stdout.flush());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

pub(super) async fn run(settings: Settings, has_name: bool) -> anyhow::Result<()> {
    let terminal = Arc::new(Terminal::remember());
    let Some((chat, notices, joined)) = join(settings, has_name).await? else {
        return Ok(());
    };
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let mut view = View::new(colours, &joined.room);
    greet(&joined)?;

    let config = Config::builder()
        .max_history_size(COMMANDS_REMEMBERED)?
        .auto_add_history(true)
        // Who wants no colours wants the line in one piece all the same, which is asked for in the same way.
        .color_mode(ColorMode::Forced)
        .build();
    let mut editor = LineEditor::with_config(config)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    editor.set_helper(Some(Wrapping::new(Arc::clone(&interrupted))));
    let printer = editor
        .create_external_printer()
        .ok()
        .map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>);
    let printer = Printer {
        editor: Arc::new(Mutex::new(printer)),
        interrupted,
    };
    let mistakes = view.clone();
    let (typist, help) = (chat.clone(), printer.clone());
    std::thread::Builder::new()
        .name("typing".to_owned())
        .spawn(move || type_lines(editor, &typist, &help, &mistakes))?;
    let (showing, ended) = tokio::sync::oneshot::channel();
    let shown_on = Arc::clone(&terminal);
    std::thread::Builder::new()
        .name("showing".to_owned())
        .spawn(move || {
            // Whoever waits for it has an end of its own.
            let _ = showing.send(show(notices, &mut view, &printer, &shown_on));
        })?;

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut ended = std::pin::pin!(ended);
    loop {
        tokio::select! {
            end = &mut ended => match end {
                Ok(Some(End::Refused(error))) => return Err(super::explain(JoinError::Refused(error), "")),
                _ => return Ok(()),
            },
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        chat.send(Command::Leave).await;
    }
}

/// Asks for what is missing until the server lets us in; nothing when the answer is to leave.
async fn join(
    mut settings: Settings,
    has_name: bool,
) -> anyhow::Result<Option<(Chat, mpsc::Receiver<Notice>, Joined)>> {
    if !has_name {
        let Some(name) = ask("Welcome! Please type your user name: ")? else {
            return Ok(None);
        };
        settings.name = name;
    }
    for _ in 1..ATTEMPTS_MAX {
        let error = match connect(settings.clone()).await {
            Ok(joined) => return Ok(Some(joined)),
            Err(JoinError::Refused(error)) => error,
            Err(error) => return Err(super::explain(error, &settings.dialer.to_string())),
        };
        let is = |codes: &[proto::Code]| codes.iter().any(|code| error.code == code.as_str());
        let told = View::new(false, "").error("join", &error);
        if is(&[NAME_PROTECTED, WRONG_PASSWORD]) {
            if is(&[WRONG_PASSWORD]) {
                writeln!(std::io::stdout(), "{told}")?;
            }
            let password = rpassword::prompt_password(format!("Password of {}: ", Harmless(&settings.name)))?;
            settings.password = Some(password);
        } else if is(&[NAME_TAKEN, INVALID_NAME]) {
            writeln!(std::io::stdout(), "{told}")?;
            let Some(name) = ask("Please type another user name: ")? else {
                return Ok(None);
            };
            settings.name = name;
        } else {
            return Err(super::explain(JoinError::Refused(error), ""));
        }
    }
    let joined = connect(settings.clone())
        .await
        .map_err(|error| super::explain(error, &settings.dialer.to_string()))?;
    Ok(Some(joined))
}

/// The name that a person answers with; nothing when the answer is to leave.
fn ask(question: &str) -> anyhow::Result<Option<String>> {
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{question}")?;
    stdout.flush()?;
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(hinted(
            anyhow::anyhow!("no name was given"),
            "give one with --name NAME",
        ));
    }
    let answer = answer.trim();
    Ok((!matches!(answer, "sair" | "/quit")).then(|| answer.to_owned()))
}

fn greet(joined: &Joined) -> std::io::Result<()> {
    let others = match joined.members {
        0 | 1 => "nobody else is".to_owned(),
        2 => "one other is".to_owned(),
        members => format!("{} others are", members - 1),
    };
    let (name, room) = (Harmless(&joined.name), Harmless(&joined.room));
    writeln!(
        std::io::stdout(),
        "You are {name} in {room}; {others} here.\n/help lists the commands, sair leaves."
    )
}

/// Shows text above the line being typed.
#[derive(Clone)]
struct Printer {
    editor: Arc<Mutex<Option<Box<dyn ExternalPrinter + Send>>>>,
    interrupted: Arc<AtomicBool>,
}

impl Printer {
    fn show(&self, text: &str) {
        let text = format!("{text}\n");
        self.interrupted.store(true, Ordering::Relaxed);
        let mut printer = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = printer
            .as_mut()
            .is_some_and(|printer| printer.print(text.clone()).is_ok());
        if !shown {
            let mut stdout = std::io::stdout().lock();
            // A terminal that is gone is noticed where lines are read.
            let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        }
    }
}

/// The thread that shows what comes in.
fn show(
    mut notices: mpsc::Receiver<Notice>,
    view: &mut View,
    printer: &Printer,
    terminal: &Terminal,
) -> Option<End> {
    while let Some(notice) = notices.blocking_recv() {
        if let Notice::Ended(end) = notice {
            // The editor may still hold the terminal; what comes now is shown without it.
            terminal.restore();
            let text = view
                .notice(&Notice::Ended(end.clone()))
                .filter(|_| matches!(end, End::Left(_)));
            let mut stdout = std::io::stdout().lock();
            let _ = writeln!(stdout, "\r\x1b[K{}", text.unwrap_or_default());
            return Some(end);
        }
        if let Some(text) = view.notice(&notice) {
            printer.show(&text);
        }
    }
    None
}

/// The thread that edits the line being typed.
fn type_lines(mut editor: LineEditor, chat: &Chat, printer: &Printer, view: &View) {
    loop {
        if let Some(wrapping) = editor.helper() {
            wrapping.begin();
        }
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Signal(_)) => continue,
            // Ctrl-C, Ctrl-D, or a terminal that is gone.
            Err(_) => break,
        };
        match parse(&line) {
            Ok(Typed::Nothing) => {}
            Ok(Typed::Help) => printer.show(HELP),
            Ok(Typed::AskPassword) => match rpassword::prompt_password("New password: ") {
                Ok(password) if !password.is_empty() => {
                    chat.send_blocking(Command::Register(password));
                }
                _ => {}
            },
            Ok(Typed::Do(Command::Leave)) => break,
            Ok(Typed::Do(command)) => {
                chat.send_blocking(command);
            }
            Err(error) => printer.show(&view.mistake(&error)),
        }
    }
    chat.send_blocking(Command::Leave);
}
