//! Clients of one address use up its share of the answers that may be left unread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use poem::web::Data;
use poem::{EndpointExt, Response, handler};
use shared::http::routes::Routes;
use stack::wait::eventually;
use tokio::sync::Semaphore;

use crate::http::Server;
use crate::raw::Raw;
use crate::slow_readers::{PAGE, asking, last, small};

/// The number of answers that one address may leave unread: a quarter of `MAX_REQUESTS`.
const SHARE: usize = 2;
/// The number of requests that are under way when the share is used up.
const BEYOND: usize = 3;
const ENV: &[(&str, &str)] = &[("MAX_REQUESTS", "8"), ("HEADER_TIMEOUT", "1s")];
/// Longer than the server keeps an answer beyond the share.
const EXCESS: Duration = Duration::from_secs(2);

/// Holds the requests for a page until a test gives permits.
struct Held {
    arrived: AtomicUsize,
    permits: Semaphore,
}

#[handler]
async fn page(Data(held): Data<&Arc<Held>>) -> Response {
    held.arrived.fetch_add(1, Ordering::Relaxed);
    held.permits.acquire().await.unwrap().forget();
    Response::builder().body(vec![b'x'; PAGE])
}

/// Clients of one address that ask for a held page.
async fn clients(server: &Server, path: &str, held: &Held, count: usize) -> Vec<Raw> {
    let asked = join_all((0..count).map(|_| asking(server, path))).await;
    let arrived = || async { held.arrived.load(Ordering::Relaxed) == count };
    eventually("all requests", arrived).await;
    asked
}

fn is_whole(text: &str) -> bool {
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
    body.is_some_and(|body| body.len() == PAGE)
}

async fn rest_of(clients: Vec<Raw>) -> Vec<String> {
    let rest = clients
        .into_iter()
        .map(|mut raw| async move { raw.rest().await });
    join_all(rest).await
}

#[tokio::test]
async fn only_answers_beyond_the_share_of_an_address_are_cut_off_soon() {
    let held = [(); 2].map(|()| {
        Arc::new(Held {
            arrived: AtomicUsize::new(0),
            permits: Semaphore::new(0),
        })
    });
    let [first, later] = &held;
    let routes = Routes::default().page("/first", page.data(first.clone()));
    let routes = routes.page("/later", page.data(later.clone()));
    let server = Server::serve(routes.page("/small", small), ENV);
    // All requests are under way before the first is answered, so none of them is refused.
    let within = clients(&server, &last("/first"), first, SHARE).await;
    let beyond = clients(&server, &last("/later"), later, BEYOND).await;
    first.permits.add_permits(SHARE);
    let is_full = || async { server.get("/small").await.0 == 503 };
    eventually("the share to be used up", is_full).await;
    later.permits.add_permits(BEYOND);
    tokio::time::sleep(EXCESS).await;
    let (within, beyond) = (rest_of(within).await, rest_of(beyond).await);
    assert!(
        within.iter().all(|text| is_whole(text)),
        "the first clients keep their time"
    );
    assert!(
        !beyond.iter().any(|text| is_whole(text)),
        "the other clients had 1 s"
    );
    let is_free = || async { server.get("/small").await.0 == 200 };
    eventually("the share to be free", is_free).await;
}
