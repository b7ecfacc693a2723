//! Which requests are the page's own, and what a browser must enforce.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Lets only the page's own requests through to the page that listens there, and adds what a browser must enforce.
pub(super) async fn guard(State(listens_on): State<SocketAddr>, request: Request, next: Next) -> Response {
    if let Err(refusal) = check_source(listens_on, request.headers()) {
        tracing::warn!(reason = refusal, "page request refused");
        return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
    }
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check_source(listens_on: SocketAddr, headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let host = text(HOST).ok_or("the request names no host")?;
    if !is_own_host(listens_on, host) {
        return Err("the host is not this server's; hint: open the page by the address it listens on");
    }
    match text(ORIGIN) {
        Some(origin) if origin.strip_prefix("http://") != Some(host) => Err("the origin is another page"),
        _ => Ok(()),
    }
}

/// On loopback only names of loopback are ours; elsewhere any literal address is, because a rebinding attack needs a name.
fn is_own_host(listens_on: SocketAddr, host: &str) -> bool {
    let port = listens_on.port();
    let name = host.strip_suffix(&format!(":{port}")).unwrap_or(host);
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    match address {
        Ok(address) => !listens_on.ip().is_loopback() || address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listens_on: &str, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        check_source(listens_on.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn the_page_itself_gets_through() {
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert!(check("127.0.0.1:8080", host, None), "{host}");
            assert!(
                check("127.0.0.1:8080", host, Some(&format!("http://{host}"))),
                "{host}"
            );
        }
        assert!(check(
            "0.0.0.0:8080",
            "192.0.2.7:8080",
            Some("http://192.0.2.7:8080")
        ));
    }

    #[test]
    fn foreign_pages_and_rebound_names_do_not() {
        for origin in [
            "http://evil.example",
            "https://127.0.0.1:8080",
            "http://127.0.0.1:9090",
            "null",
        ] {
            assert!(
                !check("127.0.0.1:8080", "127.0.0.1:8080", Some(origin)),
                "{origin}"
            );
        }
        for host in ["evil.example:8080", "evil.example", "192.0.2.7:8080"] {
            assert!(!check("127.0.0.1:8080", host, None), "{host}");
        }
        assert!(!check("0.0.0.0:8080", "evil.example:8080", None));
    }
}
