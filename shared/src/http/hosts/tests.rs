use super::*;

const LOCAL: &str = "127.0.0.1:8000";

fn hosts(allowed: &str, origins: &str, url: Option<&str>) -> Hosts {
    Hosts {
        allowed: allowed.parse().unwrap(),
        origins: origins.parse().unwrap(),
        public_url: url.map(|url| url.parse().unwrap()),
    }
}

fn status(hosts: &Hosts, local: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    let request = hyper::Request::builder().method("POST").uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let checked = hosts.check(&request.body(()).unwrap(), local.parse().unwrap());
    checked.map_or_else(|problem| problem.kind().status.as_u16(), |()| 200)
}

#[test]
fn on_the_machine_itself_it_has_the_names_of_the_machine_and_those_that_are_listed() {
    let hosts = hosts("shop.internal", "", Some("https://Shop.example/payments"));
    for (host, expected) in [
        ("localhost", 200),
        ("LocalHost.:8000", 200),
        ("api.localhost:80", 200),
        ("127.0.0.1:8000", 200),
        ("127.8.9.1", 200),
        ("[::1]:8000", 200),
        ("192.0.2.7", 200),
        ("", 200),
        ("shop.example", 200),
        ("shop.EXAMPLE.:443", 200),
        ("Shop.Internal:1", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("notlocalhost", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("2130706433", 421),
        ("shop.internal.evil.example", 421),
        ("x", 421),
    ] {
        assert_eq!(
            status(&hosts, LOCAL, "/", &[("host", host)]),
            expected,
            "{host}"
        );
        assert_eq!(
            status(&hosts, "0.0.0.0:1", "/", &[("host", host)]),
            expected,
            "{host}"
        );
        if !host.is_empty() {
            // The target counts, and Host does not.
            let target = format!("http://{host}/");
            let told = status(&hosts, LOCAL, &target, &[("host", "localhost")]);
            assert_eq!(told, expected, "{target}");
        }
    }
    assert_eq!(status(&hosts, LOCAL, "/", &[]), 200, "HTTP/1.0");
}

#[test]
fn where_others_reach_it_the_list_counts_once_there_is_one() {
    let evil = &[("host", "evil.example")];
    for (allowed, local, expected) in [
        ("", LOCAL, 421),
        ("", "[::1]:8000", 421),
        ("", "0.0.0.0:8000", 200),
        ("", "[::]:8000", 200),
        ("", "192.0.2.1:8000", 200),
        ("shop.example", "0.0.0.0:8000", 421),
        ("shop.example, evil.example.", LOCAL, 200),
        ("*", LOCAL, 200),
    ] {
        assert_eq!(
            status(&hosts(allowed, "", None), local, "/", evil),
            expected,
            "{allowed} {local}"
        );
    }
    for text in ["a b", "http://a", "a:80", "*.a", "a,,b", "a/b", "."] {
        assert!(text.parse::<AllowedHosts>().is_err(), "{text}");
    }
}

#[test]
fn a_change_comes_from_an_own_page_or_a_listed_one_or_from_no_page() {
    let hosts = hosts(
        "*",
        "https://shop.example",
        Some("https://api.example:8443/payments"),
    );
    for (host, origin, site, expected) in [
        (LOCAL, None, None, 200),
        (LOCAL, None, Some("none"), 200),
        (LOCAL, None, Some("same-origin"), 200),
        (LOCAL, None, Some("same-site"), 403),
        (LOCAL, None, Some("cross-site"), 403),
        (LOCAL, Some("http://127.0.0.1:8000"), None, 200),
        (
            "LOCALHOST:8000",
            Some("http://localhost:8000"),
            Some("same-origin"),
            200,
        ),
        ("localhost", Some("http://localhost"), None, 200),
        ("localhost:80", Some("http://localhost"), None, 200),
        ("a.example:443", Some("https://a.example"), None, 200),
        (
            LOCAL,
            Some("http://localhost:8000"),
            Some("cross-site"),
            403,
        ),
        (LOCAL, Some("http://127.0.0.1:3000"), Some("same-site"), 403),
        (LOCAL, Some("https://shop.example"), Some("cross-site"), 200),
        (LOCAL, Some("https://api.example:8443"), None, 200),
        (LOCAL, Some("https://api.example"), None, 403),
        (
            "upstream:8000",
            Some("https://front.example"),
            Some("same-origin"),
            200,
        ),
        (LOCAL, Some("http://shop.example"), None, 403),
        (LOCAL, Some("https://evil.example"), None, 403),
        (LOCAL, Some("null"), None, 403),
        (LOCAL, Some(""), None, 403),
        (LOCAL, Some("127.0.0.1:8000"), None, 403),
        (LOCAL, Some("ftp://127.0.0.1:8000"), None, 403),
    ] {
        let mut headers = vec![("host", host)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        assert_eq!(
            status(&hosts, LOCAL, "/", &headers),
            expected,
            "{headers:?}"
        );
    }
    let two = [
        ("host", LOCAL),
        ("origin", "http://127.0.0.1:8000"),
        ("origin", "null"),
    ];
    assert_eq!(status(&hosts, LOCAL, "/", &two), 403);
    assert_eq!(status(&self::hosts("*", "*", None), LOCAL, "/", &two), 200);
}
