//! Refuses query parameters and conditions that an operation does not declare in its document.
//!
//! Otherwise the operation would ignore an unknown query parameter: with a misspelled filter, a
//! list would show everything. It would also ignore an unknown condition, and change a version that
//! the client does not mean.
//!
//! For such a condition, RFC 9110 (13.1.1) demands that the change is not made, and leaves the
//! status to the server. The status is 400: after a 412, the client would get the newest version
//! and try again, for ever.
//!
//! Pages and probes take any query. Their answers do not depend on it, and a monitor may add a
//! query to get past a cache.

use percent_encoding::percent_decode_str;
use poem::Request;
use poem::http::{HeaderName, header};
use poem_openapi::registry::{MetaOperation, MetaParamIn};

use crate::http::problem::{INVALID_PARAMETER, Problem, told};

/// The parameters that an operation declares in the query and in headers.
#[derive(Default)]
pub(crate) struct Declared {
    query: Vec<String>,
    headers: Vec<HeaderName>,
}

/// Two names are near each other if at most one character in this number of characters differs.
const NEAR: usize = 3;
/// Why an operation refuses an entity tag.
const NO_VERSION: &str = "this operation has no version to compare; leave the header out";
/// Why a change refuses a date.
const NO_DATE: &str = "changes are conditional on versions only; where the answer to GET has an \
    ETag, send that in If-Match";

impl Declared {
    /// The parameters of an operation, as the OpenAPI document describes it.
    pub(crate) fn of(operation: &MetaOperation) -> Self {
        let named = |place| {
            let found = operation
                .params
                .iter()
                .filter(move |param| param.in_type == place);
            found.map(|param| param.name.as_str())
        };
        Self {
            query: named(MetaParamIn::Query).map(str::to_owned).collect(),
            headers: named(MetaParamIn::Header)
                .filter_map(|name| name.parse().ok())
                .collect(),
        }
    }

