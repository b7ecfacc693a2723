//! The cash machine as a page: the files that [`proto::net::web::Page`] serves.

use proto::net::web::Asset;

/// The page's own files.
pub(crate) const ASSETS: &[Asset] = &[
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        body: include_bytes!("index.html"),
    },
    Asset {
        path: "/app.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_bytes!("app.js"),
    },
    Asset {
        path: "/session.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_bytes!("session.js"),
    },
    Asset {
        path: "/style.css",
        content_type: "text/css; charset=utf-8",
        body: include_bytes!("style.css"),
    },
];
