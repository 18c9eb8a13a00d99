//! A bare HTTP server that answers every request with the same answer of one of the services.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use stack::guard::Farewell;
use stack::load::Answer;
use stack::ports;
use stack::ports::Port;
use stack::process::{Launch, Process};
use tokio::net::TcpListener;

use crate::machine::Group;
use crate::rig::Rig;

const MAX_HEADERS: usize = 64;
const START_LIMIT: Duration = Duration::from_secs(10);
/// The headers that the server adds by itself.
const OWN_HEADERS: [HeaderName; 2] = [header::CONTENT_LENGTH, header::DATE];

/// A running server. It ends when this value is dropped.
pub(crate) struct Server {
    process: Process,
    port: Port,
    _answer: tempfile::TempDir,
}

impl Server {
    /// Starts this program again as a server that gives this answer.
    pub(crate) fn start(rig: &Rig, answer: &Answer) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("answer");
        fs::write(&file, &answer.whole)?;
        let port = ports::free()?;
        let launch = Launch {
            name: "bare HTTP".to_owned(),
            program: this_program()?,
            args: vec![
                "answer".into(),
                port.number().to_string().into(),
                file.into(),
            ],
            ..Launch::default()
        };
        let guard = rig.binaries.guard(Farewell::Kill);
        let process = Process::start(launch, guard, None)?;
        let server = Self {
            process,
            port,
            _answer: folder,
        };
        let waited = std::time::Instant::now();
        while std::net::TcpStream::connect(server.address()).is_err() {
            ensure!(
                waited.elapsed() < START_LIMIT,
                "{:?}",
                server.process.last_lines(5)
            );
            std::thread::sleep(crate::rig::LOOK);
        }
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number()))
    }

    pub(crate) fn group(&self) -> Group {
        Group::new([("bare HTTP".to_owned(), self.process.pid())])
    }
}

/// The file of this program, even if a build has replaced or removed it since the start.
fn this_program() -> Result<PathBuf> {
    let running = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    Ok(if running.exists() {
        running
    } else {
        std::env::current_exe()?
    })
}

/// Serves until it is killed, with as many threads as a service has.
pub(crate) fn answer(port: u16, file: &Path) -> Result<()> {
    let (status, headers, body) = read(&fs::read(file)?)?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores / 2).max(1))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (headers, body) = (headers.clone(), body.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let mut response = Response::new(Full::new(body.clone()));
                *response.status_mut() = status;
                response.headers_mut().clone_from(&headers);
                async move {
                    // If the body breaks off, the connection ends, so the error does not matter.
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(response)
                }
            });
            // A client may leave at any time.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

fn read(whole: &[u8]) -> Result<(StatusCode, HeaderMap, Bytes)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(whole)? else {
        anyhow::bail!("half an answer");
    };
    let mut map = HeaderMap::new();
    for found in response.headers.iter() {
        let name = HeaderName::from_bytes(found.name.as_bytes())?;
        if !OWN_HEADERS.contains(&name) {
            map.append(name, HeaderValue::from_bytes(found.value)?);
        }
    }
    let status = StatusCode::from_u16(response.code.context("no status")?)?;
    Ok((status, map, Bytes::copy_from_slice(&whole[head..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_repeated_but_for_what_the_server_says_itself() {
        let whole =
            b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nETag: \"a\"\r\nDate: x\r\n\r\n{}";
        let (status, headers, body) = read(whole).unwrap();
        assert_eq!(
            (status.as_u16(), headers.len(), body.as_ref()),
            (201, 1, &b"{}"[..])
        );
        assert_eq!(headers[header::ETAG], "\"a\"");
        assert!(read(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