    /// Refuses a request with a query parameter or a condition that the operation does not take.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Problem> {
        self.check_conditions(request)?;
        match request.uri().query() {
            Some(query) => self.check_query(query),
            None => Ok(()),
        }
    }

    fn check_query(&self, query: &str) -> Result<(), Problem> {
        if query.contains('%') && percent_decode_str(query).decode_utf8().is_err() {
            let detail = "the query must be UTF-8, with % and two hex digits for each escaped byte";
            return Err(Problem::new(&INVALID_PARAMETER, detail));
        }
        let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
        match names.find(|name| !self.query.iter().any(|known| known == name)) {
            Some(unknown) => Err(self.unknown(&unknown)),
            None => Ok(()),
        }
    }

    fn unknown(&self, name: &str) -> Problem {
        let hint = match (self.nearest(name), self.query.as_slice()) {
            (Some(nearest), _) => format!("did you mean {nearest}?"),
            (None, []) => "this operation takes none".to_owned(),
            (None, known) => format!("this operation takes {}", known.join(", ")),
        };
        let detail = format!("{}: there is no such parameter; {hint}", told(name));
        Problem::new(&INVALID_PARAMETER, detail)
    }

    /// The parameter that a client may have meant.
    fn nearest(&self, name: &str) -> Option<&str> {
        // A much longer name is never near, and its distance would take long to compute.
        let longest = self.query.iter().map(String::len).max().unwrap_or_default();
        if name.len() > 2 * longest {
            return None;
        }
        let name = name.to_lowercase();
        let distances = self.query.iter().map(|known| {
            let distance = strsim::osa_distance(&name, &known.to_lowercase());
            (distance, known.as_str())
        });
        let is_near =
            |&(distance, known): &(usize, &str)| distance * NEAR <= known.len().max(name.len());
        distances.filter(is_near).min().map(|(_, known)| known)
    }

    /// Refuses a condition that the operation would ignore, unless ignoring it is harmless.
    ///
    /// A read may ignore `If-None-Match` and dates: the whole answer is always right. A change may
    /// ignore `If-Modified-Since`, which concerns reads only, and `If-Unmodified-Since` beside
    /// `If-Match` (RFC 9110, section 13.2.2). A change with `If-Unmodified-Since` alone is refused:
    /// a date has a precision of 1 s, and two changes may happen within 1 s.
    fn check_conditions(&self, request: &Request) -> Result<(), Problem> {
        let given = |name: &HeaderName| request.headers().contains_key(name);
        let ignored = |name: &HeaderName| given(name) && !self.headers.contains(name);
        let changes = !request.method().is_safe();
        let (name, reason) = if ignored(&header::IF_MATCH) {
            ("If-Match", NO_VERSION)
        } else if changes && ignored(&header::IF_NONE_MATCH) {
            ("If-None-Match", NO_VERSION)
        } else if changes && given(&header::IF_UNMODIFIED_SINCE) && !given(&header::IF_MATCH) {
            ("If-Unmodified-Since", NO_DATE)
        } else {
            return Ok(());
        };
        Err(Problem::new(
            &INVALID_PARAMETER,
            format!("{name}: {reason}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use poem::http::Method;

    use super::*;
    use crate::http::problem::MAX_TOLD;

    fn declared(query: &[&str], headers: &[HeaderName]) -> Declared {
        let query = query.iter().copied().map(str::to_owned).collect();
        Declared {
            query,
            headers: headers.to_vec(),
        }
    }

    fn refusal(declared: &Declared, query: &str) -> Option<String> {
        let request = Request::builder()
            .uri(format!("/orders?{query}").parse().unwrap())
            .finish();
        declared.check(&request).err().map(|problem| {
            assert_eq!(problem.kind(), &INVALID_PARAMETER);
            problem.to_string().split_once(": ").unwrap().1.to_owned()
        })
    }

    #[test]
    fn what_is_declared_is_taken_however_it_is_spelled() {
        let list = declared(&["limit", "product_id"], &[]);
        for query in [
            "",
            "&",
            "&&",
            "limit=1",
            "limit",
            "&limit=1&&product_id=7&",
            "l%69mit=1",
            "limit=%C3%A9",
        ] {
            assert_eq!(refusal(&list, query), None, "{query}");
        }
    }

    #[test]
    fn what_is_not_declared_is_named_and_the_nearest_name_beside_it() {
        let list = declared(&["limit", "status", "product_id", "created_after"], &[]);
        let takes = "there is no such parameter; this operation takes limit, status, product_id, created_after";
        for (query, expected) in [
            (
                "stauts=paid",
                "stauts: there is no such parameter; did you mean status?".to_owned(),
            ),
            (
                "Limit=1",
                "Limit: there is no such parameter; did you mean limit?".to_owned(),
            ),
            (
                "limit=1&productId=7",
                "productId: there is no such parameter; did you mean product_id?".to_owned(),
            ),
            (
                "statu%73%20=1",
                "\"status \": there is no such parameter; did you mean status?".to_owned(),
            ),
            ("page=2", format!("page: {takes}")),
            ("=x", format!("\"\": {takes}")),
            ("filter[status]=paid", format!("filter[status]: {takes}")),
            ("a%0Ab=1", format!("\"a\\nb\": {takes}")),
            (
                &"x".repeat(5_000),
                format!("\"{}\"...: {takes}", "x".repeat(MAX_TOLD)),
            ),
        ] {
            assert_eq!(refusal(&list, query), Some(expected), "{query}");
        }
        let expected = "x: there is no such parameter; this operation takes none";
        assert_eq!(refusal(&declared(&[], &[]), "x").as_deref(), Some(expected));
        let expected = "the query must be UTF-8, with % and two hex digits for each escaped byte";
        assert_eq!(refusal(&list, "status=%ff").as_deref(), Some(expected));
    }

    #[test]
    fn a_condition_is_refused_where_nobody_would_look_at_it() {
        let with = |method: Method, names: &[HeaderName], declared: &Declared| {
            let request = names
                .iter()
                .fold(Request::builder().method(method), |request, name| {
                    request.header(name.clone(), "\"1\"")
                });
            declared.check(&request.finish()).is_ok()
        };
        let (none, both) = (
            declared(&[], &[]),
            declared(&[], &[header::IF_MATCH, header::IF_NONE_MATCH]),
        );
        let (only, not) = ([header::IF_MATCH], [header::IF_NONE_MATCH]);
        let (until, since) = ([header::IF_UNMODIFIED_SINCE], [header::IF_MODIFIED_SINCE]);
        let two = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];
        for (method, names, of_none, of_both) in [
            (Method::POST, &only[..], false, true),
            (Method::POST, &not[..], false, true),
            (Method::POST, &until[..], false, false),
            (Method::POST, &two[..], false, true),
            (Method::POST, &since[..], true, true),
            (Method::GET, &only[..], false, true),
            (Method::GET, &not[..], true, true),
            (Method::GET, &until[..], true, true),
        ] {
            assert_eq!(
                with(method.clone(), names, &none),
                of_none,
                "{method} {names:?}"
            );
            assert_eq!(
                with(method.clone(), names, &both),
                of_both,
                "{method} {names:?}"
            );
        }
    }
}
