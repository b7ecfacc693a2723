//! What a page must know of a proxy in front of it: the URL that people open, and who they are. Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, Uri};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a page is found: the address it listens on and, if a proxy stands in front of it, the URL that people open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAddress {
    /// What to listen on: `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Where the proxy shows the page.
    pub url: Option<PublicUrl>,
}

impl From<&str> for PageAddress {
    fn from(listen: &str) -> Self {
        Self {
            listen: listen.to_owned(),
            url: None,
        }
    }
}

/// The URL at which a proxy shows a page, such as `https://chat.example.org`: a name of the page's own, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// As a browser tells it.
    origin: String,
    /// The host in it, with its port unless that is the usual one.
    host_at: usize,
}

/// Why a text is no [`PublicUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// It is no URL, or that of something else than a page.
    #[error("not a URL such as https://chat.example.org")]
    NoUrl,
    /// It goes on after the host.
    #[error("a page needs a name of its own, without a path, such as https://chat.example.org")]
    Path,
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError::NoUrl)?;
        let (scheme, usual_port) = match uri.scheme_str() {
            Some("https") => ("https", 443),
            Some("http") => ("http", 80),
            _ => return Err(PublicUrlError::NoUrl),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(PublicUrlError::NoUrl)?.to_ascii_lowercase();
        if uri.path_and_query().is_some_and(|path| path != "/") {
            return Err(PublicUrlError::Path);
        }
        let mut origin = format!("{scheme}://{host}");
        if let Some(port) = uri.port_u16().filter(|port| *port != usual_port) {
            origin.push_str(&format!(":{port}"));
        }
        Ok(Self {
            origin,
            host_at: scheme.len() + "://".len(),
        })
    }
}

impl PublicUrl {
    /// The page's origin, as a browser tells it.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether a request with this `Host` is for the page.
    pub(super) fn is_host(&self, host: &str) -> bool {
        self.origin[self.host_at..].eq_ignore_ascii_case(host)
    }

    /// Whether people reach the page over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// Who is at the other end of a request that came from `address`. A proxy on this machine is believed, and only the last
/// address it names: those before it are what its own client claims.
pub(super) fn visitor(address: SocketAddr, headers: &HeaderMap, proxied: bool) -> SocketAddr {
    if !proxied || !address.ip().to_canonical().is_loopback() {
        return address;
    }
    let named = headers.get_all(FORWARDED_FOR).iter().next_back();
    let last = named
        .and_then(|names| names.to_str().ok())
        .and_then(|names| names.rsplit(',').next())
        .map(str::trim);
    let ip = last.and_then(|name| {
        let with_port = || name.parse().map(|address: SocketAddr| address.ip());
        name.parse::<IpAddr>().or_else(|_| with_port()).ok()
    });
    ip.map_or(address, |ip| SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, PublicUrlError>) {
        let url = text.parse::<PublicUrl>().map(|url| url.to_string());
        assert_eq!(url.as_deref(), expected.as_ref().map(|url| *url), "{text}");
    }

    #[test]
    fn a_public_url_is_an_origin() {
        check("https://chat.example.org", Ok("https://chat.example.org"));
        check("https://Chat.Example.org:443/", Ok("https://chat.example.org"));
        check("http://chat.example.org:80", Ok("http://chat.example.org"));
        check("https://[2001:db8::1]:8443", Ok("https://[2001:db8::1]:8443"));
        check("https://example.org/chat", Err(PublicUrlError::Path));
        check("https://example.org/?", Err(PublicUrlError::Path));
        for text in [
            "",
            "chat.example.org",
            "ftp://example.org",
            "https://",
            "https:///",
        ] {
            check(text, Err(PublicUrlError::NoUrl));
        }
    }

    fn check_visitor(from: &str, forwarded_for: &[&str], proxied: bool, expected: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded_for {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let visitor = visitor(from.parse().unwrap(), &headers, proxied);
        assert_eq!(visitor, expected.parse().unwrap(), "{from} {forwarded_for:?}");
    }

    #[test]
    fn a_proxy_on_this_machine_says_who_it_is_and_nobody_else() {
        check_visitor("127.0.0.1:9", &["192.0.2.7"], true, "192.0.2.7:9");
        check_visitor("[::1]:9", &["2001:db8::7"], true, "[2001:db8::7]:9");
        check_visitor("127.0.0.1:9", &["[2001:db8::7]:5"], true, "[2001:db8::7]:9");
        check_visitor("127.0.0.1:9", &["10.0.0.1, 192.0.2.7"], true, "192.0.2.7:9");
        check_visitor("127.0.0.1:9", &["10.0.0.1", "192.0.2.7"], true, "192.0.2.7:9");
        check_visitor("127.0.0.1:9", &[], true, "127.0.0.1:9");
        check_visitor("127.0.0.1:9", &["somebody"], true, "127.0.0.1:9");
        check_visitor("192.0.2.1:9", &["192.0.2.7"], true, "192.0.2.1:9");
        check_visitor("127.0.0.1:9", &["192.0.2.7"], false, "127.0.0.1:9");
    }
}
