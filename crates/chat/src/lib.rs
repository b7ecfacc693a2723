//! A broadcast hub: rooms, private messages, unique names, stored history.
//!
//! A line of a client becomes a [request](ops), the pure [hub] decides what comes of it, and the driver around the
//! hub encodes that once and hands it to everybody it is for. What was said is kept by the [history]; [client] is a
//! member for programs, which stays one over lost connections.
//!
//! Two features are on by default: `cli` holds what only the programs need, and how they show what happens; `web` the server's live page.
//!
//! A hub that stores nothing, and two members, all within this process:
//!
//! ```
//! use chat::client::{self, Command, Event, Notice, What};
//! use proto::net::{Dialer, Shutdown};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = chat::Settings { data: None, ..chat::Settings::default() };
//! let (hub, connector) = chat::Server::in_memory(settings)?;
//! let shutdown = Shutdown::new();
//! let running = tokio::spawn(hub.run(shutdown.clone()));
//!
//! let member = |name| client::Settings::new(Dialer::Memory(connector.clone()), name, "lobby");
//! let (ana, _shown_to_ana, _) = client::connect(member("Ana")).await?;
//! let (_bia, mut notices, _) = client::connect(member("Bia")).await?;
//! ana.send(Command::Say { room: None, text: "Olá, Bia".to_owned() }).await;
//!
//! let Some(Notice::Event(Event::Room { name, what, .. }, _)) = notices.recv().await else {
//!     panic!("Bia is told what Ana says");
//! };
//! assert_eq!((&*name, what), ("Ana", What::Said("Olá, Bia".to_owned())));
//!
//! shutdown.begin();
//! running.await??;
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod codes;
mod events;
pub mod history;
pub mod hub;
pub mod limits;
pub mod names;
pub mod ops;
#[cfg(feature = "web")]
mod page;
mod server;

pub use server::{RunError, Server, Settings, StartError};
