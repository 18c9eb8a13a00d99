//! The headers `If-Match` and `If-None-Match`, as parameters of an operation.

use poem::Request;
use poem::http::{HeaderName, header};

use super::{Tag, Tags, Unreadable};
use crate::http::parameter::header_parameter;
use crate::http::problem::{INVALID_PARAMETER, Problem};
use crate::store::condition::Versions;

/// `If-Match`: the resource must have one of these versions. Weak tags match no version.
#[derive(Debug)]
pub struct IfMatchHeader(pub(super) Option<Versions>);

/// `If-None-Match`: a change is made only if the resource has none of these versions. A reader
/// lists the versions that it has already.
#[derive(Debug)]
pub struct IfNoneMatchHeader(pub(super) Option<Versions>);

impl IfMatchHeader {
    fn read(request: &Request) -> Result<Self, Problem> {
        let strong = |tag: &Tag<'_>| !tag.weak;
        read(request, &header::IF_MATCH, strong).map(Self)
    }
}

impl IfNoneMatchHeader {
    /// An unreadable header is refused for a change. For a read it is ignored: then the client gets
    /// the whole answer, which is always right.
    fn read(request: &Request) -> Result<Self, Problem> {
        match read(request, &header::IF_NONE_MATCH, |_| true) {
            Err(_) if request.method().is_safe() => Ok(Self(None)),
            versions => versions.map(Self),
        }
    }
}

fn read(
    request: &Request,
    name: &HeaderName,
    counts: impl Fn(&Tag<'_>) -> bool,
) -> Result<Option<Versions>, Problem> {
    let tags = Tags::of(request, name).map_err(|Unreadable| {
        let expected = "expected * or entity tags in quotes, such as \"7\"";
        Problem::new(&INVALID_PARAMETER, format!("{}: {expected}", spelled(name)))
    })?;
    Ok(tags.map(|tags| match tags {
        Tags::Any => Versions::Any,
        Tags::Listed(tags) => {
            let counting = tags.iter().filter(|tag| counts(tag));
            Versions::Listed(counting.filter_map(Tag::version).collect())
        }
    }))
}

/// The name of the header as people write it.
fn spelled(name: &HeaderName) -> &'static str {
    if name == header::IF_MATCH {
        "If-Match"
    } else {
        "If-None-Match"
    }
}

header_parameter!(IfMatchHeader: String, IfNoneMatchHeader: String);

/// Conditions of a request without a handler.
#[cfg(test)]
pub(super) fn read_both(request: &Request) -> Result<(IfMatchHeader, IfNoneMatchHeader), Problem> {
    Ok((
        IfMatchHeader::read(request)?,
        IfNoneMatchHeader::read(request)?,
    ))
}
