//! The page about a kind of problem, for people who open the `type` of a problem.

use super::Kind;

/// The page about the kind with this slug, or `None` if `kinds` has no such kind.
pub(crate) fn page(kinds: &[&'static Kind], slug: &str) -> Option<String> {
    let Kind {
        slug,
        status,
        title,
        advice,
    } = kinds.iter().find(|kind| kind.slug == slug)?;
    let (title, advice) = (escape(title), escape(advice));
    Some(format!(
        r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}
</style>
<h1>{title}</h1>
<p>Status <code>{status}</code>, type <code>/problems/{slug}</code></p>
<h2>What to do</h2>
<p>{advice}</p>
<p>The <code>detail</code> of the answer says what happened this time. Quote its
<code>request_id</code> when you ask for help.</p>
<p><a href="../docs">The API</a></p>
</html>
"#
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::KINDS;
    use super::*;

    #[test]
    fn nothing_on_the_page_is_taken_for_markup() {
        assert_eq!(escape(r#"<b a="&">"#), "&lt;b a=&quot;&amp;&quot;&gt;");
        assert_eq!(page(KINDS, "nothing"), None);
        assert_eq!(page(KINDS, "<b>"), None);
    }
}
