//! The task of a member: holds the connection, makes it again when it is lost, and does what the [`Session`] decides.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proto::net::{Backoff, Client, ReceivedReply};
use proto::{LineWriter, ReplyError, ToldError, codes};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::incoming::{Incoming, Next};
use super::session::{Answer, Output};
use super::{
    Command, Done, End, Event, JoinError, Joined, Message, Notice, RoomLine, Session, Settings, parse_event,
};
use crate::codes as chat_codes;

/// Messages on their way at a time. With one, what the server refuses for now is said before what comes after it;
/// and the server takes some ten thousand a second over a round trip each, far more than its flood limit lets pass.
const WINDOW: usize = 1;

/// Messages posted and not settled; beyond it no command is taken until the server has caught up.
const UNSETTLED_MAX: usize = 256;

/// How long to wait when the server asks for less.
const FLOOD_PAUSE: Duration = Duration::from_millis(50);

/// How long the server may take to answer `leave`.
const LEAVE_MAX: Duration = Duration::from_secs(2);

struct Driver {
    settings: Settings,
    session: Session,
    current: Option<String>,
    token: String,
    commands: mpsc::Receiver<Command>,
    notices: mpsc::Sender<Notice>,
    finishing: bool,
}

/// What a reply answers.
enum Request {
    Message(&'static str),
    Enter { resumes: bool, is_last: bool },
    Exit,
    Rooms,
    Who,
    History,
    Rename,
    Register,
    Leave,
}

/// One connection.
struct Link {
    client: Client,
    incoming: Incoming<Request>,
    leave_by: Option<Instant>,
}

/// Why the connection's loop ended.
enum Over {
    Lost,
    Ended(End),
    /// Nobody shows the notices any more.
    Unwatched,
}

/// Nobody receives the notices any more.
struct Unwatched;

/// The results of all operations; each fills its own fields.
#[derive(Debug, Default, Deserialize)]
struct Results<'a> {
    name: Option<String>,
    room: Option<String>,
    seq: Option<u64>,
    members: Option<&'a RawValue>,
    token: Option<String>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    more: bool,
}

/// Joins, and leaves the rest to a task.
pub(super) async fn start(
    settings: Settings,
    commands: mpsc::Receiver<Command>,
    notices: mpsc::Sender<Notice>,
) -> Result<Joined, JoinError> {
    let (session, token) = (Session::new(WINDOW), String::new());
    let mut driver = Driver {
        settings,
        session,
        current: None,
        token,
        commands,
        notices,
        finishing: false,
    };
    let (link, joined) = driver.join(None).await?;
    driver.settings.name.clone_from(&joined.name);
    driver.current = Some(joined.room.clone());
    tokio::spawn(driver.run(link));
    Ok(joined)
}

impl Driver {
    /// Connects and joins; `resume` is the room to come back to and the last number seen there.
    async fn join(&mut self, resume: Option<(String, u64)>) -> Result<(Link, Joined), JoinError> {
        let (client, events) = Client::connect(&self.settings.dialer, self.settings.client.clone()).await?;
        let Settings { name, password, .. } = &self.settings;
        let reply = client
            .request("join", |mut line| {
                line = line.text("name", name);
                line = match &resume {
                    Some((room, since)) => line.text("room", room).number("since", *since),
                    None => line.text("room", &self.settings.room),
                };
                line = if self.token.is_empty() {
                    line
                } else {
                    line.text("token", &self.token)
                };
                password
                    .iter()
                    .fold(line, |line, password| line.text("password", password))
            })
            .await
            .map_err(|ReplyError::Lost| JoinError::Lost)?;
        let results = results(&reply).map_err(JoinError::Refused)?;
        let joined = Joined {
            name: results.name.unwrap_or_default(),
            room: results.room.unwrap_or_default(),
            seq: results.seq.unwrap_or_default(),
            members: number(results.members),
        };
        self.token = results.token.unwrap_or_default();
        self.session.named(&joined.name);
        let mut outputs = Vec::new();
        self.session.entered(&joined.room, joined.seq, &mut outputs);
        debug_assert!(
            outputs.is_empty(),
            "nothing is sent before the session is connected"
        );
        Ok((
            Link {
                client,
                incoming: Incoming::new(events),
                leave_by: None,
            },
            joined,
        ))
    }

