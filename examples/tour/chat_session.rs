//! Scene 1, the chat: Bernardo, Rodrigo and Silvio meet; Silvio leaves with `sair`, Rodrigo's terminal is killed.

use std::time::Duration;

use anyhow::Context as _;
use chat::client::{Chat, Command, Notice, Recorder, Settings, Typed, View, connect, parse};
use chat::{Server, Settings as ServerSettings};
use lamport::trace::{Service, Tracer};
use lamport::view::Filter;
use proto::net::{Dialer, Shutdown};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::stage::{Screen, Stage, print_side_by_side};

const SCENE: &str = "chat";

/// How long a line may take to appear. On loopback it takes a millisecond; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

const RODRIGO_IS_LOST: &str = "[SERVER]: Rodrigo left the chat. (connection lost)";

/// Plays the session and checks what everybody saw.
pub(crate) fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open_scene("Chat: three people and a hub");
    let hub = Hub::open(stage)?;
    let mut bernardo = Person::join(stage, "Bernardo", &hub)?;
    let mut rodrigo = Person::join(stage, "Rodrigo", &hub)?;
    bernardo.see("[SERVER]: Rodrigo entered the chat.")?;
    let mut silvio = Person::join(stage, "Silvio", &hub)?;
    bernardo.see("[SERVER]: Silvio entered the chat.")?;
    rodrigo.see("[SERVER]: Silvio entered the chat.")?;

    bernardo.type_line("Olá pessoal, me chamo Bernardo")?;
    rodrigo.see("[Bernardo]: Olá pessoal, me chamo Bernardo")?;
    silvio.see("[Bernardo]: Olá pessoal, me chamo Bernardo")?;
    silvio.type_line("Até mais, vou me ausentar.")?;
    bernardo.see("[Silvio]: Até mais, vou me ausentar.")?;
    rodrigo.see("[Silvio]: Até mais, vou me ausentar.")?;
    silvio.type_line("sair")?;
    silvio.see("[Closing the connection...]")?;
    bernardo.see("[SERVER]: Silvio left the chat.")?;
    rodrigo.see("[SERVER]: Silvio left the chat.")?;
    let rodrigo = rodrigo.die()?;
    bernardo.see(RODRIGO_IS_LOST)?;
    bernardo.type_line("sair")?;
    bernardo.see("[Closing the connection...]")?;

    let screens = [bernardo.leave()?, rodrigo, silvio.leave()?];
    hub.close()?;
    print_side_by_side(&screens.each_ref());
    check(stage, &screens);
    stage.prove(SCENE)?;
    stage.draw(SCENE, "Chat: three people and a hub", &Filter::default())
}

fn check(stage: &mut Stage, [bernardo, rodrigo, silvio]: &[Screen; 3]) {
    let screens: [(&Screen, &[&str]); 3] = [
        (
            bernardo,
            &[
                "[SERVER]: Rodrigo entered the chat.",
                "[SERVER]: Silvio entered the chat.",
                "Olá pessoal, me chamo Bernardo",
                "[Silvio]: Até mais, vou me ausentar.",
                "[SERVER]: Silvio left the chat.",
                RODRIGO_IS_LOST,
                "sair",
                "[Closing the connection...]",
            ],
        ),
        (
            rodrigo,
            &[
                "[SERVER]: Silvio entered the chat.",
                "[Bernardo]: Olá pessoal, me chamo Bernardo",
                "[Silvio]: Até mais, vou me ausentar.",
                "[SERVER]: Silvio left the chat.",
                "(killed)",
            ],
        ),
        (
            silvio,
            &[
                "[Bernardo]: Olá pessoal, me chamo Bernardo",
                "Até mais, vou me ausentar.",
                "sair",
                "[Closing the connection...]",
            ],
        ),
    ];
    stage.check_screens(SCENE, &screens);
}

/// The hub, in a runtime of its own.
struct Hub {
    runtime: Runtime,
    address: String,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<Result<(), chat::RunError>>,
}

impl Hub {
    fn open(stage: &mut Stage) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let tracer = stage.tracer(SCENE, "chat", Service::Chat)?;
        let settings = ServerSettings {
            tracer,
            ..ServerSettings::default()
        };
        let server = runtime.block_on(Server::bind("127.0.0.1:0", settings))?;
        let address = server
            .local_address()
            .context("the hub listens on TCP")?
            .to_string();
        let shutdown = Shutdown::new();
        let running = runtime.spawn(server.run(shutdown.clone()));
        Ok(Self {
            runtime,
            address,
            shutdown,
            running,
        })
    }

    fn close(self) -> anyhow::Result<()> {
        self.shutdown.begin();
        Ok(self.runtime.block_on(self.running)??)
    }
}

/// Somebody at a terminal, in a runtime of their own, which dies with them.
struct Person {
    runtime: Runtime,
    chat: Chat,
    notices: mpsc::Receiver<Notice>,
    view: View,
    screen: Screen,
    tracer: Tracer,
}

impl Person {
    fn join(stage: &mut Stage, name: &str, hub: &Hub) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let tracer = stage.tracer(SCENE, name, Service::Chat)?;
        let settings = Settings::new(Dialer::Tcp(hub.address.clone()), name, "lobby");
        let settings = settings.recorded(Recorder::new(tracer.clone()));
        let (chat, notices, joined) = runtime.block_on(connect(settings))?;
        let screen = Screen {
            title: name.to_owned(),
            lines: Vec::new(),
        };
        Ok(Self {
            runtime,
            chat,
            notices,
            view: View::new(false, &joined.room),
            screen,
            tracer,
        })
    }

    /// Types a line, and waits until the hub has it.
    fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        self.screen.lines.push(line.to_owned());
        let Ok(Typed::Do(command)) = parse(line) else {
            anyhow::bail!("{line:?} is no line to type here")
        };
        let says = matches!(command, Command::Say { .. });
        self.runtime.block_on(self.chat.send(command));
        if says {
            while !matches!(self.next("the answer")?, Notice::Acknowledged(..)) {}
        }
        Ok(())
    }

    /// Waits until the line is on the screen.
    fn see(&mut self, line: &str) -> anyhow::Result<()> {
        while self.screen.lines.last().is_none_or(|last| last != line) {
            self.next(line)?;
        }
        Ok(())
    }

    /// Waits for the next notice and shows it.
    fn next(&mut self, awaited: &str) -> anyhow::Result<Notice> {
        let next = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.notices.recv()).await });
        let notice = next.ok().flatten();
        let notice = notice.with_context(|| format!("{} never saw {awaited:?}", self.screen.title))?;
        self.screen.lines.extend(self.view.notice(&notice));
        Ok(notice)
    }

    /// Leaves the terminal as it is.
    fn leave(self) -> anyhow::Result<Screen> {
        drop((self.chat, self.notices, self.runtime));
        self.tracer.close()?;
        Ok(self.screen)
    }

    /// The terminal is killed: nothing is said to the hub, the connection just breaks.
    fn die(mut self) -> anyhow::Result<Screen> {
        self.runtime.shutdown_background();
        self.tracer.close()?;
        self.screen.lines.push("(killed)".to_owned());
        Ok(self.screen)
    }
}
