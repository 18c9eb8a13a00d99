//! A stand-in for inventory, which answers each product as a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use shared::contract::id::ProductId;
use stack::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A listening stand-in. Dropped, it refuses connections.
pub(crate) struct FakeInventory {
    url: String,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

/// What the stand-in does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Sends these bytes.
    Answer(String),
    /// Sends these bytes once the test releases all answers.
    Held(String),
    /// Closes the connection without an answer.
    HangUp,
    /// Closes the connection the first time, and sends these bytes from then on.
    HangUpOnce(String),
}

#[derive(Default)]
struct State {
    released: watch::Sender<bool>,
    behaviours: BTreeMap<String, Behaviour>,
    /// The heads of all requests, by product.
    questions: BTreeMap<String, Vec<String>>,
}

impl FakeInventory {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Self {
            url,
            state,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sets what happens with a request for this product.
    pub(crate) fn set(&self, id: ProductId, behaviour: Behaviour) {
        lock(&self.state)
            .behaviours
            .insert(id.to_string(), behaviour);
    }

    /// Offers this product at this price, a JSON value, and with this stock.
    pub(crate) fn offer(&self, id: ProductId, price: &str, quantity: u64) {
        self.set(id, Behaviour::Answer(product(id, price, quantity)));
    }

    /// Fails each request for this product.
    pub(crate) fn fail(&self, id: ProductId) {
        self.set(id, failure());
    }

    /// Says whether an order has taken its stock.
    pub(crate) fn set_taken(&self, product: ProductId, order: &str, is_taken: bool) {
        let movements = movements(is_taken.then_some(order));
        self.set_movement(product, order, Behaviour::Answer(movements));
    }

    /// Sets how a request is answered that asks what an order did to the stock.
    pub(crate) fn set_movement(&self, product: ProductId, order: &str, behaviour: Behaviour) {
        let path = format!("{product}/movements?order_id={order}");
        lock(&self.state).behaviours.insert(path, behaviour);
    }

    /// Says that inventory has this on record of an order.
    pub(crate) fn record(&self, order: &str, word: &str) {
        self.set_outcome(order, Behaviour::Answer(outcome(order, word)));
    }

    /// Sets how a request is answered that asks what inventory has on record of an order.
    pub(crate) fn set_outcome(&self, order: &str, behaviour: Behaviour) {
        lock(&self.state)
            .behaviours
            .insert(format!("admin/outcomes?orders={order}"), behaviour);
    }

    /// Releases all held answers, and holds none from now on.
    pub(crate) fn release(&self) {
        lock(&self.state).released.send_replace(true);
    }

    /// Waits until this product was requested this many times.
    pub(crate) async fn wait_asked(&self, id: ProductId, times: usize) {
        eventually("the questions", async || self.questions(id).len() >= times).await;
    }

    /// A new product with this price, as a JSON value, and this stock.
    pub(crate) fn product(&self, price: &str, quantity: u64) -> ProductId {
        let id = ProductId::mint();
        self.offer(id, price, quantity);
        id
    }

    /// The heads of all requests for this product or for this path below a product.
    pub(crate) fn questions(&self, id: impl std::fmt::Display) -> Vec<String> {
        let state = lock(&self.state);
        state
            .questions
            .get(&id.to_string())
            .cloned()
            .unwrap_or_default()
    }
}

/// The answer of inventory for a product.
pub(crate) fn product(id: ProductId, price: &str, quantity: u64) -> String {
    let body = format!(
        r#"{{"id":"{id}","name":"Tea","price":{price},"quantity":{quantity},"version":1}}"#
    );
    response("200 OK", "application/json", &body)
}

/// An inventory that fails.
pub(crate) fn failure() -> Behaviour {
    Behaviour::Answer(response("500 No", "text/plain", ""))
}

/// What inventory says about an order whose stock it has taken, or not.
fn movements(taken: Option<&str>) -> String {
    let movement = taken.map(|order| {
        format!(
            r#"{{"id":"1763632806410-0","kind":"sale","order_id":"{order}","delta":-2,"balance":40,"at":"2025-11-20T10:00:06.410Z"}}"#
        )
    });
    response(
        "200 OK",
        "application/json",
        &format!("[{}]", movement.unwrap_or_default()),
    )
}

/// The answer of inventory with the record of an order.
pub(crate) fn outcome(order: &str, outcome: &str) -> String {
    let movement = if outcome == "applied" {
        r#","movement_id":"1763632806410-0""#
    } else {
        ""
    };
    let body = format!(r#"[{{"order_id":"{order}","outcome":"{outcome}"{movement}}}]"#);
    response("200 OK", "application/json", &body)
}

/// The answer of inventory for an unknown product.
pub(crate) fn not_found() -> String {
    let body = r#"{"type":"/problems/not-found","status":404}"#;
    response("404 Not Found", "application/problem+json", body)
}

pub(crate) fn response(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Location: http://127.0.0.1:1/elsewhere\r\n\r\n{body}"
    )
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move { while answer(&mut stream, &state).await.is_some() {} });
    }
}

/// Answers one request. `None` if the connection closed, or has to be closed.
async fn answer(stream: &mut TcpStream, state: &Mutex<State>) -> Option<()> {
    let head = read_head(stream).await?;
    let path = head.split(' ').nth(1)?;
    let id = path
        .strip_prefix("/products/")
        .or(path.strip_prefix('/'))?
        .to_owned();
    let answer = match question(state, &id, head) {
        Behaviour::Answer(answer) => answer,
        Behaviour::Held(answer) => {
            let mut released = lock(state).released.subscribe();
            released.wait_for(|released| *released).await.ok()?;
            answer
        }
        Behaviour::HangUp => return None,
        Behaviour::HangUpOnce(answer) => {
            lock(state).behaviours.insert(id, Behaviour::Answer(answer));
            return None;
        }
    };
    stream.write_all(answer.as_bytes()).await.ok()
}

fn question(state: &Mutex<State>, id: &str, head: String) -> Behaviour {
    let mut state = lock(state);
    state.questions.entry(id.to_owned()).or_default().push(head);
    let behaviour = state.behaviours.get(id).cloned();
    behaviour.unwrap_or_else(|| Behaviour::Answer(not_found()))
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}
