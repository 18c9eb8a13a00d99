//! The explorer at `/docs`, in a real browser that reaches only this machine.

use stack::system::System;
use stack::wait::eventually;

use crate::browser::Browser;

/// The explorer consists of components. Each has a tree of its own that no selector enters.
const FIND: &str = "
const find = (root, selector) => {
  for (const element of root.querySelectorAll('*')) {
    if (element.matches(selector)) return element;
    const inner = element.shadowRoot && find(element.shadowRoot, selector);
    if (inner) return inner;
  }
};
const found = find(document, arguments[0]);
";

impl Browser {
    /// The text of the first element that matches; empty if no element matches.
    async fn text(&self, selector: &str) -> String {
        let script = format!("{FIND} return found ? found.innerText : '';");
        self.execute(&script, &[selector])
            .await
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn click(&self, selector: &str) {
        self.execute(&format!("{FIND} found.click();"), &[selector])
            .await;
    }

    async fn wait_text(&self, selector: &str, wanted: &str) {
        let what = format!("{wanted:?} in {selector}");
        eventually(&what, async || self.text(selector).await.contains(wanted)).await;
    }
}

/// Opens an operation, presses the button, and waits for the answer.
async fn try_operation(
    browser: &Browser,
    url: &str,
    (operation, title, answer): (&str, &str, &str),
) {
    browser
        .visit(&format!("{url}/docs#?route={operation}"))
        .await;
    browser.wait_text("h2", title).await;
    browser.wait_text(".btn-execute", "EXECUTE").await;
    browser.click(".btn-execute").await;
    browser.wait_text(".response-message", answer).await;
}

#[tokio::test]
async fn the_explorer_sends_requests_and_asks_no_other_host() {
    let system = System::builder().start().await.unwrap();
    let (inventory, payments) = (system.inventory_url(), system.payments_url());
    let browser = Browser::open().await;
    let create = ("post-/products", "Create a product", "(201)");
    let list = ("get-/orders", "List orders", "(200)");
    try_operation(&browser, &inventory, create).await;
    try_operation(&browser, &payments, list).await;
    let requested = browser.requested().await;
    let own = |url: &&String| url.starts_with(&inventory) || url.starts_with(&payments);
    assert_eq!(
        requested.iter().filter(own).count(),
        requested.len(),
        "{requested:#?}"
    );
    assert!(
        requested.contains(&format!("{inventory}/products")),
        "{requested:#?}"
    );
}