    async fn run(mut self, mut link: Link) {
        let end = loop {
            let over = match self.resume(&mut link).await {
                Ok(()) => self.serve(&mut link).await,
                Err(Unwatched) => Over::Unwatched,
            };
            match over {
                Over::Ended(end) => break Some(end),
                Over::Unwatched => break None,
                Over::Lost => {}
            }
            match self.come_back(&link).await {
                Ok(new) => link = new,
                Err(over) => match over {
                    Over::Ended(end) => break Some(end),
                    Over::Lost | Over::Unwatched => break None,
                },
            }
        };
        link.client.close();
        if let Some(end) = end {
            let _ = self.notices.send(Notice::Ended(end)).await;
        }
    }

    /// Enters the other rooms again after a join.
    async fn resume(&mut self, link: &mut Link) -> Result<(), Unwatched> {
        let joined = self.current.clone();
        let others: Vec<(String, u64)> = self
            .session
            .rooms()
            .filter(|(room, _)| Some(*room) != joined.as_deref())
            .map(|(room, since)| (room.to_owned(), since))
            .collect();
        let count = others.len();
        for (index, (room, since)) in others.into_iter().enumerate() {
            let request = Request::Enter {
                resumes: true,
                is_last: index + 1 == count,
            };
            send(link, request, "enter", |line| {
                line.text("room", &room).number("since", since)
            })
            .await;
        }
        if count > 0 {
            return Ok(());
        }
        let mut outputs = Vec::new();
        self.session.connected(&mut outputs);
        self.act(link, outputs, None).await
    }

    /// Everything that happens on one connection.
    async fn serve(&mut self, link: &mut Link) -> Over {
        let mut resume_at = None;
        loop {
            if self.finishing
                && link.leave_by.is_none()
                && self.session.unsettled() == 0
                && link.incoming.waiting().next().is_none()
            {
                leave(link).await;
            }
            resume_at = self
                .session
                .is_paused()
                .then(|| resume_at.unwrap_or_else(|| Instant::now() + FLOOD_PAUSE));
            let takes_commands =
                self.session.unsettled() < UNSETTLED_MAX && !self.finishing && link.leave_by.is_none();
            let result = tokio::select! {
                next = link.incoming.next() => match next {
                    Next::Over if link.leave_by.is_some() => return Over::Ended(self.left()),
                    Next::Over => return Over::Lost,
                    Next::Event(event) => match self.event(link, &event.line).await {
                        Ok(Some(end)) => return Over::Ended(end),
                        Ok(None) => Ok(()),
                        Err(unwatched) => Err(unwatched),
                    },
                    Next::Reply(Request::Leave, _) => return Over::Ended(self.left()),
                    Next::Reply(request, reply) => self.reply(link, request, &reply).await,
                },
                command = self.commands.recv(), if takes_commands => self.command(link, command.unwrap_or(Command::Leave)).await,
                () = until(resume_at) => {
                    resume_at = None;
                    let mut outputs = Vec::new();
                    self.session.resume(&mut outputs);
                    self.act(link, outputs, None).await
                }
                () = until(link.leave_by) => return Over::Ended(self.left()),
            };
            if let Err(Unwatched) = result {
                return Over::Unwatched;
            }
        }
    }

    /// Makes the connection again, however long that takes.
    async fn come_back(&mut self, lost: &Link) -> Result<Link, Over> {
        self.session.lost();
        for request in lost.incoming.waiting() {
            let error = error(
                "lost",
                "the connection ended before the answer",
                "try again when it is back",
            );
            match request {
                Request::Message(_) | Request::Leave | Request::Enter { resumes: true, .. } => {}
                other => self
                    .notify(Notice::Refused(other.op(), error))
                    .await
                    .map_err(|Unwatched| Over::Unwatched)?,
            }
        }
        self.notify(Notice::Disconnected)
            .await
            .map_err(|Unwatched| Over::Unwatched)?;
        let mut backoff = Backoff::new(proto::limits::RECONNECT_BACKOFF);
        let mut told = String::new();
        loop {
            let rest = tokio::time::sleep(backoff.pause());
            self.offline(rest).await?;
            let room = self
                .current
                .clone()
                .or_else(|| self.session.rooms().next().map(|(room, _)| room.to_owned()));
            let since = room.and_then(|room| {
                let since = self.session.rooms().find(|(name, _)| *name == room)?.1;
                Some((room, since))
            });
            let reason = match self.join(since).await {
                Ok((link, joined)) => {
                    self.current = Some(joined.room);
                    self.notify(Notice::Reconnected)
                        .await
                        .map_err(|Unwatched| Over::Unwatched)?;
                    return Ok(link);
                }
                Err(JoinError::Refused(error)) if !may_pass(&error) => {
                    return Err(Over::Ended(End::Refused(error)));
                }
                Err(error) => error.to_string(),
            };
            if reason != told {
                self.notify(Notice::StillDisconnected(reason.clone()))
                    .await
                    .map_err(|Unwatched| Over::Unwatched)?;
                told = reason;
            }
        }
    }

