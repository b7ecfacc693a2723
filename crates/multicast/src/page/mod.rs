//! The page of a peer: the space-time diagram of its group, growing as messages flow.
//!
//! The page's own files stand beside this one; [`proto::net::web::Page`] serves them, and opens the page's connection to
//! this peer's client port. What is drawn, and how, is the page's business: `model.js` knows what happened and what
//! happened before what, `layout.js` where it stands, `draw.js` how it looks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use proto::net::Shutdown;
use proto::net::web::{Asset, Page, PageAddress};

use crate::group::Group;

const ASSETS: &[Asset] = &[
    Asset::page(include_bytes!("index.html")),
    Asset::style("/style.css", include_bytes!("style.css")),
    Asset::style("/diagram.css", include_bytes!("diagram.css")),
    Asset::script("/app.js", include_bytes!("app.js")),
    Asset::script("/feed.js", include_bytes!("feed.js")),
    Asset::script("/find.js", include_bytes!("find.js")),
    Asset::script("/model.js", include_bytes!("model.js")),
    Asset::script("/layout.js", include_bytes!("layout.js")),
    Asset::script("/draw.js", include_bytes!("draw.js")),
    Asset::script("/crowd.js", include_bytes!("crowd.js")),
    Asset::script("/view.js", include_bytes!("view.js")),
    Asset::script("/panels.js", include_bytes!("panels.js")),
];

/// A page that listens and is not served yet.
#[derive(Debug)]
pub struct GroupPage(Page);

impl GroupPage {
    /// Listens for browsers at `address`, such as `"127.0.0.1:0"`. The group's [clients](crate::clients::Clients) must be
    /// served, or the page shows nothing.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the address is in use.
    pub async fn bind(address: impl Into<PageAddress>, group: &Group) -> io::Result<Self> {
        let page = Page::bind(address, ASSETS, group.door()).await?;
        Ok(Self(page.with_vitals(Arc::new(group.handle()))))
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_address()
    }

    /// Serves the page, `/metrics` and `/healthz` until `shutdown` begins.
    ///
    /// # Errors
    ///
    /// What the system says of the listener.
    pub async fn serve(self, shutdown: Shutdown) -> io::Result<()> {
        self.0.serve(shutdown).await
    }
}
