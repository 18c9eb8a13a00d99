//! The history of a run: what the clients asked and were answered, and what the harness did to the
//! system. Each is one line of JSON, in the order in which it happened.
//!
//! A call is written twice, as in Jepsen's histories: `invoke`, and then `ok`, `fail` (it certainly
//! had no effect) or `info` (it may have had an effect).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// What a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Op {
    /// Place an order.
    #[default]
    Place,
    /// Cancel an order.
    Cancel,
    /// Look at an order.
    Read,
    /// Put a product up for sale.
    Create,
    /// Pieces of a product arrived.
    Restock,
    /// A person counted the stock.
    Count,
    /// Take a product out of the catalogue.
    Delete,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer says that the request was done.
    Ok,
    /// The answer says that the request was not done.
    Fail,
    /// No answer came, or the answer does not say whether the request was done.
    #[default]
    Unknown,
}

/// One call, from its first byte to its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// What was asked for.
    pub(super) op: Op,
    /// Who asked.
    pub(super) client: u16,
    /// The id of this request. An order that the request places carries the id.
    pub(super) request: String,
    /// The number of the intent. All calls with the same idempotency key have the same intent.
    pub(super) intent: u32,
    /// The product or the order that the call is about, if it is known.
    pub(super) product: String,
    /// How many pieces.
    pub(super) quantity: u64,
    /// When it was sent.
    pub(super) invoked: Duration,
    /// When it ended.
    pub(super) ended: Duration,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// The HTTP status; 0 if no answer came.
    pub(super) status: u16,
    /// The order, as the answer shows it.
    pub(super) order: Option<SeenOrder>,
    /// The kind of problem in the answer; empty if the answer is no problem.
    pub(super) problem: String,
    /// Whether the answer says that it repeats the answer of an earlier request.
    pub(super) replayed: bool,
}

/// An order, as an answer showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenOrder {
    pub(super) id: String,
    pub(super) status: String,
    /// The fields of the order that never change, in one line.
    pub(super) fixed: String,
}

/// The history of one profile: kept in memory for the checker, and written down for people.
pub(super) struct History {
    started: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    calls: Vec<Call>,
    file: BufWriter<File>,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Cancel => "cancel",
            Self::Read => "read",
            Self::Create => "create",
            Self::Restock => "restock",
            Self::Count => "count",
            Self::Delete => "delete",
        }
    }
}

impl History {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let inner = Inner {
            calls: Vec::new(),
            file: BufWriter::new(file),
        };
        Ok(Self {
            started: Instant::now(),
            inner: Mutex::new(inner),
        })
    }

    /// The time since the profile began.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes that a call is sent.
    pub(super) fn invoke(&self, call: &Call) {
        self.write(call.invoked, "invoke", call_fields(call));
    }

    /// Writes how a call ended, and keeps the call.
    pub(super) fn end(&self, call: Call) {
        let kind = match call.outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Unknown => "info",
        };
        self.write(call.ended, kind, call_fields(&call));
        self.lock().calls.push(call);
    }

    /// Writes what the harness did to the system, or saw in it.
    pub(super) fn note(&self, kind: &str, fields: Value) {
        self.write(self.now(), kind, fields);
    }

    /// Writes that a fault happens now.
    pub(super) fn note_fault(&self, what: impl std::fmt::Display) {
        self.note("fault", json!({"fault": what.to_string()}));
    }

    /// All calls that ended so far, in the order of their ends.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// A full disk does not end the run: the checker reads from memory.
    fn write(&self, at: Duration, kind: &str, mut fields: Value) {
        fields["at_ms"] = json!(millis(at));
        fields["wall_ms"] = json!(wall_millis());
        fields["type"] = json!(kind);
        let mut inner = self.lock();
        let _ = writeln!(inner.file, "{fields}");
    }

    pub(super) fn flush(&self) {
        let _ = self.lock().file.flush();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        stack::locked(&self.inner)
    }
}

fn call_fields(call: &Call) -> Value {
    let mut fields = json!({
        "op": call.op.name(), "client": call.client, "request": call.request,
        "intent": call.intent, "product": call.product, "quantity": call.quantity,
    });
    if call.ended > Duration::ZERO {
        fields["status"] = json!(call.status);
        fields["problem"] = json!(call.problem);
        fields["replayed"] = json!(call.replayed);
    }
    if let Some(order) = &call.order {
        fields["order"] = json!({"id": order.id, "status": order.status, "fixed": order.fixed});
    }
    fields
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The clock on the wall, for people who compare the history with the logs of the processes.
#[expect(
    clippy::disallowed_methods,
    reason = "it is shown to people and decides nothing"
)]
fn wall_millis() -> u64 {
    millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}
