//! The server's live page.

use std::net::SocketAddr;

use proto::net::ListenError;
pub(super) use proto::net::web::Page;
use proto::net::web::PageAddress;

use super::{Server, StartError};
use crate::page;

impl Server {
    /// The same server with a live page at `address`, such as `"127.0.0.1:0"`.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn with_page(self, address: impl Into<PageAddress>) -> Result<Self, StartError> {
        let address = address.into();
        let listen = address.listen.clone();
        let vitals = self.vitals();
        let (listener, door) = self.listener.with_door();
        let page = Page::bind(address, page::ASSETS, door)
            .await
            .map_err(ListenError::at(&listen))?;
        if let Ok(address) = page.local_address() {
            tracing::info!(page = %format!("http://{address}/"), "serving a page");
        }
        Ok(Self {
            listener,
            page: Some(page.with_vitals(vitals)),
            ..self
        })
    }

    /// The address of its page, if it has one.
    #[must_use]
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().and_then(|page| page.local_address().ok())
    }
}
