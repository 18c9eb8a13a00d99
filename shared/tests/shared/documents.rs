//! The pages about an API, plain and compressed.

use std::io::Read;
use std::sync::Arc;

use flate2::read::GzDecoder;
use poem_openapi::OpenApiService;
use reqwest::Method;
use shared::http::openapi;
use shared::http::routes::Routes;
use stack::client::client;

use crate::half_closed::Counter;
use crate::http::{LIMIT, Server};

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// The answer to a client that accepts these codings and sends these entity tags.
    async fn to(server: &Server, method: Method, path: &str, said: [(&str, &str); 2]) -> Self {
        let url = format!("http://{}{path}", server.address);
        let request = client(LIMIT).unwrap().request(method, url);
        let said = said.into_iter().filter(|(_, value)| !value.is_empty());
        let request = said.fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self {
            status,
            headers,
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn start() -> Server {
    let service = OpenApiService::new(Counter(Arc::default()), "Counter", "1");
    let routes = openapi::pages(Routes::default(), service, None);
    let routes = openapi::events(routes, || "asyncapi: 3.0.0\n".to_owned());
    Server::serve(routes, &[])
}

#[tokio::test]
async fn a_page_is_sent_as_a_client_takes_it_and_each_form_has_its_own_tag() {
    let server = start();
    for path in ["/docs", "/openapi.json", "/asyncapi.yaml"] {
        let ask = |method, coding, tag| {
            let said = [("accept-encoding", coding), ("if-none-match", tag)];
            Answer::to(&server, method, path, said)
        };
        let plain = ask(Method::GET, "", "").await;
        let gzip = ask(Method::GET, "gzip, br", "").await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, ""));
        assert_eq!(
            (gzip.status, gzip.header("content-encoding")),
            (200, "gzip")
        );
        let mut text = Vec::new();
        GzDecoder::new(&gzip.body[..])
            .read_to_end(&mut text)
            .unwrap();
        assert!(text == plain.body, "{path}");
        if path == "/docs" {
            assert!(
                gzip.body.len() * 2 < plain.body.len(),
                "{} B",
                gzip.body.len()
            );
        }
        assert_eq!(gzip.header("content-type"), plain.header("content-type"));
        assert_ne!(gzip.header("etag"), plain.header("etag"));
        for (coding, own, other) in [("", &plain, &gzip), ("gzip", &gzip, &plain)] {
            assert_eq!(own.header("content-length"), own.body.len().to_string());
            for (tag, status) in [(own.header("etag"), 304), (other.header("etag"), 200)] {
                let again = ask(Method::GET, coding, tag).await;
                assert_eq!(
                    (again.status, again.header("etag")),
                    (status, own.header("etag"))
                );
                assert_eq!(again.header("vary"), "Accept-Encoding", "{path}");
                assert_eq!(again.header("cache-control"), "no-cache");
            }
            let head = ask(Method::HEAD, coding, "").await;
            assert_eq!((head.status, head.body.len()), (200, 0));
            for name in ["etag", "vary", "content-type", "content-encoding"] {
                assert_eq!(head.header(name), own.header(name), "{name} of {path}");
            }
        }
    }
}
