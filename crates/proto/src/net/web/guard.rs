//! Which requests are the page's own, and what a browser must enforce.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::proxied::PublicUrl;

macro_rules! security_policy {
    ($more:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            $more
        )
    };
}

const SECURITY_POLICY: &str = security_policy!("");

/// The same for a page that was opened over TLS: nothing of it may come without.
const SECURITY_POLICY_WITH_TLS: &str = security_policy!("; upgrade-insecure-requests");

/// By which names a page is its own.
pub(super) struct Names {
    /// Where it listens.
    pub(super) listens_on: SocketAddr,
    /// Where a proxy shows it.
    pub(super) url: Option<PublicUrl>,
}

/// Lets only the page's own requests through, and adds what a browser must enforce.
pub(super) async fn guard(State(names): State<Arc<Names>>, request: Request, next: Next) -> Response {
    let policy = match check_source(&names, request.headers()) {
        Ok(policy) => policy,
        Err(refusal) => {
            tracing::warn!(reason = refusal, "page request refused");
            return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
        }
    };
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, policy),
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

/// The policy for the answer to a request of the page's own.
fn check_source(names: &Names, headers: &HeaderMap) -> Result<&'static str, &'static str> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let host = text(HOST).ok_or("the request names no host")?;
    let origin = text(ORIGIN);
    if let Some(url) = names.url.as_ref().filter(|url| url.is_host(host)) {
        return match origin {
            Some(origin) if origin != url.origin() => Err("the origin is another page"),
            _ if url.is_secure() => Ok(SECURITY_POLICY_WITH_TLS),
            _ => Ok(SECURITY_POLICY),
        };
    }
    if !is_own_host(names.listens_on, host) {
        return Err(
            "the host is not this server's; hint: open the page by the address it listens on, or name the URL of the \
             proxy in front of it",
        );
    }
    match origin {
        Some(origin) if names.url.as_ref().is_some_and(|url| url.origin() == origin) => Err(
            "the proxy does not say which host was asked for; hint: have it pass the header Host on as it is",
        ),
        Some(origin) if origin.strip_prefix("http://") != Some(host) => Err("the origin is another page"),
        _ => Ok(SECURITY_POLICY),
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

    fn source(
        listens_on: &str,
        url: Option<&str>,
        host: &str,
        origin: Option<&str>,
    ) -> Result<&'static str, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let names = Names {
            listens_on: listens_on.parse().unwrap(),
            url: url.map(|url| url.parse().unwrap()),
        };
        check_source(&names, &headers)
    }

    fn check(listens_on: &str, host: &str, origin: Option<&str>) -> bool {
        source(listens_on, None, host, origin).is_ok()
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

    #[test]
    fn behind_a_proxy_the_page_has_its_public_name_too() {
        let check = |url, host, origin| source("127.0.0.1:8080", Some(url), host, origin);
        let url = "https://chat.example.org";
        assert_eq!(check(url, "chat.example.org", None), Ok(SECURITY_POLICY_WITH_TLS));
        assert_eq!(
            check(url, "Chat.example.org", Some(url)),
            Ok(SECURITY_POLICY_WITH_TLS)
        );
        let plain = "http://chat.example.org:8000";
        assert_eq!(
            check(plain, "chat.example.org:8000", Some(plain)),
            Ok(SECURITY_POLICY)
        );
        // On the machine itself it is found as before.
        assert_eq!(
            check(url, "localhost:8080", Some("http://localhost:8080")),
            Ok(SECURITY_POLICY)
        );

        for origin in ["http://chat.example.org", "https://evil.example", "null"] {
            assert!(check(url, "chat.example.org", Some(origin)).is_err(), "{origin}");
        }
        for host in [
            "evil.example",
            "chat.example.org:8080",
            "chat.example.org.evil.example",
        ] {
            assert!(check(url, host, None).is_err(), "{host}");
        }
        let refusal =
            check(url, "127.0.0.1:8080", Some(url)).expect_err("the page would not know that there is TLS");
        assert!(refusal.contains("header Host"), "{refusal}");
    }
}
