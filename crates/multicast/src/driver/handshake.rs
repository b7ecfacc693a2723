//! How two members prove to each other who they are before a link carries frames.
//!
//! ```text
//! dialler                                             acceptor
//!   ← {"service":"multicast","protocol":1,…}
//!   → {"op":"peer","id":"P2","incarnation":3,"group":"…","order":"causal","nonce":"…"}
//!   ← {"event":"peer","id":"P1","incarnation":1,"nonce":"…","proof":"…"}
//!   → {"op":"proof","proof":"…"}
//!   ← {"event":"linked"}
//! ```
//!
//! A proof is HMAC-SHA-256 under the group's secret over both nonces, both identities and incarnations, the group and
//! its order, and the side that proves: a proof heard once fits no other handshake. Without a secret members trust whoever
//! reaches them, and only loopback is allowed to.

use hmac::{Hmac, KeyInit as _, Mac as _};
use lamport::ProcessId;
use proto::{Code, WireError};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::core::Order;

/// The identity is none of the group's.
pub(crate) const NOT_A_MEMBER: Code = Code::new("not_a_member");
/// The identity is that of the peer itself.
pub(crate) const DUPLICATE_PEER: Code = Code::new("duplicate_peer");
/// The other end has another list of members.
pub(crate) const GROUP_DIFFERS: Code = Code::new("group_differs");
/// The other end delivers in another order.
pub(crate) const ORDER_DIFFERS: Code = Code::new("order_differs");
/// The proof does not fit the secret.
pub(crate) const WRONG_SECRET: Code = Code::new("wrong_secret");
/// Without a secret only this machine is trusted.
pub(crate) const SECRET_NEEDED: Code = Code::new("secret_needed");
/// What the dialler says first; the acceptor's answer has the same fields and a proof.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Hello {
    pub(crate) id: ProcessId,
    pub(crate) incarnation: u64,
    pub(crate) group: String,
    pub(crate) order: String,
    pub(crate) nonce: String,
    #[serde(default)]
    pub(crate) proof: String,
}

/// Which end proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialler,
    Acceptor,
}

/// The word for an order, on the wire and on the command line.
#[must_use]
pub(crate) fn order_word(order: Order) -> &'static str {
    match order {
        Order::None => "none",
        Order::Fifo => "fifo",
        Order::Causal => "causal",
        Order::Total => "total",
    }
}

/// The word that another member gave for its order, if it is one: what is repeated to people is not for strangers to choose.
fn known_order(word: &str) -> &'static str {
    let orders = [Order::None, Order::Fifo, Order::Causal, Order::Total].map(order_word);
    orders
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("unknown")
}

/// A fresh nonce.
pub(crate) fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// The proof of `side` for this pair of hellos; empty without a secret.
pub(crate) fn proof(secret: Option<&[u8]>, side: Side, dialler: &Hello, acceptor: &Hello) -> String {
    let Some(secret) = secret else {
        return String::new();
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(b"antes multicast 1\0");
    mac.update(if side == Side::Dialler {
        b"dialler\0"
    } else {
        b"acceptor\0"
    });
    for hello in [dialler, acceptor] {
        for part in [hello.id.as_str(), &hello.group, &hello.order, &hello.nonce] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&hello.incarnation.to_be_bytes());
    }
    hex(&mac.finalize().into_bytes())
}

/// Whether the proof is the right one; takes the same time for every wrong one.
pub(crate) fn proves(given: &str, right: &str) -> bool {
    given.as_bytes().ct_eq(right.as_bytes()).into()
}

/// What is wrong with the other end's hello, besides its proof.
pub(crate) fn compare(theirs: &Hello, ours: &Hello) -> Result<(), WireError> {
    if theirs.id == ours.id {
        let message = format!("this is {} itself", ours.id);
        return Err(WireError::new(DUPLICATE_PEER, message)
            .with_hint("every process of a group needs its own identity"));
    }
    if theirs.group != ours.group {
        return Err(WireError::new(
            GROUP_DIFFERS,
            format!("{} has another list of members", theirs.id),
        )
        .with_hint("start all members with the same group file"));
    }
    if theirs.order != ours.order {
        let message = format!(
            "{} delivers in order {}, {} in order {}",
            theirs.id,
            known_order(&theirs.order),
            ours.id,
            ours.order
        );
        return Err(WireError::new(ORDER_DIFFERS, message).with_hint("start all members with the same order"));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(id: &str, nonce: &str) -> Hello {
        Hello {
            id: ProcessId::new(id).unwrap(),
            incarnation: 1,
            group: "g".to_owned(),
            order: "causal".to_owned(),
            nonce: nonce.to_owned(),
            proof: String::new(),
        }
    }

    #[test]
    fn a_proof_fits_one_handshake_and_one_side() {
        let (dialler, acceptor) = (hello("P2", "a"), hello("P1", "b"));
        let right = proof(Some(b"secret"), Side::Dialler, &dialler, &acceptor);
        assert!(proves(&right, &right) && right.len() == 64);
        let others = [
            proof(Some(b"other"), Side::Dialler, &dialler, &acceptor),
            proof(Some(b"secret"), Side::Acceptor, &dialler, &acceptor),
            proof(Some(b"secret"), Side::Dialler, &hello("P2", "c"), &acceptor),
            proof(Some(b"secret"), Side::Dialler, &hello("P3", "a"), &acceptor),
            proof(Some(b"secret"), Side::Dialler, &acceptor, &dialler),
            proof(None, Side::Dialler, &dialler, &acceptor),
        ];
        assert!(others.iter().all(|other| !proves(other, &right)));
    }

    #[test]
    fn members_that_do_not_fit_are_told_how_to() {
        let ours = hello("P1", "b");
        assert_eq!(compare(&hello("P2", "a"), &ours), Ok(()));
        let code = |theirs: Hello| compare(&theirs, &ours).unwrap_err().code;
        assert_eq!(code(hello("P1", "a")), DUPLICATE_PEER);
        assert_eq!(
            code(Hello {
                group: "h".into(),
                ..hello("P2", "a")
            }),
            GROUP_DIFFERS
        );
        assert_eq!(
            code(Hello {
                order: "total".into(),
                ..hello("P2", "a")
            }),
            ORDER_DIFFERS
        );
    }
}