    /// Takes commands while there is no connection, until `rest` is over.
    async fn offline(&mut self, rest: impl Future<Output = ()>) -> Result<(), Over> {
        let mut rest = std::pin::pin!(rest);
        loop {
            let takes_commands = self.session.unsettled() < UNSETTLED_MAX && !self.finishing;
            let command = tokio::select! {
                () = &mut rest => return Ok(()),
                command = self.commands.recv(), if takes_commands => command.unwrap_or(Command::Leave),
            };
            match command {
                Command::Leave => return Err(Over::Ended(self.left())),
                Command::Finish => self.finishing = true,
                Command::Say { .. } | Command::Tell { .. } => {
                    let mut outputs = Vec::new();
                    if let Err(refused) = self.post(command, &mut outputs) {
                        self.notify(Notice::Refused("say", refused))
                            .await
                            .map_err(|Unwatched| Over::Unwatched)?;
                    }
                }
                other => {
                    let error = error(
                        "not_connected",
                        "there is no connection",
                        "what you say is kept; try this again when it is back",
                    );
                    self.notify(Notice::Refused(other.op(), error))
                        .await
                        .map_err(|Unwatched| Over::Unwatched)?;
                }
            }
        }
    }

    fn left(&self) -> End {
        End::Left(self.session.unsettled())
    }

    async fn notify(&self, notice: Notice) -> Result<(), Unwatched> {
        self.notices.send(notice).await.map_err(|_| Unwatched)
    }

    async fn event(&mut self, link: &mut Link, line: &Bytes) -> Result<Option<End>, Unwatched> {
        let Some(event) = parse_event(line) else {
            return Ok(None);
        };
        if let Event::Error(error) = &event
            && error.code == chat_codes::TAKEN_OVER.as_str()
        {
            return Ok(Some(End::Refused(error.clone())));
        }
        let mut outputs = Vec::new();
        self.session.event(event, &mut outputs);
        self.act(link, outputs, Some(line)).await?;
        Ok(None)
    }

    /// Posts a message, if there is a room for it.
    fn post(&mut self, command: Command, outputs: &mut Vec<Output>) -> Result<(), ToldError> {
        let message = match command {
            Command::Say { room, text } => match room.or_else(|| self.current.clone()) {
                Some(room) => Message::Say { room, text },
                None => {
                    return Err(error("not_in_room", "you are in no room", "/enter ROOM"));
                }
            },
            Command::Tell { to, text } => Message::Tell { to, text },
            _ => return Ok(()),
        };
        self.session.post(message, outputs);
        Ok(())
    }

