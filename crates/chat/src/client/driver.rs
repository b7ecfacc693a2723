//! The task of a member: holds the connection, makes it again when it is lost, and does what the [`Member`] decides.

use std::time::Duration;

use proto::net::Backoff;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::incoming::Next;
use super::link::Link;
use super::member::{Action, Member};
use super::passing::lets_in_later;
use super::request::{Asked, Request};
use super::wire::results;
use super::{Command, End, JoinError, Joined, Notice, Settings, Ticket};

/// How long to wait when the server refuses something for now.
const LATER_PAUSE: Duration = Duration::from_millis(50);

/// A command, and what names it.
pub(super) type Numbered = (Ticket, Command);

struct Driver {
    settings: Settings,
    member: Member,
    commands: mpsc::Receiver<Numbered>,
    notices: mpsc::Sender<Notice>,
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

impl From<Unwatched> for Over {
    fn from(Unwatched: Unwatched) -> Self {
        Self::Unwatched
    }
}

/// Joins, and leaves the rest to a task.
pub(super) async fn start(
    settings: Settings,
    commands: mpsc::Receiver<Numbered>,
    notices: mpsc::Sender<Notice>,
) -> Result<Joined, JoinError> {
    let mut driver = Driver {
        member: Member::new(&settings),
        settings,
        commands,
        notices,
    };
    let (link, joined) = driver.join().await?;
    tokio::spawn(driver.run(link));
    Ok(joined)
}

impl Driver {
    async fn join(&mut self) -> Result<(Link, Joined), JoinError> {
        let Settings { dialer, client, .. } = &self.settings;
        let (link, reply) = Link::join(dialer, client.clone(), &self.member.join()).await?;
        let results = results(&reply).map_err(JoinError::Refused)?;
        Ok((link, self.member.joined(results)))
    }

    async fn run(mut self, mut link: Link) {
        let end = loop {
            let over = match self.serve(&mut link).await {
                Over::Lost => match self.come_back(&link).await {
                    Ok(new) => {
                        link = new;
                        continue;
                    }
                    Err(over) => over,
                },
                over => over,
            };
            break match over {
                Over::Ended(end) => Some(end),
                Over::Lost | Over::Unwatched => None,
            };
        };
        link.close();
        if let Some(end) = end {
            let _ = self.notices.send(Notice::Ended(end)).await;
        }
    }

    /// Everything that happens on one connection.
    async fn serve(&mut self, link: &mut Link) -> Over {
        let mut actions = Vec::new();
        self.member.enter_again(&mut actions);
        let mut resume_at = None;
        loop {
            if let Err(Unwatched) = self.act(link, &mut actions).await {
                return Over::Unwatched;
            }
            if self.member.has_finished() && link.leave_by().is_none() && link.waiting().next().is_none() {
                link.ask(Asked::unbidden(Request::Leave)).await;
            }
            resume_at = self
                .member
                .is_paused()
                .then(|| resume_at.unwrap_or_else(|| Instant::now() + LATER_PAUSE));
            let takes_commands = self.member.takes_commands() && link.leave_by().is_none();
            let leave_by = link.leave_by();
            tokio::select! {
                next = link.next() => match next {
                    Next::Over if leave_by.is_none() => return Over::Lost,
                    Next::Over | Next::Reply(Asked { request: Request::Leave, .. }, _) => return Over::Ended(self.member.left()),
                    Next::Event(event) => {
                        if let Some(end) = self.member.event(&event.line, &mut actions) {
                            return Over::Ended(end);
                        }
                    }
                    Next::Reply(asked, reply) => {
                        self.member.reply(&asked, results(&reply), &mut actions);
                    }
                },
                command = self.commands.recv(), if takes_commands => {
                    match command {
                        Some((ticket, command)) => self.member.command(ticket, command, &mut actions),
                        None => actions.push(Action::Ask(Asked::unbidden(Request::Leave))),
                    }
                }
                () = until(resume_at) => {
                    resume_at = None;
                    self.member.pause_is_over(&mut actions);
                }
                () = until(leave_by) => return Over::Ended(self.member.left()),
            }
        }
    }

    /// Does what the member decided.
    async fn act(&mut self, link: &mut Link, actions: &mut Vec<Action>) -> Result<(), Unwatched> {
        for action in actions.drain(..) {
            match action {
                Action::Ask(asked) => link.ask(asked).await,
                Action::Show(notice) => self.show(notice).await?,
            }
        }
        Ok(())
    }

    /// Makes the connection again, however long that takes.
    async fn come_back(&mut self, lost: &Link) -> Result<Link, Over> {
        let mut actions = Vec::new();
        self.member.lost(lost.waiting(), &mut actions);
        self.show_all(&mut actions).await?;
        let mut backoff = Backoff::new(proto::limits::RECONNECT_BACKOFF);
        let mut told = String::new();
        loop {
            self.rest(backoff.pause()).await?;
            let reason = match self.join().await {
                Ok((link, _)) => {
                    self.show(Notice::Reconnected).await?;
                    return Ok(link);
                }
                Err(JoinError::Refused(error)) if !lets_in_later(&error) => {
                    return Err(Over::Ended(End::Refused(error)));
                }
                Err(error) => error.to_string(),
            };
            if reason != told {
                self.show(Notice::StillDisconnected(reason.clone())).await?;
                told = reason;
            }
        }
    }

    /// Takes commands while there is no connection, until the pause is over.
    async fn rest(&mut self, pause: Duration) -> Result<(), Over> {
        let mut pause = std::pin::pin!(tokio::time::sleep(pause));
        let mut actions = Vec::new();
        loop {
            if self.member.has_finished() {
                // Nothing is left to be said, so that nobody would be told but of leaving.
                return Err(Over::Ended(self.member.left()));
            }
            let command = tokio::select! {
                () = &mut pause => return Ok(()),
                command = self.commands.recv(), if self.member.takes_commands() => {
                    command
                }
            };
            match command {
                Some((_, Command::Leave)) | None => return Err(Over::Ended(self.member.left())),
                Some((ticket, command)) => self.member.command_offline(ticket, command, &mut actions),
            }
            self.show_all(&mut actions).await?;
        }
    }

    /// Shows what there is to show; without a connection nothing is asked.
    async fn show_all(&self, actions: &mut Vec<Action>) -> Result<(), Unwatched> {
        for action in actions.drain(..) {
            if let Action::Show(notice) = action {
                self.show(notice).await?;
            }
        }
        Ok(())
    }

    async fn show(&self, notice: Notice) -> Result<(), Unwatched> {
        self.notices.send(notice).await.map_err(|_| Unwatched)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
