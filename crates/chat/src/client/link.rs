//! One connection of a member: what was asked on it and what came of that, until it is over.

use std::time::Duration;

use proto::ReplyError;
use proto::net::{Client, ClientSettings, Dialer, ReceivedReply};
use tokio::time::Instant;

use super::JoinError;
use super::incoming::{Incoming, Next};
use super::request::{Asked, Request};

/// How long the server may take to answer `leave`.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(super) struct Link {
    client: Client,
    incoming: Incoming<Asked>,
    leave_by: Option<Instant>,
}

impl Link {
    /// Connects and asks to join; the answer may be a refusal.
    pub(super) async fn join(
        dialer: &Dialer,
        settings: ClientSettings,
        join: &Request,
    ) -> Result<(Self, ReceivedReply), JoinError> {
        let (client, events) = Client::connect(dialer, settings).await?;
        let reply = client
            .request(join.op(), |line| join.write(line))
            .await
            .map_err(|ReplyError::Lost| JoinError::Lost)?;
        let link = Self {
            client,
            incoming: Incoming::new(events),
            leave_by: None,
        };
        Ok((link, reply))
    }

    /// Sends a request. If the connection is over already, [`next`](Self::next) says so.
    pub(super) async fn ask(&mut self, asked: Asked) {
        let request = &asked.request;
        if *request == Request::Leave {
            self.leave_by = Some(Instant::now() + LEAVE_MAX);
        }
        if let Ok(reply) = self.client.send(request.op(), |line| request.write(line)).await {
            self.incoming.expect(asked, reply);
        }
    }

    /// The next reply or event. Cancel safe.
    pub(super) async fn next(&mut self) -> Next<Asked> {
        self.incoming.next().await
    }

    /// Requests without a reply yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Asked> {
        self.incoming.waiting()
    }

    /// By when the server has to have answered `leave`, once it was asked.
    pub(super) fn leave_by(&self) -> Option<Instant> {
        self.leave_by
    }

    pub(super) fn close(&self) {
        self.client.close();
    }
}
