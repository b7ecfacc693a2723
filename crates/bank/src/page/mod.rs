//! The cash machine as a page: the files that [`proto::net::web::Page`] serves.

use proto::net::web::Asset;

/// The page's own files.
pub(crate) const ASSETS: &[Asset] = &[
    Asset::page(include_bytes!("index.html")),
    Asset::script("/amount.js", include_bytes!("amount.js")),
    Asset::script("/app.js", include_bytes!("app.js")),
    Asset::script("/session.js", include_bytes!("session.js")),
    Asset::style("/style.css", include_bytes!("style.css")),
];
