//! The server's live page.

use std::net::SocketAddr;

use proto::net::ListenError;
pub(super) use proto::net::web::Page;
use proto::net::web::PageAddress;

use super::{Server, Settings, StartError, first_beyond, listen};
use crate::page;

impl Server {
    /// The same as [`bind`](Self::bind), with a live page at `page`, such as `"127.0.0.1:0"`.
    ///
    /// # Errors
    ///
    /// [`StartError`]. Example accounts and cheap PINs are no more for a page that other machines may reach than for a bank that they may.
    pub async fn bind_with_page(
        address: &str,
        page: impl Into<PageAddress>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        let at = page.into();
        let (listener, door) = listen(address).await?.with_door();
        let page = Page::bind(at.clone(), page::ASSETS, door)
            .await
            .map_err(ListenError::at(&at.listen))?;
        let local = page.local_address().ok();
        let beyond = first_beyond([listener.local_address().ok().flatten(), local])
            .or_else(|| at.url.as_ref().map(ToString::to_string));
        let mut server = Self::start(listener, beyond, settings).await?;
        if let Some(address) = local {
            tracing::info!(page = %format!("http://{address}/"), "serving a page");
        }
        server.page = Some(page.with_vitals(server.vitals()));
        Ok(server)
    }

    /// The address of its page, if it has one.
    #[must_use]
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().and_then(|page| page.local_address().ok())
    }
}