    async fn command(&mut self, link: &mut Link, command: Command) -> Result<(), Unwatched> {
        let current = self.current.clone();
        match command {
            Command::Say { .. } | Command::Tell { .. } => {
                let mut outputs = Vec::new();
                if let Err(refused) = self.post(command, &mut outputs) {
                    return self.notify(Notice::Refused("say", refused)).await;
                }
                return self.act(link, outputs, None).await;
            }
            Command::Finish => self.finishing = true,
            Command::Leave => leave(link).await,
            Command::Enter(room) => {
                // Going back to a room that was entered before needs no server.
                if let Some(known) = self
                    .session
                    .rooms()
                    .map(|(name, _)| name)
                    .find(|name| name.eq_ignore_ascii_case(&room))
                {
                    let room = known.to_owned();
                    self.current = Some(room.clone());
                    return self
                        .notify(Notice::Done(Done::Entered { room, members: 0 }))
                        .await;
                }
                let request = Request::Enter {
                    resumes: false,
                    is_last: false,
                };
                send(link, request, "enter", |line| line.text("room", &room)).await;
            }
            Command::Exit(room) => {
                send(link, Request::Exit, "exit", |line| {
                    in_room(line, room.or(current))
                })
                .await
            }
            Command::Rooms => send(link, Request::Rooms, "rooms", |line| line).await,
            Command::Who(room) => {
                send(link, Request::Who, "who", |line| in_room(line, room.or(current))).await
            }
            Command::History { room, limit } => {
                send(link, Request::History, "history", |line| {
                    limit.iter().fold(in_room(line, room.or(current)), |line, limit| {
                        line.number("limit", *limit)
                    })
                })
                .await;
            }
            Command::Rename(name) => {
                send(link, Request::Rename, "rename", |line| line.text("name", &name)).await
            }
            Command::Register(password) => {
                send(link, Request::Register, "register", |line| {
                    line.text("password", &password)
                })
                .await;
                self.settings.password = Some(password);
            }
        }
        Ok(())
    }

    async fn reply(
        &mut self,
        link: &mut Link,
        request: Request,
        reply: &ReceivedReply,
    ) -> Result<(), Unwatched> {
        let mut outputs = Vec::new();
        let results = match (results(reply), &request) {
            (Ok(results), _) => results,
            (Err(error), Request::Message(_)) => {
                let answer = if is_later(&error) {
                    Answer::Later
                } else {
                    Answer::Refused
                };
                if self.session.answered(answer, &mut outputs).is_some() {
                    self.notify(Notice::Refused(request.op(), error)).await?;
                }
                return self.act(link, outputs, None).await;
            }
            (
                Err(error),
                Request::Enter {
                    resumes: true,
                    is_last,
                },
            ) => {
                if *is_last {
                    self.session.connected(&mut outputs);
                }
                self.notify(Notice::Refused("enter", error)).await?;
                return self.act(link, outputs, None).await;
            }
            (Err(error), _) => return self.notify(Notice::Refused(request.op(), error)).await,
        };
        let room = results.room.unwrap_or_default();
        let done = match request {
            Request::Message(_) => {
                self.session.answered(Answer::Done(results.seq), &mut outputs);
                None
            }
            Request::Enter { resumes, is_last } => {
                self.session
                    .entered(&room, results.seq.unwrap_or_default(), &mut outputs);
                if is_last {
                    self.session.connected(&mut outputs);
                }
                if resumes {
                    None
                } else {
                    self.current = Some(room.clone());
                    Some(Done::Entered {
                        room,
                        members: number(results.members),
                    })
                }
            }
            Request::Exit => {
                self.session.exited(&room, &mut outputs);
                if self.current.as_ref() == Some(&room) {
                    self.current = self.session.rooms().next().map(|(name, _)| name.to_owned());
                }
                Some(Done::Exited {
                    room,
                    current: self.current.clone(),
                })
            }
            Request::Rooms => {
                let rooms: Vec<RoomLine> = inner(results.rooms).unwrap_or_default();
                Some(Done::Rooms {
                    rooms,
                    more: results.more,
                })
            }
            Request::Who => {
                let members: Vec<String> = inner(results.members).unwrap_or_default();
                Some(Done::Who {
                    room,
                    members,
                    more: results.more,
                })
            }
            Request::History => {
                let events = results.events.unwrap_or_default();
                let events = events
                    .iter()
                    .filter_map(|event| parse_event(event.get().as_bytes()))
                    .collect();
                Some(Done::History {
                    room,
                    events,
                    more: results.more,
                })
            }
            Request::Rename => {
                let name = results.name.unwrap_or_default();
                self.session.named(&name);
                self.settings.name.clone_from(&name);
                let seqs: BTreeMap<String, u64> = inner(results.rooms).unwrap_or_default();
                for (room, seq) in seqs {
                    self.session.own(&room, seq);
                }
                Some(Done::Renamed(name))
            }
            Request::Register => Some(Done::Registered(results.name.unwrap_or_default())),
            Request::Leave => None,
        };
        if let Some(done) = done {
            self.notify(Notice::Done(done)).await?;
        }
        self.act(link, outputs, None).await
    }

