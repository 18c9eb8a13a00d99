//! A client of one service.

use std::time::Duration;

use reqwest::{Body, Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, client};

/// The limit for one answer or one live stream. The service limits each of its waits to 30 s.
const LIMIT: Duration = Duration::from_mins(2);

/// The address of a service, and a client of it. An answer that is missing fails the test.
pub struct Site {
    client: Client,
    url: String,
}

impl Site {
    /// A client of the service at this address, such as `http://127.0.0.1:8000`.
    pub fn new(url: String) -> Self {
        let client = client(LIMIT).expect("a client without special settings");
        Self { client, url }
    }

    /// A request with this path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A POST request with `body` as JSON, even if it is not JSON.
    pub fn json(&self, path: &str, body: impl Into<Body>) -> RequestBuilder {
        let request = self.request(Method::POST, path);
        request
            .header("content-type", "application/json")
            .body(body)
    }

    /// Sends a request with these headers and without a body.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.request(method, path);
        let add =
            |request: RequestBuilder, &(name, value): &(&str, &str)| request.header(name, value);
        Answer::to(headers.iter().fold(request, add)).await
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    /// GET with these headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    /// HEAD.
    pub async fn head(&self, path: &str) -> Answer {
        self.ask(Method::HEAD, path, &[]).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[]).await
    }

    /// POST with `body` as JSON, even if it is not JSON.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        Answer::to(self.json(path, body)).await
    }

    /// PUT with `body` as JSON, even if it is not JSON.
    pub async fn put(&self, path: &str, body: &str) -> Answer {
        self.send(Method::PUT, path, &[], body).await
    }

    /// Sends `body` as JSON, with these headers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let request = self.request(method, path);
        let json = [("content-type", "application/json")];
        let request = json
            .iter()
            .chain(headers)
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
        Answer::to(request.body(body.to_owned())).await
    }

    /// All pages of a list, from this path on.
    pub async fn pages(&self, first: &str) -> Vec<Answer> {
        let mut pages = vec![self.get(first).await.expect(200)];
        while let Some(next) = pages.last().and_then(Answer::next_page) {
            pages.push(self.get(&next).await.expect(200));
        }
        pages
    }

    /// The items on all pages of a list, from this path on.
    pub async fn items(&self, first: &str) -> Vec<Value> {
        let pages = self.pages(first).await;
        pages.iter().flat_map(Answer::items).collect()
    }

    /// Opens a connection, for requests that a proper client would not send.
    pub async fn connect(&self) -> TcpStream {
        let address = self.url.trim_start_matches("http://");
        let connected = TcpStream::connect(address).await;
        connected.expect("the service listens")
    }

    /// Sends these bytes, and reads until the service closes the connection.
    pub async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("the service reads");
        read_to_end(&mut stream).await
    }
}

/// Reads until the service closes the connection.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    // A connection that is reset after the answer was sent is closed as well.
    let _ = read.expect("the service closes the connection");
    String::from_utf8(answer).expect("an answer in UTF-8")
}
