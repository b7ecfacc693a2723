//! What a test puts between a page and its service, before any script of the page runs.

/// A script that changes how a page meets its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// `window.deaf = true` keeps everything that the service sends from the page, as if it were still on its way;
    /// what is sent to the service arrives.
    Deaf,
    /// No service: whoever connects is greeted and answered by the page's own `window.answers`, an object with a result
    /// (`{ok: {…}}`) or a refusal (`{error: {…}}`) for each operation. `window.tell(line)` sends an event to the page.
    Impostor,
}

impl Script {
    /// Its source.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Deaf => include_str!("scripts/deaf.js"),
            Self::Impostor => include_str!("scripts/impostor.js"),
        }
    }
}