    /// Does what the session decided; `line` is what an event to show came as.
    async fn act(
        &mut self,
        link: &mut Link,
        outputs: Vec<Output>,
        line: Option<&Bytes>,
    ) -> Result<(), Unwatched> {
        for output in outputs {
            let notice = match output {
                Output::Send(_, Message::Say { room, text }) => {
                    send(link, Request::Message("say"), "say", |line| {
                        line.text("text", &text).text("room", &room)
                    })
                    .await;
                    continue;
                }
                Output::Send(_, Message::Tell { to, text }) => {
                    send(link, Request::Message("tell"), "tell", |line| {
                        line.text("to", &to).text("text", &text)
                    })
                    .await;
                    continue;
                }
                Output::Show(event) => Notice::Event(event, line.cloned().unwrap_or_default()),
                Output::Acknowledged(ticket, seq) => Notice::Acknowledged(ticket, seq),
                Output::Unsure(_, message) => Notice::Unsure(message),
                Output::Missed { room, missed } => Notice::Missed { room, missed },
            };
            self.notify(notice).await?;
        }
        Ok(())
    }
}

/// Sends a request. If the connection is over already, the loop learns it from its incoming end.
async fn send(
    link: &mut Link,
    request: Request,
    op: &'static str,
    fields: impl FnOnce(LineWriter<'_>) -> LineWriter<'_>,
) {
    if let Ok(reply) = link.client.send(op, fields).await {
        link.incoming.expect(request, reply);
    }
}

fn in_room(line: LineWriter<'_>, room: Option<String>) -> LineWriter<'_> {
    match room {
        Some(room) => line.text("room", &room),
        None => line,
    }
}

async fn leave(link: &mut Link) {
    link.leave_by = Some(Instant::now() + LEAVE_MAX);
    send(link, Request::Leave, "leave", |line| line).await;
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn results(reply: &ReceivedReply) -> Result<Results<'_>, ToldError> {
    let result = reply.outcome.as_ref().map_err(Clone::clone)?;
    serde_json::from_str(result.get()).map_err(|problem| {
        error(
            "internal",
            &format!("the server's result is not understood: {problem}"),
            "is it newer than this client?",
        )
    })
}

/// A result's field as the type it has for this operation.
fn inner<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> Option<T> {
    field.and_then(|value| serde_json::from_str(value.get()).ok())
}

fn number(field: Option<&RawValue>) -> u64 {
    inner(field).unwrap_or_default()
}

fn error(code: &str, message: &str, hint: &str) -> ToldError {
    ToldError {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

/// Whether the same message may be said a little later.
fn is_later(error: &ToldError) -> bool {
    [codes::RATE_LIMITED, codes::SHUTTING_DOWN]
        .iter()
        .any(|code| error.code == code.as_str())
}

/// Whether a refused join may be accepted a little later.
fn may_pass(error: &ToldError) -> bool {
    let passing = [
        codes::RATE_LIMITED,
        codes::SHUTTING_DOWN,
        codes::TOO_MANY_CONNECTIONS,
        codes::INTERNAL,
        chat_codes::BUSY,
    ];
    // Whoever has the name now, somebody else or our own dead connection, may be gone soon.
    passing
        .iter()
        .chain([&chat_codes::NAME_TAKEN])
        .any(|code| error.code == code.as_str())
}

impl Request {
    fn op(&self) -> &'static str {
        match self {
            Self::Message(op) => op,
            Self::Enter { .. } => "enter",
            Self::Exit => "exit",
            Self::Rooms => "rooms",
            Self::Who => "who",
            Self::History => "history",
            Self::Rename => "rename",
            Self::Register => "register",
            Self::Leave => "leave",
        }
    }
}

impl Command {
    /// The operation that it asks the server for.
    fn op(&self) -> &'static str {
        match self {
            Self::Say { .. } => "say",
            Self::Tell { .. } => "tell",
            Self::Enter(_) => "enter",
            Self::Exit(_) => "exit",
            Self::Rooms => "rooms",
            Self::Who(_) => "who",
            Self::History { .. } => "history",
            Self::Rename(_) => "rename",
            Self::Register(_) => "register",
            Self::Finish | Self::Leave => "leave",
        }
    }
}
