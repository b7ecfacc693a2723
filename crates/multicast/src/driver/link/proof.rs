//! Two members prove to each other who they are: the acceptor's side and the dialler's.

use proto::{WireError, codes};

use super::Links;
use super::words::{HELLO_HINT, Wire, Word, read_hello, told_error, write_hello};
use crate::driver::handshake::{self, Hello, Side};
use crate::members::Member;

impl Links {
    pub(super) fn hello(&self) -> Result<Hello, WireError> {
        let nonce = handshake::nonce()
            .map_err(|error| WireError::new(codes::INTERNAL, format!("no randomness: {error}")))?;
        Ok(Hello {
            id: self.members.id(self.me).clone(),
            incarnation: self.incarnation,
            group: self.members.fingerprint(),
            order: handshake::order_word(self.order).to_owned(),
            nonce,
            proof: String::new(),
        })
    }

    /// The acceptor's side of the handshake.
    pub(super) async fn welcome(
        &self,
        wire: &mut Wire,
        first: &[u8],
    ) -> Result<Option<(Member, u64)>, WireError> {
        let theirs = read_hello(first)?;
        let mut ours = self.hello()?;
        handshake::compare(&theirs, &ours)?;
        let member = self.member(&theirs)?;
        if self.secret.is_none() && !wire.connection.peer().is_local() {
            return Err(secret_needed());
        }
        ours.proof = handshake::proof(self.secret.as_deref(), Side::Acceptor, &theirs, &ours);
        wire.say(|line| write_hello(line.text("event", "peer"), &ours));
        let Some(answer) = wire.line().await else {
            return Ok(None);
        };
        let answer = answer?;
        let word: Word<'_> =
            proto::parse_object(&answer).map_err(|refusal| refusal.error.with_hint(HELLO_HINT))?;
        let right = handshake::proof(self.secret.as_deref(), Side::Dialler, &theirs, &ours);
        if word.op.as_deref() != Some("proof") || !handshake::proves(&word.proof, &right) {
            return Err(wrong_secret(theirs.id.as_str()));
        }
        wire.say(|line| line.text("event", "linked").end());
        Ok(Some((member, theirs.incarnation)))
    }

    pub(super) fn member(&self, theirs: &Hello) -> Result<Member, WireError> {
        self.members.find(theirs.id.as_str()).ok_or_else(|| {
            WireError::new(
                handshake::NOT_A_MEMBER,
                format!("{:?} is not a member of this group", theirs.id),
            )
            .with_hint("start all members with the same group file")
        })
    }

    /// The dialler's side of the handshake.
    pub(super) async fn introduce(&self, wire: &mut Wire, member: Member) -> Result<u64, WireError> {
        let lost = || WireError::new(codes::INTERNAL, "the connection ended during the handshake");
        if self.secret.is_none() && !wire.connection.peer().is_local() {
            return Err(secret_needed());
        }
        let _greeting = wire.line().await.ok_or_else(lost)??;
        let ours = self.hello()?;
        wire.say(|line| write_hello(line.text("op", "peer"), &ours));
        let answer = wire.line().await.ok_or_else(lost)??;
        told_error(&answer)?;
        let theirs = read_hello(&answer)?;
        handshake::compare(&theirs, &ours)?;
        if self.member(&theirs)? != member {
            let (wanted, found) = (self.members.id(member), &theirs.id);
            return Err(WireError::new(
                handshake::NOT_A_MEMBER,
                format!("{found} answers where {wanted} should"),
            )
            .with_hint("check the addresses in the group file"));
        }
        let right = handshake::proof(self.secret.as_deref(), Side::Acceptor, &ours, &theirs);
        if !handshake::proves(&theirs.proof, &right) {
            return Err(wrong_secret(theirs.id.as_str()));
        }
        let proof = handshake::proof(self.secret.as_deref(), Side::Dialler, &ours, &theirs);
        wire.say(|line| line.text("op", "proof").text("proof", &proof).end());
        let linked = wire.line().await.ok_or_else(lost)??;
        told_error(&linked)?;
        Ok(theirs.incarnation)
    }
}

fn secret_needed() -> WireError {
    WireError::new(
        handshake::SECRET_NEEDED,
        "members on other machines need a group secret",
    )
    .with_hint("start all members with the same secret")
}

fn wrong_secret(id: &str) -> WireError {
    WireError::new(
        handshake::WRONG_SECRET,
        format!("{id} does not prove to know the group's secret"),
    )
    .with_hint("start all members with the same secret")
}
