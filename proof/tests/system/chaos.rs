//! Runs chaos itself: a quarter of a minute with every kind of fault.

use std::sync::{Arc, Mutex};

use proof::chaos;
use proof::chaos::{Options, Scale};
use stack::binaries;

/// The rules that the report names.
const RULES: [&str; 15] = [
    "StockFollowsLedger",
    "StockRecounts",
    "MoneyIsExact",
    "StoresAgree",
    "AcknowledgedExists",
    "EffectsHappenOnce",
    "NothingInvented",
    "StatusNeverGoesBack",
    "NeverPaidEarly",
    "NothingLeftOver",
    "NothingTrimmedUnread",
    "LossWithinBound",
    "RecoversInTime",
    "ResourcesComeBack",
    "FiguresReached",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promise_holds_through_a_quarter_of_a_minute_of_everything() {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let said = lines.clone();
    let options = Options {
        seed: 7,
        scale: Scale::Smoke,
        only: None,
        keep_in: None,
        binaries: tokio::task::spawn_blocking(binaries::shared)
            .await
            .unwrap()
            .unwrap(),
        say: Arc::new(move |line: &str| said.lock().unwrap().push(line.to_owned())),
    };
    let held = chaos::run(options).await;
    let report = lines.lock().unwrap().join("\n");
    assert!(held.unwrap(), "{report}");
    for rule in RULES {
        let line = format!("\n  {rule:<20} holds for ");
        assert!(report.contains(&line), "{rule}: {report}");
    }
}
