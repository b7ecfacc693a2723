//! The chat as a page: the files that [`proto::net::web::Page`] serves.

use proto::net::web::Asset;

/// The page's own files.
pub(crate) const ASSETS: &[Asset] = &[
    Asset::page(include_bytes!("index.html")),
    Asset::script("/app.js", include_bytes!("app.js")),
    Asset::script("/commands.js", include_bytes!("commands.js")),
    Asset::script("/line.js", include_bytes!("line.js")),
    Asset::script("/log.js", include_bytes!("log.js")),
    Asset::script("/outgoing.js", include_bytes!("outgoing.js")),
    Asset::script("/place.js", include_bytes!("place.js")),
    Asset::script("/side.js", include_bytes!("side.js")),
    Asset::style("/style.css", include_bytes!("style.css")),
];
