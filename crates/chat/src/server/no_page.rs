//! A server without the feature `web`: it has no page.

use std::io;

use proto::net::Shutdown;

/// There is none.
#[derive(Debug)]
pub(super) enum Page {}

impl Page {
    pub(super) async fn serve(self, _: Shutdown) -> io::Result<()> {
        match self {}
    }
}
