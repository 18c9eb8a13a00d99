//! One request of an intent, written into the history before it is sent and after it is answered.

use std::future::Future;
use std::sync::atomic::Ordering;

use super::http::Answer;
use super::{CLIENTS, Intent, Load, http};
use crate::chaos::history::{Call, Op};

impl Load {
    /// Sends one request to the replica whose turn it is.
    pub(super) fn attempt(
        &self,
        intent: &Intent<'_>,
        client: usize,
        turn: usize,
    ) -> impl Future<Output = Answer> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let shop = match intent.op {
            Op::Place | Op::Cancel | Op::Read => &self.shops.payments[turn % 2],
            _ => &self.shops.inventory[turn % 2],
        };
        let id = format!("chaos-{number}");
        let url = format!("{shop}{}", intent.path);
        let http = &self.clients[client % CLIENTS];
        let mut request = http::request(http, intent.method.clone(), &url, &id);
        request = match intent.op {
            Op::Read => request,
            // The owner changes any version of the product: no other client changes it.
            Op::Count | Op::Delete => request.header("If-Match", "*"),
            _ => request.header("Idempotency-Key", format!("chaos-{}", intent.number)),
        };
        if let Some(body) = &intent.body {
            request = request.json(body);
        }
        let is_order = matches!(intent.op, Op::Place | Op::Cancel | Op::Read);
        let mut call = Call {
            op: intent.op,
            client: u16::try_from(client % CLIENTS).unwrap_or_default(),
            request: id,
            intent: intent.number,
            product: intent.about.to_owned(),
            quantity: intent.quantity,
            invoked: self.history.now(),
            ..Call::default()
        };
        async move {
            self.history.invoke(&call);
            let answer = http::send(request).await;
            call.ended = self.history.now();
            (call.outcome, call.status) = (answer.outcome(), answer.status);
            answer.problem().clone_into(&mut call.problem);
            call.replayed = answer.replayed;
            call.order = if is_order { answer.order() } else { None };
            if call.op == Op::Create {
                call.product = answer.id().unwrap_or_default();
            }
            self.history.end(call);
            answer
        }
    }
}
