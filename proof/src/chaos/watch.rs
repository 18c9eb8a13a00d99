//! Checks in both stores, during the run, the rules that must hold at every instant.
//!
//! Each look at a store is one script, so nothing changes during it. A look reads only the entries
//! that are newer than those of the last look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::Cmd;
use stack::operator::Operator;
use tokio::time::{MissedTickBehavior, interval};

use super::history::History;

/// Pause between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// The number of products that one script reads.
const PRODUCTS_AT_ONCE: usize = 100;
/// The number of violations that are kept; more violations say nothing new.
const MOST_KEPT: usize = 20;

/// For each product: its stock, `gone` for a tombstone or `none`; then the id and balance of the
/// last movement, and for each new movement its delta and balance.
const STOCK_SCRIPT: &str = r"
local answer = {}
for i = 1, #KEYS, 2 do
  local product = redis.call('GET', KEYS[i])
  local line = {product and (string.match(product, '^%d+ (%d+) ') or 'gone') or 'none'}
  for _, entry in ipairs(redis.call('XRANGE', KEYS[i + 1], '(' .. ARGV[(i + 1) / 2], '+')) do
    local delta, balance = string.match(entry[2][2], '^(%S+) (%S+)')
    line[#line + 1] = entry[1]
    line[#line + 1] = delta
    line[#line + 1] = balance
  end
  answer[#answer + 1] = line
end
return answer";

/// For each new event: its entry id, the id, status and total of its order, and its own total.
const MONEY_SCRIPT: &str = r"
local answer = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', 500)) do
  local fields = {}
  for f = 1, #entry[2], 2 do fields[entry[2][f]] = entry[2][f + 1] end
  local order = {false, false}
  if fields.order_id then
    local line = redis.call('GET', 'order:' .. fields.order_id)
    local total, later = string.match(line or '', '^%S+ %S+ %S+ (%S+) %S+ %S+ %S+ %S+ %S+(.*)$')
    if total then
      local refunded = string.find(later, ' refunded ', 1, true) and 'refunded'
      order = {refunded or string.match(later, '%a+') or 'pending', total}
    end
  end
  answer[#answer + 1] = {entry[1], fields.order_id or '', order[1] or '', order[2] or '',
    fields.total or ''}
end
return answer";

/// The result of all looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The number of products that were checked, over all looks.
    pub(super) stocks: u64,
    /// The number of events that were compared with their orders.
    pub(super) charges: u64,
    /// The rules that did not hold.
    pub(super) violations: Vec<String>,
}

/// The watch over one profile.
pub(super) struct Watch {
    pub(super) inventory: Arc<Operator>,
    pub(super) payments: Arc<Operator>,
    pub(super) products: Vec<String>,
    pub(super) history: Arc<History>,
    /// Whether a store may lose entries that an earlier look read.
    pub(super) may_forget: bool,
}

/// The last movement of a product in the last look.
#[derive(Clone, Debug)]
struct Mark {
    entry: String,
    balance: i64,
}

impl Watch {
    /// Looks until it is aborted. `seen` has the result so far.
    pub(super) async fn run(self, seen: Arc<Mutex<Seen>>) {
        let mut marks = HashMap::new();
        let mut last_event = "0".to_owned();
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut found = Vec::new();
            let mut stocks = 0;
            for products in self.products.chunks(PRODUCTS_AT_ONCE) {
                stocks += self.look_at_stock(products, &mut marks, &mut found).await;
            }
            let charges = self.look_at_money(&mut last_event, &mut found).await;
            for violation in &found {
                self.history
                    .note("violation", serde_json::json!({"what": violation}));
            }
            let mut seen = stack::locked(&seen);
            seen.stocks += stocks;
            seen.charges += charges;
            let room = MOST_KEPT.saturating_sub(seen.violations.len());
            seen.violations.extend(found.into_iter().take(room));
        }
    }

    async fn look_at_stock(
        &self,
        products: &[String],
        marks: &mut HashMap<String, Mark>,
        found: &mut Vec<String>,
    ) -> u64 {
        let mut script = Cmd::new();
        script
            .arg("EVAL_RO")
            .arg(STOCK_SCRIPT)
            .arg(products.len() * 2);
        for id in products {
            script
                .arg(format!("product:{id}"))
                .arg(format!("movements:{id}"));
        }
        for id in products {
            // The ledger of a store that may lose writes is read from its beginning each time.
            let mark = if self.may_forget { None } else { marks.get(id) };
            script.arg(mark.map_or("0", |mark| mark.entry.as_str()));
        }
        // If the store is away, the next look reads what this look missed.
        let Ok(lines) = self.inventory.run::<Vec<Vec<String>>>(&script).await else {
            return 0;
        };
        let mut looked_at = 0;
        for (id, line) in products.iter().zip(lines) {
            let mark = if self.may_forget {
                None
            } else {
                marks.remove(id)
            };
            let (mark, broken) = follow(mark, &line);
            found.extend(broken.map(|what| format!("product {id}: {what}")));
            if let Some(mark) = mark {
                marks.insert(id.clone(), mark);
            }
            looked_at += 1;
        }
        looked_at
    }

    async fn look_at_money(&self, last: &mut String, found: &mut Vec<String>) -> u64 {
        let mut script = Cmd::new();
        script
            .arg("EVAL_RO")
            .arg(MONEY_SCRIPT)
            .arg(1)
            .arg("order_completed")
            .arg(last.as_str());
        let Ok(lines) = self.payments.run::<Vec<[String; 5]>>(&script).await else {
            return 0;
        };
        let mut compared = 0;
        for [entry, order, status, total, told] in lines {
            *last = entry;
            // Poison has no order. A duplicate has the order of its original, and is compared too.
            if status.is_empty() {
                continue;
            }
            compared += 1;
            if !matches!(status.as_str(), "paid" | "refunded") || total != told {
                found.push(format!(
                    "order {order} is {status} of {total}, its event says {told}"
                ));
            }
        }
        compared
    }
}

/// Follows the ledger of a product from `mark` on: each balance has to be the balance before plus
/// the change, and the stock has to be the last balance.
fn follow(mark: Option<Mark>, line: &[String]) -> (Option<Mark>, Option<String>) {
    let Some((stock, movements)) = line.split_first() else {
        return (mark, None);
    };
    let mut mark = mark;
    for movement in movements.chunks_exact(3) {
        let [entry, delta, balance] = movement else {
            continue;
        };
        let before = mark.as_ref().map_or(0, |mark| mark.balance);
        let (Ok(delta), Ok(balance)) = (delta.parse::<i64>(), balance.parse::<i64>()) else {
            return (mark, Some(format!("movement {entry} is {movement:?}")));
        };
        if balance != before + delta || balance < 0 {
            let what = format!("{before} and {delta} make {balance} at {entry}");
            return (
                Some(Mark {
                    entry: entry.clone(),
                    balance,
                }),
                Some(what),
            );
        }
        mark = Some(Mark {
            entry: entry.clone(),
            balance,
        });
    }
    let Some(last) = mark else {
        return (
            None,
            (stock != "none").then(|| format!("stock {stock} without a movement")),
        );
    };
    let agrees = match stock.as_str() {
        "gone" => last.balance == 0,
        "none" => false,
        stock => stock.parse() == Ok(last.balance),
    };
    let what = (!agrees).then(|| format!("stock {stock}, its ledger says {}", last.balance));
    (Some(last), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(line: &[&str]) -> Option<String> {
        let line: Vec<String> = line.iter().map(|&text| text.to_owned()).collect();
        follow(None, &line).1
    }

    #[test]
    fn a_ledger_that_leads_to_the_stock_holds_and_any_other_does_not() {
        assert_eq!(look(&["3", "1-0", "5", "5", "2-0", "-2", "3"]), None);
        assert_eq!(look(&["gone", "1-0", "5", "5", "2-0", "-5", "0"]), None);
        assert_eq!(look(&["none"]), None);
        assert!(
            look(&["4", "1-0", "5", "5", "2-0", "-2", "3"]).is_some(),
            "another stock"
        );
        assert!(
            look(&["3", "1-0", "5", "5", "2-0", "-1", "3"]).is_some(),
            "a wrong balance"
        );
        assert!(
            look(&["-1", "1-0", "1", "1", "2-0", "-2", "-1"]).is_some(),
            "below zero"
        );
        assert!(
            look(&["gone", "1-0", "5", "5"]).is_some(),
            "a tombstone that has stock"
        );
        assert!(look(&["5"]).is_some(), "stock out of nowhere");
    }
}
